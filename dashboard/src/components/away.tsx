// What is known of a session whose agent is not there, what becomes of a prompt meanwhile, and how it is taken up again.
import { type ReactElement, useState } from "react";
import type { SessionSummary, StartCommand } from "../state/sessionfields.ts";
import { CloseLine, Command, Dialog } from "./basics.tsx";
import { fullTime, when } from "./format.ts";
import { StatusShape } from "./marks.tsx";

/**
 * For a POSIX shell: what could mean something to it is quoted. What could mean something to a terminal into which it is pasted, or is not
 * seen, is written by its bytes (`$'…'`, POSIX.1-2024).
 */
export function shellWord(word: string): string {
  if (/^[A-Za-z0-9_/:.,@%+-][A-Za-z0-9_/:=.,@%+-]*$/.test(word)) return word;
  if (!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(word)) return `'${word.replaceAll("'", "'\\''")}'`;
  const bytes = (text: string) => Array.from(new TextEncoder().encode(text), (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  return `$'${word.replace(/[\\']/g, "\\$&").replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, bytes)}'`;
}

/** What has to be typed at the machine to take the session up again: its folder, the program as it was called there, its id and its options. */
export function resumeCommand({ id, path }: Pick<SessionSummary, "id" | "path">, command: StartCommand): string {
  const words = [...(command.home === null ? [] : ["env", `CONSORTIUM_HOME=${command.home}`]), command.program, "--resume", id, ...(command.arguments ?? [])];
  const there = path === null ? "" : `cd ${shellWord(path)} && `;
  return there + words.map(shellWord).join(" ");
}

/** One line: why the agent is not there, as far as that is known, and what happens to a prompt. */
export function awayWords(session: SessionSummary, now: number): string {
  const host = session.host === "" ? "the machine" : session.host;
  if (session.archived) return `Archived. ${host === "the machine" ? "The machine" : host} is not connected; a prompt brings it out of the archive and waits on the relay.`;
  if (session.ended) return `Ended${session.endedAt === null ? "" : `, ${when(session.endedAt, now)}`}. A prompt waits on the relay until the session is taken up again.`;
  return `The relay has not heard of it since ${when(session.activeAt, now)}; why is not known. A prompt waits on the relay until ${host} is back.`;
}

export function Away({ session, now }: { session: SessionSummary; now: number }): ReactElement {
  const [open, setOpen] = useState(false);
  return (
    <div className="away-note dim small" data-testid="away-note">
      <StatusShape shape="offline" word="away" />
      <span className="grow">{awayWords(session, now)}</span>
      {/* Only an agent that says how it was called can do so. */}
      {session.command !== null && (
        <button type="button" className="link" onClick={() => setOpen(true)} data-testid="take-up">
          How to take it up
        </button>
      )}
      {open && session.command !== null && <TakeUp session={session} command={session.command} onClose={() => setOpen(false)} />}
    </div>
  );
}

function TakeUp({ session, command, onClose }: { session: SessionSummary; command: StartCommand; onClose(): void }): ReactElement {
  const host = session.host === "" ? "the machine it ran on" : session.host;
  return (
    <Dialog title={session.ended ? "Take it up again" : "When it does not come back by itself"} onClose={onClose} testId="take-up-dialog">
      <p className="mid">
        {session.ended ? "In a terminal" : "If consortium was ended there, in a terminal"} of {host}:
      </p>
      <Command text={resumeCommand(session, command)} />
      {command.arguments === null && <p className="mid">Add the options that it was started with: they are too long to be kept here.</p>}
      <p className="mid gaptop">
        It goes on here, with what was said so far. Prompts that wait on the relay run then, in their order. One that comes later than the time you gave it is held there, and you are asked.
      </p>
      {session.endedAt !== null && <p className="dim small">It ended on {fullTime(session.endedAt)}, by the machine&apos;s clock.</p>}
      <CloseLine onClose={onClose} />
    </Dialog>
  );
}
