// Questions that are answered by more than yes or no: Claude's own, with choices, and what a server asks for, as a form.
import { type ReactElement, useId, useState } from "react";
import { type Ask, plainly, type Verdict } from "../state/ask.ts";
import { type Question, questionsOf } from "../state/tools.ts";
import { record, string } from "../state/transcript.ts";
import { Marked, Value } from "./exact.tsx";

const own = "\u0000own";

/** Whether the choices below show all that the questions say. */
export function isPlainQuestion(value: unknown): boolean {
  const only = (of: Record<string, unknown>, names: readonly string[]) => Object.keys(of).every((name) => names.includes(name));
  return (
    Array.isArray(value) &&
    value.map(record).every((q) => only(q, ["question", "header", "multiSelect", "options"]) && (!Array.isArray(q["options"]) || q["options"].map(record).every((o) => only(o, ["label", "description"]))))
  );
}

export function Questions({ ask, may, onAnswer, onSkip }: { ask: Ask; may: boolean; onAnswer(answers: Record<string, string>): void; onSkip(): void }): ReactElement {
  const questions = questionsOf(ask.arguments);
  const [picked, setPicked] = useState<Record<string, string[]>>({});
  const [words, setWords] = useState<Record<string, string>>({});
  const base = useId();

  const toggle = (q: Question, label: string) =>
    setPicked((before) => {
      const now = before[q.question] ?? [];
      const next = q.multiSelect ? (now.includes(label) ? now.filter((l) => l !== label) : [...now, label]) : [label];
      return { ...before, [q.question]: next };
    });
  const answerOf = (q: Question): string =>
    (picked[q.question] ?? [])
      .map((label) => (label === own ? (words[q.question] ?? "").trim() : label))
      .filter((label) => label !== "")
      .join(", ");
  const complete = questions.every((q) => answerOf(q) !== "");

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (complete && may) onAnswer(Object.fromEntries(questions.map((q) => [q.question, answerOf(q)])));
      }}
    >
      <div className="slip-part questions">
        {questions.map((q, i) => (
          <fieldset key={i} className="question">
            <legend>
              <Marked text={q.question} />
            </legend>
            <div className="pick">
              {q.options.map((option) => (
                <label key={option.label}>
                  <input
                    type={q.multiSelect ? "checkbox" : "radio"}
                    name={`${base}.${i}`}
                    data-testid="slip-choice"
                    checked={(picked[q.question] ?? []).includes(option.label)}
                    onChange={() => toggle(q, option.label)}
                  />
                  <Marked text={option.label} />
                  {option.description !== "" && (
                    <small>
                      <Marked text={option.description} />
                    </small>
                  )}
                </label>
              ))}
              <label>
                <input type={q.multiSelect ? "checkbox" : "radio"} name={`${base}.${i}`} checked={(picked[q.question] ?? []).includes(own)} onChange={() => toggle(q, own)} />
                <span>
                  Something else
                  <input
                    className="field"
                    aria-label={`Your own answer to: ${q.question}`}
                    data-testid="slip-own-answer"
                    placeholder="In your own words"
                    value={words[q.question] ?? ""}
                    onChange={(event) => {
                      setWords({ ...words, [q.question]: event.target.value });
                      if (!(picked[q.question] ?? []).includes(own)) toggle(q, own);
                    }}
                  />
                </span>
              </label>
            </div>
          </fieldset>
        ))}
      </div>
      <div className="acts">
        <button type="submit" className="b main" disabled={!complete || !may} data-testid="slip-answer">
          Answer
        </button>
        <button type="button" className="b bare" onClick={onSkip} data-testid="slip-skip">
          Skip
        </button>
      </div>
    </form>
  );
}

interface Field {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly kind: "text" | "number" | "integer" | "boolean";
  readonly choices: readonly string[] | null;
  readonly required: boolean;
  /** What the answer should be like, as the server says it: it judges that itself. */
  readonly hints: Readonly<Record<string, unknown>>;
  readonly initial: string;
}

const hintNames = ["format", "pattern", "minLength", "maxLength", "minimum", "maximum", "enumNames"];

/** The fields of a form as MCP knows them: flat, of simple values. Null for a schema that says more than that: it is shown as it is. */
export function fieldsOf(schema: unknown): Field[] | null {
  if (schema === undefined) return [];
  const { properties, required, type } = record(schema);
  if (type !== "object" || typeof properties !== "object" || properties === null) return null;
  const needed = new Set(Array.isArray(required) ? required : []);
  const fields = Object.entries(properties).map(([name, value]): Field | null => {
    const of = record(value);
    const known = Object.keys(of).every((key) => ["type", "title", "description", "enum", "default", ...hintNames].includes(key));
    const kinds: Record<string, Field["kind"]> = { string: "text", number: "number", integer: "integer", boolean: "boolean" };
    const kind = kinds[string(of["type"]) ?? ""];
    const choices = of["enum"] === undefined ? null : Array.isArray(of["enum"]) && of["enum"].every((choice) => typeof choice === "string") ? (of["enum"] as string[]) : undefined;
    if (!known || kind === undefined || choices === undefined || (choices !== null && kind !== "text")) return null;
    return { name, title: string(of["title"]) ?? name, description: string(of["description"]) ?? "", kind, choices, required: needed.has(name), hints: Object.fromEntries(hintNames.flatMap((hint) => (of[hint] === undefined ? [] : [[hint, of[hint]]]))), initial: initialOf(of["default"], choices) };
  });
  return fields.includes(null) ? null : (fields as Field[]);
}

function initialOf(value: unknown, choices: readonly string[] | null): string {
  if (value === true) return "yes";
  const text = typeof value === "string" || typeof value === "number" ? String(value) : "";
  return choices === null || choices.includes(text) ? text : "";
}

/** A form of an MCP server. What it asks for leaves the page only as the answer to this question. */
export function Elicitation({ ask, may, mayDeny, onVerdict }: { ask: Ask; may: boolean; mayDeny: boolean; onVerdict(verdict: Omit<Verdict, "grants">): void }): ReactElement {
  const fields = fieldsOf(ask.arguments["schema"]);
  const [values, setValues] = useState<Record<string, string>>(() => Object.fromEntries((fields ?? []).map((field) => [field.name, field.initial])));
  const valueOf = ({ name, kind }: Field): unknown => {
    const text = values[name] ?? "";
    if (kind === "boolean") return text === "yes";
    if (text === "") return undefined;
    return kind === "text" ? text : Number(text);
  };
  const sound = (field: Field): boolean => {
    const value = valueOf(field);
    if (value === undefined) return !field.required;
    return field.kind === "integer" ? Number.isSafeInteger(value) : field.kind === "number" ? Number.isFinite(value) : true;
  };
  const complete = fields !== null && fields.every(sound);
  const content = (): Record<string, unknown> => Object.fromEntries((fields ?? []).flatMap((field) => (valueOf(field) === undefined ? [] : [[field.name, valueOf(field)]])));
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (complete && may) onVerdict({ decision: "approved", answers: content() });
      }}
    >
      <div className="slip-part questions">
        {fields === null && <p className="mid small">This page cannot show a form for what is asked here. You can only decline it.</p>}
        {fields?.map((field) => (
          <label key={field.name} className="mid small">
            <Marked text={field.title} />
            {field.title !== field.name && (
              <>
                {" "}
                (<span className="mono">{field.name}</span>)
              </>
            )}
            {field.description !== "" && (
              <small>
                <Marked text={field.description} />
              </small>
            )}
            {Object.entries(field.hints).map(([hint, value]) => (
              <small key={hint}>
                {hint}: <Value value={value} />
              </small>
            ))}
            {field.kind === "boolean" || field.choices !== null ? (
              <select className="field" data-testid="slip-field" data-name={field.name} value={values[field.name] ?? ""} onChange={(event) => setValues({ ...values, [field.name]: event.target.value })}>
                <option value="">{field.kind === "boolean" ? "No" : "Choose"}</option>
                {(field.choices ?? ["yes"]).map((choice) => (
                  <option key={choice} value={choice}>
                    {field.kind === "boolean" ? "Yes" : plainly(choice)}
                  </option>
                ))}
              </select>
            ) : (
              <input className="field" data-testid="slip-field" data-name={field.name} inputMode={field.kind === "text" ? "text" : "decimal"} value={values[field.name] ?? ""} onChange={(event) => setValues({ ...values, [field.name]: event.target.value })} />
            )}
          </label>
        ))}
      </div>
      <div className="acts">
        {fields !== null && (
          <button type="submit" className="b main" disabled={!complete || !may} data-testid="slip-answer">
            {fields.length === 0 ? "Accept" : "Answer"}
          </button>
        )}
        <button type="button" className="b away" disabled={!mayDeny} data-testid="slip-deny" onClick={() => onVerdict({ decision: "denied" })}>
          Decline
        </button>
        <button type="button" className="b bare" disabled={!mayDeny} data-testid="slip-cancel" onClick={() => onVerdict({ decision: "abort" })}>
          Cancel
        </button>
      </div>
    </form>
  );
}
