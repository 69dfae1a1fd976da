import { type ReactElement, useState } from "react";
import { CopyButton, Dialog, Go } from "../components/basics.tsx";
import { DeleteAccountDialog } from "../components/deletedialogs.tsx";
import { InviteDialog } from "../components/invitedialog.tsx";
import { applyTheme, currentTheme, navigate, readPreference, type Theme, useClient, useSignal, writePreference } from "../components/hooks.ts";
import { Page } from "../components/page.tsx";
import { formatSecret } from "../crypto/index.ts";
import { KeyGrid } from "./key.tsx";

const themes: readonly (readonly [Theme, string])[] = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

export function SettingsView(): ReactElement {
  const client = useClient();
  const identity = useSignal(client.identity);
  const [theme, setTheme] = useState<Theme>(currentTheme);
  const [enterSends, setEnterSends] = useState(readPreference("enter-sends") !== "no");
  const [key, setKey] = useState<"hidden" | "asked" | "shown">("hidden");
  const [leaving, setLeaving] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const [inviting, setInviting] = useState(false);
  const queued = useSignal(client.queued);

  return (
    <>
      <Page title="Settings" className="settings">
        <section>
          <h2>Theme</h2>
          <div className="choices" role="radiogroup" aria-label="Theme">
            {themes.map(([value, label]) => (
              <label key={value}>
                <input
                  type="radio"
                  name="theme"
                  checked={theme === value}
                  data-testid={`theme-${value}`}
                  onChange={() => {
                    applyTheme(value);
                    setTheme(value);
                  }}
                />
                {label}
              </label>
            ))}
          </div>
        </section>
        <section>
          <h2>Composer</h2>
          <label className="check">
            <input
              type="checkbox"
              checked={enterSends}
              onChange={(event) => {
                writePreference("enter-sends", event.target.checked ? "yes" : "no");
                setEnterSends(event.target.checked);
              }}
            />
            Enter sends; Shift Enter makes a new line
          </label>
          <p className="dim small">Ctrl Enter always sends.</p>
        </section>
        <section>
          <h2>Secret key</h2>
          <p className="mid">It opens your sessions on a new device. The relay does not have it and cannot reset it.</p>
          {key === "shown" && identity !== null ? (
            <>
              <KeyGrid secret={identity.secret} />
              <div className="btnrow">
                <CopyButton text={formatSecret(identity.secret)} bare={false} />
                <button type="button" className="b bare" onClick={() => setKey("hidden")}>
                  Hide
                </button>
              </div>
            </>
          ) : (
            <div className="btnrow">
              <button type="button" className="b" onClick={() => setKey("asked")} data-testid="show-key">
                Show the key…
              </button>
              {identity !== null && !identity.keyConfirmed && (
                <Go to="/key" className="b">
                  Write it down
                </Go>
              )}
            </div>
          )}
        </section>
        <section>
          <h2>This browser</h2>
          <p className="mid">
            Signed in as <b>{identity?.deviceName}</b> at <span className="mono">{new URL(client.api.origin).host}</span>.
          </p>
          <div className="btnrow">
            <button type="button" className="b" onClick={() => setLeaving(true)} data-testid="sign-out">
              Sign out…
            </button>
          </div>
        </section>
        <section>
          <h2>Invitations</h2>
          <p className="mid">Let somebody make an account of their own on this relay. They see nothing of yours, and you nothing of theirs.</p>
          <div className="btnrow">
            <button type="button" className="b" onClick={() => setInviting(true)} data-testid="invite">
              Invite somebody…
            </button>
          </div>
        </section>
        <section>
          <h2>Account</h2>
          <p className="mid">Deleting it destroys the keys of everything in it. The relay answers with a signed receipt.</p>
          <div className="btnrow">
            <button type="button" className="b fail" onClick={() => setDeleting(true)} data-testid="account-delete">
              Delete the account…
            </button>
          </div>
        </section>
      </Page>
      {inviting && <InviteDialog onClose={() => setInviting(false)} />}
      {deleting && <DeleteAccountDialog onClose={() => setDeleting(false)} />}
      {key === "asked" && (
        <Dialog title="Show the secret key?" onClose={() => setKey("hidden")}>
          <p className="mid">Whoever sees it can open everything. Look around first.</p>
          <div className="acts flush">
            <button type="button" className="b" onClick={() => setKey("hidden")}>
              Not now
            </button>
            <span className="grow" />
            <button type="button" className="b main" onClick={() => setKey("shown")} data-testid="show-key-confirm">
              Show it
            </button>
          </div>
        </Dialog>
      )}
      {leaving && (
        <Dialog title="Sign out of this browser?" onClose={() => setLeaving(false)}>
          <p className="mid">
            Everything it keeps is wiped: the key, drafts{queued > 0 ? `, and ${queued} queued ${queued === 1 ? "prompt" : "prompts"} that were never sent` : ""}. Your sessions stay; the secret key opens
            them again. If the relay can be reached now, it lets this sign-in do nothing more; in your list of devices the browser stays until another browser revokes it.
            {identity !== null && !identity.keyConfirmed && <b> You have not shown that you wrote the key down. Without it nobody can open these sessions again.</b>}
          </p>
          <div className="acts flush">
            <button type="button" className="b" onClick={() => setLeaving(false)}>
              Stay
            </button>
            <span className="grow" />
            <button
              type="button"
              className="b fail"
              data-testid="sign-out-confirm"
              onClick={() =>
                void client.signOut().then(() => {
                  new BroadcastChannel("consortium").postMessage("signed-out");
                  navigate("/", true);
                })
              }
            >
              Sign out and wipe
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
