// Always visible, always the same words: how current what you see is.
import { AlertIcon, MoonIcon, SunIcon } from "@primer/octicons-react";
import { type ReactElement, useState } from "react";
import { plural, time } from "./format.ts";
import { Go } from "./basics.tsx";
import { currentTheme, switchTheme, useClient, useMedia, useSignal } from "./hooks.ts";
import { LogNumber } from "./marks.tsx";

export function TruthLine(): ReactElement {
  const client = useClient();
  const connection = useSignal(client.connection);
  const revision = useSignal(client.revision);
  const queued = useSignal(client.queued);
  const alarm = useSignal(client.alarm);
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
          <span className="ruled" data-r="stored">
            <LogNumber revision={revision} />
          </span>
          <span>stored</span>
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
    <footer className="truth" aria-label="Connection and log" data-testid="truth-line" data-t={alarm !== null ? "bad" : ""} data-state={connection.state}>
      {alarm !== null ? (
        <span className="say" role="alert">
          <AlertIcon className="i" />
          <b>the relay's history does not match</b>
          <span className="no-phone trunc">{alarm}</span>
        </span>
      ) : (
        <span className="say" role="status">
          {say}
        </span>
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
      <span className="hide-mid no-phone dim">{online === 0 ? "no session online" : `${plural(online, "session")} online`}</span>
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
