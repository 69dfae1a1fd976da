// Beside the conversation: plan, changed files, and what is on record.
import { FileIcon, XIcon } from "@primer/octicons-react";
import { type ReactElement, useMemo } from "react";
import { plainly } from "../state/ask.ts";
import { clipped } from "../state/brief.ts";
import { digest } from "../state/digest.ts";
import type { SessionModel } from "../state/session.ts";
import type { SessionSummary } from "../state/sessionfields.ts";
import { Brief, MarkedLong } from "./exact.tsx";
import { homePath, number, plural } from "./format.ts";
import { useClient, useEntryProof, useSignal } from "./hooks.ts";
import { LogNumber } from "./marks.tsx";
import { Path, Todos } from "./toolbox.tsx";

const filesMax = 200;

export function ContextPane({ model, session, onClose }: { model: SessionModel; session: SessionSummary; onClose(): void }): ReactElement {
  const client = useClient();
  const conversation = useSignal(model.conversation);
  const { plan, files } = useMemo(() => digest(conversation.rows, session.path), [conversation.rows, session.path]);
  const done = plan.filter((todo) => todo.status === "completed").length;
  const added = files.reduce((sum, file) => sum + file.added, 0);
  const removed = files.reduce((sum, file) => sum + file.removed, 0);
  const latest: number | null = conversation.rows.findLast((row) => row.revision !== null)?.revision ?? null;
  const proof = useEntryProof(latest === null ? [] : [latest]);
  return (
    <aside className="ctx" aria-label="Plan, changes, record" data-testid="context">
      <div className="head">
        <h2 className="grow strong">This session</h2>
        <button type="button" className="b bare icon" onClick={onClose} aria-label="Close">
          <XIcon className="i" />
        </button>
      </div>
      <div className="scroll">
        {plan.length > 0 && (
          <section className="sec">
            <h3>
              Plan{" "}
              <span className="m">
                {done} of {plan.length}
              </span>
            </h3>
            <Todos of={plan} />
          </section>
        )}
        <section className="sec">
          <h3>
            Changes{" "}
            {files.length > 0 && (
              <span className="m">
                {plural(files.length, "file")} <span className="plus">+{number(added)}</span> {removed > 0 && <span className="minus">−{number(removed)}</span>}
              </span>
            )}
          </h3>
          {files.length === 0 ? (
            <p className="dim small">Claude's tools for files changed none{conversation.hasOlder ? " in the entries loaded here" : ""}. What commands changed is not known here.</p>
          ) : (
            <ul className="files">
              {files.slice(0, filesMax).map((file) => (
                <li key={file.path}>
                  <FileIcon className="i" />
                  <Path path={plainly(clipped(file.path, 400, "end"))} />
                  <span className="m plus">+{number(file.added)}</span>
                  <span className="m minus">{file.removed > 0 && `−${number(file.removed)}`}</span>
                </li>
              ))}
              {files.length > filesMax && <li className="dim">and {number(files.length - filesMax)} more</li>}
            </ul>
          )}
        </section>
        <section className="sec">
          <h3>Record</h3>
          <p className="mid small">
            {plural(session.count, "entry", "entries")} in the log
            {latest !== null && (
              <>
                , the latest is{" "}
                <span className="ruled" data-r={proof === "proved" ? "proved" : proof === "refuted" ? "refuted" : "stored"}>
                  <LogNumber revision={latest} />
                </span>
              </>
            )}
            . {proof === "proved" && "This browser proved it to be what the log holds. "}Each one shown was opened here; what did not open or follow is marked in red.
          </p>
          <dl className="facts below">
            <dt>Machine</dt>
            <dd>
              <span className="mono" data-testid="made-by">
                {session.host || "unknown"}
              </span>
              {session.says !== null && session.says !== session.host && (
                <>
                  , which says it is{" "}
                  <span className="mono">
                    <Brief text={session.says} />
                  </span>
                </>
              )}
            </dd>
            {session.path !== null && (
              <>
                <dt>Folder</dt>
                <dd>
                  <span className="mono">
                    <MarkedLong text={homePath(session.path, session.homeDir)} />
                  </span>
                </dd>
              </>
            )}
            <dt>Relay</dt>
            <dd>
              <span className="mono">{new URL(client.api.origin).host}</span>
            </dd>
          </dl>
        </section>
      </div>
    </aside>
  );
}
