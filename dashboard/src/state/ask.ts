// A question of the agent, read out of the very text that a verdict names by its hash (docs/protocol.md 5.3). What is handed to
// Claude is parsed from that text too: nothing else of it may be shown as the question.
import { askHash } from "../crypto/index.ts";
import { record, string } from "./transcript.ts";

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
  /** A tool's name, or one of `question`, `elicitation`, `dialog`, `trust`. */
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Every permission update that an answer could name, by index. */
  readonly grants: readonly Grant[];
  readonly toolUseId: string | null;
  readonly cwd: string | null;
  readonly description: string | null;
  readonly blockedPath: string | null;
  /** Names this page does not know: shown as they are. */
  readonly others: Readonly<Record<string, unknown>>;
}

export interface Grant {
  readonly index: number;
  /** In words, what passes without a question once it is given. */
  readonly words: string;
  /** To the letter: rules, folders, a mode; JSON for what this page does not know. */
  readonly exact: readonly string[];
  readonly until: "session" | "always";
  /** Where it is written down; null for what ends with the session. */
  readonly file: string | null;
}

const known = new Set(["id", "nonce", "tool", "arguments", "grants", "toolUseId", "cwd", "description", "blockedPath"]);

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

/** What one permission update of Claude Code lets pass. One of a form that is not known here says so, and stands there as it is. */
export function readGrant(value: unknown, index: number): Grant {
  const update = record(value);
  const destination = string(update["destination"]) ?? "";
  const file = files[destination] ?? null;
  const until = destination === "session" ? "session" : "always";
  const whole = { index, until, file } as const;
  const unknown: Grant = { ...whole, words: "Something this page cannot put into words", exact: [JSON.stringify(value)] };
  if (destination !== "session" && file === null) return unknown;

  const allowed = (names: readonly string[]) => Object.keys(update).every((name) => name === "type" || name === "destination" || names.includes(name));
  const list = (name: string): string[] | null => {
    const found = update[name];
    return Array.isArray(found) && found.length > 0 && found.every((entry) => typeof entry === "string") ? found : null;
  };
  switch (update["type"]) {
    case "addRules":
    case "replaceRules":
    case "removeRules": {
      const rules = Array.isArray(update["rules"]) ? update["rules"].map(ruleText) : [];
      const verb = { allow: "without a question", deny: "never", ask: "only after a question" }[string(update["behavior"]) ?? ""];
      if (rules.length === 0 || rules.includes(null) || verb === undefined || !allowed(["rules", "behavior"])) return unknown;
      const calls = rules.length === 1 ? "Calls that match this rule" : "Calls that match any of these rules";
      const words =
        update["type"] === "addRules" ? `${calls} run ${verb}` : update["type"] === "replaceRules" ? `${calls} run ${verb}; rules of that kind that were there before go` : `${rules.length === 1 ? "This rule goes" : "These rules go"}: calls that match ran ${verb}`;
      return { ...whole, words, exact: rules as string[] };
    }
    case "setMode": {
      const mode = string(update["mode"]);
      if (mode === null || !allowed(["mode"])) return unknown;
      return { ...whole, words: modeWords(mode), exact: [mode] };
    }
    case "addDirectories":
    case "removeDirectories": {
      const folders = list("directories");
      if (folders === null || !allowed(["directories"])) return unknown;
      const those = folders.length === 1 ? "this folder" : "these folders";
      return { ...whole, words: update["type"] === "addDirectories" ? `Claude may also work in ${those}` : `Claude may no longer work in ${those}`, exact: folders };
    }
    default:
      return unknown;
  }
}

/** As Claude Code writes a rule: `Tool` or `Tool(content)`. */
function ruleText(value: unknown): string | null {
  const rule = record(value);
  const tool = string(rule["toolName"]);
  const content = rule["ruleContent"];
  if (tool === null || !Object.keys(rule).every((name) => name === "toolName" || name === "ruleContent")) return null;
  if (content === undefined || content === null) return tool;
  return typeof content === "string" ? `${tool}(${content})` : null;
}

export function modeWords(mode: string): string {
  switch (mode) {
    case "default":
    case "manual":
      return "Claude asks before it edits or runs anything";
    case "acceptEdits":
      return "Claude edits files without a question";
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
  readonly mode?: string;
  readonly answers?: Readonly<Record<string, unknown>>;
  readonly reason?: string;
}

/** The `d` of a call to `permission`. */
export function verdictOf(ask: Pick<Ask, "id" | "hash">, verdict: Verdict): Record<string, unknown> {
  return { id: ask.id, ask: ask.hash, ...verdict };
}

/** Characters that cannot be seen, or that make others stand where they are not: they are shown by their numbers. */
const oddCharacters = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Zs}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** The same as text, where there is one line for it. */
export function plainly(text: string): string {
  return marked(text)
    .map((piece) => piece.text)
    .join("");
}

export interface Piece {
  readonly text: string;
  readonly odd: boolean;
}

/** A text in pieces: plain ones, and each odd character by itself as `U+202E`. Line ends, tabs and plain spaces are plain. */
export function marked(text: string): Piece[] {
  const pieces: Piece[] = [];
  let plain = "";
  for (const character of text) {
    if (character === "\n" || character === "\t" || character === " " || !oddCharacters.test(character)) {
      plain += character;
      continue;
    }
    if (plain !== "") pieces.push({ text: plain, odd: false });
    plain = "";
    pieces.push({ text: `U+${(character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")}`, odd: true });
  }
  if (plain !== "") pieces.push({ text: plain, odd: false });
  return pieces;
}
