// The slip: what the agent asks, exactly, and the answers to it. Never steals focus; deaf for its first 400 ms, and to a yes until
// all of it was in view.
import { type ReactElement, type ReactNode, useCallback, useEffect, useId, useRef, useState } from "react";
import { NotKnown } from "../state/agentcall.ts";
import { type Grant, type Verdict, verdictOf } from "../state/ask.ts";
import { wordsOf } from "../state/errors.ts";
import type { PermissionRequest, SessionSummary } from "../state/sessionfields.ts";
import { Elicitation, Questions } from "./askforms.tsx";
import { HiddenLines, useReading } from "./exact.tsx";
import { waiting } from "./format.ts";
import { useClient, useNow } from "./hooks.ts";
import { StatusShape } from "./marks.tsx";
import { Contents, grantsMax, GrantWords, headline } from "./slipcontents.tsx";

const deafMs = 400;

/** Yes and no, where they say more than this. */
const plainAnswers: Readonly<Record<string, readonly [string, string]>> = { trust: ["Trust it", "Do not trust it"], server: ["Run it", "Do not run it"], plugin: ["Run it", "Do not run it"] };

interface Props {
  readonly request: PermissionRequest;
  readonly session: SessionSummary;
  readonly position: number;
  readonly count: number;
  onAnswered?(): void;
}

export function Slip({ request, session, position, count, onAnswered }: Props): ReactElement {
  const client = useClient();
  const now = useNow(1_000);
  const titleId = useId();
  const box = useRef<HTMLElement>(null);
  const { ask } = request;
  const reading = useReading(ask?.hash ?? request.id);
  /** False while a tap or key may still be meant for what was here before. */
  const [awake, setAwake] = useState(false);
  const [step, setStep] = useState<"ask" | "session" | "always" | "deny">("ask");
  const [picked, setPicked] = useState<readonly number[]>([]);
  const [note, setNote] = useState("");
  /** asking: on its way. unknown: it may have been done. sent: the agent has it. */
  const [phase, setPhase] = useState<"open" | "asking" | "unknown" | "sent">("open");
  const [said, setSaid] = useState<string | null>(null);
  const current = useRef(request.id);
  current.current = request.id;

  useEffect(() => {
    setAwake(false);
    const timer = setTimeout(() => setAwake(true), deafMs);
    setStep("ask");
    setNote("");
    setPhase("open");
    setSaid(null);
    return () => clearTimeout(timer);
  }, [request.id, ask?.hash]);

  const answer = useCallback(
    async (verdict: Verdict): Promise<void> => {
      if (ask === null) return;
      const still = () => current.current === ask.id;
      setPhase("asking");
      setSaid(null);
      try {
        await client.call(session.id, "permission", verdictOf(ask, verdict));
        if (still()) setPhase("sent");
        onAnswered?.();
      } catch (failure) {
        if (!still()) return;
        setSaid(wordsOf(failure));
        setPhase(failure instanceof NotKnown ? "unknown" : "open");
        if (!(failure instanceof NotKnown)) return;
        const { reached } = await failure.final;
        if (!still()) return;
        // Had it been done, the question would be gone from the agent's state, and this slip with it.
        setSaid(reached ? "Your answer was not carried out, and cannot be any more. The question is still open." : "Your answer cannot be carried out any more. Whether it was is not known: the machine cannot be reached.");
        setPhase("open");
      }
    },
    [client, session.id, ask, onAnswered],
  );

  const read = reading.hidden === 0;
  const mayDeny = awake && phase === "open" && ask !== null;
  const mayAllow = mayDeny && read;
  const when = (may: boolean, work: () => void) => () => {
    if (may) work();
  };
  const isForm = ask !== null && ask.exact && (ask.tool === "question" || ask.tool === "elicitation");
  const isPlan = ask?.tool === "ExitPlanMode";
  const grants = ask !== null && ask.exact && ask.grants.length <= grantsMax ? ask.grants : [];
  const group = (until: Grant["until"]) => grants.filter((grant) => grant.until === until);
  const once = when(mayAllow, () => void answer({ decision: "approved", grants: [] }));
  /** A plan can be begun in a mode that the ask offers. */
  const accepting = isPlan ? grants.find((grant) => grant.mode === "acceptEdits" && grant.until === "session") : undefined;
  const startAccepting = accepting && when(mayAllow, () => void answer({ decision: "approved", grants: [accepting.index] }));
  const choose = (until: Grant["until"]) =>
    when(mayAllow, () => {
      const offered = group(until);
      const [first, ...more] = offered;
      if (first === undefined) return;
      // What a single grant lets pass stands in the question itself.
      if (until === "session" && more.length === 0) return void answer({ decision: "approved", grants: [first.index] });
      // A rule is about calls like this one; a mode or a folder is wider.
      setPicked([(offered.find((grant) => grant.isRule) ?? first).index]);
      setStep(until);
    });
  const deny = when(mayDeny, () => setStep("deny"));

  const onKeyDown = (event: React.KeyboardEvent) => {
    if (isForm || step !== "ask" || event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
    const acts: Record<string, (() => void) | undefined> = { "1": ask?.tool === "dialog" ? undefined : once, "2": isPlan ? startAccepting : choose("session"), "3": isPlan ? undefined : choose("always"), "4": deny };
    const chosen = acts[event.key];
    if (chosen === undefined) return;
    event.preventDefault();
    chosen();
  };

  let acts: ReactNode = null;
  if (ask === null) {
    acts = <p className="slip-say dim">{request.problem ?? "The question is large and still on its way."}</p>;
  } else if (step === "deny") {
    acts = (
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (mayDeny) void answer({ decision: "denied", grants: [], ...(note.trim() === "" ? {} : { reason: note.trim() }) });
        }}
      >
        <div className="slip-part">
          <label className="mid small">
            {isPlan ? "What should change (optional)" : "Why, or what to do instead (optional)"}
            <textarea className="field" rows={2} value={note} onChange={(event) => setNote(event.target.value)} data-testid="slip-deny-note" autoFocus />
          </label>
        </div>
        <div className="acts">
          <button type="submit" className="b main" disabled={!mayDeny} data-testid="slip-deny-send">
            {isPlan ? "Keep planning" : "Deny"}
          </button>
          <button type="button" className="b bare" onClick={() => setStep("ask")}>
            Back
          </button>
        </div>
      </form>
    );
  } else if (step === "session" || step === "always") {
    acts = (
      <>
        <fieldset className="slip-part grants">
          <legend className="mid small">Besides this call, let pass:</legend>
          {group(step).map((grant) => (
            <label key={grant.index}>
              <input
                type="checkbox"
                data-testid="slip-grant-pick"
                data-index={grant.index}
                checked={picked.includes(grant.index)}
                onChange={() => setPicked(picked.includes(grant.index) ? picked.filter((index) => index !== grant.index) : [...picked, grant.index].sort((a, b) => a - b))}
              />
              <GrantWords grant={grant} host={session.host} />
            </label>
          ))}
        </fieldset>
        <div className="acts">
          <button type="button" className="b main" disabled={!mayAllow || picked.length === 0} data-testid="slip-always-confirm" onClick={when(mayAllow, () => void answer({ decision: "approved", grants: picked }))}>
            {step === "session" ? "Allow for session" : "Always allow"}
          </button>
          <button type="button" className="b bare" onClick={() => setStep("ask")}>
            Back
          </button>
        </div>
      </>
    );
  } else if (ask.tool === "question" && ask.exact) {
    acts = (
      <Questions
        ask={ask}
        may={mayAllow}
        onAnswer={(answers) => void answer({ decision: "approved", grants: [], answers })}
        onSkip={when(mayDeny, () => void answer({ decision: "denied", grants: [], reason: "Skipped." }))}
      />
    );
  } else if (ask.tool === "elicitation" && ask.exact) {
    acts = <Elicitation ask={ask} may={mayAllow} mayDeny={mayDeny} onVerdict={(verdict) => void answer({ grants: [], ...verdict })} />;
  } else if (ask.tool === "dialog") {
    acts = (
      <>
        <p className="slip-part mid small">This page does not know what an answer to this looks like. You can only decline it; Claude then goes on as it does where nobody can be asked.</p>
        <div className="acts">
          <button type="button" className="b away wide" disabled={!mayDeny} data-testid="slip-deny" onClick={when(mayDeny, () => void answer({ decision: "denied", grants: [] }))}>
            Decline
          </button>
        </div>
      </>
    );
  } else if (Object.hasOwn(plainAnswers, ask.tool) || ask.tool === "question" || ask.tool === "elicitation") {
    const yesNo = plainAnswers[ask.tool] ?? ["Accept", "Decline"];
    acts = (
      <div className="acts">
        <button type="button" className="b main wide" disabled={!mayAllow} data-testid="slip-allow-once" onClick={once}>
          {yesNo[0]} <kbd>1</kbd>
        </button>
        <button type="button" className="b away wide" disabled={!mayDeny} data-testid="slip-deny" onClick={when(mayDeny, () => void answer({ decision: "denied", grants: [] }))}>
          {yesNo[1]}
        </button>
        <button type="button" className="b bare" disabled={!mayDeny} data-testid="slip-cancel" onClick={when(mayDeny, () => void answer({ decision: "abort", grants: [] }))}>
          Cancel
        </button>
      </div>
    );
  } else {
    const session1 = group("session");
    acts = (
      <>
        {accepting !== undefined && (
          <p className="slip-part dim small" data-testid="slip-accepting-words">
            To start and edit without asking means, until the session ends: {accepting.words}.
          </p>
        )}
        <div className="acts">
          <button type="button" className="b main wide" disabled={!mayAllow} data-testid="slip-allow-once" onClick={once}>
            {isPlan ? "Start" : "Allow once"} <kbd>1</kbd>
          </button>
          {startAccepting !== undefined && (
            <button type="button" className="b" disabled={!mayAllow} data-testid="slip-start-accepting" onClick={startAccepting}>
              Start; edit without asking <kbd>2</kbd>
            </button>
          )}
          {!isPlan && session1.length > 0 && (
            <button type="button" className="b" disabled={!mayAllow} data-testid="slip-allow-session" onClick={choose("session")}>
              {session1.length === 1 ? "Allow for session" : "Allow for session…"} <kbd>2</kbd>
            </button>
          )}
          {!isPlan && group("always").length > 0 && (
            <button type="button" className="b" disabled={!mayAllow} data-testid="slip-allow-always" onClick={choose("always")}>
              Always… <kbd>3</kbd>
            </button>
          )}
          <button type="button" className="b away wide" disabled={!mayDeny} data-testid="slip-deny" onClick={deny}>
            {isPlan ? "Keep planning…" : "Deny with note…"} <kbd>4</kbd>
          </button>
        </div>
      </>
    );
  }

  return (
    <section
      className="slip"
      aria-labelledby={titleId}
      data-testid="slip"
      data-request={request.id}
      data-tool={ask?.tool}
      data-armed={mayAllow}
      data-awake={awake}
      data-phase={phase}
      data-chooses={isForm || step === "session" || step === "always"}
      ref={box}
      tabIndex={-1}
      onKeyDown={onKeyDown}
    >
      <header>
        <StatusShape shape="needs-you" />
        <h3 id={titleId}>{step === "always" ? "Always allow what?" : step === "session" ? "Allow what for the session?" : headline(request)}</h3>
        <span className="grow dim trunc">waiting {waiting(now + session.clock - request.createdAt)}</span>
        {count > 1 && (
          <span className="no">
            {position} of {count}
          </span>
        )}
      </header>
      {ask !== null && (
        <div className="sliproll" ref={reading.box} onScroll={reading.onScroll} tabIndex={0} role="group" aria-label="What is asked" data-testid="slip-contents">
          <div>
            <Contents ask={ask} session={session} choosing={step === "session" || step === "always"} />
          </div>
        </div>
      )}
      {ask !== null && step !== "deny" && <HiddenLines reading={reading} />}
      {acts}
      {(said !== null || phase === "sent" || phase === "asking") && (
        <p className={said === null ? "slip-say dim" : "slip-say bad"} role="status" data-testid="slip-said">
          {said ?? (phase === "sent" ? "Answered; waiting for the machine to confirm." : "Asking the machine…")}
        </p>
      )}
    </section>
  );
}
