// Pairing a machine: its link, whose request it is, the code that both ends must show.
import { AlertIcon, DeviceCameraIcon, XIcon } from "@primer/octicons-react";
import { lazy, type ReactElement, type ReactNode, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { Command, Countdown, Go, Note } from "../components/basics.tsx";
import { plainName } from "../components/format.ts";
import { navigate, useClient, useNow, useSignal } from "../components/hooks.ts";
import { Rosette, StatusShape } from "../components/marks.tsx";
import { type Comparison, CryptoError, parsePairingLink, type VerifiedRequest } from "../crypto/index.ts";
import { Cover } from "./cover.tsx";

const Scanner = lazy(() => import("../components/scanner.tsx"));

/** A request lives ten minutes at the relay; when it was made is not ours to know, so this counts from our first look. */
const requestMs = 10 * 60_000;
const pollMs = 2_000;

type State =
  | { step: "link"; error?: string }
  | { step: "looking"; link: string }
  | { step: "absent"; link: string; since: number }
  | { step: "refused"; title: string; text: string; bad: boolean }
  | { step: "request"; link: string; request: VerifiedRequest; seen: number; error?: string; busy?: boolean }
  | { step: "code"; request: VerifiedRequest; code: Comparison; known: ReadonlySet<string> };

export function PairView({ initialLink }: { initialLink: string | null }): ReactElement {
  const client = useClient();
  const lists = useSignal(client.lists);
  const connection = useSignal(client.connection);
  const [state, setState] = useState<State>(initialLink === null ? { step: "link" } : { step: "looking", link: initialLink });
  const [text, setText] = useState("");
  const [camera, setCamera] = useState(false);
  const now = useNow(1_000);
  const busy = useRef(false);

  const look = useCallback(
    async (link: string, since: number | null) => {
      if (busy.current) return;
      busy.current = true;
      try {
        const check = await client.checkPairing(link);
        switch (check.state) {
          case "pending":
            setState({ step: "request", link, request: check.request, seen: Date.now() });
            break;
          case "not-found":
            setState({ step: "absent", link, since: since ?? Date.now() });
            break;
          case "answered":
            setState({
              step: "refused",
              title: "This request was already answered",
              text: "A link works once. If you did not answer it yourself, answer no at the terminal. To pair again, run consortium there once more and use the new link.",
              bad: false,
            });
            break;
          case "wrong-mac":
            setState({
              step: "refused",
              title: "This request does not belong to your link",
              text: "Someone, or the relay, put another machine's request in its place. Nothing was shared. End consortium at the terminal, start it again, and use the new link.",
              bad: true,
            });
            break;
          case "unsealed":
            setState({
              step: "refused",
              title: "This request is not sealed",
              text: "It was made by a client that this dashboard does not pair, or its seal was removed on the way. Nothing was shared.",
              bad: true,
            });
            break;
          case "other-relay":
            setState({
              step: "refused",
              title: "This link is for another relay",
              text: `It leads to ${check.relay ?? "another address"}. Open it there, with the identity you have there.`,
              bad: false,
            });
            break;
        }
      } catch (failure) {
        setState({ step: "link", error: failure instanceof Error ? failure.message : String(failure) });
      } finally {
        busy.current = false;
      }
    },
    [client],
  );

  // The secret of the link goes out of the address bar, and out of the history, as soon as it is here.
  useEffect(() => {
    if (location.hash !== "") history.replaceState(null, "", "/pair");
  }, []);

  const looking = state.step === "looking" ? state.link : null;
  useEffect(() => {
    if (looking !== null) void look(looking, null);
  }, [looking, look]);

  // The terminal may be a moment later than the person with the link.
  const absent = state.step === "absent" ? state : null;
  useEffect(() => {
    if (absent === null) return;
    const timer = setTimeout(() => void look(absent.link, absent.since), pollMs);
    return () => clearTimeout(timer);
  }, [absent, look]);

  const submit = useCallback((link: string) => {
    setCamera(false);
    try {
      parsePairingLink(link);
      setState({ step: "looking", link });
    } catch (failure) {
      setState({ step: "link", error: failure instanceof CryptoError ? failure.message : String(failure) });
    }
  }, []);

  const approve = async (current: Extract<State, { step: "request" }>) => {
    setState({ ...current, busy: true });
    try {
      const code = await client.approvePairing(current.request);
      setState({ step: "code", request: current.request, code, known: new Set(lists.sessions.map((session) => session.id)) });
    } catch (failure) {
      const { error: _, ...rest } = current;
      setState({ ...rest, busy: false, error: failure instanceof Error ? failure.message : String(failure) });
    }
  };

  const onScan = useCallback(
    (found: string) => {
      try {
        parsePairingLink(found);
      } catch {
        return; // Some other code in the picture.
      }
      submit(found);
    },
    [submit],
  );

  const fresh = state.step === "code" ? lists.sessions.find((session) => !state.known.has(session.id)) : undefined;
  const stepNumber = state.step === "request" ? 3 : state.step === "code" ? (fresh === undefined ? 4 : 5) : 2;
  const again = (
    <button type="button" className="b" onClick={() => setState({ step: "link" })} data-testid="pair-again">
      Use another link
    </button>
  );

  let body: ReactNode;
  switch (state.step) {
    case "link":
    case "looking":
      body = (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            submit(text);
          }}
        >
          <h1 className="title">Pair a machine</h1>
          <p className="mid sub">
            Run <span className="mono">consortium</span> on it, in the folder of a project. It shows a QR code and a link.
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
              placeholder={`${client.api.origin}/pair#v=1&pk=…&s=…`}
              data-testid="pair-link-input"
              aria-invalid={state.step === "link" && state.error !== undefined}
              onChange={(event) => setText(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === "Enter") {
                  event.preventDefault();
                  submit(text);
                }
              }}
            />
          </label>
          {state.step === "link" && state.error !== undefined && (
            <p className="bad formerror" role="alert" data-testid="pair-error">
              {state.error}
            </p>
          )}
          <div className="btnrow">
            <button type="submit" className="b main big" disabled={text.trim() === "" || state.step === "looking"} data-testid="pair-continue">
              {state.step === "looking" ? "Looking…" : "Continue"}
            </button>
            <button type="button" className="b big" onClick={() => setCamera(!camera)} data-testid="pair-camera">
              {camera ? <XIcon className="i" /> : <DeviceCameraIcon className="i" />} {camera ? "Close the camera" : "Scan with the camera"}
            </button>
            <Go to="/" className="b bare big">
              Back
            </Go>
          </div>
          {camera && (
            <Suspense fallback={<p className="dim">Starting the camera…</p>}>
              <Scanner onText={onScan} />
            </Suspense>
          )}
        </form>
      );
      break;
    case "absent": {
      const over = now - state.since > requestMs;
      body = (
        <>
          <h1 className="title" data-testid="pair-absent">
            {over ? "This link has expired" : "No request is waiting for this link"}
          </h1>
          <p className="mid sub">
            {over
              ? "A request lives ten minutes. Run consortium on the machine again and use the new link."
              : "Leave consortium running at the terminal: this page keeps looking. If it has ended there, or showed this link more than ten minutes ago, start it again and use the new link."}
          </p>
          <div className="btnrow">
            {again}
            <Go to="/" className="b bare">
              Back
            </Go>
          </div>
        </>
      );
      break;
    }
    case "refused":
      body = (
        <>
          <Note {...(state.bad ? { tone: "bad" as const } : {})} icon={<AlertIcon className="i" />} title={state.title} testId="pair-refused">
            <p>{state.text}</p>
          </Note>
          <div className="btnrow">
            {again}
            <Go to="/" className="b bare">
              Back
            </Go>
          </div>
        </>
      );
      break;
    case "request": {
      const until = state.seen + requestMs;
      const over = now > until;
      body = (
        <>
          <h1 className="title">
            Pair with <span className="mono" data-testid="pair-name">{plainName(state.request.name)}</span>?
          </h1>
          <p className="lead sub">Continue only if you started this now, on that machine.</p>
          <dl className="facts roomy">
            <dt>Machine</dt>
            <dd>
              <span className="mono">{plainName(state.request.name)}</span>, as it calls itself
            </dd>
            <dt>Seal</dt>
            <dd>matches the link: nobody changed the request on its way</dd>
            <dt>Will be able to</dt>
            <dd>start sessions, and read those it runs; not the others</dd>
          </dl>
          {state.error !== undefined && (
            <p className="bad formerror" role="alert">
              {state.error}
            </p>
          )}
          <div className="btnrow">
            <button type="button" className="b main big" disabled={over || state.busy === true || connection.state === "offline"} onClick={() => void approve(state)} data-testid="pair-approve">
              {state.busy === true ? "Approving…" : "Approve"}
            </button>
            <button type="button" className="b big" onClick={() => navigate("/")} data-testid="pair-decline">
              This was not me
            </button>
          </div>
          <p className="dim small">
            {over ? "The request has expired. Run consortium there again." : <>The request works once and expires in at most <Countdown until={until} now={now} />.</>}
          </p>
        </>
      );
      break;
    }
    case "code":
      body =
        fresh === undefined ? (
          <div className="centred">
            <Rosette hex={state.code.fingerprint} size={148} />
            <p className="sas" data-testid="pair-code" aria-label={`Code ${state.code.groups.join(" ")}`}>
              {state.code.groups.map((group, i) => (
                <span key={i}>{group}</span>
              ))}
            </p>
            <h1 className="subtitle">Does {plainName(state.request.name)} show this code?</h1>
            <p className="mid">
              Confirm at the terminal: answer <b>yes</b> there if the codes are the same. Until then nothing starts.
            </p>
            <p className="dim small">If they differ, answer no: someone stands between you and {plainName(state.request.name)}, and gets nothing.</p>
            <p className="dim waitline" role="status">
              <StatusShape shape="working" word="waiting" /> Waiting for {plainName(state.request.name)} to start its first session
            </p>
            <Go to="/" className="b" data-testid="pair-done">
              To my sessions
            </Go>
          </div>
        ) : (
          <div className="centred" data-testid="pair-complete">
            <Rosette hex={state.code.fingerprint} size={96} />
            <h1 className="subtitle">{plainName(state.request.name)} is paired</h1>
            <p className="mid">
              Its session in <span className="mono">{fresh.path ?? fresh.project}</span> is here.
            </p>
            <Go to={`/session/${fresh.id}`} className="b main big" data-testid="pair-open-session">
              Open it
            </Go>
          </div>
        );
      break;
  }

  return (
    <Cover task wide aside={<Steps at={stepNumber} name={state.step === "code" || state.step === "request" ? plainName(state.request.name) : null} />}>
      {body}
    </Cover>
  );
}

function Steps({ at, name }: { at: number; name: string | null }): ReactElement {
  const steps: readonly (readonly [string, ReactNode])[] = [
    ["Run it there", <Command text="consortium" key="c" />],
    ["Scan it, paste its link, or open it", null],
    ["Approve", name === null ? null : <span className="mid">{name} asks</span>],
    ["Compare", <span className="mid" key="m">The terminal must show the same code.</span>],
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
      <p className="dim no-phone small">A link works once, for ten minutes.</p>
    </>
  );
}
