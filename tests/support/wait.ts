/// Waiting for conditions: no test sleeps for a while and hopes.

/** What is waited for comes at once on a quiet machine; on one that is busy with much else it takes many times as long. */
const patience = 3;

/** Resolves with the first value of `probe` that is neither undefined, null nor false; rejects after `ms`. */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  { ms = 15_000, every = 25, last }: { ms?: number; every?: number; last?: () => unknown } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const limit = ms * patience;
  const deadline = Date.now() + limit;
  let failure: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) return value as NonNullable<Exclude<T, false>>;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    if (Date.now() >= deadline) break;
    await new Promise((resolve) => setTimeout(resolve, every));
  }
  const seen = last ? `\nlast seen: ${render(last())}` : '';
  throw new Error(`waited ${limit} ms in vain for: ${what}${failure ? `\nlast failure: ${String(failure)}` : ''}${seen}`);
}

function render(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 1);
}

/** The promise's value, or an error that names what did not happen in time. */
export async function within<T>(what: string, promise: Promise<T>, ms = 15_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms * patience} ms in vain for: ${what}`)), ms * patience);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
