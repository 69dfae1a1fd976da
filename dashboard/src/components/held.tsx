// Prompts that the agent has and does not run without a person's word.
import type { ReactElement } from "react";
import { plainly } from "../state/ask.ts";
import type { HeldPrompt } from "../state/sessionfields.ts";
import { firstLine } from "../state/tools.ts";
import { waiting } from "./format.ts";
import { StatusShape } from "./marks.tsx";

/** Why the agent does not run a prompt without being asked. `until`: how long it was to be good, where that is known. */
export function heldWords(why: string, came: number | null = null, until: number | null = null, host = ""): string {
  const clock = `by the clock of ${host === "" ? "the machine" : host}`;
  switch (why) {
    case "device":
      return "the machine does not know the device that wrote it";
    case "until":
      if (came === null || until === null) return "it came outside of the time that it was good for";
      return came > until
        ? `${clock} it came ${waiting(came - until)} after the time that it was good for`
        : `${clock} it says that it is good for ${waiting(until - came)}, longer than any may be: that clock is behind, or the one of whoever wrote it ahead`;
    case "stopped":
      return "it was written before the turn was stopped";
    case "unseen":
      return "Claude had said more by then than its writer had seen";
    default:
      return "the machine wants your word for it";
  }
}

/** All of them, also where the prompt itself lies further up than what is loaded. */
export function HeldPrompts({ held, host, promptOf, onHeld }: { held: readonly HeldPrompt[]; host: string; promptOf(id: string): { readonly text: string; readonly until?: number } | null; onHeld(id: string, run: boolean): void }): ReactElement | null {
  if (held.length === 0) return null;
  return (
    <ul className="heldlist" data-testid="held-list">
      {held.map(({ id, why, came }) => (
        <li key={id} data-testid="held" data-why={why}>
          <StatusShape shape="needs-you" word="held" />
          <span className="grow">
            <b className="trunc">{plainly(firstLine(promptOf(id)?.text ?? "A prompt further up"))}</b>
            <small className="dim">Not run: {heldWords(why, came, promptOf(id)?.until, host)}.</small>
          </span>
          <button type="button" className="b small" data-testid="held-run" onClick={() => onHeld(id, true)}>
            Run it now
          </button>
          <button type="button" className="b bare small" data-testid="held-drop" onClick={() => onHeld(id, false)}>
            Take back
          </button>
        </li>
      ))}
    </ul>
  );
}
