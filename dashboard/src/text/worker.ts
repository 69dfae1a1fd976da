// Reads texts beside the page: whatever one of them costs, the page goes on. It is ended and begun anew by who waits for it.
import { read } from "./read.ts";
import type { Answer, Job, Result } from "./tree.ts";

const scope = globalThis as unknown as { onmessage: (event: MessageEvent<Job>) => void; postMessage(answer: Answer): void };
scope.onmessage = ({ data }) => {
  let result: Result | null = null;
  try {
    result = read(data);
  } catch {
    // A fault of a parser: the text is shown as it is.
  }
  scope.postMessage({ result });
};
scope.postMessage({ ready: true });
