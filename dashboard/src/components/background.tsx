// What runs on without a turn: commands and subagents in the background, each with its own stop.
import { type ReactElement, useState } from "react";
import { plainly } from "../state/ask.ts";
import { briefly } from "../state/brief.ts";
import { wordsOf } from "../state/errors.ts";
import type { BackgroundTask, SessionSummary } from "../state/sessionfields.ts";
import { useClient, useNow } from "./hooks.ts";
import { waiting } from "./format.ts";
import { StatusShape } from "./marks.tsx";

/** Claude ends its subagents with the turn that is stopped; commands run on. */
export const endsWithTurn = (task: BackgroundTask): boolean => task.type === "local_agent";

export function Background({ session, say }: { session: SessionSummary; say(words: string): void }): ReactElement | null {
  const { background, backgroundMore } = session.agent;
  const now = useNow(5_000);
  if (background.length === 0) return null;
  const turn = session.status === "working" || session.status === "needs-you";
  return (
    <ul className="heldlist" data-testid="background">
      {background.map((task) => (
        <Task key={task.id} task={task} sid={session.id} since={task.since - session.clock} turn={turn} now={now} say={say} />
      ))}
      {backgroundMore > 0 && <li className="dim small">and {backgroundMore} more</li>}
    </ul>
  );
}

function Task({ task, sid, since, turn, now, say }: { task: BackgroundTask; sid: string; /** By this device's clock. */ since: number; turn: boolean; now: number; say(words: string): void }): ReactElement {
  const client = useClient();
  const [stopping, setStopping] = useState(false);
  const stop = async () => {
    setStopping(true);
    try {
      await client.call(sid, "stop-task", { id: task.id });
    } catch (error) {
      setStopping(false);
      say(wordsOf(error));
    }
  };
  return (
    <li data-testid="background-task" data-task={task.id}>
      <StatusShape shape="working" word="in the background" />
      <span className="grow">
        <b className="trunc">{plainly(briefly(task.what, 200)) || "Something without a name"}</b>
        <small className="dim">
          In the background for {waiting(now - since)}.{turn && endsWithTurn(task) && " Stop ends it too."}
        </small>
      </span>
      <button type="button" className="b small" disabled={stopping} data-testid="background-stop" onClick={() => void stop()}>
        {stopping ? "Stopping" : "Stop this"}
      </button>
    </li>
  );
}
