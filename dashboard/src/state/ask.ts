// A question of the agent, read out of the very text that a verdict names by its hash (docs/protocol.md 5.3). What is handed to
// Claude is parsed from that text too: nothing else of it may be shown as the question.
import { askHash } from "../crypto/index.ts";
import { briefly } from "./brief.ts";
import { record, string } from "./values.ts";

export interface Ask {
  readonly text: string;
  /** Hex SHA-256 of the text. */
  readonly hash: string;
  /**
   * Whether the text comes out the same when it is parsed and written again. If not (a name twice, a number that JavaScript cannot
   * hold, 1.0), others may read something else in it than this page does: then only the text may be shown.
   */
  readonly exact: boolean;
  readonly id: string;
  /** A tool's name, or one of `question`, `elicitation`, `dialog`, `trust`, `server`, `plugin`. */
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Every permission update that an answer could name, by index. */
  readonly grants: readonly Grant[];
  readonly toolUseId: string | null;
  readonly cwd: string | null;
  readonly description: string | null;
  readonly blockedPath: string | null;
  /** Id of the subagent that asks; null: the conversation itself. */
  readonly subagent: string | null;
  /** Why it is asked, in Claude's words. */
  readonly reason: string | null;
  /** Names this page does not know: shown as they are. */
  readonly others: Readonly<Record<string, unknown>>;
}

export interface Grant {
  readonly index: number;
  /** In words, what passes without a question once it is given. */
  readonly words: string;
  /** To the letter: rules, folders, a mode; JSON for what this page does not know. */
  readonly exact: readonly string[];
  /** A change of rules, not of the mode or of folders. */
  readonly isRule: boolean;
  /** The permission mode that it changes to. */
  readonly mode: string | null;
  readonly until: "session" | "always";
  /** Where it is written down; null for what ends with the session. */
  readonly file: string | null;
}

const known = new Set(["id", "nonce", "tool", "arguments", "grants", "toolUseId", "cwd", "description", "blockedPath", "subagent", "reason"]);

/** Null when it is no ask, or not the one of this id. */
export function parseAsk(text: string, id: string): Ask | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const plain = record(value);
  const tool = string(plain["tool"]);
  if (plain["id"] !== id || tool === null || !/^[0-9a-f]{32}$/.test(string(plain["nonce"]) ?? "")) return null;
  if (!isObject(plain["arguments"]) || !Array.isArray(plain["grants"])) return null;
  return {
    text,
    hash: askHash(text),
    exact: JSON.stringify(value) === text,
    id,
    tool,
    arguments: plain["arguments"],
    grants: plain["grants"].map(readGrant),
    toolUseId: string(plain["toolUseId"]),
    cwd: string(plain["cwd"]),
    description: string(plain["description"]),
    blockedPath: string(plain["blockedPath"]),
    subagent: string(plain["subagent"]),
    reason: string(plain["reason"]),
    others: Object.fromEntries(Object.entries(plain).filter(([name]) => !known.has(name))),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const files: Readonly<Record<string, string>> = {
  userSettings: "~/.claude/settings.json",
  projectSettings: ".claude/settings.json",
  localSettings: ".claude/settings.local.json",
};

/** An update of more rules or folders than these is not put into words: nobody would read them. */
const wordedMax = 20;

/** What one permission update of Claude Code lets pass. One of a form that is not known here says so, and stands there as it is. */
export function readGrant(value: unknown, index: number): Grant {
  const update = record(value);
  const destination = string(update["destination"]) ?? "";
  const file = files[destination] ?? null;
  const until = destination === "session" ? "session" : "always";
  const isRule = typeof update["type"] === "string" && update["type"].endsWith("Rules");
  const whole = { index, until, file, isRule, mode: null } as const;
  const unknown: Grant = { ...whole, words: "Something this page cannot put into words", exact: [JSON.stringify(value)] };
  if (destination !== "session" && file === null) return unknown;

  const allowed = (names: readonly string[]) => Object.keys(update).every((name) => name === "type" || name === "destination" || names.includes(name));
  const list = (name: string): string[] | null => {
    const found = update[name];
    return Array.isArray(found) && found.length > 0 && found.length <= wordedMax && found.every((entry) => typeof entry === "string") ? found : null;
  };
  switch (update["type"]) {
    case "addRules":
    case "replaceRules":
    case "removeRules": {
      const rules = Array.isArray(update["rules"]) ? update["rules"].map(readRule) : [];
      const known = rules.filter((rule) => rule !== null);
      const words = ruleWords(String(update["type"]), String(update["behavior"]), known);
      if (known.length === 0 || known.length < rules.length || rules.length > wordedMax || words === null || !allowed(["rules", "behavior"])) return unknown;
      return { ...whole, words, exact: known.map(({ tool, content }) => (content === null ? tool : `${tool}(${content})`)) };
    }
    case "setMode": {
      const mode = string(update["mode"]);
      if (mode === null || !allowed(["mode"])) return unknown;
      return { ...whole, mode, words: modeWords(mode), exact: [mode] };
    }
    case "addDirectories":
    case "removeDirectories": {
      const folders = list("directories");
      if (folders === null || !allowed(["directories"])) return unknown;
      const those = folders.length === 1 ? "this folder" : "these folders";
      const words = update["type"] === "addDirectories" ? `Claude reads everything in ${those} without a question, and works there as it does in the project` : `Claude may no longer work in ${those}`;
      return { ...whole, words, exact: folders };
    }
    default:
      return unknown;
  }
}

/** A rule as Claude Code writes it: `Tool` or `Tool(content)`. */
interface Rule {
  readonly tool: string;
  readonly content: string | null;
}

function readRule(value: unknown): Rule | null {
  const rule = record(value);
  const tool = string(rule["toolName"]);
  const content = rule["ruleContent"] ?? null;
  if (tool === null || tool === "" || (content !== null && typeof content !== "string")) return null;
  return Object.keys(rule).every((name) => name === "toolName" || name === "ruleContent") ? { tool, content } : null;
}

/** A sentence that says what a change of rules lets pass, or no longer does. Null for a change that is not known here. */
function ruleWords(change: string, behavior: string, rules: readonly Rule[]): string | null {
  const one = rules.length === 1;
  const added: Record<string, string> = { allow: one ? "passes without a question" : "pass without a question", deny: one ? "is never run" : "are never run", ask: one ? "passes only after a question" : "pass only after a question" };
  const removed: Record<string, string> = { allow: one ? "no longer passes without a question" : "no longer pass without a question", deny: one ? "is no longer forbidden" : "are no longer forbidden", ask: one ? "no longer needs a question" : "no longer need a question" };
  const said = (change === "removeRules" ? removed : added)[behavior];
  if (said === undefined) return null;
  const what = rules.map(callsOf).join(", and ");
  return `${what.charAt(0).toUpperCase()}${what.slice(1)} ${said}${change === "replaceRules" ? "; rules of that kind that were there before go" : ""}`;
}

const changesFiles = new Set(["Edit", "MultiEdit", "NotebookEdit", "Write"]);

/** The whole stands beside the words. */
const named = (text: string): string => plainly(briefly(text));

/** The calls that a rule of Claude Code is about. */
function callsOf({ tool, content }: Rule): string {
  const mcp = /^mcp__(.+?)(?:__(.+))?$/.exec(tool);
  if (mcp !== null && content === null) {
    const server = named(mcp[1] as string);
    return mcp[2] === undefined || mcp[2] === "*" ? `every call of every tool of ${server}, whatever its arguments` : `every call of ${named(mcp[2])} on ${server}, whatever its arguments`;
  }
  if (tool === "Bash") {
    if (content === null || /^:?\*?$/.test(content.trim())) return "every command, whatever it does";
    if (!/(^|[^\\])\*/.test(content)) return "this very command";
    const start = /^([^*]*?)(?::\*| \*)$/.exec(content)?.[1];
    return start === undefined ? "every command of this form, each star standing for any text" : `every command that begins with “${named(start)}”`;
  }
  if (changesFiles.has(tool) || tool === "Read") {
    const verb = tool === "Read" ? "reading" : "changing";
    if (content === null) return `${verb} any file, anywhere`;
    const inFolder = /^([^*?[\]!]*)\/\*\*$/.exec(content)?.[1];
    if (inFolder !== undefined && inFolder !== "" && inFolder !== "/") return `${verb} any file in this folder and below it`;
    return /(^|[^\\])[*?[!]/.test(content) ? `${verb} every file that this pattern fits` : `${verb} this very file`;
  }
  if (tool === "WebFetch") {
    if (content === null) return "fetching any page of any site";
    const site = /^domain:([^*]+)$/.exec(content)?.[1];
    if (site !== undefined) return `fetching any page of ${named(site)}`;
  }
  return content === null ? `every call of ${named(tool)}, whatever its arguments` : "every call that this rule fits";
}

export function modeWords(mode: string): string {
  switch (mode) {
    case "default":
    case "manual":
      return "Claude asks before it edits or runs anything";
    case "acceptEdits":
      return "Claude changes, moves and deletes files in the folders it works in without a question";
    case "plan":
      return "Claude only plans";
    case "bypassPermissions":
      return "Claude does everything without a question";
    case "dontAsk":
      return "What would ask is denied";
    default:
      return "The permission mode becomes this one";
  }
}

/** Of a verdict, what is not the ask's own. */
export interface Verdict {
  readonly decision: "approved" | "denied" | "abort";
  /** Indices of the ask's grants. */
  readonly grants: readonly number[];
  readonly answers?: Readonly<Record<string, unknown>>;
  readonly reason?: string;
}

/** The `d` of a call to `permission`. */
export function verdictOf(ask: Pick<Ask, "id" | "hash">, verdict: Verdict): Record<string, unknown> {
  return { id: ask.id, ask: ask.hash, ...verdict };
}

/** What makes one picture of emoji (UTS #51): it is seen by what it does. */
const ofPictures = "(?<=\\p{Extended_Pictographic})\\uFE0F|(?<=[0-9#*])\\uFE0F(?=\\u20E3)|(?<=[\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\uFE0F])\\u200D(?=\\p{Extended_Pictographic})";
const unseen = "\\p{Cc}\\p{Cf}\\p{Cs}\\p{Co}\\p{Cn}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}";
const among = (characters: string) => ({ each: new RegExp(`(?![\\n\\t ]|${ofPictures})[${characters}]`, "gu"), any: new RegExp(`(?![\\n\\t ]|${ofPictures})[${characters}]`, "u") });

/**
 * Characters that are shown by their numbers. unseen: those that cannot be seen, or that make others stand where they are not.
 * odd: also spaces that are not the plain one, which matters where somebody decides by the text.
 */
const kinds = { unseen: among(unseen), odd: among(`${unseen}\\p{Zs}\\u2800`) } as const;
export type OddKind = keyof typeof kinds;

/** Whether there is one among them that is shown by its number. */
export function hasOdd(text: string, kind: OddKind = "odd"): boolean {
  return kinds[kind].any.test(text);
}

/** The same as text, where there is one line for it. */
export function plainly(text: string, kind: OddKind = "odd"): string {
  return marked(text, kind)
    .map((piece) => piece.text)
    .join("");
}

export interface Piece {
  readonly text: string;
  readonly odd: boolean;
}

/** A text in pieces: plain ones, and each odd character by itself as `U+202E`. Line ends, tabs and plain spaces are plain. */
export function marked(text: string, kind: OddKind = "odd"): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  const plain = (to: number) => {
    if (to > from) pieces.push({ text: text.slice(from, to), odd: false });
  };
  for (const { 0: odd, index } of text.matchAll(kinds[kind].each)) {
    plain(index);
    pieces.push({ text: `U+${(odd.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")}`, odd: true });
    from = index + odd.length;
  }
  plain(text.length);
  return pieces;
}
