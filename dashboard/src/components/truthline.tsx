// Always visible, always the same words: how current what you see is.
import { AlertIcon, MoonIcon, SunIcon } from "@primer/octicons-react";
import { type ReactElement, useState } from "react";
import type { Change } from "../state/devicebook.ts";
import type { LogStatus } from "../state/logwatch.ts";
import { Signal } from "../state/signal.ts";
import { plainName, plural, time } from "./format.ts";
import { Go } from "./basics.tsx";
import { currentTheme, switchTheme, useClient, useMedia, useSignal } from "./hooks.ts";
import { LogNumber } from "./marks.tsx";

/** The newest number, with the rule that its proof earned. */
export function Checked({ log, revision, name }: { log: LogStatus; revision: number; name: string }): ReactElement {
  const proved = log.state === "verified" && log.proved !== null && log.proved >= revision;
  const rule = proved ? "proved" : log.state === "refuted" ? "refuted" : "stored";
  const words = proved
    ? "verified"
    : log.state === "refuted"
      ? "not verified"
      : log.state === "unavailable" || log.trouble !== null
        ? "stored, not checked"
        : log.state === "unknown"
          ? "stored"
          : "checking";
  return (
    <>
      <span className="ruled" data-r={rule} data-testid={`${name}-number`}>
        <LogNumber revision={revision} />
      </span>
      <span data-testid={`${name}-word`}>{words}</span>
    </>
  );
}

const none = new Signal(0);
const nothingLacks = new Signal<readonly Change[]>([]);

export function TruthLine(): ReactElement {
  const client = useClient();
  const connection = useSignal(client.connection);
  const revision = useSignal(client.revision);
  const queued = useSignal(client.queued);
  const watch = useSignal(client.watch);
  const alarm = useSignal(watch.alarm);
  const change = useSignal(watch.change);
  const log = useSignal(watch.status);
  const book = useSignal(client.book);
  useSignal(client.devicesChanged);
  const lacking = useSignal(book?.lacking ?? nothingLacks).length > 0;
  const returned = useSignal(book?.returned ?? none);
  const announced = book?.unannounced[0];
  const identity = useSignal(client.identity);
  const { sessions } = useSignal(client.lists);
  const systemDark = useMedia("(prefers-color-scheme: dark)");
  const [, redraw] = useState(0);
  const theme = currentTheme();
  const dark = theme === "system" ? systemDark : theme === "dark";
  const online = sessions.filter((session) => session.status !== "offline").length;
  const waits = queued > 0 && (
    <span className="ruled" data-r="queued">
      {queued} queued
    </span>
  );

  let say: ReactElement;
  switch (connection.state) {
    case "live":
      say = (
        <>
          <b>live</b>
          <span aria-hidden="true">·</span>
          <Checked log={log} revision={revision} name="log" />
          {queued > 0 && (
            <>
              <span aria-hidden="true">·</span>
              {waits}
            </>
          )}
        </>
      );
      break;
    case "catching-up":
      say = (
        <>
          <b>catching up</b> {connection.received > 0 && <span className="tnum">{connection.received}</span>}
        </>
      );
      break;
    case "connecting":
    case "reconnecting":
      say = (
        <>
          <b>{connection.state}</b> {waits}
        </>
      );
      break;
    default:
      say = (
        <>
          <span>
            <b>{connection.state === "refused" ? "not signed in" : "offline"}</b>
            {queued > 0 && ","}
          </span>
          {waits}
        </>
      );
  }
  const away = connection.state === "offline" || connection.state === "reconnecting" || connection.state === "refused";
  return (
    <footer className="truth" aria-label="Connection and log" data-testid="truth-line" data-t={alarm !== null ? "bad" : ""} data-state={connection.state} data-log={log.state}>
      {alarm !== null ? (
        <Go to={alarm.kind === "seen" && lacking ? "/devices" : "/log"} className="say" data-testid="open-log">
          <AlertIcon className="i" />
          <b>{alarm.kind === "seen" ? "the relay contradicts what was seen" : "the relay's history does not match"}</b>
          <span className="no-phone trunc">{alarm.text}</span>
        </Go>
      ) : (
        <Go to="/log" className="say" title="What this browser checked" data-testid="open-log">
          {say}
        </Go>
      )}
      <span className="vh" role="alert">
        {alarm !== null && `${alarm.kind === "seen" ? "The relay contradicts what this browser has seen" : "The relay's history does not match"}. ${alarm.text}`}
      </span>
      <span className="vh" role="status">
        {connection.state}
        {connection.state === "live" && log.state === "refuted" && ", the log was not verified"}
      </span>
      {alarm === null && change !== null && (
        <Go to="/log" className="remind" data-testid="new-log">
          The relay has a new log since {time(change.at)}
        </Go>
      )}
      {returned > 0 && (
        <Go to="/devices" className="remind" data-testid="list-returned">
          The relay had lost a part of the list of devices
        </Go>
      )}
      {announced !== undefined && (
        <Go to="/devices" className="remind" data-testid="new-device">
          {announced.name === null ? "A device" : plainName(announced.name)} was added elsewhere
        </Go>
      )}
      {away && (
        <>
          <span className="dim no-phone trunc">
            since {time(connection.since)}
            {connection.message !== null && `; ${connection.message}`}
          </span>
          <button type="button" className="link" onClick={() => client.tryNow()} data-testid="try-now">
            Try now
          </button>
        </>
      )}
      <span className="no-phone dim">{new URL(client.api.origin).host}</span>
      {!away && <span className="hide-mid no-phone dim">{online === 0 ? "no session online" : `${plural(online, "session")} online`}</span>}
      <span className="grow" />
      {identity !== null && !identity.keyConfirmed && (
        <Go to="/key" className="remind" data-testid="key-reminder">
          Key not written down
        </Go>
      )}
      <span className="no-phone hide-mid">
        <kbd className="key">Ctrl K</kbd> <span className="dim">commands</span>
      </span>
      <button
        type="button"
        className="b bare icon no-phone theme"
        aria-label="Switch theme"
        onClick={() => {
          switchTheme();
          redraw((n) => n + 1);
        }}
      >
        {dark ? <SunIcon className="i" /> : <MoonIcon className="i" />}
      </button>
    </footer>
  );
}
