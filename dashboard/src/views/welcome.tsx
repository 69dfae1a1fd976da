// A browser that is not signed in: a new identity, or the key of one that exists.
import { ChevronLeftIcon, ChevronRightIcon, KeyIcon, PlusIcon } from "@primer/octicons-react";
import { type ReactElement, useState } from "react";
import { ApiError } from "../api/http.ts";
import { Note } from "../components/basics.tsx";
import { ReceiptCard } from "../components/receipt.tsx";
import { useClient, useSignal } from "../components/hooks.ts";
import { StatusShape } from "../components/marks.tsx";
import { type Bytes, CryptoError, parseSecret, randomBytes } from "../crypto/index.ts";
import { type SignInChoice, SignInError, type SignInProblem } from "../state/signin.ts";
import { Cover } from "./cover.tsx";

/** `left`: why the browser is out although it holds a key. `invited`: the code of the link that was opened. */
export function Welcome({ pairing, left, invited, onCreated }: { pairing: boolean; left: "revoked" | "gone" | null; invited: string | null; onCreated(): void }): ReactElement {
  const client = useClient();
  const [mode, setMode] = useState<"choose" | "sign-in">(left === "revoked" ? "sign-in" : "choose");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [text, setText] = useState("");
  const [decision, setDecision] = useState<{ problem: SignInProblem; text: string; secret: Bytes } | null>(null);
  const [invitation, setInvitation] = useState(invited ?? "");
  /** Whether the field is there: a link filled it, or the relay asked. */
  const [asksInvitation, setAsksInvitation] = useState(invited !== null);
  const host = new URL(client.api.origin).host;
  const farewell = useSignal(client.farewell);

  const withInvitation = () => (invitation.trim() === "" ? {} : { invitation: invitation.trim() });
  /** A key that was typed makes no account, unless the person then says so. */
  const enter = (secret: Bytes, choice: Pick<SignInChoice, "create" | "acceptOther">) => attempt(() => client.signIn(secret, true, { ...choice, ...withInvitation() }), secret);
  const create = () => {
    onCreated();
    return attempt(() => client.signIn(randomBytes(32), false, { create: true, ...withInvitation() }));
  };
  const attempt = async (signIn: () => Promise<void>, secret?: Bytes) => {
    const before = decision;
    setBusy(true);
    setError(null);
    setDecision(null);
    try {
      await signIn();
    } catch (failure) {
      setBusy(false);
      if (failure instanceof SignInError && failure.problem === "uninvited") {
        setAsksInvitation(true);
        setDecision(before);
        setError(
          invitation.trim() === ""
            ? `New accounts on ${host} need an invitation. Ask somebody who has an account there, or whoever runs it, and enter the code here.`
            : "This invitation is not good: it was used already, it is too old, or it was not copied whole. Ask for another one.",
        );
        return;
      }
      if (failure instanceof SignInError && secret !== undefined) {
        setDecision({ problem: failure.problem, text: failure.message, secret });
        return;
      }
      setError(
        failure instanceof ApiError
          ? failure.unreachable
            ? `Could not reach ${host}. Nothing that this browser keeps is lost; try again.`
            : failure.code === "registration-closed"
              ? `${host} takes no new accounts. Whoever runs it decides that.`
              : `The relay refused: ${failure.message}`
          : failure instanceof CryptoError || failure instanceof SignInError
            ? failure.message
            : "This browser could not keep the key. Private windows and full disks can be the cause.",
      );
    }
  };

  if (farewell !== null) {
    return (
      <Cover wide>
        <ReceiptCard certificate={farewell} host={host} />
        <p className="mid small gaptop">Nothing of the account is kept in this browser. Save the receipt now if you want it: it is not shown again.</p>
        <div className="btnrow">
          <button type="button" className="b main big" onClick={() => client.farewell.set(null)} data-testid="farewell-done">
            Back to the start
          </button>
        </div>
      </Cover>
    );
  }
  return (
    <Cover>
      {left === "gone" && (
        <div className="gapdown">
          <Note tone="ask" icon={<StatusShape shape="offline" word="" />} title="The relay says that it does not have this account" testId="account-gone">
            <p>That is so when it was deleted, on this or another device, or when the relay began a new log. If nobody did either, ask why before you go on.</p>
            <div className="acts">
              <button type="button" className="b" disabled={busy} onClick={() => void attempt(() => client.beginAnew(withInvitation()))} data-testid="begin-anew">
                Make an empty account with this key
              </button>
              <button type="button" className="b" disabled={busy} onClick={() => void client.signOut()} data-testid="forget-key">
                Forget the key here
              </button>
            </div>
          </Note>
        </div>
      )}
      {left === "revoked" && (
        <div className="gapdown">
          <Note tone="ask" icon={<StatusShape shape="offline" word="" />} title="This browser was revoked" testId="revoked">
            <p>Your key's list of devices says so, and that does not come back: this page is locked. With your secret key it can sign in as a new device. If you did not revoke it, somebody else holds your key.</p>
          </Note>
        </div>
      )}
      {pairing && (
        <div className="gapdown">
          <Note icon={<StatusShape shape="working" word="" />} title="A machine waits to be paired">
            <p>First say who you are; then you will see its request.</p>
          </Note>
        </div>
      )}
      {mode === "choose" ? (
        <>
          <h1 className="title">Sign in to {host}</h1>
          <p className="mid sub">No e-mail, no password. Your identity is a key that stays on your devices.</p>
          {asksInvitation && <InvitationField value={invitation} onChange={setInvitation} onEnter={() => void create()} />}
          <button type="button" className="choice" disabled={busy} data-testid="new-identity" onClick={() => void create()}>
            <PlusIcon className="i" />
            <b>{busy ? "Creating…" : "Create an identity"}</b>
            <span>New here. Takes about a minute.</span>
            <ChevronRightIcon className="i chev" />
          </button>
          <button type="button" className="choice last" disabled={busy} data-testid="have-key" onClick={() => setMode("sign-in")}>
            <KeyIcon className="i" />
            <b>Enter your secret key</b>
            <span>The one you wrote down, or that your terminal showed.</span>
            <ChevronRightIcon className="i chev" />
          </button>
        </>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            try {
              void enter(parseSecret(text), {});
            } catch (failure) {
              setError(failure instanceof CryptoError ? failure.message : String(failure));
            }
          }}
        >
          <h1 className="title">Enter your secret key</h1>
          <p className="mid sub">The groups you wrote down, or the key in one piece. It stays in this browser; the relay never sees it.</p>
          <label>
            <span className="vh">Secret key</span>
            <textarea
              className="field mono keyfield"
              rows={3}
              value={text}
              autoFocus
              autoComplete="off"
              autoCapitalize="characters"
              autoCorrect="off"
              spellCheck={false}
              placeholder="ABCDE-FGHIJ-…"
              data-testid="sign-in-input"
              aria-invalid={error !== null}
              aria-describedby="sign-in-error"
              onChange={(event) => {
                setText(event.target.value);
                setError(null);
                setDecision(null);
              }}
              onKeyDown={(event) => {
                if (event.key === "Enter" && !event.shiftKey) {
                  event.preventDefault();
                  event.currentTarget.form?.requestSubmit();
                }
              }}
            />
          </label>
          {decision !== null && (
            <div className="gaptop">
              {asksInvitation && decision.problem === "no-account" && (
                <InvitationField value={invitation} onChange={setInvitation} onEnter={() => void enter(decision.secret, { create: true, acceptOther: true })} />
              )}
              <Undecided
                {...decision}
                host={host}
                busy={busy}
                onEmpty={() => void enter(decision.secret, { create: true, acceptOther: true })}
                onOther={() => void enter(decision.secret, { acceptOther: true })}
              />
            </div>
          )}
          <div className="btnrow">
            <button type="submit" className="b main big" disabled={busy || text.trim() === ""} data-testid="sign-in-submit">
              {busy ? "Signing in…" : "Sign in"}
            </button>
            <button
              type="button"
              className="b bare big"
              onClick={() => {
                setMode("choose");
                setError(null);
                setDecision(null);
              }}
            >
              <ChevronLeftIcon className="i" /> Back
            </button>
          </div>
        </form>
      )}
      <p id="sign-in-error" className="bad formerror" role="alert" data-testid="sign-in-error">
        {error}
      </p>
    </Cover>
  );
}

/** The relay sees it only when an account is made. */
function InvitationField({ value, onChange, onEnter }: { value: string; onChange(code: string): void; onEnter(): void }): ReactElement {
  return (
    <label className="invitation gapdown">
      <b>Invitation</b>
      <span className="mid small">It makes one account, once. The code or the whole link.</span>
      <input
        className="field mono"
        value={value}
        autoComplete="off"
        autoCapitalize="characters"
        autoCorrect="off"
        spellCheck={false}
        placeholder="ABCDE-FGHIJ-KLMNO-PQRST-UVWXY"
        data-testid="invitation"
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          onEnter();
        }}
      />
    </label>
  );
}

const titles: Record<SignInProblem, string> = {
  "no-account": "There is no account of this key",
  "other-account": "This key opens another account than before",
  "deleted-account": "This account was deleted from here",
  uninvited: "A new account needs an invitation",
  revoked: "This browser was revoked",
};

/** What only the person can decide. */
function Undecided({ problem, text, host, busy, onEmpty, onOther }: { problem: SignInProblem; text: string; host: string; busy: boolean; onEmpty(): void; onOther(): void }): ReactElement {
  return (
    <Note tone="ask" icon={<StatusShape shape="offline" word="" />} title={titles[problem]} testId="sign-in-problem">
      <p>
        {problem === "no-account"
          ? `${host} knows no account of it. Look whether the address and every letter of the key are right. Nothing was made.`
          : `${text} If you do not know why, ask whoever runs the relay first.`}
      </p>
      <div className="acts">
        {problem === "no-account" && (
          <button type="button" className="b" disabled={busy} onClick={onEmpty} data-testid="make-empty">
            Make an empty account with this key
          </button>
        )}
        {problem === "other-account" && (
          <button type="button" className="b" disabled={busy} onClick={onOther} data-testid="accept-other">
            Go on with the other account
          </button>
        )}
      </div>
    </Note>
  );
}
