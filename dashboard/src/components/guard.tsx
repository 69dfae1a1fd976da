// Where something cannot be drawn, its text stands in its place, and all around it goes on.
import { AlertIcon } from "@primer/octicons-react";
import type { ReactElement, ReactNode } from "react";
import { ErrorBoundary } from "react-error-boundary";
import { Note } from "./basics.tsx";
import { PartMissing } from "./parts.ts";

/** `children` is drawn anew when one of `of` changes. */
export function Guard({ plain, of, children }: { plain: () => ReactNode; of: readonly unknown[]; children: ReactNode }): ReactElement {
  return (
    <ErrorBoundary resetKeys={[...of]} fallbackRender={() => plain()}>
      {children}
    </ErrorBoundary>
  );
}

/** A whole part of the page. `name`: how a person calls it. */
export function PaneGuard({ name, of = [], className, children }: { name: string; of?: readonly unknown[]; className?: string; children: ReactNode }): ReactElement {
  return (
    <ErrorBoundary
      resetKeys={[...of]}
      fallbackRender={({ error, resetErrorBoundary }) => (
        <div className={className === undefined ? "broken" : `${className} broken`} data-testid="broken" data-part={name}>
          <Note tone="bad" icon={<AlertIcon className="i" />} title={error instanceof PartMissing ? `${name} could not be fetched` : `${name} could not be drawn`}>
            <p>
              {error instanceof PartMissing
                ? "The relay does not have this part of the page, or cannot be reached. After an upgrade of the relay, loading the page again helps."
                : "A fault of this page. What was said stays on the relay, and what you wrote stays in this browser."}
            </p>
            {!(error instanceof PartMissing) && <p className="mono small">{wordsOf(error)}</p>}
            <div className="acts">
              {!(error instanceof PartMissing) && (
                <button type="button" className="b" onClick={resetErrorBoundary}>
                  Draw it again
                </button>
              )}
              <button type="button" className="b" onClick={() => location.reload()}>
                Load the page again
              </button>
            </div>
          </Note>
        </div>
      )}
    >
      {children}
    </ErrorBoundary>
  );
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 300) : String(error).slice(0, 300);
}
