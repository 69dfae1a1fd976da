// Deleting for ever: what becomes unreadable, what stays, a word to type, the way back first.
import { type ReactElement, type ReactNode, useState } from "react";
import { wordsOf } from "../state/errors.ts";
import type { SessionSummary } from "../state/sessionfields.ts";
import { Dialog } from "./basics.tsx";
import { plural } from "./format.ts";
import { navigate, thisTab, useClient, useSignal } from "./hooks.ts";

interface Words {
  readonly title: string;
  readonly word: string;
  readonly testId: string;
  readonly action: string;
}

function TypedDialog({ words, children, onClose, act }: { words: Words; children: ReactNode; onClose(): void; act(): Promise<void> }): ReactElement {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const right = typed.trim().toLowerCase() === words.word;
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      await act();
    } catch (failure) {
      setError(wordsOf(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title={words.title} onClose={busy ? () => undefined : onClose} testId={`${words.testId}-dialog`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (right && !busy) void run();
        }}
      >
        {children}
        <label className="mid small">
          Type <b className="mono ink">{words.word}</b> to confirm
          <input className="field mono" value={typed} onChange={(event) => setTyped(event.target.value)} data-testid={`${words.testId}-word`} autoComplete="off" autoCapitalize="off" spellCheck={false} />
        </label>
        {error !== null && (
          <p className="bad small" role="alert">
            {error}
          </p>
        )}
        <div className="acts flush">
          <button type="button" className="b" onClick={onClose} disabled={busy} data-testid={`${words.testId}-keep`}>
            Keep it
          </button>
          <span className="grow" />
          <button type="submit" className="b fail" disabled={!right || busy} data-testid={`${words.testId}-confirm`}>
            {busy ? "Deleting…" : words.action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** What no deletion reaches. */
function Stays({ what, machines }: { what: string; machines: string }): ReactElement {
  return (
    <>
      <h3 className="strong small">What stays</h3>
      <ul className="mid stays">
        <li>In the log, for ever: that there were entries, {what}, when, and how large. Otherwise it would not add up.</li>
        <li>Copies made before: backups of the relay that still hold the key, what a device has in memory or somebody saved.</li>
        <li>Files that the agent changed{machines}, and Claude's own record of the conversation there.</li>
      </ul>
    </>
  );
}

export function DeleteSessionDialog({ session, onClose }: { session: SessionSummary; onClose(): void }): ReactElement {
  const client = useClient();
  const word = session.project.split(/[^A-Za-z0-9]+/).filter((part) => part !== "").pop()?.toLowerCase() ?? "delete";
  return (
    <TypedDialog
      words={{ title: `Delete “${session.title}”?`, word, testId: "session-delete", action: "Delete for ever" }}
      onClose={onClose}
      act={async () => {
        await client.deleteSession(session.id);
        navigate(`/receipt/${session.id}`, true);
      }}
    >
      <p className="mid">
        {session.count === 1 ? "1 entry becomes" : `${plural(session.count, "entry", "entries")} become`} unreadable for everyone: the relay destroys the key that seals the session in its log. This cannot be
        undone.
      </p>
      <Stays what="whose, of which session" machines={session.host === "" ? "" : ` on ${session.host}`} />
    </TypedDialog>
  );
}

export function DeleteAccountDialog({ onClose }: { onClose(): void }): ReactElement {
  const client = useClient();
  const { sessions, machines, older } = useSignal(client.lists);
  return (
    <TypedDialog
      words={{ title: "Delete your account?", word: "delete everything", testId: "account-delete", action: "Delete for ever" }}
      onClose={onClose}
      act={async () => {
        await client.deleteAccount();
        new BroadcastChannel("consortium").postMessage(thisTab);
        navigate("/", true);
      }}
    >
      <p className="mid">
        {older ? "All sessions" : plural(sessions.length, "session")} and {plural(machines.length, "machine")} become unreadable for everyone: the relay destroys every key of the account in its log. All devices are signed out, and what this
        browser keeps is wiped. This cannot be undone. The same secret key can begin a new, empty account.
      </p>
      <Stays what="whose, of which session or machine" machines=" on your machines" />
    </TypedDialog>
  );
}
