// An invitation for one person: made here, shown once, as QR code, link and text.
import { type ReactElement, useState } from "react";
import { ApiError } from "../api/http.ts";
import type { Invitation } from "../api/types.ts";
import { CopyButton, Dialog } from "./basics.tsx";
import { fullTime } from "./format.ts";
import { useClient } from "./hooks.ts";
import { QrCode } from "./qrcode.tsx";

export function InviteDialog({ onClose }: { onClose(): void }): ReactElement {
  const client = useClient();
  const [made, setMade] = useState<Invitation | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  const make = async () => {
    setBusy(true);
    setError(null);
    try {
      setMade(await client.api.invite());
    } catch (failure) {
      setError(
        failure instanceof ApiError && failure.code === "registration-closed"
          ? "This relay takes no new accounts, invited or not. Whoever runs it decides that."
          : failure instanceof Error
            ? failure.message
            : String(failure),
      );
    } finally {
      setBusy(false);
    }
  };

  return (
    <Dialog title={made === null ? "Invite somebody?" : "An invitation for one person"} onClose={onClose} testId="invite-dialog">
      {made === null ? (
        <p className="mid">Whoever has the invitation can make one account on this relay, once. The relay notes that you made it.</p>
      ) : (
        <>
          <p className="mid">
            Give it to one person, on a way that nobody else reads. It is not shown again, and is good until {fullTime(made.expiresAt)}.
          </p>
          <QrCode text={made.link} label="The invitation's link as a QR code" />
          <Line label="Link" text={made.link} testId="invite-link" />
          <Line label="Code" text={made.code} testId="invite-code" />
        </>
      )}
      {error !== null && (
        <p className="bad small" role="alert" data-testid="invite-error">
          {error}
        </p>
      )}
      <div className="acts flush">
        <button type="button" className="b" onClick={onClose} data-testid="invite-close">
          {made === null ? "Not now" : "Done"}
        </button>
        <span className="grow" />
        {made === null && (
          <button type="button" className="b main" disabled={busy} onClick={() => void make()} data-testid="invite-make">
            {busy ? "Making…" : "Make an invitation"}
          </button>
        )}
      </div>
    </Dialog>
  );
}

function Line({ label, text, testId }: { label: string; text: string; testId: string }): ReactElement {
  return (
    <div className="given">
      <span className="dim small">{label}</span>
      <code className="mono" data-testid={testId}>
        {text}
      </code>
      <CopyButton text={text} label={`Copy the ${label.toLowerCase()}`} />
    </div>
  );
}
