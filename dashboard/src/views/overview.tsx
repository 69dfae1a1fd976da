// Without a chosen session: all of them in a table, or how to start the first.
import { GearIcon, PlusIcon } from "@primer/octicons-react";
import type { ReactElement } from "react";
import { Command, Go } from "../components/basics.tsx";
import { time, waiting, when } from "../components/format.ts";
import { useClient, useNow, useSignal } from "../components/hooks.ts";
import { LogNumber, Logo, StatusShape } from "../components/marks.tsx";
import { groupSessions, OlderSessions, shapeOf, statusWord } from "../components/sessionlist.tsx";
import { useDevices } from "./devices.tsx";

export function OverviewView(): ReactElement {
  const client = useClient();
  const lists = useSignal(client.lists);
  const connection = useSignal(client.connection);
  if (!lists.loaded) {
    return (
      <main className="conv" id="main">
        <p className="dim hint">{connection.state === "offline" || connection.state === "refused" ? (connection.message ?? "The relay cannot be reached.") : "Loading…"}</p>
      </main>
    );
  }
  return lists.sessions.length === 0 ? <Empty /> : <All />;
}

function All(): ReactElement {
  const client = useClient();
  const lists = useSignal(client.lists);
  const now = useNow(5_000);
  const groups = groupSessions(lists.sessions.filter((session) => !session.archived), lists.machines);
  return (
    <main className="conv" id="main">
      <header className="head">
        <h1 className="grow">All sessions</h1>
        <Go to="/pair" className="b">
          <PlusIcon className="i" /> Pair a machine
        </Go>
      </header>
      <div className="scroll" role="region" aria-label="All sessions">
        <div className="page">
          <table className="tbl">
            <caption className="vh">Sessions by project</caption>
            <thead>
              <tr>
                <th>State</th>
                <th>Session</th>
                <th className="r">Latest</th>
              </tr>
            </thead>
            {groups.map((group) => (
              <tbody key={group.key}>
                <tr>
                  <th colSpan={3} scope="rowgroup" className="grp">
                    <b>{group.project}</b> {group.host !== "" && `on ${group.host}`}
                    {group.away && ", away"}
                  </th>
                </tr>
                {group.sessions.map((session) => {
                  const shape = shapeOf(session);
                  const request = session.agent.requests[0];
                  return (
                    <tr key={session.id}>
                      <td className="state">
                        <span>
                          <StatusShape shape={shape} word="" />
                          <span className={shape === "needs-you" ? "ask" : shape === "failed" ? "bad" : "mid"}>{statusWord(session)}</span>
                        </span>
                      </td>
                      <td className="fill">
                        <div className={`trunc ${shape === "needs-you" || shape === "unread" ? "strong" : ""}`}>
                          <Go to={`/session/${session.id}`}>{session.title}</Go>
                        </div>
                        <div className="trunc dim small">{session.line}</div>
                      </td>
                      <td className="r dim tnum nowrap">
                        {shape === "working" ? "now" : shape === "needs-you" && request !== undefined ? waiting(now + session.clock - request.createdAt) : when(session.at, now)}
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            ))}
          </table>
          <OlderSessions />
        </div>
      </div>
    </main>
  );
}

/** The log so far, and the next number waiting. */
function Empty(): ReactElement {
  const client = useClient();
  const revision = useSignal(client.revision);
  const identity = useSignal(client.identity);
  const devices = useDevices();
  const agents = devices.filter((device) => device.kind === "agent" && device.revokedAt === null);
  const paired = agents.at(-1);
  const own = devices.find((device) => device.isThis);
  return (
    <main className="conv" id="main">
      <header className="head only-phone">
        <span className="grow">
          <Logo />
        </span>
        <Go to="/settings" className="b bare icon" aria-label="Settings">
          <GearIcon className="i" />
        </Go>
      </header>
      <div className="scroll blank">
        <div className="sheet" data-testid="empty">
          <div className="entry">
            <span />
            <div className="spacer" />
          </div>
          <div className="entry">
            <span className="no" />
            <p className="step">
              Identity {identity?.keyConfirmed === true ? "created, key written down" : "created"}{" "}
              {own !== undefined && (
                <span className="dim">
                  {own.name ?? "this browser"}, {time(own.createdAt)}
                </span>
              )}
            </p>
          </div>
          {agents.map((agent) => (
            <div className="entry" key={agent.id}>
              <span className="no" />
              <p className="step">
                {agent.name ?? "A machine"} paired <span className="dim">{time(agent.createdAt)}</span>
              </p>
            </div>
          ))}
          <div className="entry gap" />
          <div className="entry said">
            <span className="no first-no">
              <LogNumber revision={revision + 1} />
            </span>
            <div className="invite">
              <h1>{paired === undefined ? "Pair your first machine" : "Your first session goes here"}</h1>
              <p className="lead">{paired === undefined ? "On the machine where your code is, in the folder of a project:" : `On ${paired.name ?? "your machine"}, in the folder of a project:`}</p>
              <Command text="consortium" />
              {paired === undefined && <p className="lead">It shows a link and a QR code. Open, paste or scan it here.</p>}
              <Go to="/pair" className={paired === undefined ? "b main" : "b"} data-testid="pair-machine-empty">
                Pair a machine
              </Go>
            </div>
          </div>
          <div className="entry said">
            <span />
            <div />
          </div>
        </div>
      </div>
    </main>
  );
}
