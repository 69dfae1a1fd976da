// The two-sided page of welcome, key and pairing.
import type { ReactElement, ReactNode } from "react";
import { Logo, Rosette } from "../components/marks.tsx";

export function Cover({ task, aside, children, wide, fingerprint }: { task?: boolean; aside?: ReactNode; children: ReactNode; wide?: boolean; fingerprint?: string }): ReactElement {
  return (
    <div className={task === true ? "cover task" : "cover"}>
      <header className="left">
        <a href="/">
          <Logo />
        </a>
        {aside ?? <Vows />}
        {aside === undefined && <Rosette hex={fingerprint ?? "9f3ac41e7b02d855"} copies={10} className="bigrose" />}
      </header>
      <main className="right" id="main">
        <div className={wide === true ? "form wide" : "form"}>{children}</div>
      </main>
    </div>
  );
}

function Vows(): ReactElement {
  return (
    <div className="vows">
      <div className="entry">
        <span className="no">1</span>
        <p>The relay carries your sessions and can read none of them.</p>
      </div>
      <div className="entry">
        <span className="no">2</span>
        <p>What you send is stored before it is confirmed. It does not get lost.</p>
      </div>
      <div className="entry">
        <span className="no">3</span>
        <p>An entry that was changed, moved or left out is shown as such.</p>
      </div>
      <div className="vowline">
        <span>opened on your device, not on ours</span>
      </div>
    </div>
  );
}
