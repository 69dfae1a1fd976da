// Where a person writes. The draft is kept per session; Stop is always at the same place.
import { ChevronDownIcon, SquareFillIcon } from "@primer/octicons-react";
import { type ReactElement, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { promptWaitMs } from "../state/client.ts";
import { wordsOf } from "../state/errors.ts";
import type { SessionSummary } from "../state/sessionfields.ts";
import { modeName } from "../state/words.ts";
import { Dialog } from "./basics.tsx";
import { readPreference, useClient, useMedia, useSignal } from "./hooks.ts";
import { keepBeforeLeaving } from "./parts.ts";
import { shortModel } from "./rows.tsx";

const modes = ["default", "acceptEdits", "plan"] as const;
const models = ["opus", "sonnet", "haiku"] as const;
const draftMs = 400;
/** How long a prompt may wait for an agent that cannot be reached, in hours. */
const waits = [1, 8, 24] as const;
/** How long a page that was just opened may take to connect before nothing counts as reached. */
const connectMs = 10_000;

interface Props {
  readonly session: SessionSummary;
  readonly model: string | null;
  /** Text taken back from the queue. */
  readonly returned: { readonly text: string; readonly count: number };
  onSent(): void;
  say(message: string): void;
}

export function Composer({ session, model, returned, onSent, say }: Props): ReactElement {
  const client = useClient();
  const connection = useSignal(client.connection);
  const [text, setText] = useState("");
  const [wanted, setWanted] = useState<{ mode?: string; model?: string }>({});
  /** A model that was set at the agent, which names it only with its next turn. */
  const [chosenModel, setChosenModel] = useState<string | null>(null);
  const [stopping, setStopping] = useState(false);
  /** reaching: asking the agent whether it is there. waiting: it is not, and the person says how long the prompt may wait. storing: it is put away. */
  const [sending, setSending] = useState<"no" | "reaching" | "waiting" | "storing">("no");
  const area = useRef<HTMLTextAreaElement>(null);
  const draftTimer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const latest = useRef(text);
  latest.current = text;
  const touch = useMedia("(pointer: coarse)");
  const enterSends = readPreference("enter-sends") !== "no" && !touch;
  const connected = connection.state === "live" || connection.state === "catching-up";
  const working = session.status === "working" || session.status === "needs-you";
  const online = session.status !== "offline";
  const there = useRef(online);
  there.current = online;

  useEffect(() => {
    let here = true;
    setText("");
    setWanted({});
    setStopping(false);
    setSending("no");
    void client.loadDraft(session.id).then((draft) => {
      if (here && draft !== "" && latest.current === "") setText(draft);
    });
    return () => {
      here = false;
      if (draftTimer.current !== undefined) {
        clearTimeout(draftTimer.current);
        draftTimer.current = undefined;
        void client.saveDraft(session.id, latest.current);
      }
    };
  }, [client, session.id]);

  useEffect(() => keepBeforeLeaving(() => client.saveDraft(session.id, latest.current)), [client, session.id]);

  const write = useCallback(
    (value: string) => {
      setText(value);
      clearTimeout(draftTimer.current);
      draftTimer.current = setTimeout(() => {
        draftTimer.current = undefined;
        void client.saveDraft(session.id, latest.current);
      }, draftMs);
    },
    [client, session.id],
  );

  useEffect(() => {
    if (returned.count > 0) {
      write(latest.current === "" ? returned.text : `${latest.current}\n${returned.text}`);
      area.current?.focus();
    }
  }, [returned, write]);

  useLayoutEffect(() => {
    const element = area.current;
    if (element === null) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight, Math.round(innerHeight * 0.4))}px`;
  }, [text]);

  useEffect(() => {
    if (!working) setStopping(false);
  }, [working]);
  useEffect(() => setChosenModel(null), [model]);

  const send = async () => {
    if (text.trim() === "" || !session.openable || sending !== "no") return;
    setSending("reaching");
    try {
      // Before its first connection a page knows of no agent whether it is there.
      const { state } = await Promise.race([
        client.connection.when(({ state }) => state !== "connecting"),
        new Promise<{ state: "connecting" }>((resolve) => setTimeout(() => resolve({ state: "connecting" }), connectMs)),
      ]);
      if (there.current && (state === "live" || state === "catching-up") && (await client.reach(session.id))) return await give(promptWaitMs);
      setSending("waiting");
    } catch (error) {
      setSending("no");
      say(wordsOf(error));
    }
  };

  /** What was written leaves its place once the outbox has it, not before. */
  const give = async (waitMs: number) => {
    const prompt = latest.current.trim();
    if (prompt === "") return setSending("no");
    setSending("storing");
    clearTimeout(draftTimer.current);
    draftTimer.current = undefined;
    const meta = { ...(wanted.mode === undefined ? {} : { permissionMode: wanted.mode }), ...(wanted.model === undefined ? {} : { model: wanted.model }) };
    try {
      await client.sendPrompt(session.id, prompt, meta, waitMs);
    } catch (error) {
      setSending("no");
      say(wordsOf(error));
      return client.saveDraft(session.id, latest.current);
    }
    setSending("no");
    setText("");
    setWanted({});
    onSent();
    area.current?.focus();
    await client.saveDraft(session.id, "");
  };

  const stop = useCallback(async () => {
    if (!working || stopping) return;
    setStopping(true);
    try {
      await client.stopTurn(session.id);
    } catch (error) {
      setStopping(false);
      say(wordsOf(error));
    }
  }, [client, session.id, working, stopping, say]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "." && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        void stop();
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [stop]);

  /** Now, if the agent is there; otherwise with the next prompt. */
  const choose = async (kind: "mode" | "model", value: string) => {
    setWanted((before) => ({ ...before, [kind]: value }));
    if (!online || !connected) return;
    try {
      await client.call(session.id, `set-${kind}`, { [kind]: value });
      if (kind === "model") setChosenModel(value);
      setWanted(({ [kind]: _, ...rest }) => rest);
    } catch (error) {
      setWanted(({ [kind]: _, ...rest }) => rest);
      say(wordsOf(error));
    }
  };

  const mode = wanted.mode ?? session.agent.mode ?? "default";
  const shownModel = wanted.model ?? chosenModel ?? model ?? "";
  const label = !connected ? "Queue here" : working ? "Queue" : "Send";
  return (
    <form
      className="comp"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label className="vh" htmlFor="composer">
        Message
      </label>
      <textarea
        id="composer"
        ref={area}
        rows={1}
        value={text}
        disabled={!session.openable}
        readOnly={sending === "storing"}
        placeholder={session.openable ? "Say what to do next" : "This session cannot be opened here"}
        data-testid="composer-input"
        data-kept=""
        onChange={(event) => write(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.nativeEvent.isComposing || event.shiftKey || event.altKey) return;
          if (event.ctrlKey || event.metaKey || enterSends) {
            event.preventDefault();
            void send();
          }
        }}
      />
      <div className="tools">
        <label className="picker">
          <span className="vh">Permission mode</span>
          <select value={mode} onChange={(event) => void choose("mode", event.target.value)} data-testid="mode-picker" disabled={!session.openable}>
            {[...new Set<string>([...modes, mode])].map((value) => (
              <option key={value} value={value}>
                {modeName(value)}
              </option>
            ))}
          </select>
          <ChevronDownIcon className="i" />
        </label>
        <label className="picker">
          <span className="vh">Model</span>
          <select value={shownModel} onChange={(event) => void choose("model", event.target.value)} data-testid="model-picker" disabled={!session.openable}>
            {shownModel === "" && <option value="">Model</option>}
            {[...new Set<string>([...(shownModel === "" ? [] : [shownModel]), ...models])].map((value) => (
              <option key={value} value={value}>
                {shortModel(value)}
              </option>
            ))}
          </select>
          <ChevronDownIcon className="i" />
        </label>
        <span className="grow" />
        <button type="button" className="b stop" disabled={!working || !connected || stopping} onClick={() => void stop()} data-testid="stop" title="Ctrl .">
          <SquareFillIcon className="i" /> {stopping ? "Stopping" : "Stop"}
        </button>
        <button type="submit" className="b main send" disabled={text.trim() === "" || !session.openable || sending !== "no"} data-testid="send">
          {sending === "reaching" ? "Reaching" : label} <kbd>{enterSends ? "⏎" : "Ctrl ⏎"}</kbd>
        </button>
      </div>
      {sending === "waiting" && (
        <Dialog title={session.ended ? "This session has ended" : `${session.host === "" ? "The machine" : session.host} cannot be reached`} onClose={() => setSending("no")} testId="wait-dialog">
          <p className="mid">
            {session.ended ? "The prompt waits until it is taken up again there." : "The prompt waits for it."} How long may it wait? Coming later than that, it is held there until you decide.
          </p>
          <div className="acts flush">
            {waits.map((hours) => (
              <button key={hours} type="button" className="b" data-testid={`wait-${hours}`} onClick={() => void give(hours * 3_600_000)}>
                {hours === 1 ? "1 hour" : `${hours} hours`}
              </button>
            ))}
            <span className="grow" />
            <button type="button" className="b bare" data-testid="wait-cancel" onClick={() => setSending("no")}>
              Keep writing
            </button>
          </div>
        </Dialog>
      )}
    </form>
  );
}
