// The log: what this browser checked of it, in words, with everything needed to check it again elsewhere.
import { AlertIcon, CheckIcon, ChevronRightIcon, DashIcon, DotIcon, XIcon } from "@primer/octicons-react";
import { type ReactElement, type ReactNode, useEffect, useState } from "react";
import { CopyButton, Note } from "../components/basics.tsx";
import { download } from "../components/download.ts";
import { day, fullTime, number, plural, since, time } from "../components/format.ts";
import { useClient, useNow, useSignal } from "../components/hooks.ts";
import { LogNumber, Rosette } from "../components/marks.tsx";
import { Page } from "../components/page.tsx";
import { Checked } from "../components/truthline.tsx";
import { eventNames } from "../crypto/index.ts";
import type { LogStatus, LogWatch } from "../state/logwatch.ts";
import type { Alarm, AlarmKind } from "../state/logmemory.ts";

export function LogView(): ReactElement {
  const client = useClient();
  const watch = useSignal(client.watch);
  const connection = useSignal(client.connection);
  useEffect(() => {
    if (connection.state === "live") void watch.again();
  }, [watch, connection.state]);
  return (
    <Page title="Log" className="log" testId="log-panel">
      <Alarms watch={watch} />
      <NewLog watch={watch} />
      <Certificate watch={watch} />
      <Latest watch={watch} />
      <Raw watch={watch} />
    </Page>
  );
}

function fingerprint(root: string): string {
  return (root.slice(0, 16).match(/.{4}/g) ?? []).join(" ");
}

/** The part of a verifier's text that a person can compare. */
export function keyName(key: string): string {
  const [name, id] = key.split("+");
  return `${(name ?? "").replace(/^consortium-log\//, "")}+${id ?? ""}`;
}

function sentence(log: LogStatus, revision: number): string {
  const from = log.first === null ? "" : `#${number(log.first)}`;
  switch (log.state) {
    case "verified":
      return log.first === log.proved
        ? `Entry ${from} of your account is in the log. Here this browser first looked; of what was before, only what it shows is compared.`
        : `Every entry of your account from ${from} on is in the log, in order, and none was changed since this browser first looked.`;
    case "checking":
      return log.proved === null ? "Nothing is proved yet." : `Up to #${number(log.proved)} it is proved; what is newer is not yet.`;
    case "refuted":
      return `What the relay shows contradicts what this browser has seen.${log.proved === null ? "" : ` Proved up to #${number(log.proved)}; nothing after it.`}`;
    case "unavailable":
      return `This relay does not prove its log${log.checkpoint === null ? "" : " any more; it did before"}. #${number(revision)} is stored, and what is shown was opened here, but that the relay keeps everything, in order and unchanged, is not checked.`;
    case "unknown":
      return "Nothing was checked on this connection yet.";
  }
}

function Certificate({ watch }: { watch: LogWatch }): ReactElement {
  const client = useClient();
  const log = useSignal(watch.status);
  const revision = useSignal(client.revision);
  const alarms = useSignal(watch.alarms);
  const connection = useSignal(client.connection);
  const [busy, setBusy] = useState(false);
  const now = useNow(10_000);
  const failed: AlarmKind | null = log.state === "refuted" ? (alarms.findLast((alarm) => alarm.kind !== "seen")?.kind ?? "history") : null;
  const again = async () => {
    setBusy(true);
    await watch.again();
    setBusy(false);
  };
  const host = new URL(client.api.origin).host;
  const saved = watch.saved;
  return (
    <section aria-labelledby="log-certificate">
      <div className="cert" data-testid="certificate" data-state={log.state}>
        {log.checkpoint === null ? <div className="rosette blank" aria-hidden="true" /> : <Rosette hex={log.checkpoint.root.slice(0, 16)} size={132} className={log.state === "refuted" ? "refuted" : ""} />}
        <div>
          <p className="no">
            {host}
            {log.acceptedAt > 0 && `, ${fullTime(log.acceptedAt)}`}
          </p>
          <h2 className="bigno" id="log-certificate">
            <Checked log={log} revision={revision} name="certificate" />
          </h2>
          <p className="lead" data-testid="log-sentence">
            {sentence(log, revision)}
          </p>
        </div>
      </div>
      {log.state !== "unavailable" && <Checks log={log} failed={failed} now={now} />}
      {log.trouble !== null && log.state !== "refuted" && <p className="dim small">It could not be checked now: {log.trouble} It is tried again.</p>}
      <div className="btnrow">
        <button type="button" className="b" disabled={busy || connection.state !== "live"} onClick={() => void again()} data-testid="log-again">
          {busy ? "Checking…" : "Check again"}
        </button>
        <button
          type="button"
          className="b"
          disabled={saved === null}
          data-testid="log-save-proof"
          onClick={() => saved !== null && download(`consortium-proof-${saved.records.at(-1)?.revision ?? 0}.json`, `${JSON.stringify({ about: "Records of a Consortium log, each with its proof under the checkpoint", ...saved }, null, 2)}\n`, "application/json")}
        >
          Save proof
        </button>
        <button
          type="button"
          className="b"
          disabled={log.checkpoint === null}
          data-testid="log-save-checkpoint"
          onClick={() => log.checkpoint !== null && download(`consortium-checkpoint-${log.checkpoint.size}.txt`, log.checkpoint.note)}
        >
          Save checkpoint
        </button>
      </div>
    </section>
  );
}

type CheckState = "ok" | "open" | "none" | "failed";

function Check({ state, title, children, name }: { state: CheckState; title: string; children: ReactNode; name: string }): ReactElement {
  const icons = { ok: <CheckIcon className="i" />, open: <DotIcon className="i" />, none: <DashIcon className="i" />, failed: <XIcon className="i" /> };
  const words = { ok: "holds", open: "not yet", none: "nothing to compare with", failed: "failed" };
  return (
    <li data-state={state} data-testid="log-check" data-check={name}>
      <span role="img" aria-label={words[state]}>
        {icons[state]}
      </span>
      <div>
        <b>{title}</b>
        <span>{children}</span>
      </div>
    </li>
  );
}

function Checks({ log, failed, now }: { log: LogStatus; failed: AlarmKind | null; now: number }): ReactElement {
  const { checkpoint, from, first, proved } = log;
  const failing = (...kinds: AlarmKind[]) => failed !== null && kinds.includes(failed);
  const grown = checkpoint !== null && from !== null;
  const count = first === null || proved === null ? 0 : proved - first + 1;
  return (
    <ol className="checks">
      <Check name="signature" state={failing("key", "signature") ? "failed" : checkpoint === null ? "open" : "ok"} title={failing("key", "signature") ? "The relay did not sign with the pinned key" : "The relay signed this state"}>
        {log.key === null ? (
          "its key is not known yet"
        ) : (
          <>
            key <span className="mono wrap">{keyName(log.key)}</span>, pinned on {day(log.pinnedAt)} when this browser first looked
          </>
        )}
      </Check>
      <Check name="history" state={failing("history", "shorter") ? "failed" : grown ? "ok" : checkpoint === null ? "open" : "none"} title={failing("history", "shorter") ? "History was not only added to" : grown ? "History was only added to" : "Nothing older to compare with"}>
        {checkpoint === null
          ? "nothing was accepted yet"
          : failing("history", "shorter")
            ? `the state accepted last, ${plural(checkpoint.size, "record")} of everybody, is kept; what came then does not extend it`
            : grown
            ? `from ${plural(from.size, "record")} of everybody, remembered here ${since(from.at, now)}, to ${number(checkpoint.size)}`
            : `the log has ${plural(checkpoint.size, "record")} of everybody; from here on it may only grow`}
      </Check>
      <Check name="entries" state={failing("entry", "missing") ? "failed" : count === 0 ? "open" : log.state === "verified" ? "ok" : "open"} title={failing("entry", "missing") ? "An entry is not in it" : count === 0 ? "Your entries are not proved yet" : log.state !== "verified" ? `Your entries up to #${number(proved ?? 0)} are in it` : count === 1 ? "Your newest entry is in it" : `Your ${number(count)} entries are in it`}>
        {count === 0 || first === null || proved === null ? (
          "none is proved yet"
        ) : (
          <>
            {count === 1 ? `#${number(proved)}` : `#${number(first)} to #${number(proved)}, each`} proved
            {checkpoint !== null && (
              <>
                ; the root is now <span className="mono">{fingerprint(checkpoint.root)}</span>
              </>
            )}
          </>
        )}
      </Check>
      <Check name="shown" state={failing("shown") ? "failed" : log.waiting > 0 ? "open" : log.compared > 0 ? "ok" : "none"} title={failing("shown") ? "What was shown is not what the log holds" : log.waiting > 0 ? "What you see is not all compared yet" : log.compared === 0 ? "No conversation was opened to compare" : "What you see is what the log holds"}>
        {log.compared === 0 && log.waiting === 0
          ? "messages are compared byte for byte when their conversation is open"
          : `${plural(log.compared, "message")} of open conversations compared byte for byte${log.waiting > 0 ? `, ${number(log.waiting)} to go` : ""}`}
      </Check>
    </ol>
  );
}

const alarmSteps: Partial<Record<AlarmKind, string>> = {
  shorter: "This happens when the relay was set back to an older copy, on purpose or not. What this browser has of later entries may be all there is of them.",
  seen: "This is about what this browser saw beside the log: devices, keys, states.",
  key: "This happens when the relay was set up anew without its old keys, or when something else answers in its place.",
};

function Alarms({ watch }: { watch: LogWatch }): ReactElement {
  const client = useClient();
  const alarms = useSignal(watch.alarms);
  const open = alarms.filter((alarm) => !alarm.acknowledged);
  const save = (list: readonly Alarm[]) => download("consortium-log-evidence.json", `${JSON.stringify({ relay: client.api.origin, alarms: list }, null, 2)}\n`, "application/json");
  if (alarms.length === 0) return <></>;
  if (open.length === 0) {
    const last = alarms.at(-1) as Alarm;
    return (
      <p className="dim small acknowledged" data-testid="log-acknowledged">
        <AlertIcon className="i" /> {fullTime(last.at)}: {last.text}{" "}
        <button type="button" className="link" onClick={() => save(alarms)}>
          Save as evidence
        </button>
      </p>
    );
  }
  return (
    <Note tone="bad" icon={<AlertIcon className="i" />} title={open.every((alarm) => alarm.kind === "seen") ? "The relay contradicts what this browser has seen" : "The relay's history does not match"} testId="log-alarm-note">
      {open.map((alarm) => (
        <p key={`${alarm.at} ${alarm.text}`}>
          {time(alarm.at)}: {alarm.text} {alarmSteps[alarm.kind] ?? ""}
        </p>
      ))}
      <p>What was not sent yet is kept here. Until it is explained, do not rely on what this relay shows as the whole history.</p>
      <div className="acts">
        <button type="button" className="b" onClick={() => save(open)} data-testid="log-save-evidence">
          Save as evidence
        </button>
        <button type="button" className="b bare" onClick={() => void watch.acknowledge()} data-testid="log-acknowledge">
          I have seen this
        </button>
      </div>
    </Note>
  );
}

function NewLog({ watch }: { watch: LogWatch }): ReactElement {
  const change = useSignal(watch.change);
  if (change === null) return <></>;
  return (
    <Note tone="ask" icon={<AlertIcon className="i" />} title={`The relay has a new log since ${fullTime(change.at)}`} testId="new-log-note">
      <p>
        It counts anew, and nothing shows that it holds what the old one held. Old: <span className="mono wrap">{change.before}</span>. New: <span className="mono wrap">{change.log}</span>. If nobody set up or
        restored the relay, ask why.
      </p>
      <div className="acts">
        <button type="button" className="b" onClick={() => void watch.acknowledgeChange()} data-testid="new-log-acknowledge">
          I have seen this
        </button>
      </div>
    </Note>
  );
}

function Latest({ watch }: { watch: LogWatch }): ReactElement {
  const client = useClient();
  const { latest, proved, state } = useSignal(watch.status);
  const { sessions } = useSignal(client.lists);
  if (latest.length === 0) return <></>;
  const ruled = state !== "refuted" && latest.at(-1)?.header.revision === proved;
  return (
    <section aria-labelledby="log-latest">
      <h2 id="log-latest" className="strong">
        Latest entries
      </h2>
      <div className="ledger" data-testid="log-latest">
        {latest.map(({ header, shredded }) => (
          <div className="entry" key={header.revision} data-testid="log-entry" data-revision={header.revision}>
            <span className="no">
              <LogNumber revision={header.revision} />
            </span>
            <div className="lrow">
              <span className="tnum dim">{time(header.time)}</span>
              <span className="w trunc">{eventNames[header.type] ?? `type ${header.type}`}</span>
              <span className="trunc mid">{sessions.find((session) => session.id === header.stream)?.title ?? ""}</span>
              <span className="trunc dim no-phone">{shredded ? "unreadable" : header.bodyBytes === 0 ? "" : `${number(header.bodyBytes)} bytes`}</span>
            </div>
          </div>
        ))}
        {ruled && <div className="off" />}
        <div className="entry said">
          <span className="no" />
          <div className="lrow next">
            <span className="dim">next entry</span>
          </div>
        </div>
      </div>
    </section>
  );
}

function Raw({ watch }: { watch: LogWatch }): ReactElement {
  const { checkpoint, key } = useSignal(watch.status);
  if (checkpoint === null || key === null) return <></>;
  return (
    <details className="rawfold" data-testid="log-raw">
      <summary className="line">
        <span className="v">Checkpoint and key, as signed</span>
        <ChevronRightIcon className="i chev" size={12} />
      </summary>
      <div className="rawbox">
        <pre className="mono small">{checkpoint.note}</pre>
        <CopyButton text={checkpoint.note} label="Copy the checkpoint" />
      </div>
      <div className="rawbox">
        <pre className="mono small">{key}</pre>
        <CopyButton text={key} label="Copy the key" />
      </div>
      <p className="dim small">
        Whoever runs the relay can hold its files against the saved checkpoint: <span className="mono wrap">consortium-admin verify --checkpoint FILE</span>. Anybody can check a saved receipt with this key:{" "}
        <span className="mono wrap">consortium-admin receipt FILE --key KEY</span>. Both are C2SP signed notes.
      </p>
    </details>
  );
}
