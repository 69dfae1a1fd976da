/** What went wrong, as it is said to a person. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
