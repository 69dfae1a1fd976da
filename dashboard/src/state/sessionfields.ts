// What a session says of itself, sealed: its description, and what its agent does and asks. And what the list shows of it.
import { type Ask, parseAsk, plainly } from "./ask.ts";
import { briefly } from "./brief.ts";
import { describeTool, questionsOf } from "./tools.ts";
import { record, string } from "./values.ts";

/** A question that is open at the agent. */
export interface PermissionRequest {
  readonly id: string;
  readonly createdAt: number;
  /** Null while its text is not here, or when it is not what the state names. */
  readonly ask: Ask | null;
  /** Where its text is, when the state does not hold it. */
  readonly elsewhere: { readonly hash: string; readonly bundle: string } | null;
  /** Why it cannot be shown, in words. */
  readonly problem: string | null;
}

export type HeldWhy = "device" | "until" | "stopped" | "unseen";

/** A prompt that the agent has and does not run without a person's word. */
export interface HeldPrompt {
  /** Base64 id of its bundle. */
  readonly id: string;
  readonly from: string;
  readonly n: number;
  /** One of HeldWhy; another of a newer agent. */
  readonly why: string;
  /** When it came, by the agent's clock; null where an older agent does not say. */
  readonly came: number | null;
}

/** A command or a subagent that runs on without a turn. */
export interface BackgroundTask {
  readonly id: string;
  /** As Claude calls its kind: local_bash, local_agent, … */
  readonly type: string;
  readonly what: string;
  /** By the agent's clock. */
  readonly since: number;
}

export interface AgentState {
  readonly mode: string | null;
  readonly model: string | null;
  readonly requests: readonly PermissionRequest[];
  readonly held: readonly HeldPrompt[];
  readonly background: readonly BackgroundTask[];
  /** How many more there are. */
  readonly backgroundMore: number;
}

export interface SessionMetadata {
  readonly path: string | null;
  readonly host: string | null;
  readonly name: string | null;
  readonly summary: string | null;
  readonly homeDir: string | null;
  readonly lifecycleState: string | null;
  /** By the agent's clock. */
  readonly lifecycleStateSince: number | null;
  readonly command: StartCommand | null;
}

/** How consortium was called for a session, as its agent says. */
export interface StartCommand {
  readonly program: string;
  /** Where it keeps its state, if that is not the usual place. */
  readonly home: string | null;
  /** For Claude Code, without what chose the conversation; null where they are too long to be kept. */
  readonly arguments: readonly string[] | null;
}

/** background: no turn runs, but something that one of them began. */
export type SessionStatus = "needs-you" | "working" | "background" | "idle" | "offline";

export interface SessionSummary {
  readonly id: string;
  readonly title: string;
  readonly project: string;
  /** The machine's name: that of the device that made the session, as the account names it. Empty when there is none. */
  readonly host: string;
  /** Id of the machine; null when the session's key does not open. */
  readonly machine: string | null;
  /** What the agent itself calls its machine. */
  readonly says: string | null;
  readonly path: string | null;
  readonly homeDir: string | null;
  readonly status: SessionStatus;
  /** Something was finished here and not looked at since. */
  readonly unread: boolean;
  readonly failed: boolean;
  /** The agent ended it; it will not come back by itself. */
  readonly ended: boolean;
  /** When, by the agent's clock; null where that is not known. */
  readonly endedAt: number | null;
  readonly command: StartCommand | null;
  /** What its machine's clock shows more than this device's, in ms, when it was last asked; 0 where it never was. */
  readonly clock: number;
  /** Put away in this browser, until something is said or asked in it. */
  readonly archived: boolean;
  readonly line: string;
  /** Latest change, for the order of the list. */
  readonly at: number;
  /** When it was last known to be active. */
  readonly activeAt: number;
  readonly agent: AgentState;
  /** Why this session cannot be trusted or opened, if so. */
  readonly problem: string | null;
  readonly openable: boolean;
  /** Why nothing may be said in it, in words: its device was revoked. */
  readonly readOnly: string | null;
  /** That the relay, or the agent, still has something that is not shown. */
  readonly behind: { readonly words: string; readonly accuses: boolean } | null;
  readonly count: number;
}

export const emptyAgent: AgentState = { mode: null, model: null, requests: [], held: [], background: [], backgroundMore: 0 };
export const emptyMetadata: SessionMetadata = { path: null, host: null, name: null, summary: null, homeDir: null, lifecycleState: null, lifecycleStateSince: null, command: null };

export function askLine(request: PermissionRequest, cwd: string | null): string {
  return plainly(briefly(lineOf(request, cwd), 200));
}

function lineOf({ ask }: PermissionRequest, cwd: string | null): string {
  if (ask === null) return "Asks something that is not here yet";
  switch (ask.tool) {
    case "question":
      return `Asks: ${questionsOf(ask.arguments)[0]?.question ?? ""}`;
    case "elicitation":
      return `${string(ask.arguments["server"]) ?? "A server"} asks: ${string(ask.arguments["message"]) ?? ""}`;
    case "dialog":
      return "Asks you to decide";
    case "trust":
      return "Asks whether you trust its folder";
    case "server":
      return "Asks whether a server of its folder may run";
    case "plugin":
      return "Asks whether a plugin of its folder may run";
    case "ExitPlanMode":
      return "Its plan is ready for you";
    default: {
      const { verb, object } = describeTool(ask.tool, ask.arguments, cwd);
      return `Wants to ${verb.toLowerCase()} ${object}`;
    }
  }
}

export function readMetadata(plain: Record<string, unknown>): SessionMetadata {
  return {
    path: string(plain["path"]),
    host: string(plain["host"]),
    name: string(plain["name"]),
    summary: string(record(plain["summary"])["text"]),
    homeDir: string(plain["homeDir"]),
    lifecycleState: string(plain["lifecycleState"]),
    lifecycleStateSince: typeof plain["lifecycleStateSince"] === "number" ? plain["lifecycleStateSince"] : null,
    command: readCommand(record(plain["command"])),
  };
}

function readCommand(plain: Record<string, unknown>): StartCommand | null {
  const program = string(plain["program"]);
  const words = plain["arguments"];
  if (program === null || program === "") return null;
  return { program, home: string(plain["home"]), arguments: Array.isArray(words) && words.every((word) => typeof word === "string") ? words : null };
}

export function readAgentState(plain: Record<string, unknown>): AgentState {
  const requests = Object.entries(record(plain["requests"])).map(([id, value]) => readRequest(id, record(value)));
  requests.sort((a, b) => a.createdAt - b.createdAt);
  const held = (Array.isArray(plain["held"]) ? plain["held"] : []).map(record).flatMap((entry): HeldPrompt[] => {
    const { id, from, n, why, came } = entry;
    return typeof id === "string" && typeof from === "string" && typeof n === "number" && typeof why === "string" ? [{ id, from, n, why, came: typeof came === "number" ? came : null }] : [];
  });
  const background = (Array.isArray(plain["background"]) ? plain["background"] : []).map(record).flatMap((entry): BackgroundTask[] => {
    const { id, type, what, since } = entry;
    return typeof id === "string" && typeof type === "string" && typeof what === "string" && typeof since === "number" ? [{ id, type, what, since }] : [];
  });
  const more = plain["backgroundMore"];
  return { mode: string(plain["mode"]), model: string(plain["model"]), requests, held, background, backgroundMore: typeof more === "number" ? more : 0 };
}

function readRequest(id: string, plain: Record<string, unknown>): PermissionRequest {
  const createdAt = typeof plain["createdAt"] === "number" ? plain["createdAt"] : 0;
  const text = string(plain["ask"]);
  if (text !== null) return { id, createdAt, elsewhere: null, ...askOrProblem(text, id) };
  const hash = string(plain["hash"]);
  const bundle = string(plain["in"]);
  if (hash === null || bundle === null) return { id, createdAt, ask: null, elsewhere: null, problem: "The question cannot be read." };
  return { id, createdAt, ask: null, elsewhere: { hash, bundle }, problem: null };
}

function askOrProblem(text: string, id: string): Pick<PermissionRequest, "ask" | "problem"> {
  const ask = parseAsk(text, id);
  return { ask, problem: ask === null ? "The question cannot be read." : null };
}

/** The request, once the message with its text is here. */
export function withText(request: PermissionRequest, text: string): PermissionRequest {
  const found = askOrProblem(text, request.id);
  if (found.ask !== null && found.ask.hash !== request.elsewhere?.hash) return { ...request, ask: null, problem: "The question is not the one that the agent's state names." };
  return { ...request, ...found };
}
