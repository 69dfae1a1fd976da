// What stands beside the session list, and instead of it on a phone.
import { ChevronLeftIcon } from "@primer/octicons-react";
import type { ReactElement, ReactNode } from "react";
import { Go } from "./basics.tsx";

export function BackToSessions(): ReactElement {
  return (
    <Go to="/" className="b bare icon only-phone" aria-label="Back to sessions">
      <ChevronLeftIcon className="i" />
    </Go>
  );
}

/** A page with a title; `action` stands at the title's end. */
export function Page({ title, action, className, testId, children }: { title: string; action?: ReactNode; className?: string; testId?: string; children: ReactNode }): ReactElement {
  return (
    <main className="conv" id="main" data-testid={testId}>
      <header className="head">
        <BackToSessions />
        <h1 className="grow">{title}</h1>
        {action}
      </header>
      <div className="scroll" role="region" aria-label={title}>
        <div className={`page ${className ?? ""}`}>{children}</div>
      </div>
    </main>
  );
}
