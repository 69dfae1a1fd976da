// The inside of a tool line: input and result.
import {
  CommentDiscussionIcon,
  FileIcon,
  GitBranchIcon,
  KebabHorizontalIcon,
  LinkIcon,
  PencilIcon,
  SearchIcon,
  TasklistIcon,
  TerminalIcon,
  type Icon,
} from "@primer/octicons-react";
import { type ReactElement, type ReactNode, useMemo, useState } from "react";
import { hasOdd, plainly } from "../state/ask.ts";
import { clipped } from "../state/brief.ts";
import { baseName, countChanges, type DiffLine, diffOf, planOf, questionsOf, type Todo, type ToolIcon } from "../state/tools.ts";
import type { BackgroundOf, Cut, ToolRow } from "../state/rows.ts";
import { record, string } from "../state/values.ts";
import { backgroundWord } from "../state/words.ts";
import { languageOf } from "../text/languages.ts";
import { terminalCharactersMax } from "../text/limits.ts";
import { isForTerminal, withoutControls } from "../text/terminal.ts";
import type { Span } from "../text/tree.ts";
import { CopyButton } from "./basics.tsx";
import { Code, CodeLines, Spans } from "./code.tsx";
import { Marked, MarkedLong, Values } from "./exact.tsx";
import { duration, number, plural } from "./format.ts";
import { Markdown } from "./markdown.tsx";
import { Pieces } from "./piecewise.tsx";
import { lineCharactersMax, linesOf, pieceLines } from "./plain.tsx";
import { Pictures } from "./picture.tsx";
import { useColours, useTerminal } from "./reading.ts";

export const toolIcons: Record<ToolIcon, Icon> = {
  terminal: TerminalIcon,
  edit: PencilIcon,
  file: FileIcon,
  search: SearchIcon,
  list: TasklistIcon,
  branch: GitBranchIcon,
  link: LinkIcon,
  ask: CommentDiscussionIcon,
  more: KebabHorizontalIcon,
};

export function Path({ path, className = "" }: { path: string; className?: string }): ReactElement {
  const name = baseName(path);
  return (
    <span className={`path ${className}`} title={path}>
      <span>{path.slice(0, path.length - name.length)}</span>
      <b>{name}</b>
    </span>
  );
}

const linesShown = 8;

/** Output in a box: its first lines, then all of it. What is for a terminal looks as it does there. */
export function Output({ text, language = "" }: { text: string; language?: string }): ReactElement {
  return isForTerminal(text) ? <TerminalOutput text={text} /> : <Box text={text}>{(shown) => <Code text={shown.join("\n")} language={language} />}</Box>;
}

function TerminalOutput({ text }: { text: string }): ReactElement {
  const read = useTerminal(text, text.length <= terminalCharactersMax);
  const plain = useMemo(() => (read === null ? withoutControls(text) : read.map((spans) => spans.map(([, part]) => part).join("")).join("\n")), [text, read]);
  // Lines that are cut have no looks: nobody reads them for their colours.
  return <Box text={plain}>{(shown, whole) => <CodeLines lines={shown} looks={read !== null && whole ? read.slice(0, shown.length) : null} />}</Box>;
}

/** `children`: draws the first lines, or all; `whole`: whether none of them was cut. */
function Box({ text, children }: { text: string; children: (shown: readonly string[], whole: boolean) => ReactNode }): ReactElement {
  const [all, setAll] = useState(false);
  const { lines, whole } = useMemo(() => {
    const trimmed = text.replace(/\n$/, "");
    const cut = linesOf(trimmed);
    return { lines: cut, whole: cut.length === trimmed.split("\n").length };
  }, [text]);
  const folds = lines.length > linesShown + 2;
  const shown = useMemo(() => (folds && !all ? lines.slice(0, linesShown) : lines), [lines, folds, all]);
  return (
    <div className="box">
      <pre tabIndex={0}>{children(shown, whole)}</pre>
      {folds && (
        <div className="bar end">
          <span className="grow">{all ? `${number(lines.length)} lines` : `${linesShown} of ${number(lines.length)} lines`}</span>
          <CopyButton text={text} label="Copy all lines" />
          <button type="button" className="b bare small" onClick={() => setAll(!all)}>
            {all ? `Show ${linesShown}` : `Show all ${number(lines.length)} lines`}
          </button>
        </div>
      )}
    </div>
  );
}

const diffLinesShown = 60;
const diffLineHeight = 20;
const wholePieceLines = 20;

type ShownLine = DiffLine | "skip";

/** `whole`: nothing is folded away, and odd characters are marked: where somebody decides by it. */
export function DiffBox({ hunks, path, whole = false }: { hunks: readonly (readonly DiffLine[])[]; path: string; whole?: boolean }): ReactElement {
  const [all, setAll] = useState(whole);
  const lines = useMemo(() => hunks.flatMap((hunk, i): ShownLine[] => (i > 0 ? ["skip", ...hunk] : [...hunk])), [hunks]);
  const total = hunks.reduce((sum, hunk) => sum + hunk.length, 0);
  const last = useMemo(() => lines.reduce((most, line) => (line === "skip" ? most : Math.max(most, line.before ?? 0, line.after ?? 0)), 0), [lines]);
  const shown = all ? lines : lines.slice(0, diffLinesShown);
  // Of what is wrapped and marked, a line may be many.
  const step = whole ? wholePieceLines : pieceLines;
  const part = (from: number, to: number) => <DiffLines lines={shown.slice(from, to)} language={whole ? "" : languageOf(path)} digits={String(last).length} whole={whole} />;
  return (
    <div className="box">
      <div className="diffscroll" tabIndex={0} role="group" aria-label="Changed lines">
        <Pieces count={Math.ceil(shown.length / step)} height={(i) => Math.min(step, shown.length - i * step) * diffLineHeight}>
          {(i) => part(i * step, (i + 1) * step)}
        </Pieces>
      </div>
      {lines.length > diffLinesShown && !whole && (
        <div className="bar end">
          <span className="grow">{all ? `${number(total)} lines` : `${number(diffLinesShown)} of ${number(total)} lines`}</span>
          <button type="button" className="b bare small" onClick={() => setAll(!all)}>
            {all ? `Show ${diffLinesShown}` : `Show all ${number(total)} lines`}
          </button>
        </div>
      )}
    </div>
  );
}

function DiffLines({ lines, language, digits, whole }: { lines: readonly ShownLine[]; language: string; digits: number; whole: boolean }): ReactElement {
  const text = useMemo(() => lines.map((line) => (line === "skip" ? "" : line.text.length > lineCharactersMax ? "" : line.text)).join("\n"), [lines]);
  const colours = useColours(text, language, true);
  const before = lines.some((line) => line !== "skip" && line.before !== null);
  const after = lines.some((line) => line !== "skip" && line.after !== null);
  const width = { minWidth: `calc(${digits}ch + 22px)` };
  return (
    <table className="diff" translate="no">
      <tbody>
        {lines.map((line, i) =>
          line === "skip" ? (
            <tr key={i} className="skip">
              <td colSpan={4}>⋯</td>
            </tr>
          ) : (
            <tr key={i} className={line.sign === "+" ? "a" : line.sign === "-" ? "d" : ""}>
              {before && (
                <td className="n" style={width}>
                  {line.before}
                </td>
              )}
              {after && (
                <td className="n" style={width}>
                  {line.after}
                </td>
              )}
              <td className="sg" aria-label={line.sign === "+" ? "added" : line.sign === "-" ? "removed" : undefined}>
                {line.sign === "+" ? "+" : line.sign === "-" ? "−" : ""}
              </td>
              <td>{whole ? <MarkedLong text={line.text === "" ? " " : line.text} /> : <DiffText text={line.text} spans={colours?.[i] ?? []} />}</td>
            </tr>
          ),
        )}
      </tbody>
    </table>
  );
}

function DiffText({ text, spans }: { text: string; spans: readonly Span[] }): ReactElement {
  if (hasOdd(text)) return <Marked text={linesOf(text).join("\n")} />;
  if (spans.length > 0) return <Spans spans={spans} />;
  return <>{text.length > lineCharactersMax ? linesOf(text).join("\n") : text || " "}</>;
}

export function Raw({ value }: { value: unknown }): ReactElement {
  return <Output text={plainly(typeof value === "string" ? value : JSON.stringify(value, null, 2))} language={typeof value === "string" ? "" : "json"} />;
}

function errorBody(row: ToolRow): ReactNode {
  return row.result !== null && row.result.isError ? <Output text={cleanError(row.result.text)} /> : null;
}

function cleanError(text: string): string {
  return text.replace(/^<tool_use_error>([^]*)<\/tool_use_error>$/, "$1");
}

/** What is known of the agent, for what has no end yet. */
export interface Going {
  readonly agent: "there" | "away" | "ended";
  /** Ids of what runs in the background, as the agent's state says; null where that does not list all of it. */
  readonly background: ReadonlySet<string> | null;
  /** It is of a subagent in the background that has ended, or may have: nothing more is heard of it. */
  readonly over?: boolean;
}

/** What is known for the steps of a call. */
export function goingWithin(row: ToolRow, going: Going): Going {
  return row.background !== undefined && (row.background.status !== "begun" || isOver(row.background, going)) ? { ...going, over: true } : going;
}

const cutWords: Record<Cut, string> = { stopped: "stopped", turn: "no result", agent: "no result: the agent ended before" };

/** What stands at the right end of the line: no more than a phone has room for. */
/** `answeredAt`: when a person had decided about the call, if one was asked: it took no time before. */
export function outcome(row: ToolRow, going: Going, answeredAt = 0): { text: ReactNode; bad: boolean } {
  const { name, result } = row;
  if (row.name === "") return { text: "", bad: false };
  if (row.background !== undefined && result?.isError !== true) return { text: stepsBefore(row) + inBackground(row.background, going), bad: row.background.status === "failed" };
  if (result === null) return { text: withoutResult(row, going), bad: false };
  const ms = result.at - Math.max(row.at, answeredAt);
  const took = ms < 50 ? 0 : ms;
  if (result.isError) {
    if (result.decision === "reject") return { text: "denied", bad: false };
    if (result.stopped) return { text: "stopped", bad: false };
    // The first line of a failed command is Claude Code's own.
    const exit = name === "Bash" ? /^Exit code (\d+)/.exec(result.text)?.[1] : undefined;
    return { text: `failed${exit === undefined ? "" : `, exit ${exit}`}${took > 0 ? `, ${duration(took)}` : ""}`, bad: true };
  }
  const structured = record(result.structured);
  switch (name) {
    case "Bash":
      return { text: took > 0 ? duration(took) : "done", bad: false };
    case "Edit":
    case "MultiEdit":
    case "Write":
    case "NotebookEdit": {
      const { added, removed } = countChanges(diffOf(row));
      return {
        text: (
          <>
            <span className="plus">+{number(added)}</span> {removed > 0 && <span className="minus">−{number(removed)}</span>}
          </>
        ),
        bad: false,
      };
    }
    case "Read": {
      if (result.pictures.length > 0) return { text: plural(result.pictures.length, "picture"), bad: false };
      const file = record(structured["file"]);
      return { text: typeof file["numLines"] === "number" ? plural(file["numLines"], "line") : "done", bad: false };
    }
    case "Grep":
    case "Glob": {
      const { mode, numFiles: files, numLines: lines } = structured;
      if (mode === "content") return { text: typeof lines === "number" ? plural(lines, "line") : "done", bad: false };
      return { text: typeof files === "number" ? plural(files, "file") : "done", bad: false };
    }
    case "Agent":
    case "Task":
      return { text: `${steps(row)}${took > 0 ? `, ${duration(took)}` : ""}`, bad: false };
    case "AskUserQuestion":
    case "ExitPlanMode":
      return { text: "", bad: false };
    default:
      return { text: took > 1000 ? duration(took) : "", bad: false };
  }
}

function isSubagent({ name }: ToolRow): boolean {
  return name === "Agent" || name === "Task";
}

/** What a subagent did: what it said and was told is no step. */
const stepsOf = (row: ToolRow) => row.children.filter((child) => child.kind === "tool").length;
const steps = (row: ToolRow) => plural(stepsOf(row), "step");

function stepsBefore(row: ToolRow): string {
  return stepsOf(row) > 0 ? `${steps(row)}, ` : "";
}

/** The agent's state has it no more, and nobody said how it ended. While its turn goes on that may be a moment behind. */
function isOver({ task, settled }: BackgroundOf, { background }: Going): boolean {
  return settled && background !== null && !background.has(task);
}

function inBackground(of: BackgroundOf, going: Going): string {
  const { status } = of;
  const { agent } = going;
  if (status !== "begun") return `in the background: ${backgroundWord(status)}`;
  if (agent === "ended") return `in the background: ${backgroundWord("lost")}`;
  if (agent === "away") return "was in the background";
  return isOver(of, going) ? "in the background: over, how is not known" : "in the background";
}

function withoutResult(row: ToolRow, { agent, over }: Going): string {
  if (row.cut !== null) return stepsBefore(row) + cutWords[row.cut];
  if (agent === "ended") return stepsBefore(row) + cutWords.agent;
  if (agent === "away" || over === true) return `${stepsBefore(row)}no result known`;
  if (isSubagent(row)) return steps(row);
  return row.ranFor === undefined ? "running" : `running for ${duration(row.ranFor * 1000)}`;
}

export function ToolBody({ row }: { row: ToolRow }): ReactElement {
  const { name, input, result } = row;
  const text = (field: string) => string(input[field]) ?? "";
  const [raw, setRaw] = useState(false);
  let body: ReactNode;
  /** The arguments that the body or the line above it shows; all others are listed. */
  let shows: readonly string[] = [];
  switch (name) {
    case "Bash": {
      shows = ["command"];
      const structured = record(result?.structured);
      const streams = [string(structured["stdout"]), string(structured["stderr"])].filter((s): s is string => s !== null && s !== "").join("\n");
      const output = result === null ? "" : result.isError ? cleanError(result.text) : streams || result.text;
      body = (
        <>
          {(text("command").includes("\n") || text("command").length > 60) && <Output text={plainly(text("command"))} language="bash" />}
          {result === null || (output === "" && result.pictures.length > 0) ? null : output === "" ? <p className="dim small">No output.</p> : <Output text={output} />}
        </>
      );
      break;
    }
    case "Edit":
    case "MultiEdit":
    case "Write":
    case "NotebookEdit":
      shows = ["file_path", "notebook_path", "old_string", "new_string", "new_source", "content", ...(isPlainEdits(input["edits"]) ? ["edits"] : [])];
      body = (
        <>
          {errorBody(row)}
          <DiffBox hunks={diffOf(row)} path={text("file_path") || text("notebook_path")} />
        </>
      );
      break;
    case "Read": {
      shows = ["file_path"];
      const content = string(record(record(result?.structured)["file"])["content"]) ?? (result?.text ?? "").replace(/^ *\d+[→\t]/gm, "");
      body = errorBody(row) ?? (result === null || (content === "" && result.pictures.length > 0) ? null : <Output text={content} language={languageOf(text("file_path"))} />);
      break;
    }
    case "TodoWrite":
      shows = ["todos"];
      body = <Todos of={planOf(input)} />;
      break;
    case "AskUserQuestion": {
      shows = ["questions"];
      const answers = record(record(result?.structured)["answers"]);
      body = <Values of={Object.fromEntries(questionsOf(input).map((q) => [q.question, string(answers[q.question]) ?? (result === null ? "no answer is here" : result.text)]))} />;
      break;
    }
    case "ExitPlanMode":
      shows = ["plan"];
      body = text("plan") === "" ? null : (
        <div className="prose boxed">
          <Markdown text={text("plan")} />
        </div>
      );
      break;
    case "Agent":
    case "Task":
      shows = ["description", "prompt"];
      body = (
        <>
          {errorBody(row)}
          {text("prompt") !== "" && (
            <details className="sub">
              <summary className="dim small">What it was asked</summary>
              <Output text={plainly(text("prompt"))} />
            </details>
          )}
          {result !== null && !result.isError && result.text !== "" && (
            isBackground(row) ? (
              <p className="dim small">It was sent into the background.</p>
            ) : (
              <div className="prose boxed">
                <Markdown text={result.text} />
              </div>
            )
          )}
        </>
      );
      break;
    default:
      shows = Object.keys(input);
      body = (
        <>
          {Object.keys(input).length > 0 && <Raw value={input} />}
          {result !== null && (result.text !== "" || result.pictures.length === 0) && <Output text={result.isError ? cleanError(result.text) : result.text} />}
        </>
      );
  }
  const others = Object.fromEntries(Object.entries(input).filter(([argument]) => !shows.includes(argument)));
  return (
    <>
      {raw ? (
        <Raw value={{ name, input, result: result === null ? null : { content: result.text, pictures: result.pictures, is_error: result.isError, tool_use_result: result.structured } }} />
      ) : (
        <>
          <Values of={others} />
          {body}
          {result !== null && <Pictures of={result.pictures} />}
        </>
      )}
      <button type="button" className="b bare small rawlink" onClick={() => setRaw(!raw)}>
        {raw ? "Show as usual" : "Show raw"}
      </button>
    </>
  );
}

/** Whether a diff shows all that the edits of a MultiEdit say. */
function isPlainEdits(value: unknown): boolean {
  return Array.isArray(value) && value.every((edit) => Object.keys(record(edit)).every((name) => name === "old_string" || name === "new_string"));
}

/** The agent's note to itself that a subagent goes on without it. */
function isBackground(row: ToolRow): boolean {
  const structured = record(row.result?.structured);
  return row.background !== undefined || structured["isAsync"] === true || structured["status"] === "async_launched";
}

const todosMax = 100;
const todoCharactersMax = 300;

/** A plan: its first points, each by its beginning. The whole of it is in what the call says raw. */
export function Todos({ of }: { of: readonly Todo[] }): ReactElement {
  return (
    <ul className="todo">
      {of.slice(0, todosMax).map((todo, i) => (
        <li key={i} className={todo.status === "completed" ? "done" : todo.status === "in_progress" ? "now" : ""}>
          <TodoMark status={todo.status} />
          {plainly(clipped(todo.text, todoCharactersMax), "unseen")}
        </li>
      ))}
      {of.length > todosMax && <li className="dim">and {number(of.length - todosMax)} more</li>}
    </ul>
  );
}

function TodoMark({ status }: { status: string }): ReactElement {
  return (
    <svg className="st" viewBox="0 0 14 14" role="img" aria-label={status === "completed" ? "done" : status === "in_progress" ? "now" : "to do"}>
      {status === "completed" && <path d="m2.5 7.3 3 3 6-6.6" fill="none" stroke="var(--ink-3)" strokeWidth="1.5" />}
      {status === "in_progress" && (
        <>
          <circle cx="7" cy="7" r="4.6" fill="none" stroke="var(--live)" strokeWidth="1.6" />
          <path d="M7 2.4a4.6 4.6 0 0 1 0 9.2z" fill="var(--live)" />
        </>
      )}
      {status !== "completed" && status !== "in_progress" && <circle cx="7" cy="7" r="4.6" fill="none" stroke="var(--rule-ui)" strokeWidth="1.3" />}
    </svg>
  );
}
