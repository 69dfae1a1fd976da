// What JSON of others holds, looked at before it is used.

export function string(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
