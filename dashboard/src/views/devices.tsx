// Who may open and steer sessions, and how to end it.
import { PlusIcon } from "@primer/octicons-react";
import { type ReactElement, useCallback, useEffect, useState } from "react";
import { Dialog, Go, Note } from "../components/basics.tsx";
import { fullTime, plainName } from "../components/format.ts";
import { useClient, useSignal } from "../components/hooks.ts";
import { StatusShape } from "../components/marks.tsx";
import { Page } from "../components/page.tsx";
import type { Device } from "../state/client.ts";

/** A device with its name as it may be shown. */
export function named(device: Device): Device {
  return device.name === null ? device : { ...device, name: plainName(device.name) };
}

export function DevicesView({ say }: { say(message: string): void }): ReactElement {
  const client = useClient();
  const changed = useSignal(client.devicesChanged);
  const connection = useSignal(client.connection);
  const [devices, setDevices] = useState<readonly Device[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [revoking, setRevoking] = useState<Device | null>(null);

  const load = useCallback(async () => {
    try {
      setDevices((await client.devices()).map(named));
      setError(null);
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
    }
  }, [client]);
  useEffect(() => void load(), [load, changed, connection.state]);

  const revoke = async (device: Device) => {
    setRevoking(null);
    try {
      await client.api.revokeDevice(device.id);
      say(`${device.name ?? "The device"} is revoked.`);
      await load();
    } catch (failure) {
      say(failure instanceof Error ? failure.message : String(failure));
    }
  };

  const kinds = [
    { kind: "agent", title: "Machines", what: "run sessions, and read those they run", none: "No machine is paired yet." },
    { kind: "browser", title: "Browsers", what: "read and steer all sessions", none: "" },
  ] as const;
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
        {error !== null && (
          <Note tone="bad" icon={<StatusShape shape="failed" />} title="The devices could not be loaded">
            <p>{error}</p>
          </Note>
        )}
        {devices !== null &&
          kinds.map(({ kind, title, what, none }) => {
            const found = devices.filter((device) => device.kind === kind);
            return (
              <section key={kind} className="devsec">
                <h2>{title}</h2>
                <p className="dim small">They {what}.</p>
                {found.length === 0 ? (
                  <p className="mid">{none}</p>
                ) : (
                  <table className="tbl fold">
                    <thead>
                      <tr>
                        <th>Name</th>
                        <th className="hide">Since</th>
                        <th className="r" />
                      </tr>
                    </thead>
                    <tbody>
                      {found.map((device) => (
                        <tr key={device.id} className={device.revokedAt === null ? "" : "revoked"} data-testid="device-row" data-device-id={device.id} data-revoked={device.revokedAt !== null || undefined}>
                          <td>
                            <span className="devname">{device.name ?? "Name cannot be read"}</span>
                            {device.isThis && <span className="dim"> this browser</span>}
                          </td>
                          <td className="dim tnum hide">
                            {fullTime(device.createdAt)}
                            {device.revokedAt !== null && `; revoked ${fullTime(device.revokedAt)}`}
                          </td>
                          <td className="r">
                            {device.revokedAt === null ? (
                              <button type="button" className="b bare" onClick={() => setRevoking(device)} data-testid="device-revoke">
                                Revoke…
                              </button>
                            ) : (
                              <span className="dim">revoked</span>
                            )}
                          </td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                )}
              </section>
            );
          })}
        <p className="dim small devnote">
          Whoever holds your secret key can sign in again as a new device. Revoking ends what a device may do at the relay from now on; it cannot make it forget what it has read.
        </p>
      </Page>
      {revoking !== null && (
        <Dialog title={`Revoke ${revoking.name ?? "this device"}?`} onClose={() => setRevoking(null)}>
          <p className="mid">
            {revoking.isThis
              ? "This is the browser you are using. It is signed out at once; with your secret key you can sign in again as a new device."
              : revoking.kind === "agent"
                ? "Its sessions lose their connection at once and it can start no new ones until it is paired again. What it sent so far stays."
                : "It is signed out at once and receives nothing more."}
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
