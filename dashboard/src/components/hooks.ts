import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import type { Client } from "../state/client.ts";
import type { EntryProof } from "../state/logwatch.ts";
import type { Signal } from "../state/signal.ts";
import { dayKey } from "./format.ts";

export function useSignal<T>(signal: Signal<T>): T {
  return useSyncExternalStore(signal.subscribe, signal.get);
}

/** Tells this page from the others of this browser. */
export const thisTab = `${Date.now()} ${Math.random()}`; // crypto.randomUUID is kept from insecure pages

export const ClientContext = createContext<Client | null>(null);

export function useClient(): Client {
  const client = useContext(ClientContext);
  if (client === null) throw new Error("No client around.");
  return client;
}

const never = (): (() => void) => () => undefined;

/** What this browser proved of these entries together: of each, or it is not proved. */
export function useEntryProof(revisions: readonly number[]): EntryProof {
  const client = useContext(ClientContext);
  const watch = useSyncExternalStore(client?.watch.subscribe ?? never, () => client?.watch.get() ?? null);
  return useSyncExternalStore(watch?.proofs.subscribe ?? never, () => {
    if (watch === null || revisions.length === 0) return "none";
    const found = new Set(revisions.map((revision) => watch.proofOf(revision)));
    return found.has("refuted") ? "refuted" : found.has("none") ? "none" : "proved";
  });
}

/** Re-renders every `ms` with the current time. */
export function useNow(ms: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return now;
}

/** Which day it is, as dayKey says it. */
export function useToday(): string {
  const [today, setToday] = useState(() => dayKey(Date.now()));
  useEffect(() => {
    const timer = setInterval(() => setToday(dayKey(Date.now())), 10_000);
    return () => clearInterval(timer);
  }, []);
  return today;
}

export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const update = () => setMatches(media.matches);
    media.addEventListener("change", update);
    update();
    return () => media.removeEventListener("change", update);
  }, [query]);
  return matches;
}

export const phone = "(max-width: 767px)";

// --- Where we are: the path, kept in the browser's history ---

const moved = new Set<() => void>();

export function navigate(path: string, replace = false): void {
  if (path === location.pathname + location.hash) return;
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  for (const listener of moved) listener();
}

export function usePath(): string {
  return useSyncExternalStore(
    (listener) => {
      moved.add(listener);
      addEventListener("popstate", listener);
      return () => {
        moved.delete(listener);
        removeEventListener("popstate", listener);
      };
    },
    () => location.pathname,
  );
}

// --- Preferences of this browser (nothing secret) ---

export type Theme = "system" | "light" | "dark";

export function readPreference(name: string): string | null {
  try {
    return localStorage.getItem(`consortium.${name}`);
  } catch {
    return null;
  }
}

export function writePreference(name: string, value: string): void {
  try {
    localStorage.setItem(`consortium.${name}`, value);
  } catch {
    // Not kept; it still holds for this page.
  }
}

export function currentTheme(): Theme {
  const theme = document.documentElement.dataset["theme"];
  return theme === "light" || theme === "dark" ? theme : "system";
}

export function applyTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  writePreference("theme", theme);
}

export function switchTheme(): void {
  const theme = currentTheme();
  const dark = theme === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
  applyTheme(dark ? "light" : "dark");
}
