// Prompts that the agent has and does not run without a person's word.
import type { ReactElement } from "react";
import { plainly } from "../state/ask.ts";
import type { HeldPrompt } from "../state/sessionfields.ts";
import { firstLine } from "../state/tools.ts";
import { StatusShape } from "./marks.tsx";

/** Why the agent does not run a prompt without being asked. */
export function heldWords(why: string): string {
  switch (why) {
    case "device":
      return "the machine does not know the device that wrote it";
    case "until":
      return "it came later than it was good for";
    case "stopped":
      return "it was written before the turn was stopped";
    case "unseen":
      return "Claude had said more by then than its writer had seen";
    default:
      return "the machine wants your word for it";
  }
}

/** All of them, also where the prompt itself lies further up than what is loaded. */
export function HeldPrompts({ held, textOf, onHeld }: { held: readonly HeldPrompt[]; textOf(id: string): string | null; onHeld(id: string, run: boolean): void }): ReactElement | null {
  if (held.length === 0) return null;
  return (
    <ul className="heldlist" data-testid="held-list">
      {held.map(({ id, why }) => (
        <li key={id} data-testid="held" data-why={why}>
          <StatusShape shape="needs-you" word="held" />
          <span className="grow">
            <b className="trunc">{plainly(firstLine(textOf(id) ?? "A prompt further up"))}</b>
            <small className="dim">Not run: {heldWords(why)}.</small>
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
