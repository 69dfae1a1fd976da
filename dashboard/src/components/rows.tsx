// The rows of a conversation. Each is memoised: a row changes only when what it shows changes.
import { AlertIcon, CheckIcon, ChevronRightIcon, InfoIcon, LightBulbIcon, XIcon } from "@primer/octicons-react";
import { memo, type ReactElement, type ReactNode, useMemo, useState } from "react";
import { hasOdd, plainly } from "../state/ask.ts";
import { briefly, clipped, isBrief } from "../state/brief.ts";
import { isMarkdown } from "../state/claude/commandoutput.ts";
import type { EntryProof } from "../state/logwatch.ts";
import type { Signer } from "../state/client.ts";
import type { HeldPrompt } from "../state/sessionfields.ts";
import type { Partial } from "../state/partials.ts";
import { describeTool, firstLine } from "../state/tools.ts";
import { type AnsweredAsk, type EventRow, type OutputRow, type PromptRow, type ResultRow, revisionsOf, type Row, type ThinkingRow, type ToolRow } from "../state/rows.ts";
import { isForTerminal } from "../text/terminal.ts";
import { Note } from "./basics.tsx";
import { Written } from "./code.tsx";
import { duration, fullTime, time } from "./format.ts";
import { heldWords } from "./held.tsx";
import { useEntryProof } from "./hooks.ts";
import { LogNumber, Tally } from "./marks.tsx";
import { Guard } from "./guard.tsx";
import { Markdown } from "./markdown.tsx";
import { Pieces } from "./piecewise.tsx";
import { PlainText } from "./plain.tsx";
import { Pictures } from "./picture.tsx";
import { type Going, goingWithin, outcome, Output, Path, Raw, ToolBody, toolIcons } from "./toolbox.tsx";

export interface RowContext {
  readonly cwd: string | null;
  readonly host: string;
  /** Calls that wait for the person. */
  readonly waiting: ReadonlySet<string>;
  readonly answered: ReadonlyMap<string, AnsweredAsk>;
  /** Prompts that the agent has and does not run, by id. */
  readonly held: ReadonlyMap<string, HeldPrompt>;
  /** Whether the agent can be told something about them. */
  readonly reachable: boolean;
  /** What is known of what has no end yet. */
  readonly going: Going;
  /** Whose key signed something. */
  signer(device: string): Signer;
  onUnsend(localId: string): void;
  onRetry(localId: string): void;
  onTakeBack(row: PromptRow): void;
}

const proofWords: Record<EntryProof, string> = { none: "stored, not proved here", proved: "proved here to be in the log as it is shown", refuted: "not what the log holds" };

function Entry({ row, children, className = "" }: { row: Row; children: ReactNode; className?: string }): ReactElement {
  const proof = useEntryProof(revisionsOf(row));
  const words = row.revision === null ? "" : `; ${proofWords[proof]}`;
  return (
    <div
      className={`entry ${className}`}
      data-testid="entry"
      data-kind={row.kind}
      data-key={row.key}
      data-revision={row.revision ?? undefined}
      data-proof={row.revision === null ? undefined : proof}
    >
      <span className="no" title={fullTime(row.at) + words + (row.unbound === true ? "; in an older form that binds no order" : "")}>
        {row.revision !== null && <RuledNumber revision={row.revision} proof={proof} />}
      </span>
      {children}
    </div>
  );
}

/** In the margin a proved number stands above the travelling double rule; one that is not proved carries its own single one. */
function RuledNumber({ revision, proof }: { revision: number; proof: EntryProof }): ReactElement {
  if (proof === "proved") return <LogNumber revision={revision} />;
  return (
    <span className="ruled" data-r={proof === "none" ? "stored" : "refuted"}>
      <LogNumber revision={revision} />
    </span>
  );
}

/** A line that unfolds. What is inside is made only when it is opened. */
function Fold({ className, line, children, testId }: { className: string; line: ReactNode; children: () => ReactNode; testId?: string }): ReactElement {
  const [open, setOpen] = useState(false);
  return (
    <details className={className} onToggle={(event) => setOpen(event.currentTarget.open)} data-testid={testId}>
      <summary className="line">
        {line}
        <ChevronRightIcon className="i chev" size={12} />
      </summary>
      {open && children()}
    </details>
  );
}

/** Who wrote a prompt, by the signature on it. */
function Writer({ device, signer }: { device: string | null; signer: RowContext["signer"] }): ReactElement {
  const by = device === null ? null : signer(device);
  if (by === null || by.standing === "unknown" || by.kind !== "browser") {
    return (
      <b className="bad" data-testid="writer" data-verified={false}>
        {by === null ? "Not signed" : by.kind === "agent" ? "Signed by a machine, not by you" : "Signed by a device that is not yours"}
      </b>
    );
  }
  return (
    <span data-testid="writer" data-verified={true}>
      <b>You</b> {by.isThis ? "here" : (by.name ?? "a device without a readable name")}
      {by.standing === "revoked" && <span className="bad"> (revoked)</span>},
    </span>
  );
}

const Prompt = memo(function Prompt({ row, context }: { row: PromptRow; context: RowContext }): ReactElement {
  const { host, onUnsend, onRetry } = context;
  const held = row.bundleId === null ? undefined : context.held.get(row.bundleId);
  const state = held !== undefined && row.state === "stored" ? "held" : row.state;
  const local = row.revision === null;
  const proof = useEntryProof(revisionsOf(row));
  const words: Partial_<typeof row.state> = {
    queued: `${row.unkept === true ? "queued in this page only, and gone when it is loaded again" : "queued here"}, not sent${row.reason === undefined ? "" : `: ${row.reason}`}`,
    sending: row.reason === undefined ? "on its way" : `kept here and sent later: ${row.reason}`,
    failed: `not stored: ${row.reason ?? ""}`,
    refused: `not run: ${row.reason ?? ""}`,
    held: `held: ${heldWords(held?.why ?? row.reason ?? "", held?.came, row.until, host)}`,
  };
  const word = words[state];
  return (
    <Entry row={row} className={local ? "said" : ""}>
      <section className="prompt" data-state={state}>
        <div className="in">
          <h2 className="by">
            {row.earlier === true ? (
              <b>Said to Claude before</b>
            ) : row.typed === true ? (
              <b>{host === "" ? "At the terminal" : `At the terminal of ${host}`}</b>
            ) : (
              <Writer device={row.device} signer={context.signer} />
            )}
            <span className={state === "failed" || state === "refused" ? "bad" : ""}>
              {time(row.at)}
              {word !== undefined && `, ${word}`}
            </span>
            <span className="grow" />
            {row.localId !== null && (row.state === "queued" || row.state === "failed") && (
              <>
                {row.state === "failed" && (
                  <button type="button" className="b bare small" onClick={() => onRetry(row.localId as string)}>
                    Try again
                  </button>
                )}
                <button type="button" className="b bare small" data-testid="unsend" onClick={() => onUnsend(row.localId as string)}>
                  Take back
                </button>
              </>
            )}
            {state === "stored" && row.number !== null && context.reachable && (
              <button type="button" className="b bare small" data-testid="take-back" onClick={() => context.onTakeBack(row)}>
                Take back
              </button>
            )}
            {row.earlier !== true && <Tally state={state} host={host} />}
            {row.revision !== null && (
              <span className="no only-phone">
                <RuledNumber revision={row.revision} proof={proof} />
              </span>
            )}
          </h2>
          <PlainText text={row.text} className="prose" />
        </div>
      </section>
    </Entry>
  );
});
type Partial_<K extends string> = { readonly [key in K]?: string };

function Thinking({ row }: { row: ThinkingRow }): ReactElement {
  return (
    <Fold
      className="think"
      line={
        <>
          <LightBulbIcon className="i" />
          <span className="v">Thought</span>
          <span className="o trunc">{firstLine(row.text)}</span>
        </>
      }
    >
      {() => <PlainText text={row.text.trim()} className="body" />}
    </Fold>
  );
}

/** What was answered and by whom: by name only where that device's signature verifies here. */
export function decisionWord(answer: AnsweredAsk, signer: RowContext["signer"]): string {
  const by = answer.device === null ? null : signer(answer.device);
  const name = by === null || by.standing === "unknown" || by.kind !== "browser" ? null : (by.name ?? "a device of yours");
  const who = name === null ? ", says the agent" : ` by ${name}${by?.standing === "revoked" ? " (revoked)" : ""}`;
  const reason = answer.reason === null || answer.reason === "" ? "" : `: ${plainly(briefly(answer.reason), "unseen")}`;
  if (answer.tool === "trust") return `${answer.decision === "approved" ? "trusted" : "not trusted"}${who}`;
  if (answer.tool === "server" || answer.tool === "plugin") return `${answer.decision === "approved" ? "allowed to run" : "not allowed to run"}${who}`;
  const isForm = answer.tool === "elicitation" || answer.tool === "dialog";
  if (answer.decision !== "approved") return `${answer.decision === "abort" ? "cancelled" : isForm ? "declined" : "denied"}${who}${reason}`;
  if (answer.tool === "question" || isForm) return `answered${who}`;
  const more = answer.grants.length === 0 ? "" : " with more from now on";
  return `${answer.tool === "ExitPlanMode" ? "started" : "allowed"}${more}${who}`;
}

/** What was asked, where it was not about a call. */
const questionsWithoutCall: Readonly<Record<string, string>> = { trust: "The folder", server: "A server of the folder", plugin: "A plugin of the folder", elicitation: "A server’s question", dialog: "A question of Claude Code" };

/** Steps of a subagent that are made, and unmade far from the view, together. */
const nestedRows = 50;
const nestedRowHeight = 28;

const Tool = memo(function Tool({ row, cwd, waiting, answer, context }: { row: ToolRow; cwd: string | null; waiting: boolean; answer: AnsweredAsk | undefined; context: RowContext }): ReactElement {
  const line = describeTool(row.name, row.input, cwd);
  const Icon = toolIcons[line.icon];
  const denied = answer !== undefined && answer.decision !== "approved";
  const { text, bad } = denied ? { text: "", bad: false } : outcome(row, context.going, answer?.at);
  const within = useMemo(() => ({ ...context, going: goingWithin(row, context.going) }), [context, row]);
  const childWaits = row.children.some((child) => child.kind === "tool" && context.waiting.has(child.toolUseId));
  return (
    <Fold
      className="tool"
      testId="tool"
      line={
        <>
          <Icon className={bad ? "i bad" : "i"} />
          <span className="v">{line.verb}</span>
          {line.isPath === true ? (
            <Path path={plainly(line.object)} className="o" />
          ) : (
            <span className={`o trunc ${line.spoken === true ? "say" : ""}`} title={plainly(line.object)}>
              {plainly(line.object)}
            </span>
          )}
          {waiting || childWaits ? (
            <span className="m ask">waiting for you</span>
          ) : (
            <>
              {answer !== undefined && (
                <span className="m opt" data-testid="decision">
                  {decisionWord(answer, context.signer)}
                </span>
              )}
              <span className={bad ? "m end bad" : "m end"} title={typeof text === "string" ? text : undefined}>
                {text}
              </span>
            </>
          )}
        </>
      }
    >
      {() => (
        <>
          {row.children.length > 0 && (
            <div className="nest">
              <Pieces count={Math.ceil(row.children.length / nestedRows)} height={(i) => Math.min(nestedRows, row.children.length - i * nestedRows) * nestedRowHeight}>
                {(i) =>
                  row.children.slice(i * nestedRows, (i + 1) * nestedRows).map((child) => (
                    <div key={child.key} data-testid="subentry" data-kind={child.kind}>
                      <Inner row={child} context={within} />
                    </div>
                  ))
                }
              </Pieces>
            </div>
          )}
          <div className="toolbody">
            {answer !== undefined && (
              <p className="dim small answered">
                {answer.decision === "approved" ? <CheckIcon className="i" /> : <XIcon className="i" />}
                {decisionWord(answer, context.signer)}, {time(answer.at)}
              </p>
            )}
            {answer !== undefined && answer.reason !== null && briefly(answer.reason) !== answer.reason && <Output text={answer.reason} />}
            <ToolBody row={row} />
          </div>
        </>
      )}
    </Fold>
  );
});

function Event({ row }: { row: EventRow }): ReactElement {
  if (row.tone === "alarm") {
    return (
      <Note tone="bad" icon={<AlertIcon className="i" />} title="The agent's own check of the log failed" testId="log-alarm">
        <PlainText text={plainly(row.text, "unseen")} />
      </Note>
    );
  }
  if (row.tone === "boundary") {
    return (
      <div className="boundary" role="separator" aria-label={row.text} data-testid="boundary">
        <span>{row.text}</span>
      </div>
    );
  }
  const Icon = row.tone === "fail" ? AlertIcon : InfoIcon;
  const whole = isBrief(row.text);
  const line = (
    <>
      <Icon className={row.tone === "fail" ? "i bad" : "i"} />
      <span className={`o say ${row.tone === "fail" ? "bad" : ""}`}>
        <Written text={whole ? row.text : clipped(row.text, 200)} />
      </span>
    </>
  );
  if (row.raw === undefined && whole) return <div className="line still">{line}</div>;
  return (
    <Fold
      className="tool"
      line={
        <>
          {line}
          <span className="m">{row.raw === undefined ? "show all" : "show raw"}</span>
        </>
      }
    >
      {() => (
        <>
          {!whole && <PlainText text={plainly(row.text, "unseen")} className="body" />}
          {row.raw !== undefined && <Raw value={row.raw} />}
        </>
      )}
    </Fold>
  );
}

function CommandOutput({ row }: { row: OutputRow }): ReactElement {
  return (
    <section className="output">
      <h3 className={`small ${row.failed ? "bad" : "dim"}`}>
        {row.failed ? "Error output" : "Output"}
        {row.of !== null && (
          <>
            {" "}
            of <span className="mono">{plainly(briefly(row.of))}</span>
          </>
        )}
      </h3>
      {isMarkdown(row.text) && !isForTerminal(row.text) && !hasOdd(row.text, "unseen") ? (
        <div className="prose boxed">
          <Markdown text={row.text.trim()} />
        </div>
      ) : (
        <Output text={row.text.replace(/^\n+/, "").trimEnd()} />
      )}
    </section>
  );
}

function Result({ row }: { row: ResultRow }): ReactElement {
  const took = row.durationMs === null ? "" : ` after ${duration(row.durationMs)}`;
  if (row.outcome === "failed") {
    return (
      <div className="turnend bad" role="note">
        <AlertIcon className="i" />
        <div>
          Failed{took}
          {row.reason !== null && row.reason !== "" && (isBrief(row.reason) ? `: ${plainly(row.reason, "unseen")}` : <PlainText text={plainly(row.reason, "unseen")} />)}
        </div>
      </div>
    );
  }
  return (
    <div className="turnend">
      {row.outcome === "stopped" ? "Stopped" : "Done"}
      {took}, {time(row.at)}
      {row.usage !== null && (
        <span className="no-phone" data-testid="usage" title={row.usage.costUsd === null ? undefined : `The conversation so far: $${row.usage.costUsd.toFixed(2)}, says Claude`}>
          {row.usage.input.toLocaleString("en")} tokens read, {row.usage.output.toLocaleString("en")} written
        </span>
      )}
    </div>
  );
}

/** A row without its margin: at top level and inside a subagent alike. */
function Inner({ row, context }: { row: Row; context: RowContext }): ReactElement {
  switch (row.kind) {
    case "text":
      return (
        <div className="prose">
          <Markdown text={row.text} />
          {row.aborted && <p className="dim small">Stopped here.</p>}
        </div>
      );
    case "thinking":
      return <Thinking row={row} />;
    case "tool":
      return (
        <Tool
          row={row}
          cwd={context.cwd}
          waiting={context.waiting.has(row.toolUseId)}
          answer={context.answered.get(row.toolUseId)}
          context={context}
        />
      );
    case "event":
      return <Event row={row} />;
    case "output":
      return <CommandOutput row={row} />;
    case "picture":
      return <Pictures of={[row.picture]} />;
    case "approval":
      return (
        <div className="line still" data-testid="decision">
          {row.approval.decision === "approved" ? <CheckIcon className="i" /> : <XIcon className="i" />}
          <span className="o say">
            {questionsWithoutCall[row.approval.tool ?? ""] ?? "A question"} was {decisionWord(row.approval, context.signer)}
          </span>
        </div>
      );
    case "result":
      return <Result row={row} />;
    case "unverified":
      return (
        <p className="unverified" role="note">
          <AlertIcon className="i" />
          <span>{row.text}</span>
        </p>
      );
    case "who":
    case "prompt":
      return <></>;
  }
}

export const RowView = memo(function RowView({ row, context }: { row: Row; context: RowContext }): ReactElement {
  return (
    <Guard plain={() => <PlainRow row={row} />} of={[row, context]}>
      <DrawnRow row={row} context={context} />
    </Guard>
  );
});

function DrawnRow({ row, context }: { row: Row; context: RowContext }): ReactElement {
  if (row.kind === "prompt") return <Prompt row={row} context={context} />;
  if (row.kind === "who") {
    return (
      <div className="entry" data-key={row.key}>
        <span className="no" />
        <h2 className="who">
          <b>Claude</b> {row.model === null ? "" : `${shortModel(row.model)}, `}
          {time(row.at)}
        </h2>
      </div>
    );
  }
  return (
    <Entry row={row}>
      <div>
        <Inner row={row} context={context} />
      </div>
    </Entry>
  );
}

/** In place of an entry that could not be drawn. */
function PlainRow({ row }: { row: Row }): ReactElement {
  return (
    <div className="entry" data-testid="entry" data-kind={row.kind} data-key={row.key} data-plain="">
      <span className="no" />
      <div>
        <p className="dim small">This entry could not be drawn. Its text:</p>
        <PlainText text={wordsOf(row)} className="prose" />
      </div>
    </div>
  );
}

/** All that a row says, as one text. */
function wordsOf(row: Row): string {
  switch (row.kind) {
    case "who":
      return row.model ?? "";
    case "tool":
      return [row.name, JSON.stringify(row.input, null, 2), row.result?.text ?? "", ...row.children.map(wordsOf)].join("\n");
    case "result":
      return row.reason ?? row.outcome;
    case "approval":
      return row.approval.decision;
    case "picture":
      return row.picture.type;
    default:
      return row.text;
  }
}

export function shortModel(model: string): string {
  return model.replace(/^claude-/, "").replace(/-\d{8}$/, "");
}

/** What is being said: in no log yet, so it has no number. */
export function PartialView({ partial, first }: { partial: Partial; first: boolean }): ReactElement {
  const caret = <span className="caret" aria-hidden="true" />;
  return (
    <div className="entry said talk" data-testid="partial" data-kind={partial.kind}>
      <span className="no" title="not in the log yet">
        {first ? "now" : ""}
      </span>
      {partial.kind === "thinking" ? (
        <div>
          <div className="line still think-now">
            <LightBulbIcon className="i" />
            <span className="v">Thinking</span>
            <span className="o trunc">{lastLine(partial.text)}</span>
            {!partial.torn && caret}
          </div>
        </div>
      ) : (
        <div className={partial.torn ? "prose" : "prose growing"} aria-live="off">
          {partial.text === "" ? <p>{caret}</p> : <Markdown text={partial.text} />}
        </div>
      )}
    </div>
  );
}

function lastLine(text: string): string {
  return text.slice(-400).trimEnd().split("\n").pop() ?? "";
}
