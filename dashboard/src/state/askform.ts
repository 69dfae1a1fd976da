// What a question asks to be filled in or chosen, as a form: its fields, and the texts of it that stand whole elsewhere because a line
// of a form has no room for them.
import { hasOdd } from "./ask.ts";
import { isBrief } from "./brief.ts";
import type { Question } from "./tools.ts";
import { record, string } from "./values.ts";

/** More questions or fields than these make no form: what is asked stands as it is, and can be declined. */
export const fieldsMax = 100;
/** More choices than these are not laid out beside each other: whoever takes one of the others writes it. */
export const choicesMax = 100;

/** Whether a form shows all that the questions say. */
export function isPlainQuestion(value: unknown): boolean {
  const only = (of: Record<string, unknown>, names: readonly string[]) => Object.keys(of).every((name) => names.includes(name));
  const texts = (of: Record<string, unknown>, names: readonly string[]) => names.every((name) => of[name] === undefined || typeof of[name] === "string");
  const plainOption = (o: Record<string, unknown>) => only(o, ["label", "description"]) && texts(o, ["label", "description"]);
  const plainOptions = (options: unknown) => options === undefined || (Array.isArray(options) && options.length <= choicesMax && options.map(record).every(plainOption));
  return (
    Array.isArray(value) &&
    value.length <= fieldsMax &&
    value.map(record).every((q) => only(q, ["question", "header", "multiSelect", "options"]) && texts(q, ["question", "header"]) && plainOptions(q["options"]))
  );
}

/** Names under which the texts of a form stand whole. */
export const nameOf = {
  question: (q: number) => `Question ${q + 1}`,
  header: (q: number) => `Question ${q + 1}, heading`,
  option: (q: number, o: number) => `Question ${q + 1}, choice ${o + 1}`,
  description: (q: number, o: number) => `Question ${q + 1}, choice ${o + 1}, description`,
  title: (f: number) => `Field ${f + 1}, title`,
  name: (f: number) => `Field ${f + 1}, name`,
  words: (f: number) => `Field ${f + 1}, description`,
  choice: (f: number, c: number) => `Field ${f + 1}, choice ${c + 1}`,
  choices: (f: number) => `Field ${f + 1}, choices`,
  hint: (f: number, hint: string) => `Field ${f + 1}, ${hint}`,
} as const;

const long = (entries: readonly (readonly [string, string])[]) => Object.fromEntries(entries.filter(([, text]) => !isBrief(text)));

/** The texts of questions that their form cuts, by name. */
export function longTextsOfQuestions(questions: readonly Question[]): Record<string, string> {
  return long(
    questions.flatMap((q, i) => [
      [nameOf.header(i), q.header] as const,
      [nameOf.question(i), q.question] as const,
      ...q.options.flatMap((option, o) => [[nameOf.option(i, o), option.label] as const, [nameOf.description(i, o), option.description] as const]),
    ]),
  );
}

export interface Field {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly kind: "text" | "number" | "integer" | "boolean";
  readonly choices: readonly string[] | null;
  readonly required: boolean;
  /** What the answer should be like, as the server says it: it judges that itself. Values that are no texts, as JSON. */
  readonly hints: Readonly<Record<string, string>>;
  /** What stands in it before anybody wrote anything. */
  readonly initial: string;
}

const hintNames = ["format", "pattern", "minLength", "maxLength", "minimum", "maximum", "enumNames"];

/** The fields of a form as MCP knows them: flat, of simple values. Null for a schema that says more than that: it is shown as it is. */
export function fieldsOf(schema: unknown): Field[] | null {
  if (schema === undefined) return [];
  const { properties, required, type } = record(schema);
  if (type !== "object" || typeof properties !== "object" || properties === null) return null;
  const entries = Object.entries(properties);
  if (entries.length > fieldsMax) return null;
  const needed = new Set(Array.isArray(required) ? required : []);
  const fields = entries.map(([name, value]): Field | null => {
    const of = record(value);
    const known = Object.keys(of).every((key) => ["type", "title", "description", "enum", "default", ...hintNames].includes(key));
    const kinds: Record<string, Field["kind"]> = { string: "text", number: "number", integer: "integer", boolean: "boolean" };
    const kind = kinds[string(of["type"]) ?? ""];
    const choices = of["enum"] === undefined ? null : Array.isArray(of["enum"]) && of["enum"].every((choice) => typeof choice === "string") ? (of["enum"] as string[]) : undefined;
    if (!known || kind === undefined || choices === undefined || (choices !== null && kind !== "text")) return null;
    const initial = initialOf(of["default"], choices);
    const hints = [...hintNames, ...(initial === "" ? ["default"] : [])].flatMap((hint) => (of[hint] === undefined ? [] : [[hint, typeof of[hint] === "string" ? of[hint] : JSON.stringify(of[hint], null, 2)]]));
    return { name, title: string(of["title"]) ?? name, description: string(of["description"]) ?? "", kind, choices, required: needed.has(name), hints: Object.fromEntries(hints), initial };
  });
  return fields.includes(null) ? null : (fields as Field[]);
}

/** The texts of a form that it cuts, by name; choices that it does not lay out, as JSON. */
export function longTextsOfFields(fields: readonly Field[]): Record<string, string> {
  const lists = fields.flatMap(({ choices }, f): [string, string][] => (choices !== null && choices.length > choicesMax ? [[nameOf.choices(f), JSON.stringify(choices, null, 2)]] : []));
  const cut = long(
    fields.flatMap((field, f) => [
      [nameOf.title(f), field.title] as const,
      ...(field.title === field.name ? [] : [[nameOf.name(f), field.name] as const]),
      [nameOf.words(f), field.description] as const,
      ...Object.entries(field.hints).map(([hint, text]) => [nameOf.hint(f, hint), text] as const),
      ...(field.choices === null || field.choices.length > choicesMax ? [] : field.choices.map((choice, c) => [nameOf.choice(f, c), choice] as const)),
    ]),
  );
  return { ...cut, ...Object.fromEntries(lists) };
}

/** A text that nobody has seen is not filled in: it could be sent unread. Of choices it is the place of one among them. */
function initialOf(value: unknown, choices: readonly string[] | null): string {
  if (choices !== null) return typeof value === "string" && choices.includes(value) ? String(choices.indexOf(value)) : "";
  if (value === true) return "yes";
  if (typeof value === "number") return String(value);
  return typeof value === "string" && isBrief(value) && !hasOdd(value) ? value : "";
}
