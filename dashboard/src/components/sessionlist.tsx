// The list of sessions: grouped by project and machine, what needs you first.
import { SearchIcon } from "@primer/octicons-react";
import { type ReactElement, memo, useMemo, useState } from "react";
import type { Machine } from "../state/catalog.ts";
import { wordsOf } from "../state/errors.ts";
import type { SessionSummary } from "../state/sessionfields.ts";
import { Go } from "./basics.tsx";
import { time, waiting, when } from "./format.ts";
import { phone, useClient, useMedia, useNow, useSignal } from "./hooks.ts";
import { type Shape, StatusShape } from "./marks.tsx";

export function shapeOf(session: SessionSummary): Shape {
  if (session.status === "offline" && (session.ended || session.archived)) return "idle";
  if (session.status === "background") return "working";
  if (session.status !== "idle") return session.status;
  if (session.failed) return "failed";
  return session.unread ? "unread" : "idle";
}

export function statusWord(session: SessionSummary): string {
  if (session.readOnly !== null) return "for reading only";
  if (session.status === "background") return "working in the background";
  switch (shapeOf(session)) {
    case "needs-you":
      return "needs you";
    case "working":
      return "working";
    case "unread":
      return "finished";
    case "failed":
      return "failed";
    case "offline":
      return `unknown since ${time(session.activeAt)}`;
    case "idle":
      return session.archived ? "archived" : session.ended ? "ended" : "idle";
  }
}

/** The second line of a row. */
export function lineOf(session: SessionSummary): string {
  if (session.status === "offline" && !session.ended && !session.archived && session.problem === null && session.readOnly === null) {
    return `Unknown since ${time(session.activeAt)}${session.line === "" ? "" : `. ${session.line}`}`;
  }
  return session.line;
}

const urgency: Record<SessionSummary["status"], number> = { "needs-you": 0, working: 1, background: 1, idle: 1, offline: 1 };

export function sortSessions(sessions: readonly SessionSummary[]): SessionSummary[] {
  return [...sessions].sort((a, b) => urgency[a.status] - urgency[b.status] || b.at - a.at);
}

export interface Group {
  readonly key: string;
  readonly project: string;
  readonly host: string;
  readonly away: boolean;
  readonly sessions: readonly SessionSummary[];
}

export function groupSessions(sessions: readonly SessionSummary[], machines: readonly Machine[]): Group[] {
  const groups = new Map<string, SessionSummary[]>();
  for (const session of sortSessions(sessions)) {
    const key = `${session.project}\n${session.machine ?? ""}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [session]);
    else group.push(session);
  }
  return [...groups].map(([key, members]) => {
    const first = members[0] as SessionSummary;
    const machine = machines.find((m) => m.id === first.machine);
    return { key, project: first.project, host: first.host, away: machine !== undefined && !machine.active, sessions: members };
  });
}

export function matchesSearch(session: SessionSummary, query: string): boolean {
  const text = `${session.title} ${session.project} ${session.host} ${session.line}`.toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

const rowClass: Record<Shape, string> = { "needs-you": "ask", working: "work", unread: "unread", failed: "fail", offline: "away", idle: "idle" };

const SessionRow = memo(function SessionRow({ session, current, now }: { session: SessionSummary; current: boolean; now: number }): ReactElement {
  const shape = shapeOf(session);
  const request = session.agent.requests[0];
  const right = shape === "working" ? "now" : shape === "needs-you" && request !== undefined ? waiting(now + session.clock - request.createdAt) : when(session.at, now);
  return (
    <li>
      <Go
        to={`/session/${session.id}`}
        className={`row ${rowClass[shape]}`}
        aria-current={current ? "page" : undefined}
        data-testid="session-row"
        data-session-id={session.id}
        data-state={session.status}
        data-unread={session.unread || undefined}
      >
        <StatusShape shape={shape} word={statusWord(session)} />
        <span className="t trunc">{session.title}</span>
        <span className="w">{right}</span>
        <span className="s trunc">{lineOf(session) || " "}</span>
      </Go>
    </li>
  );
});

/** More of the sessions that the relay holds. */
export function OlderSessions(): ReactElement | null {
  const client = useClient();
  const { older } = useSignal(client.lists);
  const [state, setState] = useState<"idle" | "loading">("idle");
  const [failure, setFailure] = useState<string | null>(null);
  if (!older) return null;
  const load = () => {
    setState("loading");
    setFailure(null);
    client
      .loadOlder()
      .catch((error: unknown) => setFailure(wordsOf(error)))
      .finally(() => setState("idle"));
  };
  return (
    <div className="older">
      <button type="button" className="b bare small" disabled={state === "loading"} onClick={load} data-testid="older-sessions">
        {state === "loading" ? "Loading…" : "Older sessions"}
      </button>
      {failure !== null && <span className="dim small">Not loaded: {failure}</span>}
    </div>
  );
}

export function SessionList({ current, query, onQuery, searchRef }: { current: string | null; query: string; onQuery(query: string): void; searchRef: React.Ref<HTMLInputElement> }): ReactElement {
  const client = useClient();
  const lists = useSignal(client.lists);
  const now = useNow(5_000);
  const isPhone = useMedia(phone);
  const [withArchived, setWithArchived] = useState(false);
  const archived = lists.sessions.filter((session) => session.archived).length;
  const found = useMemo(
    () => lists.sessions.filter((s) => (query.trim() === "" ? withArchived || !s.archived || s.id === current : matchesSearch(s, query.trim()))),
    [lists.sessions, query, withArchived, current],
  );
  const asking = isPhone ? found.filter((session) => session.status === "needs-you") : [];
  const rest = asking.length === 0 ? found : found.filter((session) => session.status !== "needs-you");
  const groups = useMemo(() => groupSessions(rest, lists.machines), [rest, lists.machines]);
  return (
    <>
      <div className="find">
        <label className="field">
          <SearchIcon className="i" />
          <span className="vh">Search sessions</span>
          <input
            ref={searchRef}
            type="search"
            placeholder="Search sessions"
            value={query}
            data-testid="session-search"
            data-kept=""
            onChange={(event) => onQuery(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape") {
                onQuery("");
                event.currentTarget.blur();
              }
            }}
          />
          <kbd className="no-phone">/</kbd>
        </label>
      </div>
      <div className="scroll" role="region" aria-label="Session list" data-testid="session-list">
        {lists.loaded && lists.sessions.length === 0 && <p className="dim hint">Sessions appear here, grouped by project and machine.</p>}
        {query.trim() !== "" && lists.sessions.length > 0 && found.length === 0 && <p className="dim hint">No session {lists.older && "of those that are loaded "}has “{query.trim()}” in its title, project, machine or last line.</p>}
        {asking.length > 0 && (
          <section className="group">
            <h2>
              <b>Needs you</b>
              <span className="count">{asking.length}</span>
            </h2>
            <ul>
              {sortSessions(asking).map((session) => (
                <SessionRow key={session.id} session={session} current={session.id === current} now={now} />
              ))}
            </ul>
          </section>
        )}
        {groups.map((group) => {
          const waits = group.sessions.filter((session) => session.status === "needs-you").length;
          return (
            <section className="group" key={group.key}>
              <h2>
                <b>{group.project}</b>
                <span className="grow trunc">
                  {group.host !== "" && `on ${group.host}`}
                  {group.away && ", away"}
                </span>
                {waits > 0 && <span className="count">{waits}</span>}
              </h2>
              <ul>
                {group.sessions.map((session) => (
                  <SessionRow key={session.id} session={session} current={session.id === current} now={now} />
                ))}
              </ul>
            </section>
          );
        })}
        {archived > 0 && query.trim() === "" && (
          <button type="button" className="b bare small archived" aria-expanded={withArchived} onClick={() => setWithArchived(!withArchived)} data-testid="show-archived">
            {withArchived ? "Hide archived" : `Archived ${archived}`}
          </button>
        )}
        <OlderSessions />
      </div>
    </>
  );
}
