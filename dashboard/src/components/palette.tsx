// Every session and every action, by name.
import { SearchIcon } from "@primer/octicons-react";
import { type ReactElement, type ReactNode, useEffect, useId, useRef, useState } from "react";
import type { SessionSummary } from "../state/sessionfields.ts";
import { Dialog } from "./basics.tsx";
import { StatusShape } from "./marks.tsx";
import { matchesSearch, shapeOf, sortSessions } from "./sessionlist.tsx";

export interface Action {
  readonly name: string;
  readonly icon: ReactNode;
  readonly keys?: string;
  act(): void;
}

interface Entry {
  readonly key: string;
  readonly icon: ReactNode;
  readonly name: string;
  readonly more: string;
  act(): void;
}

const sessionsMost = 8;

export function Palette({ sessions, actions, onOpen, onClose }: { sessions: readonly SessionSummary[]; actions: readonly Action[]; onOpen(sid: string): void; onClose(): void }): ReactElement {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const listId = useId();
  const list = useRef<HTMLUListElement>(null);
  const words = query.trim().toLowerCase();
  const entries: Entry[] = [
    ...sortSessions(sessions.filter((session) => words === "" || matchesSearch(session, words)))
      .slice(0, sessionsMost)
      .map((session) => ({ key: session.id, icon: <StatusShape shape={shapeOf(session)} />, name: session.title, more: session.project, act: () => onOpen(session.id) })),
    ...actions
      .filter((action) => words.split(/\s+/).every((word) => action.name.toLowerCase().includes(word)))
      .map((action) => ({ key: action.name, icon: action.icon, name: action.name, more: action.keys ?? "", act: action.act })),
  ];
  const chosen = Math.min(at, entries.length - 1);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  const run = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    onClose();
    entry.act();
  };

  return (
    <Dialog title="Commands" onClose={onClose} className="palette" testId="palette">
      <div className="q1">
        <SearchIcon className="i" />
        <input
          className="grow"
          autoFocus
          value={query}
          placeholder="Session or command"
          role="combobox"
          aria-label="Session or command"
          aria-expanded
          aria-controls={listId}
          aria-activedescendant={entries[chosen] === undefined ? undefined : `${listId}-${chosen}`}
          data-testid="palette-input"
          onChange={(event) => {
            setQuery(event.target.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") setAt(Math.min(chosen + 1, entries.length - 1));
            else if (event.key === "ArrowUp") setAt(Math.max(chosen - 1, 0));
            else if (event.key === "Enter" && !event.nativeEvent.isComposing) run(entries[chosen]);
            else return;
            event.preventDefault();
          }}
        />
      </div>
      <ul id={listId} role="listbox" aria-label="Matches" ref={list}>
        {entries.map((entry, i) => (
          <li key={entry.key} id={`${listId}-${i}`} role="option" aria-selected={i === chosen} onClick={() => run(entry)} onPointerMove={() => setAt(i)}>
            {entry.icon}
            <span className="grow trunc">{entry.name}</span>
            <span className="dim small">{entry.more}</span>
          </li>
        ))}
        {entries.length === 0 && <li className="dim">Nothing is called that.</li>}
      </ul>
    </Dialog>
  );
}
