// What a text became in the worker, as plain data: no markup, no functions, every element one that the page knows.

export type Tag = "p" | "h3" | "h4" | "em" | "strong" | "del" | "code" | "blockquote" | "ul" | "ol" | "li" | "br" | "hr" | "a" | "table" | "thead" | "tbody" | "tr" | "th" | "td" | "pre" | "sup";

export interface Element {
  readonly tag: Tag;
  readonly children: readonly Tree[];
  /** Of links: where they lead. */
  readonly href?: string;
  /** Of lists: the first number; of list items: whether they are done; of code: its language. */
  readonly start?: number;
  readonly done?: boolean;
  readonly language?: string;
  readonly align?: "left" | "center" | "right";
}

export type Tree = string | Element;

/** A piece of one line with its look, as a class; null: plain. What a program wrote for a terminal also has `name:#rrggbb` in it. */
export type Span = readonly [colour: string | null, text: string];

export type Job =
  /** `own`: how much of it is the block itself; what follows defines what stands elsewhere. */
  | { readonly kind: "markdown"; readonly text: string; readonly own: number }
  /** `apart`: every line by itself, as in a diff. */
  | { readonly kind: "code"; readonly text: string; readonly language: string; readonly apart?: boolean }
  | { readonly kind: "terminal"; readonly text: string };

export type Result = readonly Tree[] | readonly (readonly Span[])[];

/** What the worker says: first that it is there, then what came of each job. */
export type Answer = { readonly ready: true } | { readonly ready?: undefined; readonly result: Result | null };
