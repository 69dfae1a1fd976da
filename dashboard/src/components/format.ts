// Times and numbers in words.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const dayOf = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const wholeDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** No date can be further from 1970 (ECMA-262, 21.4.1.1); what others call a time may be. */
const farthest = 8.64e15;
const isTime = (at: number) => Math.abs(at) <= farthest;

export function time(at: number): string {
  return isTime(at) ? clock.format(at) : "no time";
}

export function fullTime(at: number): string {
  return isTime(at) ? full.format(at) : "no time";
}

/** The day in the reader's zone, to be compared. Empty where it is none. */
export function dayKey(at: number): string {
  return isTime(at) ? new Date(at).toDateString() : "";
}

/** Sunday 29 November 2026, as the reader writes it. */
export function longDay(at: number): string {
  return isTime(at) ? wholeDay.format(at) : "no time";
}

/** 3 Sep */
export function day(at: number): string {
  return isTime(at) ? dayOf.format(at) : "no time";
}

/** How long ago, in words: just now, 4 min ago, 2 days ago. */
export function since(at: number, now: number): string {
  const minutes = Math.floor(Math.max(0, now - at) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return `${plural(Math.floor(minutes / (24 * 60)), "day")} ago`;
}

/** For a list: 14:02 today, Fri this week, 3 Nov before. */
export function when(at: number, now: number): string {
  if (!isTime(at)) return "no time";
  const date = new Date(at);
  const today = new Date(now);
  if (date.toDateString() === today.toDateString()) return clock.format(at);
  return now - at < 6 * 86_400_000 ? weekday.format(at) : dayOf.format(at);
}

/** How long something lasts: 0:42, 8 min, 3 h. */
export function waiting(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 300) return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** How long something took: 0.4 s, 12 s, 3 min 5 s. */
export function duration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const rest = seconds % 60;
  return `${Math.floor(seconds / 60)} min${rest === 0 ? "" : ` ${rest} s`}`;
}

export function number(value: number): string {
  return value.toLocaleString("en");
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** ~/src/harbor-api for a path below home. */
export function homePath(path: string, home: string | null): string {
  return home !== null && home !== "" && (path === home || path.startsWith(`${home}/`)) ? `~${path.slice(home.length)}` : path;
}

/** "Firefox on Fedora", from what the browser says about itself. */
export function browserName(agent: string): string {
  const browser = /Edg\//.test(agent) ? "Edge" : /OPR\//.test(agent) ? "Opera" : /Firefox\//.test(agent) ? "Firefox" : /Chrome\//.test(agent) ? "Chrome" : /Safari\//.test(agent) ? "Safari" : "Browser";
  const system = /Android/.test(agent)
    ? "Android"
    : /iPhone/.test(agent)
      ? "iPhone"
      : /iPad/.test(agent)
        ? "iPad"
        : /Mac OS X/.test(agent)
          ? "macOS"
          : /Windows/.test(agent)
            ? "Windows"
            : /CrOS/.test(agent)
              ? "ChromeOS"
              : /Linux/.test(agent)
                ? "Linux"
                : "this device";
  return `${browser} on ${system}`;
}

/** A name that somebody else chose: no control or direction characters, not endless. */
export function plainName(name: string): string {
  const plain = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "").trim();
  return plain.length > 64 ? `${plain.slice(0, 63)}…` : plain === "" ? "(no name)" : plain;
}
