// The signed-in app: sessions at the left, what is chosen beside it, the truth line at the foot.
import { DeviceDesktopIcon, GearIcon, CommandPaletteIcon, LinkIcon, ListUnorderedIcon, LogIcon, MoonIcon, PlusIcon, SidebarCollapseIcon, XIcon } from "@primer/octicons-react";
import { type ReactElement, type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Dialog, Go, Note } from "../components/basics.tsx";
import { ContextPane } from "../components/context.tsx";
import { PaneGuard } from "../components/guard.tsx";
import { navigate, phone, readPreference, switchTheme, useClient, useMedia, useSignal, writePreference } from "../components/hooks.ts";
import { Logo, StatusShape } from "../components/marks.tsx";
import { type Action, Palette } from "../components/palette.tsx";
import { SessionList, sortSessions } from "../components/sessionlist.tsx";
import { TruthLine } from "../components/truthline.tsx";
import { ConversationView } from "./conversation.tsx";
import { DevicesView } from "./devices.tsx";
import { LogView } from "./log.tsx";
import { OverviewView } from "./overview.tsx";
import { ReceiptView } from "./receipt.tsx";
import { SettingsView } from "./settings.tsx";

const toastMs = 6_000;

export default function Shell({ path }: { path: string }): ReactElement {
  const client = useClient();
  const lists = useSignal(client.lists);
  const connection = useSignal(client.connection);
  const search = useRef<HTMLInputElement>(null);
  const [query, setQuery] = useState("");
  const [toast, setToast] = useState<string | null>(null);
  const [help, setHelp] = useState(false);
  const [palette, setPalette] = useState(false);
  const [folded, setFolded] = useState(readPreference("side") === "folded");
  const wide = useMedia("(min-width: 1200px)");
  const [context, setContext] = useState(readPreference("context") !== "folded");
  /** Below 1200 px it is a drawer, and closed until asked for. */
  const [drawer, setDrawer] = useState(false);
  const sid = /^\/session\/([^/]+)$/.exec(path)?.[1] ?? null;
  const receipt = /^\/receipt\/([^/]+)$/.exec(path)?.[1] ?? null;
  const model = sid === null ? undefined : client.session(sid);
  const say = useCallback((message: string) => setToast(message), []);
  const toggleContext = useCallback(() => {
    if (!wide) return setDrawer((before) => !before);
    setContext((before) => {
      writePreference("context", before ? "folded" : "open");
      return !before;
    });
  }, [wide]);
  useEffect(() => setDrawer(false), [sid, wide]);

  useEffect(() => {
    if (toast === null) return;
    const timer = setTimeout(() => setToast(null), toastMs);
    return () => clearTimeout(timer);
  }, [toast]);

  const title = model === undefined ? "Consortium" : `${lists.sessions.find((s) => s.id === sid)?.title ?? "Session"} · Consortium`;
  useEffect(() => {
    document.title = lists.waiting > 0 ? `(${lists.waiting}) ${title}` : title;
  }, [title, lists.waiting]);

  const ordered = useMemo(() => sortSessions(lists.sessions), [lists.sessions]);
  const toggleSide = useCallback(() => {
    setFolded((before) => {
      writePreference("side", before ? "open" : "folded");
      return !before;
    });
  }, []);
  const nextApproval = useCallback(() => {
    const asking = ordered.filter((session) => session.status === "needs-you");
    const next = asking.find((session) => session.id !== sid) ?? asking[0];
    if (next === undefined) return setToast(lists.older ? "Nothing of what is loaded here waits for you." : "Nothing waits for you.");
    navigate(`/session/${next.id}`);
    requestAnimationFrame(() => document.querySelector<HTMLElement>(".slip")?.focus());
  }, [ordered, sid, lists.older]);
  useEffect(() => {
    let g = 0;
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.key === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
        event.preventDefault();
        if (document.querySelector("dialog[open]") === null) setPalette(true);
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, textarea, select, dialog, [contenteditable]") !== null) return;
      const at = ordered.findIndex((session) => session.id === sid);
      const go = (index: number) => {
        const next = ordered[Math.min(Math.max(index, 0), ordered.length - 1)];
        if (next !== undefined) navigate(`/session/${next.id}`);
      };
      const after = g > 0 && performance.now() - g < 1_200;
      g = 0;
      if (after && event.key === "a") nextApproval();
      else if (event.key === "g") g = performance.now();
      else if (event.key === "/") search.current?.focus();
      else if (event.key === "j") go(at + 1);
      else if (event.key === "k") go(at - 1);
      else if (event.key === "?") setHelp(true);
      else if (event.key === "[") toggleSide();
      else if (event.key === "]") toggleContext();
      else if (event.key === "Escape" && drawer) setDrawer(false);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [ordered, sid, nextApproval, toggleSide, toggleContext, drawer]);

  const actions: Action[] = [
    { name: "Next approval", keys: "G A", icon: <StatusShape shape="needs-you" />, act: nextApproval },
    { name: "Pair a machine", icon: <PlusIcon className="i" />, act: () => navigate("/pair") },
    { name: "All sessions", icon: <ListUnorderedIcon className="i" />, act: () => navigate("/") },
    { name: "Devices", icon: <DeviceDesktopIcon className="i" />, act: () => navigate("/devices") },
    { name: "Log", icon: <LogIcon className="i" />, act: () => navigate("/log") },
    { name: "Settings", icon: <GearIcon className="i" />, act: () => navigate("/settings") },
    { name: "Fold or show the list", keys: "[", icon: <SidebarCollapseIcon className="i" />, act: toggleSide },
    { name: "Fold or show plan and changes", keys: "]", icon: <SidebarCollapseIcon className="i" />, act: toggleContext },
    { name: "Light or dark", icon: <MoonIcon className="i" />, act: switchTheme },
    { name: "Keys", keys: "?", icon: <CommandPaletteIcon className="i" />, act: () => setHelp(true) },
    { name: "Connect now", icon: <LinkIcon className="i" />, act: () => client.tryNow() },
  ];

  let view: ReactNode;
  if (model !== undefined) view = <ConversationView key={model.id} model={model} onContext={toggleContext} say={say} />;
  else if (sid !== null && lists.loaded) view = <Unlisted key={sid} sid={sid} />;
  else if (sid !== null) view = <Blank text={connection.message === null ? "Loading…" : `This session cannot be loaded yet: ${connection.message}`} />;
  else if (path === "/devices") view = <DevicesView say={say} />;
  else if (path === "/settings") view = <SettingsView />;
  else if (path === "/log") view = <LogView />;
  else if (receipt !== null) view = <ReceiptView key={receipt} id={receipt} />;
  else view = <OverviewView />;

  const isPhone = useMedia(phone);
  const page = path !== "/" || (isPhone && lists.loaded && lists.sessions.length === 0);
  const summary = lists.sessions.find((session) => session.id === sid);
  const withContext = model !== undefined && summary !== undefined && (wide ? context : drawer);
  return (
    <div className={withContext && wide ? "app" : "app two"} data-view={page ? "conversation" : "list"} data-side={folded ? "folded" : undefined}>
      <a className="skip" href="#main">
        Skip the list
      </a>
      <nav className="side" aria-label="Sessions">
        <div className="head">
          <Go to="/" className="grow">
            <Logo />
          </Go>
          <Go to="/pair" className="b icon" aria-label="Pair a machine" title="Pair a machine" data-testid="pair-machine">
            <PlusIcon className="i" />
          </Go>
        </div>
        <PaneGuard name="The list of sessions" of={[lists]} className="grow">
          <SessionList current={sid} query={query} onQuery={setQuery} searchRef={search} />
        </PaneGuard>
        <div className="foot">
          <Go to="/" className="b bare no-phone">
            All sessions
          </Go>
          <Go to="/devices" className="b bare" aria-current={path === "/devices" ? "page" : undefined} data-testid="nav-devices">
            <DeviceDesktopIcon className="i only-phone" />
            Devices
          </Go>
          <Go to="/log" className="b bare" aria-current={path === "/log" ? "page" : undefined} data-testid="nav-log">
            <LogIcon className="i only-phone" />
            Log
          </Go>
          <span className="grow" />
          <Go to="/settings" className="b bare icon" aria-label="Settings" title="Settings" data-testid="nav-settings">
            <GearIcon className="i" />
          </Go>
        </div>
      </nav>
      <PaneGuard key={path} name="This view" className="conv">
        {view}
      </PaneGuard>
      {withContext && (
        <PaneGuard key={model.id} name="The record of this session" of={[summary]} className="ctx">
          <ContextPane model={model} session={summary} onClose={toggleContext} />
        </PaneGuard>
      )}
      <PaneGuard name="The state of the log" of={[connection]} className="truth">
        <TruthLine />
      </PaneGuard>
      {toast !== null && (
        <div className="toast floating" role="status" data-testid="toast">
          <span className="grow">{toast}</span>
          <button type="button" className="b bare icon" aria-label="Close" onClick={() => setToast(null)}>
            <XIcon className="i" />
          </button>
        </div>
      )}
      {palette && <Palette sessions={lists.sessions} actions={actions} onOpen={(id) => navigate(`/session/${id}`)} onClose={() => setPalette(false)} />}
      {help && <Keys onClose={() => setHelp(false)} />}
    </div>
  );
}

function Blank({ text }: { text: string }): ReactElement {
  return (
    <main className="conv" id="main">
      <p className="dim hint">{text}</p>
    </main>
  );
}

/** A session that is in no list, for it is an old one or none: the relay is asked for it by its address. */
function Unlisted({ sid }: { sid: string }): ReactElement {
  const client = useClient();
  const connection = useSignal(client.connection);
  const [looked, setLooked] = useState<"looking" | "none" | "unreachable">("looking");
  const away = connection.state === "offline";
  useEffect(() => {
    let wanted = true;
    setLooked("looking");
    client.find(sid).then(
      (found) => {
        if (wanted && !found) setLooked("none");
      },
      () => {
        if (wanted) setLooked("unreachable");
      },
    );
    return () => {
      wanted = false;
    };
  }, [client, sid, away]);
  if (looked === "looking") return <Blank text="Loading…" />;
  if (looked === "unreachable") return <Blank text="The relay did not answer, so it is not known whether this session exists. It is asked again when the relay can be reached." />;
  return (
    <main className="conv" id="main">
      <div className="page">
        <Note icon={<StatusShape shape="offline" />} title="This session is not here">
          <p>The relay says that this account has no such session. It may have been deleted, or belong to another account.</p>
          <div className="acts">
            <Go to="/" className="b">
              All sessions
            </Go>
          </div>
        </Note>
      </div>
    </main>
  );
}

const keys: readonly (readonly [readonly string[], string])[] = [
  [["Ctrl", "K"], "commands"],
  [["/"], "search sessions"],
  [["J"], "next session"],
  [["K"], "previous session"],
  [["G", "A"], "next approval"],
  [["1", "2", "3", "4"], "answer the focused slip"],
  [["Ctrl", "⏎"], "send"],
  [["Ctrl", "."], "stop the turn"],
  [["["], "fold the list"],
  [["]"], "fold plan and changes"],
  [["Esc"], "close, never stop"],
  [["?"], "these keys"],
];

function Keys({ onClose }: { onClose(): void }): ReactElement {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="keys">
        {keys.map(([names, what]) => (
          <div key={what}>
            <dt>
              {names.map((name) => (
                <kbd className="key" key={name}>
                  {name}
                </kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <div className="acts flush">
        <button type="button" className="b" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
