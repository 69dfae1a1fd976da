// Writing the key down, and showing that it was.
import { DownloadIcon, EyeClosedIcon, EyeIcon } from "@primer/octicons-react";
import { type ReactElement, useMemo, useState } from "react";
import { CopyButton } from "../components/basics.tsx";
import { download } from "../components/download.ts";
import { useClient, useSignal } from "../components/hooks.ts";
import { formatSecret, normaliseGroup, secretGroups } from "../crypto/index.ts";
import { Cover } from "./cover.tsx";

export function KeyGrid({ secret, hidden = false }: { secret: Uint8Array; hidden?: boolean }): ReactElement {
  return (
    <ol className="keygrid" aria-label="Secret key" data-testid="secret-key" data-key={hidden ? undefined : formatSecret(secret)}>
      {secretGroups(secret).map((group, i) => (
        <li key={i}>
          <span className="no">{i + 1}</span>
          <span className="keygroup">{hidden ? "•".repeat(group.length) : group}</span>
        </li>
      ))}
    </ol>
  );
}

/** Two different groups, never the short last one. */
function pickTwo(count: number): [number, number] {
  const random = crypto.getRandomValues(new Uint32Array(2));
  const a = (random[0] as number) % count;
  const b = (a + 1 + ((random[1] as number) % (count - 1))) % count;
  return a < b ? [a, b] : [b, a];
}

export function KeyView({ onDone }: { onDone(): void }): ReactElement {
  const client = useClient();
  const identity = useSignal(client.identity);
  const inMemory = useSignal(client.trouble)?.forGood === true;
  const [hidden, setHidden] = useState(false);
  const groups = useMemo(() => (identity === null ? [] : secretGroups(identity.secret)), [identity]);
  const [asked] = useState(() => pickTwo(10));
  const [given, setGiven] = useState<readonly [string, string]>(["", ""]);
  if (identity === null) return <></>;
  const right = asked.map((group, i) => normaliseGroup(given[i] as string) === groups[group]);
  const wrong = asked.map((group, i) => normaliseGroup(given[i] as string).length >= 5 && normaliseGroup(given[i] as string) !== groups[group]);

  const save = () => {
    const text = `Consortium secret key for ${client.api.origin}\n\n${formatSecret(identity.secret)}\n\nIt opens your sessions on a new device. Nobody can reset it.\nKeep it where only you can read it.\n`;
    download("consortium-secret-key.txt", text);
  };

  return (
    <Cover task wide>
      <h1 className="title">Write down your key</h1>
      <p className="mid sub">It opens your sessions on a new device. The relay does not have it and nobody can reset it.</p>
      <KeyGrid secret={identity.secret} hidden={hidden} />
      <div className="btnrow">
        <CopyButton text={formatSecret(identity.secret)} bare={false} />
        <button type="button" className="b" onClick={save} data-testid="key-save">
          <DownloadIcon className="i" /> Save to a file
        </button>
        <button type="button" className="b bare" onClick={() => setHidden(!hidden)}>
          {hidden ? <EyeIcon className="i" /> : <EyeClosedIcon className="i" />} {hidden ? "Show" : "Hide"}
        </button>
      </div>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (right.every(Boolean)) void client.confirmKey().then(onDone);
        }}
      >
        <h2 className="strong">Show that you have it</h2>
        <div className="twocol">
          {asked.map((group, i) => (
            <label key={group}>
              <span className="mid small">Group {group + 1}</span>
              <input
                className="field mono"
                autoComplete="off"
                autoCapitalize="characters"
                spellCheck={false}
                maxLength={8}
                value={given[i] as string}
                aria-invalid={wrong[i]}
                data-testid="key-group"
                data-group={group + 1}
                onChange={(event) => setGiven(i === 0 ? [event.target.value, given[1]] : [given[0], event.target.value])}
              />
              {wrong[i] === true && <span className="bad small">Not what stands in group {group + 1}</span>}
            </label>
          ))}
        </div>
        <div className="btnrow">
          <button type="submit" className="b main big" disabled={!right.every(Boolean)} data-testid="key-confirm">
            Continue
          </button>
          <button type="button" className="b bare big" onClick={onDone} data-testid="key-later">
            Do this later
          </button>
        </div>
      </form>
      {inMemory ? (
        <p className="warn small" data-testid="key-now">
          Write it down now: this browser does not keep it. Once this page is closed or loaded again, nobody can open these sessions without it.
        </p>
      ) : (
        <p className="dim small">Later is fine. Until then a reminder stays in the truth line.</p>
      )}
    </Cover>
  );
}
