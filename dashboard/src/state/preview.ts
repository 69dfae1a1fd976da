// What a session's entries come to in the list: its first prompt, its latest words, how its last turn ended.
import type { Decoded } from "./decode.ts";
import { plainly } from "./ask.ts";
import { describeTool, firstLine } from "./tools.ts";
import { record, string } from "./values.ts";

export class Preview {
  #firstPrompt: string | null = null;
  #lastLine: string | null = null;
  #lastOutcome: "done" | "stopped" | "failed" | "open" | null = null;
  #endedAt: number | null = null;

  get firstPrompt(): string | null {
    return this.#firstPrompt === null ? null : plainly(this.#firstPrompt, "unseen");
  }

  get lastLine(): string | null {
    return this.#lastLine === null ? null : plainly(this.#lastLine, "unseen");
  }

  /** "open" while a turn runs; null before the first. */
  get lastOutcome(): "done" | "stopped" | "failed" | "open" | null {
    return this.#lastOutcome;
  }

  /** When the agent ended the session in order, by its clock, if nothing came after that; null otherwise. */
  get endedAt(): number | null {
    return this.#endedAt;
  }

  /** What is now known to be the first prompt of all. */
  began(text: string): void {
    this.#firstPrompt = firstLine(text);
  }

  /** The next entry. `isYours` says of a device whether it is a browser of the account; `cwd` is where the agent works. */
  add({ content, device, at }: Decoded, isYours: (device: string) => boolean, cwd: string | null): void {
    if (content.type === "prompt") {
      this.#firstPrompt ??= firstLine(content.text);
      this.#lastLine = `${device !== null && isYours(device) ? "You" : "Somebody"}: ${firstLine(content.text)}`;
    } else if (content.type === "event") {
      if (content.data.type === "prompt-taken") this.#lastOutcome = "open";
      else if (content.data.type === "ready" && this.#lastOutcome === "open") this.#lastOutcome = null;
      else if (content.data.type === "prompt-typed") this.#lastLine = `At the terminal: ${firstLine(string(content.data["text"]) ?? "")}`;
      else if (content.data.type === "resumed") this.#endedAt = null;
      else if (content.data.type === "earlier") this.#firstPrompt ??= firstPromptOf(content.data["lines"]);
      else if (content.data.type === "ended") {
        this.#endedAt = at;
        // What was under way was ended with it.
        if (this.#lastOutcome === "open") {
          this.#lastOutcome = "stopped";
          this.#lastLine = "Ended in the middle of a turn";
        }
      }
    } else if (content.type === "agent") {
      const { line } = content;
      if (line.type === "result") this.#ended(line);
      else if (line.type === "assistant" && string(line["parent_tool_use_id"]) === null) this.#said(line, cwd);
    }
  }

  #ended(line: Record<string, unknown>): void {
    const stopped = (string(line["terminal_reason"]) ?? "").startsWith("aborted");
    this.#lastOutcome = stopped ? "stopped" : line["is_error"] === true ? "failed" : "done";
    const said = firstLine(string(line["result"]) ?? "");
    if (this.#lastOutcome === "failed") this.#lastLine = `Failed: ${said || "the turn ended with an error"}`;
    else if (stopped) this.#lastLine = "Stopped";
    else this.#lastLine = said === "" ? "Done" : `Done: ${said}`;
  }

  #said(line: Record<string, unknown>, cwd: string | null): void {
    this.#lastOutcome = "open";
    const { content } = record(line["message"]);
    for (const value of Array.isArray(content) ? content : []) {
      const block = record(value);
      if (block["type"] === "text") this.#lastLine = firstLine(string(block["text"]) ?? "");
      else if (block["type"] === "tool_use") this.#lastLine = describeTool(string(block["name"]) ?? "", record(block["input"]), cwd).doing;
      else if (block["type"] === "thinking") this.#lastLine = "Thinking";
    }
  }
}

/** What was asked first in a part of Claude's own record. */
function firstPromptOf(lines: unknown): string | null {
  for (const line of Array.isArray(lines) ? lines.map(record) : []) {
    const said = line["type"] === "user" && line["isMeta"] !== true && line["isSynthetic"] !== true ? string(record(line["message"])["content"]) : null;
    if (said !== null && !said.startsWith("<")) return firstLine(said);
  }
  return null;
}
