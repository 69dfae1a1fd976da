// The slip: what the agent asks, exactly, and the answers to it. Never steals focus; deaf for its first 400 ms, and to a yes until
// all of it was in view.
import { type ReactElement, type ReactNode, useCallback, useEffect, useId, useRef, useState } from "react";
import { NotKnown } from "../state/agentcall.ts";
import { type Ask, type Grant, modeWords, plainly, type Verdict, verdictOf } from "../state/ask.ts";
import type { PermissionRequest, SessionSummary } from "../state/sessionfields.ts";
import { baseName, countChanges, describeTool, diffOfInput, type Question, questionsOf } from "../state/tools.ts";
import { record, string } from "../state/transcript.ts";
import { HiddenLines, Marked, useReading, Values } from "./exact.tsx";
import { homePath, waiting } from "./format.ts";
import { useClient, useNow } from "./hooks.ts";
import { StatusShape } from "./marks.tsx";
import { DiffBox } from "./toolbox.tsx";

const deafMs = 400;

interface Props {
  readonly request: PermissionRequest;
  readonly session: SessionSummary;
  readonly position: number;
  readonly count: number;
  onAnswered?(): void;
}

export function headline(request: PermissionRequest): string {
  return plainly(headlineOf(request));
}

function headlineOf({ ask }: PermissionRequest): string {
  if (ask === null) return "A question that is not here yet";
  switch (ask.tool) {
    case "Bash":
      return "Run this command?";
    case "Edit":
    case "MultiEdit":
    case "NotebookEdit":
      return `Change ${baseName(describeTool(ask.tool, ask.arguments, null).object)}?`;
    case "Write":
      return `Write ${baseName(describeTool(ask.tool, ask.arguments, null).object)}?`;
    case "WebFetch":
      return "Fetch this page?";
    case "question":
      return "A question for you";
    case "elicitation":
      return `${string(ask.arguments["server"]) ?? "A server"} asks you`;
    case "dialog":
      return "Claude asks you to decide";
    case "trust":
      return "Trust this folder?";
    case "ExitPlanMode":
      return "Start with this plan?";
    default:
      return `Use ${ask.tool}?`;
  }
}

/** The arguments that stand as themselves, large; all others follow by name. */
function mainOf(ask: Ask): { shown: ReactNode; names: readonly string[] } {
  const input = ask.arguments;
  const texts = (...names: string[]) => names.every((name) => typeof input[name] === "string");
  const text = (name: string) => string(input[name]) ?? "";
  switch (ask.tool) {
    case "Bash":
      if (!texts("command")) break;
      return { shown: <Exact text={text("command")} />, names: ["command"] };
    case "WebFetch":
      if (!texts("url")) break;
      return { shown: <Exact text={text("url")} />, names: ["url"] };
    case "ExitPlanMode":
      if (!texts("plan")) break;
      return { shown: <Exact text={text("plan")} className="plan" />, names: ["plan"] };
    case "Edit":
      if (!texts("file_path", "old_string", "new_string")) break;
      return { shown: <Changes ask={ask} />, names: ["file_path", "old_string", "new_string"] };
    case "Write":
      if (!texts("file_path", "content")) break;
      return { shown: <Changes ask={ask} />, names: ["file_path", "content"] };
    case "question":
      // The choices themselves stand below; what they do not show of it is shown here.
      return { shown: null, names: isPlainQuestion(input["questions"]) ? ["questions"] : [] };
    case "elicitation":
      if (!texts("message")) break;
      return { shown: <Exact text={text("message")} className="plan" />, names: ["message", ...(fieldsOf(input["schema"]) === null ? [] : ["schema"])] };
  }
  return { shown: null, names: [] };
}

function Exact({ text, className = "" }: { text: string; className?: string }): ReactElement {
  return (
    <pre className={`exact ${className}`} data-testid="slip-exact">
      <Marked text={text} />
    </pre>
  );
}

function Changes({ ask }: { ask: Ask }): ReactElement {
  const hunks = diffOfInput(ask.tool, ask.arguments);
  const { added, removed } = countChanges(hunks);
  return (
    <div className="exact-diff" data-testid="slip-exact">
      <p className="mono small">
        <Marked text={string(ask.arguments["file_path"]) ?? ""} /> <span className="plus">+{added}</span> {removed > 0 && <span className="minus">−{removed}</span>}
      </p>
      <DiffBox hunks={hunks} path="" whole />
    </div>
  );
}

/** Everything of the question, and nothing that it does not say. */
function Contents({ ask, session, choosing }: { ask: Ask; session: SessionSummary; choosing: boolean }): ReactElement {
  if (!ask.exact) {
    return (
      <>
        <p className="mid small slip-part">This question does not come out the same when it is read and written again: programs may read different things in it. Here is its text.</p>
        <Exact text={ask.text} />
      </>
    );
  }
  const { shown, names } = mainOf(ask);
  const rest = Object.fromEntries(Object.entries(ask.arguments).filter(([name]) => !names.includes(name)));
  const cwd = ask.cwd ?? session.path;
  return (
    <>
      {shown}
      <Values of={rest} />
      <dl className="facts">
        {(session.host !== "" || cwd !== null) && (
          <>
            <dt>On</dt>
            <dd>
              <span className="mono">{session.host}</span>
              {cwd !== null && (
                <>
                  , in{" "}
                  <span className="mono">
                    <Marked text={homePath(cwd, session.homeDir)} />
                  </span>
                </>
              )}
            </dd>
          </>
        )}
        {ask.description !== null && ask.description !== "" && (
          <>
            <dt>It says</dt>
            <dd>
              <Marked text={ask.description} />
            </dd>
          </>
        )}
        {ask.blockedPath !== null && (
          <>
            <dt>Touches</dt>
            <dd className="mono">
              <Marked text={homePath(ask.blockedPath, session.homeDir)} />
            </dd>
          </>
        )}
      </dl>
      <Values of={ask.others} />
      {ask.grants.length > 0 && !choosing && (
        <div className="slip-part grants" data-testid="slip-grants">
          <p className="dim small">Allowing it once lets this one call pass. You could also let pass from now on:</p>
          <ol>
            {ask.grants.map((grant) => (
              <li key={grant.index} data-testid="slip-grant" data-index={grant.index}>
                <GrantWords grant={grant} host={session.host} />
              </li>
            ))}
          </ol>
        </div>
      )}
    </>
  );
}

function GrantWords({ grant, host }: { grant: Grant; host: string }): ReactElement {
  return (
    <span className="grantwords">
      <b>{grant.until === "session" ? "Until the session ends" : "Always"}</b>
      {grant.file !== null && (
        <>
          , written to <span className="mono">{grant.file}</span>
          {host !== "" && (
            <>
              {" "}
              on <span className="mono">{host}</span>
            </>
          )}
        </>
      )}
      : {grant.words}{" "}
      {grant.exact.map((text, i) => (
        <code key={i}>
          <Marked text={text} />
        </code>
      ))}
    </span>
  );
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
        setSaid(failure instanceof Error ? failure.message : String(failure));
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
  const grants = ask !== null && ask.exact ? ask.grants : [];
  const group = (until: Grant["until"]) => grants.filter((grant) => grant.until === until);
  const once = when(mayAllow, () => void answer({ decision: "approved", grants: [] }));
  const startAccepting = when(mayAllow, () => void answer({ decision: "approved", grants: [], mode: "acceptEdits" }));
  const choose = (until: Grant["until"]) =>
    when(mayAllow, () => {
      const [first, ...more] = group(until);
      if (first === undefined) return;
      // What a single grant lets pass stands in the question itself.
      if (until === "session" && more.length === 0) return void answer({ decision: "approved", grants: [first.index] });
      setPicked([first.index]);
      setStep(until);
    });
  const deny = when(mayDeny, () => setStep("deny"));

  const onKeyDown = (event: React.KeyboardEvent) => {
    if (isForm || step !== "ask" || event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
    const acts: Record<string, (() => void) | undefined> = { "1": once, "2": isPlan ? startAccepting : choose("session"), "3": isPlan ? undefined : choose("always"), "4": deny };
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
  } else if (ask.tool === "dialog" || ask.tool === "trust" || ask.tool === "question" || ask.tool === "elicitation") {
    acts = (
      <div className="acts">
        <button type="button" className="b main wide" disabled={!mayAllow} data-testid="slip-allow-once" onClick={once}>
          {ask.tool === "trust" ? "Trust it" : "Accept"} <kbd>1</kbd>
        </button>
        <button type="button" className="b away wide" disabled={!mayDeny} data-testid="slip-deny" onClick={when(mayDeny, () => void answer({ decision: "denied", grants: [] }))}>
          {ask.tool === "trust" ? "Do not trust it" : "Decline"}
        </button>
        <button type="button" className="b bare" disabled={!mayDeny} data-testid="slip-cancel" onClick={when(mayDeny, () => void answer({ decision: "abort", grants: [] }))}>
          Cancel
        </button>
      </div>
    );
  } else {
    const session1 = group("session");
    acts = (
      <div className="acts">
        <button type="button" className="b main wide" disabled={!mayAllow} data-testid="slip-allow-once" onClick={once}>
          {isPlan ? "Start" : "Allow once"} <kbd>1</kbd>
        </button>
        {isPlan && (
          <button type="button" className="b" disabled={!mayAllow} data-testid="slip-start-accepting" title={modeWords("acceptEdits")} onClick={startAccepting}>
            Start; edit without asking <kbd>2</kbd>
          </button>
        )}
        {!isPlan && session1.length > 0 && (
          <button type="button" className="b" disabled={!mayAllow} data-testid="slip-allow-session" title={session1.map((grant) => `${grant.words} ${grant.exact.join(" ")}`).join("; ")} onClick={choose("session")}>
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
      ref={box}
      tabIndex={-1}
      onKeyDown={onKeyDown}
    >
      <header>
        <StatusShape shape="needs-you" />
        <h3 id={titleId}>{step === "always" ? "Always allow what?" : step === "session" ? "Allow what for the session?" : headline(request)}</h3>
        <span className="grow dim trunc">waiting {waiting(now - request.createdAt)}</span>
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

const own = "\u0000own";

/** Whether the choices below show all that the questions say. */
function isPlainQuestion(value: unknown): boolean {
  const only = (of: Record<string, unknown>, names: readonly string[]) => Object.keys(of).every((name) => names.includes(name));
  return (
    Array.isArray(value) &&
    value.map(record).every((q) => only(q, ["question", "header", "multiSelect", "options"]) && (!Array.isArray(q["options"]) || q["options"].map(record).every((o) => only(o, ["label", "description"]))))
  );
}

function Questions({ ask, may, onAnswer, onSkip }: { ask: Ask; may: boolean; onAnswer(answers: Record<string, string>): void; onSkip(): void }): ReactElement {
  const questions = questionsOf(ask.arguments);
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
        if (complete && may) onAnswer(Object.fromEntries(questions.map((q) => [q.question, answerOf(q)])));
      }}
    >
      <div className="slip-part questions">
        {questions.map((q, i) => (
          <fieldset key={i} className="question">
            <legend>
              <Marked text={q.question} />
            </legend>
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
                  <Marked text={option.label} />
                  {option.description !== "" && (
                    <small>
                      <Marked text={option.description} />
                    </small>
                  )}
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
        <button type="submit" className="b main" disabled={!complete || !may} data-testid="slip-answer">
          Answer
        </button>
        <button type="button" className="b bare" onClick={onSkip} data-testid="slip-skip">
          Skip
        </button>
      </div>
    </form>
  );
}

interface Field {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly kind: "text" | "number" | "integer" | "boolean";
  readonly choices: readonly string[] | null;
  readonly required: boolean;
}

/** The fields of a form as MCP knows them: flat, of simple values. Null for a schema that says more than that: it is shown as it is. */
export function fieldsOf(schema: unknown): Field[] | null {
  if (schema === undefined) return [];
  const { properties, required, type } = record(schema);
  if (type !== "object" || typeof properties !== "object" || properties === null) return null;
  const needed = new Set(Array.isArray(required) ? required : []);
  const fields = Object.entries(properties).map(([name, value]): Field | null => {
    const of = record(value);
    const known = Object.keys(of).every((key) => ["type", "title", "description", "enum"].includes(key));
    const kinds: Record<string, Field["kind"]> = { string: "text", number: "number", integer: "integer", boolean: "boolean" };
    const kind = kinds[string(of["type"]) ?? ""];
    const choices = of["enum"] === undefined ? null : Array.isArray(of["enum"]) && of["enum"].every((choice) => typeof choice === "string") ? (of["enum"] as string[]) : undefined;
    if (!known || kind === undefined || choices === undefined || (choices !== null && kind !== "text")) return null;
    return { name, title: string(of["title"]) ?? name, description: string(of["description"]) ?? "", kind, choices, required: needed.has(name) };
  });
  return fields.includes(null) ? null : (fields as Field[]);
}

/** A form of an MCP server. What it asks for leaves the page only as the answer to this question. */
function Elicitation({ ask, may, mayDeny, onVerdict }: { ask: Ask; may: boolean; mayDeny: boolean; onVerdict(verdict: Omit<Verdict, "grants">): void }): ReactElement {
  const fields = fieldsOf(ask.arguments["schema"]);
  const [values, setValues] = useState<Record<string, string>>({});
  const valueOf = ({ name, kind }: Field): unknown => {
    const text = values[name] ?? "";
    if (kind === "boolean") return text === "yes";
    if (text === "") return undefined;
    return kind === "text" ? text : Number(text);
  };
  const sound = (field: Field): boolean => {
    const value = valueOf(field);
    if (value === undefined) return !field.required;
    return field.kind === "integer" ? Number.isSafeInteger(value) : field.kind === "number" ? Number.isFinite(value) : true;
  };
  const complete = fields !== null && fields.every(sound);
  const content = (): Record<string, unknown> => Object.fromEntries((fields ?? []).flatMap((field) => (valueOf(field) === undefined ? [] : [[field.name, valueOf(field)]])));
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (complete && may) onVerdict({ decision: "approved", answers: content() });
      }}
    >
      <div className="slip-part questions">
        {fields === null && <p className="mid small">This page cannot show a form for what is asked here. You can only decline it.</p>}
        {fields?.map((field) => (
          <label key={field.name} className="mid small">
            <Marked text={field.title} />
            {field.title !== field.name && (
              <>
                {" "}
                (<span className="mono">{field.name}</span>)
              </>
            )}
            {field.description !== "" && (
              <small>
                <Marked text={field.description} />
              </small>
            )}
            {field.kind === "boolean" || field.choices !== null ? (
              <select className="field" data-testid="slip-field" data-name={field.name} value={values[field.name] ?? ""} onChange={(event) => setValues({ ...values, [field.name]: event.target.value })}>
                <option value="">{field.kind === "boolean" ? "No" : "Choose"}</option>
                {(field.choices ?? ["yes"]).map((choice) => (
                  <option key={choice} value={choice}>
                    {field.kind === "boolean" ? "Yes" : choice}
                  </option>
                ))}
              </select>
            ) : (
              <input className="field" data-testid="slip-field" data-name={field.name} inputMode={field.kind === "text" ? "text" : "decimal"} value={values[field.name] ?? ""} onChange={(event) => setValues({ ...values, [field.name]: event.target.value })} />
            )}
          </label>
        ))}
      </div>
      <div className="acts">
        {fields !== null && (
          <button type="submit" className="b main" disabled={!complete || !may} data-testid="slip-answer">
            {fields.length === 0 ? "Accept" : "Answer"}
          </button>
        )}
        <button type="button" className="b away" disabled={!mayDeny} data-testid="slip-deny" onClick={() => onVerdict({ decision: "denied" })}>
          Decline
        </button>
        <button type="button" className="b bare" disabled={!mayDeny} data-testid="slip-cancel" onClick={() => onVerdict({ decision: "abort" })}>
          Cancel
        </button>
      </div>
    </form>
  );
}
