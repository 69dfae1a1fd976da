// A tool call in one line: verb, object, outcome.
import { clipped } from "./brief.ts";
import type { ToolRow } from "./rows.ts";
import { record, string } from "./values.ts";

export type ToolIcon = "terminal" | "edit" | "file" | "search" | "list" | "branch" | "link" | "ask" | "more";

export interface ToolLine {
  readonly icon: ToolIcon;
  readonly verb: string;
  /** In mono unless `spoken`. */
  readonly object: string;
  readonly spoken?: boolean;
  /** The object is a path: shortened in the folder, never in the file name. */
  readonly isPath?: boolean;
  /** What it is doing, for the session list: "Running pnpm test". */
  readonly doing: string;
}

export function relativePath(path: string, cwd: string | null): string {
  return cwd !== null && path.startsWith(`${cwd}/`) ? path.slice(cwd.length + 1) : path;
}

const lineCharactersMax = 400;

export function describeTool(name: string, input: Readonly<Record<string, unknown>>, cwd: string | null): ToolLine {
  const line = lineOf(name, input, cwd);
  const short = (text: string) => clipped(text, lineCharactersMax);
  // Of a path its name stands at the end.
  return { ...line, verb: short(line.verb), object: line.isPath === true ? clipped(line.object, lineCharactersMax, "end") : short(line.object), doing: short(line.doing) };
}

function lineOf(name: string, input: Readonly<Record<string, unknown>>, cwd: string | null): ToolLine {
  const text = (field: string) => string(input[field]) ?? "";
  const file = () => relativePath(text("file_path") || text("notebook_path") || text("path"), cwd);
  switch (name) {
    case "":
      return { icon: "more", verb: "Result", object: "of a call further up", spoken: true, doing: "Working" };
    case "Bash":
      return { icon: "terminal", verb: "Run", object: text("command"), doing: `Running ${text("command")}` };
    case "BashOutput":
    case "TaskOutput":
      return { icon: "terminal", verb: "Read output", object: text("bash_id") || text("task_id"), doing: "Reading output" };
    case "KillShell":
    case "TaskStop":
      return { icon: "terminal", verb: "End command", object: text("shell_id") || text("task_id"), doing: "Ending a command" };
    case "Read":
      return { icon: "file", verb: "Read", object: file(), isPath: true, doing: `Reading ${baseName(file())}` };
    case "Write":
      return { icon: "edit", verb: "Write", object: file(), isPath: true, doing: `Writing ${baseName(file())}` };
    case "Edit":
    case "MultiEdit":
    case "NotebookEdit":
      return { icon: "edit", verb: "Edit", object: file(), isPath: true, doing: `Editing ${baseName(file())}` };
    case "Grep":
    case "Glob": {
      const where = text("path") || text("glob");
      const object = text("pattern") + (where === "" ? "" : ` in ${relativePath(where, cwd)}`);
      return { icon: "search", verb: "Search", object, doing: `Searching ${text("pattern")}` };
    }
    case "WebSearch":
      return { icon: "search", verb: "Search the web", object: text("query"), spoken: true, doing: "Searching the web" };
    case "WebFetch":
      return { icon: "link", verb: "Fetch", object: text("url").replace(/^https?:\/\//, ""), doing: "Fetching a page" };
    case "TodoWrite": {
      const todos = planOf(input);
      const now = todos.find((todo) => todo.status === "in_progress");
      const done = todos.filter((todo) => todo.status === "completed").length;
      return {
        icon: "list",
        verb: "Plan",
        object: `${done} of ${todos.length} done${now === undefined ? "" : `, now: ${now.text}`}`,
        spoken: true,
        doing: now?.text ?? "Planning",
      };
    }
    case "TaskCreate":
    case "TaskUpdate":
    case "TaskList":
    case "TaskGet":
      return { icon: "list", verb: "Plan", object: text("subject") || text("status") || "", spoken: true, doing: "Planning" };
    case "Agent":
    case "Task":
      return { icon: "branch", verb: "Subagent", object: text("description") || text("subagent_type"), spoken: true, doing: `Subagent: ${text("description")}` };
    case "AskUserQuestion": {
      const first = questionsOf(input)[0]?.question ?? "";
      return { icon: "ask", verb: "Question", object: first, spoken: true, doing: "Asking you" };
    }
    case "ExitPlanMode":
      return { icon: "list", verb: "Plan", object: "is ready for you", spoken: true, doing: "Presenting its plan" };
    case "Skill":
      return { icon: "more", verb: "Skill", object: text("skill") || text("command"), doing: `Using ${text("skill")}` };
    default: {
      const mcp = /^mcp__(.+?)__(.+)$/.exec(name);
      if (mcp !== null) return { icon: "link", verb: mcp[2] as string, object: `on ${mcp[1] as string}`, spoken: true, doing: `Using ${mcp[2] as string}` };
      const first = Object.values(input).find((value) => typeof value === "string");
      return { icon: "more", verb: name, object: typeof first === "string" ? first : "", doing: `Using ${name}` };
    }
  }
}

export interface Todo {
  readonly text: string;
  readonly status: string;
}

export function planOf(input: Readonly<Record<string, unknown>>): Todo[] {
  const todos = Array.isArray(input["todos"]) ? input["todos"] : [];
  return todos.map((todo) => ({ text: string(record(todo)["content"]) ?? "", status: string(record(todo)["status"]) ?? "" }));
}

export interface Question {
  readonly question: string;
  readonly header: string;
  readonly multiSelect: boolean;
  readonly options: readonly { readonly label: string; readonly description: string }[];
}

export function questionsOf(input: Readonly<Record<string, unknown>>): Question[] {
  const questions = Array.isArray(input["questions"]) ? input["questions"] : [];
  return questions.map((value) => {
    const q = record(value);
    const options = Array.isArray(q["options"]) ? q["options"].map(record) : [];
    return {
      question: string(q["question"]) ?? "",
      header: string(q["header"]) ?? "",
      multiSelect: q["multiSelect"] === true,
      options: options.map((o) => ({ label: string(o["label"]) ?? "", description: string(o["description"]) ?? "" })),
    };
  });
}

export function baseName(path: string): string {
  return path.replace(/\/+$/, "").split("/").pop() || path;
}

/** The first line of a text, without the marks of markdown. */
export function firstLine(text: string): string {
  // No more of a line than can be shown: taking its marks away takes more than linear time.
  const line = (text.trimStart().split("\n", 1)[0] ?? "").slice(0, 400).trimEnd();
  const plain = line.replace(/^#+\s*/, "").replace(/(\*\*|__|\*|`)(\S(?:.*?\S)?)\1/g, "$2");
  return plain.length > 160 ? `${plain.slice(0, 159)}…` : plain;
}

export interface DiffLine {
  readonly sign: " " | "+" | "-";
  readonly text: string;
  readonly before: number | null;
  readonly after: number | null;
}

/** Of a file whose lines end with CR LF: that is said once, and not at every line. */
function withoutReturns(hunks: DiffLine[][]): DiffLine[][] {
  const lines = hunks.flat();
  return lines.length > 0 && lines.every((line) => line.text.endsWith("\r")) ? hunks.map((hunk) => hunk.map((line) => ({ ...line, text: line.text.slice(0, -1) }))) : hunks;
}

const diffs = new WeakMap<object, DiffLine[][]>();

/** The changed lines of an Edit or Write: Claude's own patch where there is one, else computed from the strings. Once per row. */
export function diffOf(row: Pick<ToolRow, "name" | "input" | "result">): DiffLine[][] {
  const known = diffs.get(row);
  if (known !== undefined) return known;
  const made = withoutReturns(makeDiff(row));
  diffs.set(row, made);
  return made;
}

function makeDiff(row: Pick<ToolRow, "name" | "input" | "result">): DiffLine[][] {
  const patch = record(row.result?.structured)["structuredPatch"];
  if (Array.isArray(patch) && patch.length > 0) {
    return patch.map((value) => {
      const hunk = record(value);
      let before = typeof hunk["oldStart"] === "number" ? hunk["oldStart"] : 1;
      let after = typeof hunk["newStart"] === "number" ? hunk["newStart"] : 1;
      const lines = Array.isArray(hunk["lines"]) ? hunk["lines"].filter((l): l is string => typeof l === "string") : [];
      return lines
        .filter((line) => !line.startsWith("\\"))
        .map((line): DiffLine => {
          const text = line.slice(1);
          if (line.startsWith("+")) return { sign: "+", text, before: null, after: after++ };
          if (line.startsWith("-")) return { sign: "-", text, before: before++, after: null };
          return { sign: " ", text, before: before++, after: after++ };
        });
    });
  }
  return diffOfInput(row.name, row.input);
}

export function diffOfInput(name: string, input: Readonly<Record<string, unknown>>): DiffLine[][] {
  if (name === "Write") {
    const content = string(input["content"]) ?? "";
    return [splitLines(content).map((text, i) => ({ sign: "+", text, before: null, after: i + 1 }))];
  }
  const edits = Array.isArray(input["edits"]) ? input["edits"].map(record) : [input];
  return edits
    .map((edit) => lineDiff(splitLines(string(edit["old_string"]) ?? ""), splitLines(string(edit["new_string"]) ?? string(edit["new_source"]) ?? "")))
    .filter((lines) => lines.length > 0);
}

function splitLines(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines[lines.length - 1] === "") lines.pop();
  return lines;
}

/** Longest common subsequence of lines; long inputs are shown as replaced between their common ends. */
export function lineDiff(before: readonly string[], after: readonly string[]): DiffLine[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  const a = before.slice(head, before.length - tail);
  const b = after.slice(head, after.length - tail);
  const out: DiffLine[] = [];
  const add = (sign: DiffLine["sign"], text: string) => out.push({ sign, text, before: null, after: null });
  before.slice(0, head).forEach((text) => add(" ", text));
  if (a.length * b.length > 250_000) {
    a.forEach((text) => add("-", text));
    b.forEach((text) => add("+", text));
  } else {
    const width = b.length + 1;
    const table = new Uint32Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        table[i * width + j] =
          a[i] === b[j] ? (table[(i + 1) * width + j + 1] as number) + 1 : Math.max(table[(i + 1) * width + j] as number, table[i * width + j + 1] as number);
      }
    }
    let i = 0;
    let j = 0;
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) {
        add(" ", a[i] as string);
        i += 1;
        j += 1;
      } else if (j >= b.length || (i < a.length && (table[(i + 1) * width + j] as number) >= (table[i * width + j + 1] as number))) {
        add("-", a[i] as string);
        i += 1;
      } else {
        add("+", b[j] as string);
        j += 1;
      }
    }
  }
  before.slice(before.length - tail).forEach((text) => tail > 0 && add(" ", text));
  return out;
}

export function countChanges(hunks: readonly (readonly DiffLine[])[]): { added: number; removed: number } {
  let added = 0;
  let removed = 0;
  for (const hunk of hunks) {
    for (const line of hunk) {
      if (line.sign === "+") added += 1;
      else if (line.sign === "-") removed += 1;
    }
  }
  return { added, removed };
}
