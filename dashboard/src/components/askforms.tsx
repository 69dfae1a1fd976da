// Questions that are answered by more than yes or no: Claude's own, with choices, and what a server asks for, as a form. What a form has
// no room for is cut there and stands whole in the question above it (state/askform.ts); the answer is the whole in any case.
import { type ReactElement, type ReactNode, useId, useState } from "react";
import { type Ask, hasOdd, type Verdict } from "../state/ask.ts";
import { choicesMax, type Field, fieldsMax, fieldsOf, nameOf } from "../state/askform.ts";
import { briefly } from "../state/brief.ts";
import { questionsOf } from "../state/tools.ts";
import { Brief } from "./exact.tsx";
import { plural } from "./format.ts";

/** In place of one of the choices. */
const own = -1;

/** One of several choices. */
function Pick({ kind, name, checked, testId, onChange, children }: { kind: "radio" | "checkbox"; name: string; checked: boolean; testId?: string; onChange(): void; children: ReactNode }): ReactElement {
  return (
    <label>
      <input type={kind} name={name} data-testid={testId} checked={checked} onChange={onChange} />
      {children}
    </label>
  );
}

export function Questions({ ask, may, onAnswer, onSkip }: { ask: Ask; may: boolean; onAnswer(answers: Record<string, string>): void; onSkip(): void }): ReactElement {
  const questions = questionsOf(ask.arguments);
  /** Of each question, which choices. */
  const [picked, setPicked] = useState<Record<number, readonly number[]>>({});
  const [words, setWords] = useState<Record<number, string>>({});
  const base = useId();
  const fits = questions.length <= fieldsMax;

  const toggle = (q: number, choice: number) =>
    setPicked((before) => {
      const now = before[q] ?? [];
      const next = questions[q]?.multiSelect !== true ? [choice] : now.includes(choice) ? now.filter((each) => each !== choice) : [...now, choice];
      return { ...before, [q]: next };
    });
  const answerOf = (q: number): string =>
    (picked[q] ?? [])
      .map((choice) => (choice === own ? (words[q] ?? "").trim() : (questions[q]?.options[choice]?.label ?? "")))
      .filter((label) => label !== "")
      .join(", ");
  const complete = fits && questions.every((_, q) => answerOf(q) !== "");

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (complete && may) onAnswer(Object.fromEntries(questions.map(({ question }, q) => [question, answerOf(q)])));
      }}
    >
      <div className="slip-part questions">
        {!fits && <p className="mid small">These are more questions than this page makes a form of. You can only skip them.</p>}
        {questions.slice(0, fits ? fieldsMax : 0).map(({ question, header, multiSelect, options }, q) => {
          const kind = multiSelect ? "checkbox" : "radio";
          const is = (choice: number) => (picked[q] ?? []).includes(choice);
          return (
            <fieldset key={q} className="question">
              <legend>
                {header !== "" && (
                  <small className="dim">
                    <Brief text={header} as={nameOf.header(q)} />
                  </small>
                )}
                <Brief text={question} as={nameOf.question(q)} />
              </legend>
              <div className="pick">
                {options.slice(0, choicesMax).map(({ label, description }, o) => (
                  <Pick key={o} kind={kind} name={`${base}.${q}`} testId="slip-choice" checked={is(o)} onChange={() => toggle(q, o)}>
                    <Brief text={label} as={nameOf.option(q, o)} />
                    {description !== "" && (
                      <small>
                        <Brief text={description} as={nameOf.description(q, o)} />
                      </small>
                    )}
                  </Pick>
                ))}
                <Pick kind={kind} name={`${base}.${q}`} checked={is(own)} onChange={() => toggle(q, own)}>
                  <span>
                    {options.length > choicesMax ? `Something else, or one of ${plural(options.length - choicesMax, "more choice")} that stand above` : "Something else"}
                    <input
                      className="field"
                      aria-label={`Your own answer to: ${briefly(question)}`}
                      data-testid="slip-own-answer"
                      placeholder="In your own words"
                      value={words[q] ?? ""}
                      onChange={(event) => {
                        setWords({ ...words, [q]: event.target.value });
                        if (!is(own)) toggle(q, own);
                      }}
                    />
                  </span>
                </Pick>
              </div>
            </fieldset>
          );
        })}
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

/** What stands in a field, as the answer has it; undefined: nothing. */
function valueOf({ kind, choices }: Field, text: string): unknown {
  if (kind === "boolean") return text === "yes";
  if (text === "") return undefined;
  if (choices !== null && choices.length <= choicesMax) return choices[Number(text)];
  return kind === "text" ? text : Number(text);
}

function isSound(field: Field, value: unknown): boolean {
  if (value === undefined) return !field.required;
  if (field.choices !== null) return field.choices.includes(String(value));
  return field.kind === "integer" ? Number.isSafeInteger(value) : field.kind === "number" ? Number.isFinite(value) : true;
}

/** A form of an MCP server. What it asks for leaves the page only as the answer to this question. */
export function Elicitation({ ask, may, mayDeny, onVerdict }: { ask: Ask; may: boolean; mayDeny: boolean; onVerdict(verdict: Omit<Verdict, "grants">): void }): ReactElement {
  const fields = fieldsOf(ask.arguments["schema"]);
  const [texts, setTexts] = useState<Record<number, string>>({});
  const filled = (fields ?? []).map((field, f) => ({ field, text: texts[f] ?? field.initial, value: valueOf(field, texts[f] ?? field.initial) }));
  const complete = fields !== null && filled.every(({ field, value }) => isSound(field, value));
  const content = (): Record<string, unknown> => Object.fromEntries(filled.flatMap(({ field, value }) => (value === undefined ? [] : [[field.name, value]])));
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (complete && may) onVerdict({ decision: "approved", answers: content() });
      }}
    >
      <div className="slip-part questions">
        {fields === null && <p className="mid small">This page cannot show a form for what is asked here. You can only decline it.</p>}
        {filled.map(({ field, text }, f) => (
          <FormField key={f} field={field} at={f} text={text} onChange={(next) => setTexts({ ...texts, [f]: next })} />
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

/** What a menu or a single line shows whole on a phone. */
const inlineMax = 32;
const isInline = (text: string) => text.length <= inlineMax && !text.includes("\n") && !hasOdd(text);
const rowsMax = 6;
const rowsOf = (text: string) => Math.min(rowsMax, text.split("\n", rowsMax).reduce((rows, line) => rows + Math.max(1, Math.ceil(line.length / inlineMax)), 0));

/** `at`: its place in the form. */
function FormField({ field, at, text, onChange }: { field: Field; at: number; text: string; onChange(text: string): void }): ReactElement {
  const { name, title, description, kind, choices, hints } = field;
  const base = useId();
  const own = { className: "field", id: base, "data-testid": "slip-field", "data-name": name } as const;
  const written = (event: { target: { value: string } }) => onChange(event.target.value);
  const offered = choices !== null && choices.length <= choicesMax ? choices : null;
  const given = hints["default"];
  let control: ReactNode;
  if (offered !== null && !offered.every(isInline)) {
    control = (
      <div className="pick" role="radiogroup" aria-labelledby={`${base}.title`} data-testid="slip-field" data-name={name}>
        {!field.required && (
          <Pick kind="radio" name={base} checked={text === ""} onChange={() => onChange("")}>
            <span className="dim">None of them</span>
          </Pick>
        )}
        {offered.map((choice, c) => (
          <Pick key={c} kind="radio" name={base} testId="slip-choice" checked={text === String(c)} onChange={() => onChange(String(c))}>
            <Brief text={choice} as={nameOf.choice(at, c)} />
          </Pick>
        ))}
      </div>
    );
  } else if (kind === "boolean" || offered !== null) {
    control = (
      <select {...own} value={text} onChange={written}>
        <option value="">{kind === "boolean" ? "No" : "Choose"}</option>
        {kind === "boolean" && <option value="yes">Yes</option>}
        {offered?.map((choice, c) => (
          <option key={c} value={String(c)}>
            {choice}
          </option>
        ))}
      </select>
    );
  } else if (kind === "text" && choices === null && (given !== undefined || !isInline(field.initial))) control = <textarea {...own} rows={rowsOf(text)} value={text} onChange={written} />;
  else control = <input {...own} inputMode={kind === "text" ? "text" : "decimal"} value={text} onChange={written} />;

  return (
    <div className="mid small">
      <label htmlFor={base} id={`${base}.title`}>
        <Brief text={title} as={nameOf.title(at)} />
        {title !== name && (
          <>
            {" "}
            (
            <span className="mono">
              <Brief text={name} as={nameOf.name(at)} />
            </span>
            )
          </>
        )}
      </label>
      {description !== "" && (
        <small>
          <Brief text={description} as={nameOf.words(at)} />
        </small>
      )}
      {choices !== null && offered === null && <small>One of {plural(choices.length, "choice")}, which stand above, to the letter.</small>}
      {Object.entries(hints).map(([hint, value]) => (
        <small key={hint}>
          {hint}: <Brief text={value} as={nameOf.hint(at, hint)} />
        </small>
      ))}
      {kind === "text" && choices === null && given !== undefined && (
        <button type="button" className="b bare small" data-testid="slip-use-default" onClick={() => onChange(given)}>
          Fill in the default
        </button>
      )}
      {control}
    </div>
  );
}
