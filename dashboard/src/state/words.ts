// The words of a conversation's rows for what the agent and its program name by a short word.
import type { Problem } from "./rows.ts";

export function modeName(mode: string): string {
  switch (mode) {
    case "default":
    case "manual":
      return "Ask before edits";
    case "acceptEdits":
      return "Accept edits";
    case "plan":
      return "Plan first";
    case "bypassPermissions":
      return "Ask nothing";
    case "dontAsk":
      return "Deny what would ask";
    case "auto":
      return "Decide by itself";
    default:
      return mode === "" ? "Mode" : mode;
  }
}

/** What ended a session in order. */
export function endedWords(why: string): string {
  switch (why) {
    case "terminal":
      return "at its terminal";
    case "dashboard":
      return "somebody ended it in a dashboard";
    case "system":
      return "its terminal was closed, or the system asked consortium to end";
    case "claude":
      return "Claude Code ended";
    case "trouble":
      return "consortium could not go on";
    default:
      return why === "" ? "no reason given" : why;
  }
}

/** Why the agent never runs a prompt. What a newer agent says stands as it is. */
export function refusalWords(reason: string): string {
  switch (reason) {
    case "unauthentic":
      return "its signature does not hold";
    case "malformed":
      return "it is not of a form that the agent knows";
    case "replay":
      return "it repeats an earlier one";
    case "gap":
      return "one before it has not come; it runs once that has";
    case "bad chain":
      return "it does not follow the one that its writer sent before it";
    case "device":
      return "the device that signed it may not give orders";
    case "full":
      return "too many are held already";
    case "storage":
      return "the machine could not write it down";
    case "taken back":
      return "it was taken back";
    case "not wanted":
      return "it was dropped";
    default:
      return reason === "" ? "no reason given" : reason;
  }
}

export function problemText(problem: Problem): string {
  const entries = (count: number) => (count === 1 ? "1 entry is" : `${count.toLocaleString("en")} entries are`);
  switch (problem.kind) {
    case "missing":
      return `${entries(problem.count)} missing here: the relay numbered them but did not deliver them.`;
    case "gap":
      return `${entries(problem.missing)} missing before the next one: its sender numbered it ${problem.got}, and ${problem.expected} was expected.`;
    case "broken":
      return "The next entry could not be verified: it does not follow the entry its sender said before it.";
    case "repeated":
      return "This entry could not be verified: it repeats an earlier one.";
    case "out-of-order":
      return `This entry could not be verified: it is out of order. Its sender numbered it ${problem.got}, and ${problem.expected} was expected.`;
  }
}

/** How something in the background ended. */
export function backgroundWord(status: string): string {
  switch (status) {
    case "completed":
      return "is done";
    case "failed":
      return "failed";
    case "stopped":
    case "killed":
      return "was stopped";
    case "lost":
      return "its end is not known";
    default:
      return status === "" ? "ended" : `ended: ${status}`;
  }
}
