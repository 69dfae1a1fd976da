// Parts of the page that are fetched when they are needed. After an upgrade the relay does not have those of an older page any more:
// the page is then loaded again, once, with what was typed kept.

/** A part could not be fetched, and loading the page again does not help or would lose something. */
export class PartMissing extends Error {}

type Keeper = () => Promise<unknown>;
const keepers = new Set<Keeper>();

/** Before the page is loaded again, `keep` is waited for. Returns what takes it back. */
export function keepBeforeLeaving(keep: Keeper): () => void {
  keepers.add(keep);
  return () => keepers.delete(keep);
}

const marked = (name: string) => `consortium.again.${name}`;
const keepMs = 5_000;

/** Fetches a part; `name` tells it from the others. Throws PartMissing. */
export async function part<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    const loaded = await load();
    unmark(name);
    return loaded;
  } catch {
    if (!typedElsewhere() && markOnce(name)) {
      await Promise.race([Promise.allSettled([...keepers].map((keep) => keep())), new Promise((resolve) => setTimeout(resolve, keepMs))]);
      location.reload();
      return new Promise<never>(() => undefined);
    }
    throw new PartMissing(name);
  }
}

/**
 * A part could not be fetched that the page does without. If the relay serves another page by now, this one is loaded again, as for a part
 * that it needs.
 */
export async function missed(name: string): Promise<void> {
  if (!(await isOutdated())) return;
  await part(name, () => Promise.reject(new PartMissing(name))).catch(() => undefined);
}

async function isOutdated(): Promise<boolean> {
  const own = document.querySelector<HTMLScriptElement>("script[type=module][src]")?.getAttribute("src");
  if (own == null) return false;
  try {
    const answer = await fetch("/", { cache: "no-store" });
    // Whoever answers in the relay's place has no such page either.
    return answer.ok && answer.headers.get("Content-Security-Policy") !== null && !(await answer.text()).includes(own);
  } catch {
    return false;
  }
}

/** False when the page was loaded again for this part before, or that cannot be remembered. */
function markOnce(name: string): boolean {
  try {
    if (sessionStorage.getItem(marked(name)) !== null) return false;
    sessionStorage.setItem(marked(name), "");
    return sessionStorage.getItem(marked(name)) !== null;
  } catch {
    return false;
  }
}

function unmark(name: string): void {
  try {
    sessionStorage.removeItem(marked(name));
  } catch {
    // A browser that keeps nothing: then nothing was marked.
  }
}

/** Whether something is written in a field that nobody keeps. */
function typedElsewhere(): boolean {
  return [...document.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>("textarea, input:not([type=checkbox], [type=radio])")].some(
    (field) => field.value !== "" && field.dataset["kept"] === undefined,
  );
}
