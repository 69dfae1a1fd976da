// After somebody else may have the secret key: how one begins anew. Nothing of it is done from here.
import { type ReactElement, useState } from "react";
import { createPortal } from "react-dom";
import { CloseLine, Command, Dialog, Go } from "./basics.tsx";

export function NewKeyHow(): ReactElement {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" className="link" onClick={() => setOpen(true)} data-testid="new-key-how">
        begin anew with a new key
      </button>
      {/* It stands in a sentence, where no dialog may be. */}
      {open && createPortal(<NewKey onClose={() => setOpen(false)} />, document.body)}
    </>
  );
}

function NewKey({ onClose }: { onClose(): void }): ReactElement {
  return (
    <Dialog title="Begin anew with a new key" onClose={onClose} testId="new-key-dialog">
      <p className="mid">A secret key cannot be changed: it is the account. A new key is a new account, and the old one is deleted.</p>
      <ol className="ways">
        <li>
          <b>Revoke</b> the browser that is lost, in this list: from then on no machine does what it signs.
        </li>
        <li>
          <b>Save</b> what you want to keep of your conversations. They do not move to another account.
        </li>
        <li>
          <b>If new accounts need an invitation here,</b> make one now, in <Go to="/settings" className="link">Settings</Go>, and keep it at hand.
        </li>
        <li>
          <b>Delete the account</b> in Settings. The relay destroys the keys of its sessions, and whoever has the old secret key gets nothing more there.
        </li>
        <li>
          <b>Create an identity</b> on the page that comes then, and write its key down.
        </li>
        <li>
          <b>On each machine</b> leave the old account, then pair with the new one:
          <Command text="consortium auth logout && consortium" />
        </li>
      </ol>
      <CloseLine onClose={onClose} />
    </Dialog>
  );
}
