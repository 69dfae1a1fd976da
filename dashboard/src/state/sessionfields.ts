// What a session says of itself, sealed: its description, and what its agent does and asks. And what the list shows of it.
import { describeTool } from "./tools.ts";
import { record, string } from "./transcript.ts";

export interface PermissionRequest {
  readonly id: string;
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
  readonly toolUseId: string | null;
  readonly description: string | null;
  readonly blockedPath: string | null;
  readonly cwd: string | null;
  readonly suggestions: readonly Readonly<Record<string, unknown>>[];
}

export interface AnsweredRequest {
  readonly id: string;
  readonly toolUseId: string | null;
  readonly status: string;
  readonly decision: string | null;
  readonly reason: string | null;
  readonly createdAt: number;
  readonly completedAt: number;
}

export interface AgentState {
  readonly instance: string | null;
  readonly mode: string | null;
  readonly model: string | null;
  readonly requests: readonly PermissionRequest[];
  readonly answered: readonly AnsweredRequest[];
}

export interface SessionMetadata {
  readonly path: string | null;
  readonly host: string | null;
  readonly name: string | null;
  readonly summary: string | null;
  readonly homeDir: string | null;
  readonly lifecycleState: string | null;
}

export type SessionStatus = "needs-you" | "working" | "idle" | "offline";

export interface SessionSummary {
  readonly id: string;
  readonly title: string;
  readonly project: string;
  readonly host: string;
  readonly path: string | null;
  readonly homeDir: string | null;
  readonly status: SessionStatus;
  /** Something was finished here and not looked at since. */
  readonly unread: boolean;
  readonly failed: boolean;
  /** The agent ended it; it will not come back by itself. */
  readonly ended: boolean;
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
  readonly count: number;
}

export const emptyAgent: AgentState = { instance: null, mode: null, model: null, requests: [], answered: [] };
export const emptyMetadata: SessionMetadata = { path: null, host: null, name: null, summary: null, homeDir: null, lifecycleState: null };

export function askLine(request: PermissionRequest, cwd: string | null): string {
  if (request.tool === "AskUserQuestion") return `Asks: ${describeTool(request.tool, request.arguments, cwd).object}`;
  if (request.tool === "ExitPlanMode") return "Its plan is ready for you";
  const { verb, object } = describeTool(request.tool, request.arguments, cwd);
  return `Wants to ${verb.toLowerCase()} ${object}`;
}

export function readMetadata(plain: Record<string, unknown>): SessionMetadata {
  return {
    path: string(plain["path"]),
    host: string(plain["host"]),
    name: string(plain["name"]),
    summary: string(record(plain["summary"])["text"]),
    homeDir: string(plain["homeDir"]),
    lifecycleState: string(plain["lifecycleState"]),
  };
}

export function readAgentState(plain: Record<string, unknown>): AgentState {
  const number = (value: unknown) => (typeof value === "number" ? value : 0);
  const requests = Object.entries(record(plain["requests"])).map(([id, value]): PermissionRequest => {
    const r = record(value);
    return {
      id,
      tool: string(r["tool"]) ?? "?",
      arguments: record(r["arguments"]),
      createdAt: number(r["createdAt"]),
      toolUseId: string(r["toolUseId"]),
      description: string(r["description"]),
      blockedPath: string(r["blockedPath"]),
      cwd: string(r["cwd"]),
      suggestions: Array.isArray(r["suggestions"]) ? r["suggestions"].map(record) : [],
    };
  });
  const answered = Object.entries(record(plain["completedRequests"])).map(([id, value]): AnsweredRequest => {
    const r = record(value);
    return {
      id,
      toolUseId: string(r["toolUseId"]),
      status: string(r["status"]) ?? "",
      decision: string(r["decision"]),
      reason: string(r["reason"]),
      createdAt: number(r["createdAt"]),
      completedAt: number(r["completedAt"]),
    };
  });
  requests.sort((a, b) => a.createdAt - b.createdAt);
  return { instance: string(plain["instance"]), mode: string(plain["mode"]), model: string(plain["model"]), requests, answered };
}
