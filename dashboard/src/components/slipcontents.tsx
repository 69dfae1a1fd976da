// What the agent asks, to the letter: everything of the question, and nothing that it does not say.
import { memo, type ReactElement, type ReactNode, useMemo } from "react";
import { type Ask, type Grant, plainly } from "../state/ask.ts";
import { fieldsOf, isPlainQuestion, longTextsOfFields, longTextsOfQuestions } from "../state/askform.ts";
import { briefly, isBrief } from "../state/brief.ts";
import type { PermissionRequest, SessionSummary } from "../state/sessionfields.ts";
import { baseName, countChanges, describeTool, diffOfInput, questionsOf } from "../state/tools.ts";
import { string } from "../state/values.ts";
import { Brief, MarkedLong, Value, Values } from "./exact.tsx";
import { homePath, number } from "./format.ts";
import { DiffBox } from "./toolbox.tsx";

/** More than these are not offered: nobody chooses among so many. */
export const grantsMax = 100;

export function headline(request: PermissionRequest): string {
  const by = (request.ask?.subagent ?? null) === null ? "" : "A subagent asks: ";
  return by + plainly(headlineOf(request));
}

function headlineOf({ ask }: PermissionRequest): string {
  if (ask === null) return "A question that is not here yet";
  switch (ask.tool) {
    case "Bash":
      return "Run this command?";
    case "Edit":
    case "MultiEdit":
    case "NotebookEdit":
      return `Change ${briefly(baseName(describeTool(ask.tool, ask.arguments, null).object))}?`;
    case "Write":
      return `Write ${briefly(baseName(describeTool(ask.tool, ask.arguments, null).object))}?`;
    case "WebFetch":
      return "Fetch this page?";
    case "question":
      return "A question for you";
    case "elicitation":
      return `${briefly(string(ask.arguments["server"]) ?? "A server")} asks you`;
    case "dialog":
      return "Claude asks you to decide";
    case "trust":
      return "Trust this folder?";
    case "server":
      return string(ask.arguments["server"]) === null ? "Run the servers of this file?" : "Run this server?";
    case "plugin":
      return "Run this plugin?";
    case "ExitPlanMode":
      return "Start with this plan?";
    default:
      return `Use ${briefly(ask.tool)}?`;
  }
}

/** The arguments that stand as themselves, large; all others follow by name. */
function mainOf(ask: Ask): { shown: ReactNode; names: readonly string[] } {
  const input = ask.arguments;
  const texts = (...names: string[]) => names.every((name) => typeof input[name] === "string");
  const text = (name: string) => string(input[name]) ?? "";
  switch (ask.tool) {
    case "Bash":
      if (!texts("command")) break;
      return { shown: <Exact text={text("command")} />, names: ["command"] };
    case "WebFetch":
      if (!texts("url")) break;
      return { shown: <Exact text={text("url")} />, names: ["url"] };
    case "ExitPlanMode":
      if (!texts("plan")) break;
      return { shown: <Exact text={text("plan")} className="plan" />, names: ["plan"] };
    case "Edit":
      if (!texts("file_path", "old_string", "new_string") || !isComparable(text("old_string"), text("new_string"))) break;
      return { shown: <Changes ask={ask} />, names: ["file_path", "old_string", "new_string"] };
    case "Write":
      if (!texts("file_path", "content") || !isComparable(text("content"))) break;
      return { shown: <Changes ask={ask} />, names: ["file_path", "content"] };
    case "question":
      // The choices themselves stand below; what they do not show of it is shown here.
      if (!isPlainQuestion(input["questions"])) break;
      return { shown: <Values of={longTextsOfQuestions(questionsOf(input))} />, names: ["questions"] };
    case "trust":
      if (!texts("folder")) break;
      return {
        shown: (
          <>
            <p className="slip-part mid small">
              Claude Code runs what the files below name, as hooks and servers of its own: at once, without a question, with your rights there. Trust it only if you know where they come from. Later you are asked again only about servers of .mcp.json and plugins that are new or changed, not when the other files change. Claude Code is not started before you answer.
            </p>
            <Exact text={text("folder")} />
          </>
        ),
        names: ["folder"],
      };
    case "server":
      return {
        shown: (
          <p className="slip-part mid small">
            {string(input["server"]) === null
              ? "Files of this folder name servers that Claude Code starts at once, with your rights there. The agent cannot read this one to the letter, so it cannot ask about each."
              : "A file of this folder names it. It is new, or has changed. Claude Code starts it at once, with your rights there."}{" "}
            Run it only if you know where it comes from. Without it the session goes on. Your answer holds until it changes. Claude Code is not started before you answer.
          </p>
        ),
        names: [],
      };
    case "plugin":
      if (!texts("plugin")) break;
      return {
        shown: (
          <>
            <p className="slip-part mid small">
              This folder brings it. It is new, or has changed. Claude Code runs its hooks and servers at once, with your rights there. Run it only if you know where it comes from. Without it the session goes on. Your answer holds until any of its files changes. Claude Code is not started before you answer.
            </p>
            <Exact text={text("plugin")} />
          </>
        ),
        names: ["plugin"],
      };
    case "elicitation": {
      if (!texts("message")) break;
      const fields = fieldsOf(input["schema"]);
      return {
        shown: (
          <>
            <Exact text={text("message")} className="plan" />
            {fields !== null && <Values of={longTextsOfFields(fields)} />}
          </>
        ),
        names: ["message", ...(fields === null ? [] : ["schema"])],
      };
    }
  }
  return { shown: null, names: [] };
}

function Exact({ text, className = "" }: { text: string; className?: string }): ReactElement {
  return (
    <pre className={`exact ${className}`} data-testid="slip-exact">
      <MarkedLong text={text} />
    </pre>
  );
}

/** Longer texts stand as themselves, beside each other. */
const comparedCharactersMax = 2_000_000;
const isComparable = (...texts: string[]) => texts.reduce((sum, text) => sum + text.length, 0) <= comparedCharactersMax;

function Changes({ ask }: { ask: Ask }): ReactElement {
  const hunks = useMemo(() => diffOfInput(ask.tool, ask.arguments), [ask]);
  const { added, removed } = countChanges(hunks);
  return (
    <div className="exact-diff" data-testid="slip-exact">
      <div className="mono small">
        <MarkedLong text={string(ask.arguments["file_path"]) ?? ""} /> <span className="plus">+{added}</span> {removed > 0 && <span className="minus">−{removed}</span>}
      </div>
      <DiffBox hunks={hunks} path="" whole />
    </div>
  );
}

/** Everything of the question, and nothing that it does not say. */
export const Contents = memo(function Contents({ ask, session, choosing }: { ask: Ask; session: SessionSummary; choosing: boolean }): ReactElement {
  if (!ask.exact) {
    return (
      <>
        <p className="mid small slip-part">This question does not come out the same when it is read and written again: programs may read different things in it. Here is its text.</p>
        <Exact text={ask.text} />
      </>
    );
  }
  const { shown, names } = mainOf(ask);
  const rest = Object.fromEntries(Object.entries(ask.arguments).filter(([name]) => !names.includes(name)));
  const cwd = ask.cwd ?? session.path;
  const isTooMany = ask.grants.length > grantsMax;
  // Those that are offered below are cut there.
  const grants = choosing ? ask.grants.filter((grant) => !grant.exact.every(isBrief)) : ask.grants;
  return (
    <>
      {shown}
      <Values of={rest} />
      <dl className="facts">
        {briefly(ask.tool) !== ask.tool && (
          <>
            <dt>Tool</dt>
            <dd className="mono">
              <Value value={ask.tool} />
            </dd>
          </>
        )}
        {(session.host !== "" || cwd !== null) && (
          <>
            <dt>On</dt>
            <dd>
              <span className="mono">
                <Brief text={session.host} />
              </span>
              {cwd !== null && (
                <>
                  , in{" "}
                  <span className="mono">
                    <MarkedLong text={homePath(cwd, session.homeDir)} />
                  </span>
                </>
              )}
            </dd>
          </>
        )}
        {ask.subagent !== null && (
          <>
            <dt>Asked by</dt>
            <dd data-testid="slip-subagent">
              a subagent,{" "}
              <span className="mono">
                <MarkedLong text={ask.subagent} />
              </span>
            </dd>
          </>
        )}
        {ask.reason !== null && (
          <>
            <dt>Asked because</dt>
            <dd>
              <MarkedLong text={ask.reason} />
            </dd>
          </>
        )}
        {ask.description !== null && ask.description !== "" && ask.description !== ask.arguments["description"] && (
          <>
            <dt>It says</dt>
            <dd>
              <MarkedLong text={ask.description} />
            </dd>
          </>
        )}
        {ask.blockedPath !== null && (
          <>
            <dt>Touches</dt>
            <dd className="mono">
              <MarkedLong text={homePath(ask.blockedPath, session.homeDir)} />
            </dd>
          </>
        )}
      </dl>
      <Values of={ask.others} />
      {isTooMany && (
        <>
          <p className="slip-part mid small">{number(ask.grants.length)} ways to let more pass from now on come with it: more than this page can offer. Allowing it lets this one call pass.</p>
          <Exact text={ask.grants.map((grant) => [grant.words, ...grant.exact].join(" ")).join("\n")} />
        </>
      )}
      {!isTooMany && grants.length > 0 && (
        <div className="slip-part grants" data-testid="slip-grants">
          <p className="dim small">{choosing ? "What you can choose of below, whole:" : "Allowing it once lets this one call pass. You could also let pass from now on:"}</p>
          <ol>
            {grants.map((grant) => (
              <li key={grant.index} data-testid="slip-grant" data-index={grant.index}>
                <GrantWords grant={grant} host={session.host} whole />
              </li>
            ))}
          </ol>
        </div>
      )}
    </>
  );
});

/** `whole`: where there is room for all of it. */
export function GrantWords({ grant, host, whole = false }: { grant: Grant; host: string; whole?: boolean }): ReactElement {
  return (
    <span className="grantwords">
      <b>{grant.until === "session" ? "Until the session ends" : "Always"}</b>
      {grant.file !== null && (
        <>
          , written to <span className="mono">{grant.file}</span>
          {host !== "" && (
            <>
              {" "}
              on{" "}
              <span className="mono">
                <Brief text={host} />
              </span>
            </>
          )}
        </>
      )}
      : {grant.words}{" "}
      {grant.exact.map((text, i) => (
        <code key={i}>{whole ? <MarkedLong text={text} /> : <Brief text={text} as="" />}</code>
      ))}
    </span>
  );
}
