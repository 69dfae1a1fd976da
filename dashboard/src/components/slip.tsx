// The slip: what the agent asks, exactly, and the answers to it. Never steals focus; deaf for its first 400 ms.
import { type ReactElement, type ReactNode, useCallback, useEffect, useId, useRef, useState } from "react";
import type { PermissionRequest, SessionSummary } from "../state/sessionfields.ts";
import { baseName, countChanges, describeTool, diffOfInput, type Question, questionsOf } from "../state/tools.ts";
import { record, string } from "../state/transcript.ts";
import { useClient, useNow } from "./hooks.ts";
import { homePath, waiting } from "./format.ts";
import { StatusShape } from "./marks.tsx";
import { Markdown } from "./markdown.tsx";
import { DiffBox } from "./toolbox.tsx";

const deafMs = 400;

export type Decision = "approved" | "approved_for_session" | "approved_always" | "denied";

export interface Answer {
  readonly decision: Decision;
  readonly reason?: string;
  readonly answers?: Readonly<Record<string, string>>;
  readonly mode?: string;
}

interface Props {
  readonly request: PermissionRequest;
  readonly session: SessionSummary;
  readonly position: number;
  readonly count: number;
  onAnswered?(): void;
}

export function headline(request: PermissionRequest): string {
  switch (request.tool) {
    case "Bash":
      return "Run this command?";
    case "Edit":
    case "MultiEdit":
    case "NotebookEdit":
      return `Change ${baseName(describeTool(request.tool, request.arguments, null).object)}?`;
    case "Write":
      return `Write ${baseName(describeTool(request.tool, request.arguments, null).object)}?`;
    case "WebFetch":
      return "Fetch this page?";
    case "AskUserQuestion":
      return "A question for you";
    case "ExitPlanMode":
      return "Start with this plan?";
    default:
      return `Use ${request.tool}?`;
  }
}

/** The rule that "Always" writes, and where it goes, from Claude's own suggestions. */
export function alwaysRules(request: PermissionRequest): { rules: string[]; destination: string } | null {
  for (const suggestion of request.suggestions) {
    const destination = string(suggestion["destination"]) ?? "";
    if (suggestion["type"] !== "addRules" || destination === "session" || !Array.isArray(suggestion["rules"])) continue;
    const rules = suggestion["rules"].map((value) => {
      const rule = record(value);
      const content = string(rule["ruleContent"]);
      return `${string(rule["toolName"]) ?? "?"}${content === null ? "" : `(${content})`}`;
    });
    if (rules.length > 0) return { rules, destination };
  }
  return null;
}

function destinationFile(destination: string): string {
  switch (destination) {
    case "userSettings":
      return "~/.claude/settings.json";
    case "projectSettings":
      return ".claude/settings.json";
    default:
      return ".claude/settings.local.json";
  }
}

function Exact({ request }: { request: PermissionRequest }): ReactElement {
  const { tool } = request;
  const input = request.arguments;
  const text = (field: string) => string(input[field]) ?? "";
  if (tool === "Bash") {
    return (
      <pre className="exact" tabIndex={0} data-testid="slip-exact">
        <code>{text("command")}</code>
      </pre>
    );
  }
  if (tool === "Edit" || tool === "MultiEdit" || tool === "Write") {
    const hunks = diffOfInput(tool, input);
    const { added, removed } = countChanges(hunks);
    return (
      <div className="exact-diff" data-testid="slip-exact">
        <p className="mono small">
          {text("file_path")} <span className="plus">+{added}</span> {removed > 0 && <span className="minus">−{removed}</span>}
        </p>
        <DiffBox hunks={hunks} path={text("file_path")} />
      </div>
    );
  }
  if (tool === "ExitPlanMode") {
    return (
      <div className="prose exact plan" tabIndex={0} data-testid="slip-exact">
        {text("plan") === "" ? <p>The agent wrote no plan down.</p> : <Markdown text={text("plan")} />}
      </div>
    );
  }
  const only = Object.values(input);
  return (
    <pre className="exact" tabIndex={0} data-testid="slip-exact">
      <code>{tool === "WebFetch" ? text("url") : only.length === 1 && typeof only[0] === "string" ? only[0] : JSON.stringify(input, null, 2)}</code>
    </pre>
  );
}

export function Slip({ request, session, position, count, onAnswered }: Props): ReactElement {
  const client = useClient();
  const now = useNow(1_000);
  const titleId = useId();
  const box = useRef<HTMLElement>(null);
  /** False while a tap or key may still be meant for what was here before. */
  const [armed, setArmed] = useState(false);
  const [step, setStep] = useState<"ask" | "always" | "deny">("ask");
  const [note, setNote] = useState("");
  const [sending, setSending] = useState(false);
  const [sent, setSent] = useState(false);
  const [error, setError] = useState<string | null>(null);

  useEffect(() => {
    setArmed(false);
    const timer = setTimeout(() => setArmed(true), deafMs);
    setStep("ask");
    setNote("");
    setSending(false);
    setSent(false);
    setError(null);
    return () => clearTimeout(timer);
  }, [request.id]);

  const answer = useCallback(
    async (given: Answer): Promise<void> => {
      setSending(true);
      setError(null);
      try {
        const approved = given.decision !== "denied";
        await client.call(session.id, "permission", {
          id: request.id,
          approved,
          decision: given.decision,
          ...(given.reason === undefined ? {} : { reason: given.reason }),
          ...(given.mode === undefined ? {} : { mode: given.mode }),
          ...(given.answers === undefined ? {} : { answers: given.answers, updatedInput: { ...request.arguments, answers: given.answers } }),
        });
        setSent(true);
        onAnswered?.();
      } catch (failure) {
        setError(failure instanceof Error ? failure.message : String(failure));
      } finally {
        setSending(false);
      }
    },
    [client, session.id, request.id, request.arguments, onAnswered],
  );

  const always = alwaysRules(request);
  const isQuestion = request.tool === "AskUserQuestion";
  const isPlan = request.tool === "ExitPlanMode";
  const busy = sending || sent || !armed;
  const act = (work: () => void) => () => {
    if (!busy) work();
  };
  const once = act(() => void answer({ decision: "approved" }));
  const forSession = act(() => void answer({ decision: "approved_for_session" }));
  const startAccepting = act(() => void answer({ decision: "approved", mode: "acceptEdits" }));

  const onKeyDown = (event: React.KeyboardEvent) => {
    if (isQuestion || step !== "ask" || event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
    const acts: Record<string, (() => void) | undefined> = {
      "1": once,
      "2": isPlan ? startAccepting : forSession,
      "3": isPlan || always === null ? undefined : act(() => setStep("always")),
      "4": act(() => setStep("deny")),
    };
    const chosen = acts[event.key];
    if (chosen === undefined) return;
    event.preventDefault();
    chosen();
  };

  const cwd = request.cwd ?? session.path;
  let body: ReactNode;
  if (isQuestion) {
    body = <Questions request={request} busy={busy} onAnswer={(answers) => void answer({ decision: "approved", answers })} onSkip={act(() => void answer({ decision: "denied", reason: "Skipped." }))} />;
  } else if (step === "always" && always !== null) {
    body = (
      <>
        <div className="slip-part">
          {always.rules.map((rule) => (
            <pre key={rule} className="exact rule">
              <code>{rule}</code>
            </pre>
          ))}
          <p className="dim small">
            Saved in <span className="mono">{destinationFile(always.destination)}</span>
            {session.host !== "" && (
              <>
                {" "}
                on <span className="mono">{session.host}</span>
              </>
            )}
            . Calls that match it will not ask any more.
          </p>
        </div>
        <div className="acts">
          <button type="button" className="b main" disabled={busy} data-testid="slip-always-confirm" onClick={act(() => void answer({ decision: "approved_always" }))}>
            Always allow
          </button>
          <button type="button" className="b bare" onClick={() => setStep("ask")}>
            Back
          </button>
        </div>
      </>
    );
  } else if (step === "deny") {
    body = (
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void answer({ decision: "denied", reason: note.trim() });
        }}
      >
        <Exact request={request} />
        <div className="slip-part">
          <label className="mid small">
            {isPlan ? "What should change (optional)" : "Why, or what to do instead (optional)"}
            <textarea className="field" rows={2} value={note} onChange={(event) => setNote(event.target.value)} data-testid="slip-deny-note" autoFocus />
          </label>
        </div>
        <div className="acts">
          <button type="submit" className="b main" disabled={busy} data-testid="slip-deny-send">
            {isPlan ? "Keep planning" : "Deny"}
          </button>
          <button type="button" className="b bare" onClick={() => setStep("ask")}>
            Back
          </button>
        </div>
      </form>
    );
  } else {
    body = (
      <>
        <Exact request={request} />
        <dl className="facts">
          {(session.host !== "" || cwd !== null) && (
            <>
              <dt>On</dt>
              <dd>
                <span className="mono">{session.host}</span>
                {cwd !== null && (
                  <>
                    , in <span className="mono">{homePath(cwd, session.homeDir)}</span>
                  </>
                )}
              </dd>
            </>
          )}
          {request.description !== null && request.description !== "" && !describeTool(request.tool, request.arguments, null).object.endsWith(request.description) && (
            <>
              <dt>It says</dt>
              <dd>{request.description}</dd>
            </>
          )}
          {request.blockedPath !== null && (
            <>
              <dt>Touches</dt>
              <dd>
                <span className="mono">{homePath(request.blockedPath, session.homeDir)}</span>
              </dd>
            </>
          )}
        </dl>
        <div className="acts">
          <button type="button" className="b main wide" disabled={busy} data-testid="slip-allow-once" onClick={once}>
            {isPlan ? "Start" : "Allow once"} <kbd>1</kbd>
          </button>
          {isPlan && (
            <button type="button" className="b" disabled={busy} data-testid="slip-start-accepting" onClick={startAccepting}>
              Start, accept edits <kbd>2</kbd>
            </button>
          )}
          {!isPlan && (
            <button type="button" className="b" disabled={busy} data-testid="slip-allow-session" onClick={forSession}>
              Allow for session <kbd>2</kbd>
            </button>
          )}
          {!isPlan && always !== null && (
            <button type="button" className="b" disabled={busy} data-testid="slip-allow-always" onClick={act(() => setStep("always"))}>
              Always… <kbd>3</kbd>
            </button>
          )}
          <button type="button" className="b away wide" disabled={busy} data-testid="slip-deny" onClick={act(() => setStep("deny"))}>
            {isPlan ? "Keep planning…" : "Deny with note…"} <kbd>4</kbd>
          </button>
        </div>
      </>
    );
  }

  return (
    <section className="slip" aria-labelledby={titleId} data-testid="slip" data-request={request.id} data-tool={request.tool} data-armed={armed} ref={box} tabIndex={-1} onKeyDown={onKeyDown}>
      <header>
        <StatusShape shape="needs-you" />
        <h3 id={titleId}>{step === "always" ? "Always allow what?" : headline(request)}</h3>
        <span className="grow dim trunc">waiting {waiting(now - request.createdAt)}</span>
        {count > 1 && (
          <span className="no">
            {position} of {count}
          </span>
        )}
      </header>
      {body}
      {(error !== null || sent) && (
        <p className={error === null ? "slip-say dim" : "slip-say bad"} role="status">
          {error ?? "Answered; waiting for the machine to confirm."}
        </p>
      )}
    </section>
  );
}

const own = "\u0000own";

function Questions({ request, busy, onAnswer, onSkip }: { request: PermissionRequest; busy: boolean; onAnswer(answers: Record<string, string>): void; onSkip(): void }): ReactElement {
  const questions = questionsOf(request.arguments);
  const [picked, setPicked] = useState<Record<string, string[]>>({});
  const [words, setWords] = useState<Record<string, string>>({});
  const base = useId();

  const toggle = (q: Question, label: string) =>
    setPicked((before) => {
      const now = before[q.question] ?? [];
      const next = q.multiSelect ? (now.includes(label) ? now.filter((l) => l !== label) : [...now, label]) : [label];
      return { ...before, [q.question]: next };
    });
  const answerOf = (q: Question): string =>
    (picked[q.question] ?? [])
      .map((label) => (label === own ? (words[q.question] ?? "").trim() : label))
      .filter((label) => label !== "")
      .join(", ");
  const complete = questions.every((q) => answerOf(q) !== "");

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (complete) onAnswer(Object.fromEntries(questions.map((q) => [q.question, answerOf(q)])));
      }}
    >
      <div className="slip-part questions">
        {questions.map((q, i) => (
          <fieldset key={q.question} className="question">
            <legend>{q.question}</legend>
            <div className="pick">
              {q.options.map((option) => (
                <label key={option.label}>
                  <input
                    type={q.multiSelect ? "checkbox" : "radio"}
                    name={`${base}.${i}`}
                    data-testid="slip-choice"
                    checked={(picked[q.question] ?? []).includes(option.label)}
                    onChange={() => toggle(q, option.label)}
                  />
                  {option.label}
                  {option.description !== "" && <small>{option.description}</small>}
                </label>
              ))}
              <label>
                <input type={q.multiSelect ? "checkbox" : "radio"} name={`${base}.${i}`} checked={(picked[q.question] ?? []).includes(own)} onChange={() => toggle(q, own)} />
                <span>
                  Something else
                  <input
                    className="field"
                    aria-label={`Your own answer to: ${q.question}`}
                    data-testid="slip-own-answer"
                    placeholder="In your own words"
                    value={words[q.question] ?? ""}
                    onChange={(event) => {
                      setWords({ ...words, [q.question]: event.target.value });
                      if (!(picked[q.question] ?? []).includes(own)) toggle(q, own);
                    }}
                  />
                </span>
              </label>
            </div>
          </fieldset>
        ))}
      </div>
      <div className="acts">
        <button type="submit" className="b main" disabled={!complete || busy} data-testid="slip-answer">
          Answer
        </button>
        <button type="button" className="b bare" disabled={busy} onClick={onSkip} data-testid="slip-skip">
          Skip
        </button>
      </div>
    </form>
  );
}
