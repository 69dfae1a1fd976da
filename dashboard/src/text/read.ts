// What is made of a text, by what it is.
import { colourLines } from "./colour.ts";
import { readMarkdown } from "./markdown.ts";
import { readTerminal } from "./terminal.ts";
import type { Job, Result } from "./tree.ts";

/** Null: it is to be shown as it is. */
export function read(job: Job): Result | null {
  switch (job.kind) {
    case "markdown":
      return readMarkdown(job.text, job.own);
    case "code":
      return colourLines(job.text, job.language, job.apart === true);
    case "terminal":
      return readTerminal(job.text);
  }
}
