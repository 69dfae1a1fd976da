// A session: its entries, what is being said, what is asked, and the composer.
import { ArchiveIcon, ArrowDownIcon, ChevronRightIcon, ClockIcon, CopyIcon, KebabHorizontalIcon, SidebarCollapseIcon, StopIcon, TrashIcon } from "@primer/octicons-react";
import { Fragment, memo, type ReactElement, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Away } from "../components/away.tsx";
import { Dialog, Menu, Note } from "../components/basics.tsx";
import { Composer } from "../components/composer.tsx";
import { DeleteSessionDialog } from "../components/deletedialogs.tsx";
import { dayKey, longDay, waiting } from "../components/format.ts";
import { Brief } from "../components/exact.tsx";
import { PaneGuard } from "../components/guard.tsx";
import { phone, useClient, useMedia, useNow, useSignal, useToday } from "../components/hooks.ts";
import { StatusShape } from "../components/marks.tsx";
import { BackToSessions } from "../components/page.tsx";
import { HeldPrompts } from "../components/held.tsx";
import { PartialView, type RowContext, RowView } from "../components/rows.tsx";
import { Background } from "../components/background.tsx";
import { shapeOf, statusWord } from "../components/sessionlist.tsx";
import { Slip } from "../components/slip.tsx";
import { headline } from "../components/slipcontents.tsx";
import type { SessionModel } from "../state/session.ts";
import { RpcError } from "../state/agentcall.ts";
import { plainly } from "../state/ask.ts";
import { wordsOf } from "../state/errors.ts";
import type { SessionSummary } from "../state/sessionfields.ts";
import { describeTool } from "../state/tools.ts";
import type { PromptRow, Row } from "../state/rows.ts";

/** Rows in the page at most when reading the end; more come while scrolling up. */
const windowRows = 200;
const chunkEntries = 50;
const nearBottom = 48;
const nearTop = 800;
/** Two clocks that are further apart, in ms, are spoken of. */
const clockNoted = 120_000;

export function ConversationView({ model, onContext, say }: { model: SessionModel; onContext(): void; say(message: string): void }): ReactElement {
  const client = useClient();
  const session = useSignal(model.summary);
  const conversation = useSignal(model.conversation);
  const isPhone = useMedia(phone);
  const now = useNow(30_000);
  const [dialog, setDialog] = useState<"delete" | "end" | null>(null);
  const [sheet, setSheet] = useState(false);
  const [returned, setReturned] = useState({ text: "", count: 0 });

  useEffect(() => {
    void model.open();
  }, [model]);

  const ready = conversation.state === "ready";
  useEffect(() => {
    const seen = () => {
      if (document.visibilityState === "visible" && ready) model.markRead();
    };
    seen();
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, [model, ready, session.count]);

  // Of an agent that is away, or whose device was revoked, nothing can be answered.
  const reachable = session.status !== "offline" && session.readOnly === null;
  const requests = reachable ? session.agent.requests : [];
  const request = requests[0];
  useEffect(() => {
    if (request === undefined || !isPhone) setSheet(false);
  }, [request, isPhone]);

  const onUnsend = useCallback(
    (localId: string) =>
      void client.unsend(localId).then(
        (text) => {
          if (text !== null) setReturned((before) => ({ text, count: before.count + 1 }));
        },
        (error: unknown) => say(wordsOf(error)),
      ),
    [client, say],
  );
  const onRetry = useCallback((localId: string) => void client.sendAgain(localId).catch((error: unknown) => say(wordsOf(error))), [client, say]);
  const ask = useCallback(
    (name: string, d: unknown, done: string) =>
      void client.call(model.id, name, d).then(
        () => say(done),
        (error: unknown) => say(error instanceof RpcError && error.code === "conflict" ? "Too late: Claude has it, or it is over." : wordsOf(error)),
      ),
    [client, model, say],
  );
  const onHeld = useCallback((id: string, run: boolean) => ask("held", { id, run }, run ? "It is handed to Claude." : "Taken back: it will never run."), [ask]);
  const onTakeBack = useCallback(
    (row: PromptRow) => {
      if (row.bundleId !== null && row.number !== null) ask("take-back", { id: row.bundleId, from: row.number.from, n: row.number.n }, "Taken back: it will never run.");
    },
    [ask],
  );
  const devices = useSignal(client.devicesChanged);
  const context: RowContext = useMemo(
    () => ({
      cwd: session.path,
      host: session.host,
      waiting: new Set(requests.map((r) => r.ask?.toolUseId ?? r.id)),
      answered: conversation.answered,
      held: new Map(session.agent.held.map((prompt) => [prompt.id, prompt])),
      reachable,
      going: { agent: reachable ? "there" : session.ended ? "ended" : "away", background: session.agent.backgroundMore > 0 ? null : new Set(session.agent.background.map((task) => task.id)) },
      signer: (device) => client.signer(device),
      onUnsend,
      onRetry,
      onTakeBack,
    }),
    // `devices` is no part of it, but what it says of them.
    [client, devices, session.path, session.host, session.agent, session.ended, reachable, conversation.answered, onUnsend, onRetry, onTakeBack],
  );

  const archive = async () => {
    try {
      await client.archive(session.id);
      say(`Archived “${session.title}”. It comes back when something is said in it.`);
    } catch (error) {
      say(wordsOf(error));
    }
  };

  const end = async () => {
    setDialog(null);
    try {
      await client.call(session.id, "killSession", {});
    } catch (error) {
      say(wordsOf(error));
    }
  };

  return (
    <main className="conv" id="main" data-testid="conversation" data-session-id={session.id} data-state={session.status}>
      <header className="head">
        <BackToSessions />
        <div className="grow">
          <h1 className="trunc" data-testid="session-title">
            {session.title}
          </h1>
          <p className="dim trunc phone-block small">
            {session.project}
            {session.host !== "" && ` on ${session.host}`}
          </p>
        </div>
        <span className="dim trunc no-phone small headinfo">
          <StatusShape shape={shapeOf(session)} word={statusWord(session)} />
          <span className="trunc">
            {statusWord(session)}
            {session.host !== "" && `, on ${session.host}`}
          </span>
        </span>
        <button type="button" className="b bare icon" onClick={onContext} aria-label="Show or hide plan, changes, record" title="Plan, changes, record" data-testid="toggle-context">
          <SidebarCollapseIcon className="i" />
        </button>
        <Menu
          label="Session menu"
          testId="session-menu"
          icon={<KebabHorizontalIcon className="i" />}
          items={[
            { label: "Copy session id", icon: <CopyIcon className="i" />, testId: "session-copy-id", act: () => void navigator.clipboard.writeText(session.id).catch(() => undefined) },
            session.archived
              ? { label: "Take out of the archive", icon: <ArchiveIcon className="i" />, testId: "session-unarchive", act: () => client.unarchive(session.id) }
              : { label: "Archive", icon: <ArchiveIcon className="i" />, testId: "session-archive", act: () => void archive() },
            ...(session.status === "offline"
              ? []
              : [{ label: "End at the machine…", icon: <StopIcon className="i" />, testId: "session-end", act: () => setDialog("end") }]),
            { label: "Delete for ever…", icon: <TrashIcon className="i" />, testId: "session-delete", tone: "fail", act: () => setDialog("delete") },
          ]}
        />
      </header>
      <PaneGuard name="The conversation" className="scrollbox">
        <Scroll model={model} session={session} context={context} />
      </PaneGuard>
      {request !== undefined && isPhone && (
        <button type="button" className="askbar only-phone" onClick={() => setSheet(true)} data-testid="ask-bar">
          <StatusShape shape="needs-you" />
          <span className="trunc">
            <b>{headline(request)}</b> <AskAge at={request.createdAt - session.clock} text={request.ask === null ? "" : plainly(describeTool(request.ask.tool, request.ask.arguments, session.path).object)} />
          </span>
          <ChevronRightIcon className="i" />
        </button>
      )}
      <div className="dock">
        <div className="in">
          {request !== undefined && !isPhone && (
            <PaneGuard key={request.id} name="A question" of={[request]}>
              <Slip request={request} session={session} position={1} count={requests.length} />
            </PaneGuard>
          )}
          {session.problem !== null && (
            <div className="docknote">
              <Note tone="bad" icon={<StatusShape shape="failed" />} title={session.problem} testId="session-problem" />
            </div>
          )}
          {session.behind !== null && (
            <div className="docknote">
              <Note
                {...(session.behind.accuses ? { tone: "bad" as const } : {})}
                icon={<StatusShape shape={session.behind.accuses ? "failed" : "offline"} />}
                title={session.behind.words}
                testId={session.behind.accuses ? "held-back" : "unsent"}
              />
            </div>
          )}
          {Math.abs(session.clock) >= clockNoted && (
            <p className="away-note dim small" data-testid="clock-note">
              <ClockIcon className="i" />
              {`The clock of ${session.host === "" ? "the machine" : session.host} is ${waiting(Math.abs(session.clock))} ${session.clock > 0 ? "ahead of" : "behind"} this device's. Times of what the agent says are by that clock.`}
            </p>
          )}
          {reachable && <Background session={session} say={say} />}
          {reachable && <HeldPrompts held={session.agent.held} host={session.host} promptOf={(id) => model.prompt(id)} onHeld={onHeld} />}
          {session.readOnly !== null && (
            <div className="docknote">
              <Note tone="bad" icon={<StatusShape shape="offline" />} title={session.readOnly} testId="read-only">
                <p>
                  No prompt, answer or order is sealed under its keys. Whoever has them can still write entries that look like its own, with the relay&apos;s help: this page cannot tell what was
                  written before it was revoked from what was written since.
                </p>
              </Note>
            </div>
          )}
          {session.status === "offline" && session.problem === null && session.readOnly === null && (
            <Away session={session} now={now} />
          )}
          {session.readOnly === null && (
            <PaneGuard name="Where you write">
              <Composer session={session} model={conversation.model} returned={returned} onSent={() => undefined} say={say} />
            </PaneGuard>
          )}
        </div>
      </div>
      {sheet && request !== undefined && isPhone && (
        <Dialog title="Needs you" onClose={() => setSheet(false)} className="slipsheet">
          <PaneGuard key={request.id} name="A question" of={[request]}>
            <Slip request={request} session={session} position={1} count={requests.length} onAnswered={() => setSheet(false)} />
          </PaneGuard>
        </Dialog>
      )}
      {dialog === "end" && (
        <Dialog title={`End “${session.title}”?`} onClose={() => setDialog(null)}>
          <p className="mid">
            Claude and consortium stop{session.host === "" ? "" : ` on ${session.host}`}; what is running there is interrupted. The conversation stays, and can be taken up again at the terminal.
          </p>
          <div className="acts flush">
            <button type="button" className="b" onClick={() => setDialog(null)}>
              Let it run
            </button>
            <span className="grow" />
            <button type="button" className="b fail" data-testid="session-end-confirm" onClick={() => void end()}>
              End it
            </button>
          </div>
        </Dialog>
      )}
      {dialog === "delete" && <DeleteSessionDialog session={session} onClose={() => setDialog(null)} />}
      <Announcer session={session} />
    </main>
  );
}

function AskAge({ at, text }: { at: number; text: string }): ReactElement {
  const now = useNow(1_000);
  return (
    <span className="mid">
      {text}, {waiting(now - at)}
    </span>
  );
}

/** Says approvals and finished turns to screen readers, once each. */
function Announcer({ session }: { session: SessionSummary }): ReactElement {
  const [words, setWords] = useState("");
  const before = useRef(session.status);
  useEffect(() => {
    if (before.current !== session.status) {
      if (session.status === "needs-you") setWords(`Needs you: ${session.line}`);
      else if (before.current === "working" && (session.status === "idle" || session.status === "background")) setWords(`No turn runs any more. ${session.line}`);
    }
    before.current = session.status;
  }, [session.status, session.line]);
  return (
    <div className="vh" aria-live="polite">
      {words}
    </div>
  );
}

/** `day`: of what stands above. */
const Chunk = memo(
  function Chunk({ rows, day, context }: { rows: readonly Row[]; day: string; context: RowContext }): ReactElement {
    let above = day;
    return (
      <>
        {rows.map((row) => {
          const own = dayKey(row.at);
          const begins = own !== "" && own !== above;
          if (begins) above = own;
          return (
            <Fragment key={row.key}>
              {begins && <Day at={row.at} />}
              <RowView row={row} context={context} />
            </Fragment>
          );
        })}
      </>
    );
  },
  (a, b) => a.context === b.context && a.day === b.day && a.rows.length === b.rows.length && a.rows.every((row, i) => row === b.rows[i]),
);

function Day({ at }: { at: number }): ReactElement {
  return (
    <div className="day" role="separator" aria-label={longDay(at)} data-testid="day" data-day={dayKey(at)}>
      <h2>{longDay(at)}</h2>
    </div>
  );
}

/** Of the last row that has one. */
function lastDay(rows: readonly Row[], otherwise: string): string {
  for (let i = rows.length - 1; i >= 0; i -= 1) {
    const day = dayKey((rows[i] as Row).at);
    if (day !== "") return day;
  }
  return otherwise;
}

/** Where in the session the row at this index stands. */
function seqAt(rows: readonly Row[], index: number): number {
  return rows[Math.max(0, index)]?.seq ?? 0;
}

function Scroll({ model, session, context }: { model: SessionModel; session: SessionSummary; context: RowContext }): ReactElement {
  const conversation = useSignal(model.conversation);
  const box = useRef<HTMLDivElement>(null);
  const atBottom = useRef(true);
  const lastTop = useRef(0);
  /** The rows at the top of the view. Several: a row may be joined with an older one when that is loaded. */
  const anchors = useRef<{ key: string; top: number }[]>([]);
  /** The piece of a long row that is at the top of the view. */
  const piece = useRef<{ element: Element; top: number } | null>(null);
  /** message.seq from which on rows are in the page; null: the newest. */
  const [start, setStart] = useState<number | null>(null);
  const [below, setBelow] = useState(false);
  const { rows, pending, partials } = conversation;
  const today = useToday();

  let first = start === null ? -1 : rows.findIndex((row) => (row.seq ?? start) >= start);
  if (first < 0) first = Math.max(0, rows.length - windowRows);
  if (atBottom.current && rows.length - first > 2 * windowRows) first = rows.length - windowRows;
  const shown = useMemo(() => rows.slice(first), [rows, first]);
  // Chunks by place in the session: a new row touches only the last one, older pages leave all others as they are.
  const chunks = useMemo(() => {
    const out: { id: number; rows: Row[]; day: string }[] = [];
    for (const row of shown) {
      const id = Math.floor((row.seq ?? 0) / chunkEntries);
      const last = out.at(-1);
      if (last === undefined) out.push({ id, rows: [row], day: today });
      else if (last.id !== id) out.push({ id, rows: [row], day: lastDay(last.rows, last.day) });
      else last.rows.push(row);
    }
    return out;
  }, [shown, today]);
  const hasMore = first > 0 || conversation.hasOlder;

  const wanted = useRef(false);
  const more = useCallback(() => {
    if (first > 0) setStart(seqAt(rows, first - windowRows / 2));
    else if (conversation.hasOlder) {
      setStart(seqAt(rows, 0));
      wanted.current = true;
      void model.loadOlder();
    }
  }, [first, rows, conversation.hasOlder, model]);
  // An older page arrived above what is shown: take its end in.
  useEffect(() => {
    if (!wanted.current || first === 0) return;
    wanted.current = false;
    setStart(seqAt(rows, first - windowRows / 2));
  }, [rows, first]);

  /** Remembers which rows are at the top of the view, and where. */
  const remember = useCallback(() => {
    const element = box.current;
    if (element === null) return;
    const top = element.getBoundingClientRect().top;
    piece.current = null;
    for (const part of element.querySelectorAll(".piece, .block")) {
      const rect = part.getBoundingClientRect();
      if (rect.top > top) break;
      if (rect.bottom > top + 8) piece.current = { element: part, top: rect.top };
    }
    anchors.current = [];
    for (const row of element.querySelectorAll<HTMLElement>("[data-testid=entry]")) {
      const rect = row.getBoundingClientRect();
      if (rect.bottom > top + 8) anchors.current.push({ key: row.dataset["key"] as string, top: rect.top });
      if (anchors.current.length === 6) return;
    }
  }, []);

  /** What is being read stays where it is. */
  const stay = useCallback(() => {
    const element = box.current;
    if (element === null) return;
    if (piece.current?.element.isConnected === true) {
      element.scrollTop += piece.current.element.getBoundingClientRect().top - piece.current.top;
      return;
    }
    for (const anchor of anchors.current) {
      const row = element.querySelector<HTMLElement>(`[data-key="${CSS.escape(anchor.key)}"]`);
      if (row === null) continue;
      element.scrollTop += row.getBoundingClientRect().top - anchor.top;
      return;
    }
  }, []);

  const onScroll = useCallback(() => {
    const element = box.current;
    if (element === null) return;
    // Only moving up leaves the end: the page may have grown, or its frame shrunk, since this event was sent.
    const near = element.scrollHeight - element.scrollTop - element.clientHeight < nearBottom;
    if (near) atBottom.current = true;
    else if (element.scrollTop < lastTop.current) atBottom.current = false;
    lastTop.current = element.scrollTop;
    if (atBottom.current) setBelow(false);
    remember();
    if (element.scrollTop < nearTop && hasMore && !conversation.loadingOlder) more();
  }, [hasMore, conversation.loadingOlder, more, remember]);

  const firstKey = shown[0]?.key;
  const previousFirst = useRef(firstKey);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    if (atBottom.current) element.scrollTop = element.scrollHeight;
    // Rows came or went above.
    else if (previousFirst.current !== firstKey) stay();
    previousFirst.current = firstKey;
  }, [rows, pending, partials, firstKey, stay]);

  // Too little above to scroll into: go on loading.
  useEffect(() => {
    const element = box.current;
    if (element !== null && conversation.state === "ready" && element.scrollTop < nearTop && hasMore && !conversation.loadingOlder) more();
  }, [firstKey, hasMore, conversation.state, conversation.loadingOlder, more]);

  const tail = rows.length + pending.length;
  useEffect(() => {
    if (!atBottom.current) setBelow(true);
  }, [tail]);

  // Parts of the page change height late (fonts, folds, texts that were read, the composer): we stay where we were.
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      if (atBottom.current) element.scrollTop = element.scrollHeight;
      else stay();
    });
    observer.observe(element);
    if (element.firstElementChild !== null) observer.observe(element.firstElementChild);
    return () => observer.disconnect();
  }, [stay]);

  // Our own prompt brings us to the end.
  const pendingCount = pending.length;
  const lastPending = useRef(pendingCount);
  useLayoutEffect(() => {
    if (pendingCount > lastPending.current && box.current !== null) {
      atBottom.current = true;
      box.current.scrollTop = box.current.scrollHeight;
    }
    lastPending.current = pendingCount;
  }, [pendingCount]);

  const showNow = partials.length > 0;
  const quiet = !showNow && session.status === "working";
  const last = rows.at(-1);
  const doing = last?.kind === "tool" && last.result === null ? describeTool(last.name, last.input, session.path).doing : "Working";
  return (
    <div className="scrollbox">
      <div className="scroll" id="conversation" tabIndex={-1} ref={box} onScroll={onScroll}>
        <div className="sheet" role="log" aria-label="Conversation" aria-live="off">
          {conversation.state === "loading" && <p className="dim hint">Loading and opening entries…</p>}
          {conversation.state === "failed" && (
            <div className="hint">
              <Note tone="bad" icon={<StatusShape shape="failed" />} title="The entries could not be loaded">
                <p>{conversation.error} Nothing was changed by that.</p>
                <div className="acts">
                  <button type="button" className="b" onClick={() => void model.open()}>
                    Try again
                  </button>
                </div>
              </Note>
            </div>
          )}
          {conversation.state === "ready" && hasMore && (
            <p className="older">
              <button type="button" className="b bare small" onClick={more} disabled={conversation.loadingOlder} data-testid="load-older">
                {conversation.loadingOlder ? "Loading older entries…" : "Older entries"}
              </button>
            </p>
          )}
          {chunks.map((chunk) => (
            <Chunk key={chunk.id} rows={chunk.rows} day={chunk.day} context={context} />
          ))}
          {conversation.state === "ready" && rows.length === 0 && !hasMore && pending.length === 0 && !showNow && (
            <div className="entry said first-entry">
              <span className="no" />
              <div>
                <h2>Nothing has been said here yet</h2>
                {context.reachable && session.status === "idle" && (
                  <p className="lead">
                    {session.host === "" ? "The agent" : session.host} waits in <span className="mono">{session.path === null ? "its folder" : <Brief text={session.path} />}</span>. Say what to do.
                  </p>
                )}
              </div>
            </div>
          )}
          {showNow && <div className="entry gap" />}
          {partials.map((partial, i) => (
            <PartialView key={partial.block} partial={partial} first={i === 0} />
          ))}
          {quiet && (
            <div className="entry said talk">
              <span className="no">now</span>
              <div className="still-working dim">
                <StatusShape shape="working" /> <span className="trunc">{doing}</span>
              </div>
            </div>
          )}
          <Chunk rows={pending} day={lastDay(rows, today)} context={context} />
        </div>
      </div>
      {below && (
        <button
          type="button"
          className="b tobottom"
          onClick={() => {
            const element = box.current;
            if (element !== null) element.scrollTop = element.scrollHeight;
          }}
        >
          <ArrowDownIcon className="i" /> New entries
        </button>
      )}
    </div>
  );
}
