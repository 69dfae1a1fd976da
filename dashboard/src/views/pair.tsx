// Pairing a machine: its link, whose it is, and the digits that each end asks of the other.
import { AlertIcon, DeviceCameraIcon, XIcon } from "@primer/octicons-react";
import { lazy, type ReactElement, type ReactNode, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { Command, Countdown, Go, Note } from "../components/basics.tsx";
import { plainName } from "../components/format.ts";
import { PaneGuard } from "../components/guard.tsx";
import { navigate, useClient, useNow, useSignal } from "../components/hooks.ts";
import { Rosette, StatusShape } from "../components/marks.tsx";
import { part } from "../components/parts.ts";
import { CryptoError, parsePairingLink, toHex } from "../crypto/index.ts";
import type { PairingEnd, PairingRun, PairingState } from "../state/pairing.ts";
import { Cover } from "./cover.tsx";

const Scanner = lazy(() => part("scanner", () => import("../components/scanner.tsx")));

/** A link that was opened is somebody's word until the person says that it is theirs. */
type Step = { readonly at: "link"; readonly error?: string } | { readonly at: "opened"; readonly link: string } | { readonly at: "run"; readonly run: PairingRun; readonly known: ReadonlySet<string> };

export function PairView({ initialLink }: { initialLink: string | null }): ReactElement {
  const client = useClient();
  const [step, setStep] = useState<Step>(initialLink === null ? { at: "link" } : { at: "opened", link: initialLink });

  // The secret of the link goes out of the address bar, and out of the history, as soon as it is here.
  useEffect(() => {
    if (location.hash !== "") history.replaceState(null, "", "/pair");
  }, []);

  const start = useCallback(
    (link: string) => {
      try {
        setStep({ at: "run", run: client.pair(link), known: new Set(client.lists.get().sessions.map((session) => session.id)) });
      } catch (failure) {
        setStep({ at: "link", error: failure instanceof CryptoError ? failure.message : String(failure) });
      }
    },
    [client],
  );
  const again = useCallback(() => setStep({ at: "link" }), []);

  switch (step.at) {
    case "link":
      return <LinkStep error={step.error ?? null} onLink={start} />;
    case "opened":
      return <OpenedStep onYes={() => start(step.link)} />;
    case "run":
      return <Run key={step.run.id} run={step.run} known={step.known} onAgain={again} />;
  }
}

// --- Before anything is asked ----------------------------------------------------------------------------------

function LinkStep({ error, onLink }: { error: string | null; onLink(link: string): void }): ReactElement {
  const client = useClient();
  const [text, setText] = useState("");
  const [camera, setCamera] = useState(false);
  const onScan = useCallback(
    (found: string) => {
      try {
        parsePairingLink(found);
      } catch {
        return; // Some other code in the picture.
      }
      onLink(found);
    },
    [onLink],
  );
  return (
    <Cover task wide aside={<Steps at={2} name={null} />}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onLink(text);
        }}
      >
        <h1 className="title">Pair a machine</h1>
        <p className="mid sub">
          Run <span className="mono">consortium</span> on it, in the folder of a project. It shows a QR code and a link. Stay at that terminal: you will type digits there and here.
        </p>
        <label>
          <span className="mid small">The link it shows</span>
          <textarea
            className="field mono linkfield"
            rows={4}
            value={text}
            spellCheck={false}
            autoCapitalize="off"
            autoCorrect="off"
            placeholder={`${client.api.origin}/pair#v=2&pk=…&s=…`}
            data-testid="pair-link-input"
            aria-invalid={error !== null}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter") {
                event.preventDefault();
                onLink(text);
              }
            }}
          />
        </label>
        {error !== null && (
          <p className="bad formerror" role="alert" data-testid="pair-error">
            {error}
          </p>
        )}
        <div className="btnrow">
          <button type="submit" className="b main big" disabled={text.trim() === ""} data-testid="pair-continue">
            Continue
          </button>
          <button type="button" className="b big" onClick={() => setCamera(!camera)} data-testid="pair-camera">
            {camera ? <XIcon className="i" /> : <DeviceCameraIcon className="i" />} {camera ? "Close the camera" : "Scan with the camera"}
          </button>
          <Go to="/" className="b bare big">
            Back
          </Go>
        </div>
        {camera && (
          <PaneGuard name="The scanner">
            <Suspense fallback={<p className="dim">Starting the camera…</p>}>
              <Scanner onText={onScan} />
            </Suspense>
          </PaneGuard>
        )}
      </form>
    </Cover>
  );
}

/** Nothing was looked at yet: a link can come from anybody. */
function OpenedStep({ onYes }: { onYes(): void }): ReactElement {
  return (
    <Cover task wide aside={<Steps at={2} name={null} />}>
      <h1 className="title" data-testid="pair-opened">
        Did you start this now, at a machine of yours?
      </h1>
      <p className="lead sub">
        This link asks to pair a machine with your account. Go on only if you ran <span className="mono">consortium</span> yourself a moment ago and its terminal is before you.
      </p>
      <p className="mid sub">If somebody sent you this link, stop: a machine of theirs would show up among yours and speak to you in its sessions.</p>
      <div className="btnrow">
        <button type="button" className="b main big" onClick={onYes} data-testid="pair-opened-yes">
          Yes, its terminal is before me
        </button>
        <button type="button" className="b big" onClick={() => navigate("/")} data-testid="pair-opened-no">
          No, stop
        </button>
      </div>
    </Cover>
  );
}

// --- With its request ------------------------------------------------------------------------------------------

function Run({ run, known, onAgain }: { run: PairingRun; known: ReadonlySet<string>; onAgain(): void }): ReactElement {
  const client = useClient();
  const state = useSignal(run.state);
  const unreached = useSignal(run.unreached);
  const connection = useSignal(client.connection);
  const { sessions } = useSignal(client.lists);
  const now = useNow(1_000);
  const name = run.name === null ? null : plainName(run.name);
  const fresh = state.step === "paired" ? sessions.find((session) => !known.has(session.id)) : undefined;

  // Who leaves the page stops what is under way: the terminal is told.
  const leaving = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    const leave = () => run.stop();
    clearTimeout(leaving.current);
    addEventListener("pagehide", leave);
    return () => {
      removeEventListener("pagehide", leave);
      // Not at once: in development React takes everything away once and puts it back.
      leaving.current = setTimeout(leave);
    };
  }, [run]);

  const left = run.left;
  const clock = left === null ? null : <Countdown until={now + left} now={now} />;
  const notReached = `${unreached ?? ""} It is asked again, and until it answers no machine can.`;
  const unreachedLine = unreached !== null && (
    <p className="mid small" role="status" data-testid="pair-unreached">
      {notReached}
    </p>
  );
  return (
    <Cover task wide aside={<Steps at={stepOf(state)} name={name} />}>
      {body()}
    </Cover>
  );

  function body(): ReactNode {
    const machine = name ?? "the machine";
    switch (state.step) {
      case "looking":
        return <p className="mid">{unreached === null ? "Looking for the machine's request…" : notReached}</p>;
      case "absent":
        return (
          <>
            <h1 className="title" data-testid="pair-absent">
              {unreached === null ? "No request is waiting for this link" : "No request was waiting for this link"}
            </h1>
            <p className="mid sub">Leave consortium running at the terminal: this page keeps looking. If it has ended there, start it again and use the new link.</p>
            {unreachedLine}
            <Retry onAgain={onAgain} />
          </>
        );
      case "request":
        return (
          <>
            <h1 className="title">
              Pair with <span className="mono" data-testid="pair-name">{machine}</span>?
            </h1>
            <p className="lead sub">Go on only if you started this now, at a machine of yours, and its terminal is before you.</p>
            <dl className="facts roomy">
              <dt>Machine</dt>
              <dd>
                <span className="mono">{machine}</span>, as it calls itself
              </dd>
              <dt>Request</dt>
              <dd>belongs to this link, and to the key it will have</dd>
              <dt>Will be able to</dt>
              <dd>start sessions, and read those it runs; not the others</dd>
              <dt>Before that</dt>
              <dd>you type six digits there, and six others here</dd>
            </dl>
            {state.error !== null && (
              <p className="bad formerror" role="alert">
                {state.error}
              </p>
            )}
            <div className="btnrow">
              <button type="button" className="b main big" disabled={state.busy} onClick={() => void run.begin()} data-testid="pair-begin">
                {state.busy ? "One moment…" : "I started this now, at a machine of mine"}
              </button>
              <button
                type="button"
                className="b big"
                onClick={() => {
                  run.stop();
                  navigate("/");
                }}
                data-testid="pair-decline"
              >
                This was not me
              </button>
            </div>
            <p className="dim small">Nothing is paired by this yet. A link works once.</p>
          </>
        );
      case "answered":
        return (
          <>
            <h1 className="title">Waiting for {machine}</h1>
            <p className="dim waitline" role="status">
              <StatusShape shape="working" word="waiting" /> {unreached === null ? "It answers by itself, within seconds, where it can reach the relay." : notReached}
            </p>
            <div className="btnrow">
              <Stop run={run} />
            </div>
            <p className="dim small">Ends in {clock}.</p>
          </>
        );
      case "digits":
        return <Digits run={run} forTerminal={state.forTerminal} machine={machine} clock={clock} note={unreachedLine} />;
      case "confirming":
        return (
          <>
            <h1 className="title">The digits are right</h1>
            <p className="dim waitline" role="status">
              <StatusShape shape="working" word="working" /> Signing {machine} into the list of your devices
            </p>
            {state.error !== null && (
              <p className="mid" role="alert">
                {state.error} Tried again; leave this page open.
              </p>
            )}
          </>
        );
      case "paired":
        return fresh === undefined ? (
          <div className="centred" data-testid="pair-paired">
            {run.device !== null && <Rosette hex={toHex(run.device.subarray(0, 8))} size={96} />}
            <h1 className="subtitle">{machine} is paired</h1>
            <p className="mid">It stands in the list of your devices now, signed by your key.</p>
            <p className="dim waitline" role="status">
              <StatusShape shape="working" word="waiting" />{" "}
              {connection.state === "live" || connection.state === "catching-up" ? `Waiting for ${machine} to start its first session` : "This page is not connected to the relay, and sees no session until it is"}
            </p>
            <Go to="/" className="b" data-testid="pair-done">
              To my sessions
            </Go>
          </div>
        ) : (
          <div className="centred" data-testid="pair-complete">
            {run.device !== null && <Rosette hex={toHex(run.device.subarray(0, 8))} size={96} />}
            <h1 className="subtitle">{machine} is paired</h1>
            <p className="mid">
              Its session in <span className="mono">{fresh.path ?? fresh.project}</span> is here.
            </p>
            <Go to={`/session/${fresh.id}`} className="b main big" data-testid="pair-open-session">
              Open it
            </Go>
          </div>
        );
      case "over": {
        const { title, text, bad } = endWords(state.why, machine, state.detail);
        return (
          <>
            <Note {...(bad ? { tone: "bad" as const } : {})} icon={<AlertIcon className="i" />} title={title} testId="pair-over">
              <p data-testid="pair-over-why" data-why={state.why}>
                {text}
              </p>
            </Note>
            <Retry onAgain={onAgain} />
          </>
        );
      }
    }
  }
}

/** The heart of it: half of the code goes there, the other half comes from there. */
function Digits({ run, forTerminal, machine, clock, note }: { run: PairingRun; forTerminal: readonly [string, string]; machine: string; clock: ReactNode; note: ReactNode }): ReactElement {
  const [text, setText] = useState("");
  const digits = text.replace(/\D/g, "").slice(0, 6);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (digits.length === 6) void run.type(digits);
      }}
    >
      <h1 className="title">Now at the terminal of {machine}</h1>
      <ol className="pairsteps">
        <li>
          <p className="lead">Type these digits there. Give them to nobody.</p>
          <p className="sas half" data-testid="pair-for-terminal" aria-label={`Digits for the terminal: ${forTerminal.join(" ")}`}>
            {forTerminal.map((group, i) => (
              <span key={i}>{group}</span>
            ))}
          </p>
        </li>
        <li>
          <label htmlFor="pair-digits" className="lead">
            Then six other digits stand there. Type them here.
          </label>
          <input
            id="pair-digits"
            className="field sasfield"
            inputMode="numeric"
            autoComplete="off"
            spellCheck={false}
            value={digits.length > 3 ? `${digits.slice(0, 3)} ${digits.slice(3)}` : digits}
            onChange={(event) => setText(event.target.value)}
            aria-describedby="pair-digits-warning"
            data-testid="pair-digits"
          />
          <p id="pair-digits-warning" className="warn" data-testid="pair-warning">
            They stand on the terminal before you. Whoever sends you these digits is breaking in.
          </p>
        </li>
      </ol>
      <div className="btnrow">
        <button type="submit" className="b main big" disabled={digits.length !== 6} data-testid="pair-confirm">
          Pair
        </button>
        <Stop run={run} />
      </div>
      {note}
      <p className="dim small">
        One try: wrong digits end it, at either end. If the terminal asks for nothing, or says that the digits were wrong, stop. Ends in {clock}.
      </p>
    </form>
  );
}

function Stop({ run }: { run: PairingRun }): ReactElement {
  return (
    <button type="button" className="b big" onClick={() => run.stop()} data-testid="pair-stop">
      Stop
    </button>
  );
}

function Retry({ onAgain }: { onAgain(): void }): ReactElement {
  return (
    <div className="btnrow">
      <button type="button" className="b" onClick={onAgain} data-testid="pair-again">
        Use another link
      </button>
      <Go to="/" className="b bare">
        Back
      </Go>
    </div>
  );
}

function endWords(why: PairingEnd, machine: string, detail: string | null): { title: string; text: string; bad: boolean } {
  const anew = "To pair, run consortium there once more and use the new link.";
  switch (why) {
    case "other-relay":
      return { title: "This link is for another relay", text: `It leads to ${detail ?? "another address"}. Open it there, with the identity you have there.`, bad: false };
    case "answered":
      return {
        title: "This request was answered by somebody else",
        text: `If that was not you, in another tab or browser, stop: end consortium at the terminal and type no digits anywhere. A link works once; a page that was reloaded has forgotten its answer. ${anew}`,
        bad: true,
      };
    case "not-agent":
      return { title: "This request asks for more than a machine may", text: "It wants to be paired as a browser, which reads everything. Only machines pair this way. Nothing was shared; whoever gave you this link is breaking in.", bad: true };
    case "changed":
      return {
        title: "This request does not belong to your link",
        text: "Someone, or the relay, put another request in its place or changed it. Nothing was shared. End consortium at the terminal, start it again, and use the new link.",
        bad: true,
      };
    case "revoked":
      return { title: "This device was revoked", text: "Its key does not come back. Run consortium auth logout there, then consortium: it makes a new one.", bad: true };
    case "wrong-reveal":
      return { title: `${machine} did not keep its word`, text: `What came from it is not what it had fixed before your answer: somebody stands in between. The pairing is over and nothing was given away. ${anew}`, bad: true };
    case "wrong-digits":
      return {
        title: "Those were not the digits",
        text: `The pairing is over, and nothing was given away. If you mistyped, start again. If you typed what stands on the terminal before you, somebody stands in between: ask who runs the relay. If somebody sent you the digits, they were breaking in.`,
        bad: true,
      };
    case "refused":
      return { title: "It was ended at the other end", text: `As the relay says: somebody stopped it at the terminal, or typed digits that were wrong. If you typed the digits that stood here, somebody stands in between. Nothing was given away. ${anew}`, bad: true };
    case "lost":
      return { title: "The relay knows nothing of it any more", text: `That is so when consortium was ended at the terminal, or the relay was restarted. Nothing was paired. ${anew}`, bad: false };
    case "expired":
      return { title: "Ten minutes are over", text: `Nothing was paired. ${anew}`, bad: false };
    case "stopped":
      return { title: "Stopped", text: `Nothing was paired. ${anew}`, bad: false };
    case "not-confirmed":
      return { title: "The relay did not take it", text: `${detail ?? ""} ${machine} is revoked again in the list of your devices, for good. ${anew}`.trim(), bad: true };
  }
}

function stepOf(state: PairingState): number {
  switch (state.step) {
    case "request":
    case "answered":
      return 3;
    case "digits":
    case "confirming":
      return 4;
    case "paired":
      return 5;
    default:
      return 2;
  }
}

function Steps({ at, name }: { at: number; name: string | null }): ReactElement {
  const steps: readonly (readonly [string, ReactNode])[] = [
    ["Run it there", <Command text="consortium" key="c" />],
    ["Scan it, paste its link, or open it", null],
    ["Say that it is yours", name === null ? null : <span className="mid">{name} asks</span>],
    ["Six digits there, six digits here", <span className="mid" key="m">Each end shows half of a code and asks for the other half.</span>],
  ];
  return (
    <>
      <span className="grow only-phone" />
      <span className="no only-phone">step {Math.min(at, 4)} of 4</span>
      <div className="no-phone stepsbox">
        <h2 className="title">Pair a machine</h2>
        <div className="stepledger">
          {steps.map(([title, more], i) => {
            const number = i + 1;
            const said = number >= at;
            return (
              <div key={title}>
                {number === at && at > 1 && <div className="ruleoff" />}
                <div className={`entry ${said ? "said" : ""} ${number === at ? "now" : ""}`} aria-current={number === at ? "step" : undefined}>
                  <span className="no">{number}</span>
                  <div>
                    <b>{title}</b>
                    {(i === 0 || number === at) && more}
                  </div>
                </div>
              </div>
            );
          })}
          {at === 5 && <div className="ruleoff" />}
        </div>
      </div>
      <p className="dim no-phone small">A link works once, and ten minutes from your answer.</p>
    </>
  );
}
