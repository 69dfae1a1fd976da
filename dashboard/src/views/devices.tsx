// Who may open and steer sessions, and how to end it.
import { AlertIcon, PlusIcon } from "@primer/octicons-react";
import { type ReactElement, useCallback, useEffect, useState } from "react";
import { Dialog, Go, Note } from "../components/basics.tsx";
import { fullTime, plainName, plural } from "../components/format.ts";
import { useClient, useSignal } from "../components/hooks.ts";
import { StatusShape } from "../components/marks.tsx";
import { NewKeyHow } from "../components/newkey.tsx";
import { Page } from "../components/page.tsx";
import { changeInWords, type Device, type DeviceBook } from "../state/devicebook.ts";
import { wordsOf } from "../state/errors.ts";
import { Cover } from "./cover.tsx";

/** A device with its name as it may be shown. */
export function named(device: Device): Device {
  return device.name === null ? device : { ...device, name: plainName(device.name) };
}

/** The devices as this browser knows them, kept current. */
export function useDevices(): readonly Device[] {
  const client = useClient();
  const book = useSignal(client.book);
  useSignal(client.devicesChanged);
  return (book?.devices ?? []).map(named);
}

function since({ createdAt, revokedAt }: Device): string {
  return fullTime(createdAt) + (revokedAt === null ? "" : `; revoked ${fullTime(revokedAt)}`);
}

const kindWords = { agent: "machine", browser: "browser", unnamed: "sign-in without a device" } as const;

function nameOf(device: Device): string {
  return device.name ?? (device.stated ? "Name cannot be read" : "No name");
}

export function DevicesView({ say }: { say(message: string): void }): ReactElement {
  const client = useClient();
  const connection = useSignal(client.connection);
  const devices = useDevices();
  const book = useSignal(client.book);
  const [error, setError] = useState<string | null>(null);
  const [revoking, setRevoking] = useState<Device | null>(null);

  const load = useCallback(async () => {
    try {
      await client.devices();
      setError(null);
    } catch (failure) {
      setError(wordsOf(failure));
    }
  }, [client]);
  useEffect(() => void load(), [load, connection.state]);

  const revoke = async (device: Device) => {
    setRevoking(null);
    try {
      await client.revokeDevice(device.id);
      say(`${nameOf(device)} is revoked.`);
    } catch (failure) {
      say(`${wordsOf(failure)} Here it counts as revoked; the relay is told as soon as it answers.`);
    }
  };

  const kinds = [
    { kind: "agent", title: "Machines", what: "They run sessions, and read those they run.", none: "No machine is paired yet." },
    { kind: "browser", title: "Browsers", what: "They read and steer all sessions, and hold your secret key.", none: "" },
  ] as const;
  const unstated = devices.filter((device) => !device.stated);
  return (
    <>
      <Page
        title="Devices"
        testId="devices"
        action={
          <Go to="/pair" className="b">
            <PlusIcon className="i" /> Pair a machine
          </Go>
        }
      >
        <div className="notes">
          {error !== null && (
            <Note tone="bad" icon={<StatusShape shape="failed" />} title="The relay's list of devices could not be read">
              <p>{error} What this browser knows of them is shown.</p>
            </Note>
          )}
          {book !== null && (
            <>
              <Lacking book={book} say={say} />
              <Returned book={book} />
              <Announced book={book} onRevoke={setRevoking} />
            </>
          )}
        </div>
        {kinds.map(({ kind, title, what, none }) => {
          const found = devices.filter((device) => device.stated && device.kind === kind);
          return (
            <section key={kind} className="devsec">
              <h2>{title}</h2>
              <p className="dim small">{what}</p>
              {found.length === 0 ? (
                <p className="mid">{none}</p>
              ) : (
                <DeviceTable devices={found} onRevoke={setRevoking} />
              )}
            </section>
          );
        })}
        {unstated.length > 0 && (
          <section className="devsec">
            <h2>Known to the relay alone</h2>
            <p className="dim small">No statement of your key names them. This dashboard opens nothing of theirs, and nothing here is done on their word.</p>
            <DeviceTable devices={unstated} />
          </section>
        )}
        <p className="dim small devnote">
          Names, additions and revocations stand in a list that your key signs; the relay only carries it. Revoking is for ever and ends what a device may do from now on. It cannot make it forget what it has read, and it takes
          no secret key back: after losing a browser, <NewKeyHow />.
        </p>
      </Page>
      {revoking !== null && (
        <Dialog title={`Revoke ${nameOf(revoking)} for ever?`} onClose={() => setRevoking(null)}>
          {/* Two browsers may have one name: the list tells them apart by this. */}
          <p className="dim small">Here since {fullTime(revoking.createdAt)}</p>
          <p className="mid">
            {revoking.isThis
              ? "This is the browser you are using. It is locked at once; with your secret key you can sign in again as a new device."
              : revoking.kind === "agent"
                ? "It loses its connection at once and nothing is done there any more on your word until it is paired anew, as a new device. What it sent so far stays, for reading."
                : "It is locked at once and receives nothing more. Nothing that it sends is done any more. The secret key that it holds is not taken from it: if it is lost or stolen, begin anew with a new key; below the list stands how."}
          </p>
          <div className="acts flush">
            <button type="button" className="b" onClick={() => setRevoking(null)}>
              Keep it
            </button>
            <span className="grow" />
            <button type="button" className="b fail" onClick={() => void revoke(revoking)} data-testid="device-revoke-confirm">
              Revoke {revoking.name ?? "it"}
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}

function DeviceTable({ devices, onRevoke }: { devices: readonly Device[]; onRevoke?: (device: Device) => void }): ReactElement {
  return (
    <table className="tbl fold">
      <thead>
        <tr>
          <th>Name</th>
          <th className="hide">Since</th>
          <th className="r" />
        </tr>
      </thead>
      <tbody>
        {devices.map((device) => (
          <tr
            key={device.id}
            className={device.revokedAt === null ? "" : "revoked"}
            data-testid="device-row"
            data-device-id={device.id}
            data-kind={device.kind}
            data-stated={device.stated}
            data-revoked={device.revokedAt !== null || undefined}
          >
            <td>
              <span className="devname">{nameOf(device)}</span>
              {device.isThis && <span className="dim"> this browser</span>}
              {!device.stated && <span className="dim"> {kindWords[device.kind]}</span>}
              <span className="dim tnum small only-phone devsince">{since(device)}</span>
            </td>
            <td className="dim tnum hide">{since(device)}</td>
            <td className="r">
              {device.revokedAt !== null ? (
                <span className="dim">revoked</span>
              ) : onRevoke === undefined ? null : (
                <button type="button" className="b bare" onClick={() => onRevoke(device)} data-testid="device-revoke">
                  Revoke…
                </button>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What the relay leaves out. */
function Lacking({ book, say }: { book: DeviceBook; say(message: string): void }): ReactElement {
  const lacking = useSignal(book.lacking);
  const [busy, setBusy] = useState(false);
  if (lacking.length === 0) return <></>;
  const takeOver = async () => {
    setBusy(true);
    try {
      await book.takeOver();
      say("The relay's list holds everything again.");
    } catch (failure) {
      say(wordsOf(failure));
    }
    setBusy(false);
  };
  return (
    <Note tone="bad" icon={<AlertIcon className="i" />} title="The relay's list leaves out what this browser has seen" testId="devices-lacking">
      <p>It does not say:</p>
      {lacking.map((change, i) => (
        <p key={i} data-testid="devices-lacking-change">
          – {changeInWords({ ...change, name: change.name === null ? null : plainName(change.name) })}, {fullTime(change.at)}
        </p>
      ))}
      <p>
        Here it counts all the same. This happens when the relay was set back to an older copy and devices were added since; or when somebody wants a revoked device back. If you do not know why, ask whoever runs the relay
        before you go on.
      </p>
      <div className="acts">
        <button type="button" className="b" disabled={busy} onClick={() => void takeOver()} data-testid="devices-take-over">
          {busy ? "Taking over…" : "Take over what is missing"}
        </button>
        <span className="dim small">signs it with your key and adds it to the relay's list</span>
      </div>
    </Note>
  );
}

function Returned({ book }: { book: DeviceBook }): ReactElement {
  const count = useSignal(book.returned);
  if (count === 0) return <></>;
  return (
    <Note tone="ask" icon={<AlertIcon className="i" />} title="The relay had lost a part of the list of devices" testId="devices-returned">
      <p>This browser gave back {plural(count, "statement")}, and the list is whole again. This happens when a relay is restored from a backup.</p>
      <div className="acts">
        <button type="button" className="b" onClick={() => book.returned.set(0)} data-testid="devices-returned-ok">
          I have seen this
        </button>
      </div>
    </Note>
  );
}

function Announced({ book, onRevoke }: { book: DeviceBook; onRevoke(device: Device): void }): ReactElement {
  const client = useClient();
  useSignal(client.devicesChanged);
  const found = book.unannounced.map(named);
  if (found.length === 0) return <></>;
  return (
    <Note tone="ask" icon={<AlertIcon className="i" />} title={found.length === 1 ? "A device was added elsewhere" : `${found.length} devices were added elsewhere`} testId="devices-announced">
      {found.map((device) => (
        <p key={device.id} data-testid="devices-announced-device">
          <b>{nameOf(device)}</b>, a {kindWords[device.kind]}, {since(device)}{" "}
          {device.revokedAt === null && (
            <button type="button" className="link" onClick={() => onRevoke(device)}>
              Revoke…
            </button>
          )}
        </p>
      ))}
      <p>Somebody with your secret key added {found.length === 1 ? "it" : "them"} from another browser. If that was not you, revoke {found.length === 1 ? "it" : "them"} and <NewKeyHow />.</p>
      <div className="acts">
        <button type="button" className="b" onClick={() => void client.acknowledgeDevices()} data-testid="devices-acknowledge">
          {found.length === 1 ? "That was me" : "Those were me"}
        </button>
      </div>
    </Note>
  );
}

/** What somebody sees who signed in with a key: whose devices there are. */
export function FirstLook(): ReactElement {
  const client = useClient();
  const devices = useDevices();
  const changedAt = useSignal(client.book)?.changedAt ?? 0;
  return (
    <Cover wide>
      <h1 className="title">These devices belong to your account</h1>
      <p className="mid sub" data-testid="first-look">
        The list last changed on <b>{fullTime(changedAt)}</b>. What you sign in to can be no newer than what the relay shows: if a device or a change of yours is missing, ask why before you go on.
      </p>
      <DeviceTable devices={devices.filter((device) => device.stated)} />
      <div className="btnrow">
        <button type="button" className="b main big" onClick={() => void client.acknowledgeDevices()} data-testid="first-look-ok">
          I know them all
        </button>
        <button type="button" className="b big" onClick={() => client.firstLook.set(false)} data-testid="first-look-later">
          One is not mine
        </button>
      </div>
      <p className="dim small">With “One is not mine” they stay announced under Devices, where you can revoke them.</p>
    </Cover>
  );
}
