// Said once, over whatever page is shown: that this browser does not keep what it should, and what that costs.
import { AlertIcon } from "@primer/octicons-react";
import { type ReactElement, useState } from "react";
import type { Trouble } from "../state/database.ts";
import { Note } from "./basics.tsx";
import { useClient, useSignal } from "./hooks.ts";

const goesOn = "Everything works, from this page's memory.";
const lostPrompts = "prompts that were not delivered, and drafts, are lost";
const forgets = "what it saw since then of your devices, of keys and of the relay's log is forgotten, so it would not notice if the relay showed others";

function wordsFor({ why, forGood }: Trouble): { title: string; text: string } {
  switch (why) {
    case "full":
      return {
        title: "This browser has no room for what this page keeps",
        text: forGood
          ? `${goesOn} When it is closed or loaded again you are signed out and need your key, ${lostPrompts}, and ${forgets}. Make room, then load the page again.`
          : `${goesOn} It stores what it has once there is room. If it is closed or loaded again before that, ${lostPrompts}, and ${forgets}.`,
      };
    case "cleared":
      return {
        title: "What this browser kept for this page was erased",
        text: `By you, or by the browser when space ran short. ${goesOn} When it is closed or loaded again you are signed out and need your key, ${lostPrompts}, and all that it saw of your devices, of keys and of the relay's log is forgotten, so it would not notice if the relay showed others.`,
      };
    case "newer":
      return {
        title: "Another tab has a newer version of this page",
        text: `Load this page again to go on with it. Until then nothing is stored from here: drafts, and prompts that are not delivered, are lost when it is loaded again.`,
      };
    case "unerased":
      return {
        title: "What this browser kept could not be erased",
        text: "You are signed out in this page, but your key may still lie in this browser. Erase what it keeps for this site in its settings.",
      };
    default:
      return forGood
        ? {
            title: "This browser keeps nothing for this page",
            text: `As in some private windows, or where sites may store nothing. ${goesOn} When it is closed or loaded again you are signed out and need your key, ${lostPrompts}, and all that it saw of your devices, of keys and of the relay's log is forgotten, so it would not notice if the relay showed others. Each time that you sign in, your list of devices gets one more browser.`,
          }
        : {
            title: "This browser stores nothing for this page now",
            text: `${goesOn} It stores what it has once that is possible again. If it is closed or loaded again before that, ${lostPrompts}, and ${forgets}.`,
          };
  }
}

export function StorageNote(): ReactElement | null {
  const client = useClient();
  const trouble = useSignal(client.trouble);
  const [read, setRead] = useState<Trouble["why"] | null>(null);
  if (trouble === null || trouble.why === read) return null;
  const { title, text } = wordsFor(trouble);
  return (
    <div className="storagenote floating" data-why={trouble.why}>
      <Note tone="ask" icon={<AlertIcon className="i" />} title={title} testId="storage-note">
        <p>{text}</p>
        <div className="acts">
          <button type="button" className="b" data-testid="storage-note-ok" onClick={() => setRead(trouble.why)}>
            Understood
          </button>
          {trouble.why === "newer" && (
            <button type="button" className="b" onClick={() => location.reload()}>
              Load the page again
            </button>
          )}
        </div>
      </Note>
    </div>
  );
}
