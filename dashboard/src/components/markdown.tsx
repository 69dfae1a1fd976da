// Markdown as React elements: no raw HTML, no foreign images, links open elsewhere.
import { Children, isValidElement, memo, type ReactElement, type ReactNode } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { CodeBlock } from "./code.tsx";

const components: Components = {
  a: ({ href, children }) => (
    <a className="link" href={href} target="_blank" rel="noreferrer noopener">
      {children}
    </a>
  ),
  // An image would tell its host who reads this; the page's policy forbids it as well.
  img: ({ alt, src }) => (
    <a className="link" href={typeof src === "string" ? src : undefined} target="_blank" rel="noreferrer noopener">
      {alt === undefined || alt === "" ? "image" : `image: ${alt}`}
    </a>
  ),
  pre: ({ children }) => {
    const child = Children.toArray(children)[0];
    if (!isValidElement<{ className?: string; children?: ReactNode }>(child)) return <pre>{children}</pre>;
    const language = /language-([\w+-]+)/.exec(child.props.className ?? "")?.[1] ?? "";
    return <CodeBlock text={String(child.props.children ?? "").replace(/\n$/, "")} language={language} />;
  },
  table: ({ children }) => (
    <div className="tablescroll" tabIndex={0} role="group" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
  h1: ({ children }) => <h3>{children}</h3>,
  h2: ({ children }) => <h3>{children}</h3>,
  h3: ({ children }) => <h4>{children}</h4>,
  h4: ({ children }) => <h4>{children}</h4>,
  h5: ({ children }) => <h4>{children}</h4>,
  h6: ({ children }) => <h4>{children}</h4>,
};
const plugins = [remarkGfm];

/** Beyond this, text is shown as it is: laying it out would hold up the page. */
const charactersMax = 100_000;

export const Markdown = memo(function Markdown({ text }: { text: string }): ReactElement {
  if (text.length > charactersMax) return <p className="said-text">{text}</p>;
  return (
    <ReactMarkdown remarkPlugins={plugins} components={components}>
      {text}
    </ReactMarkdown>
  );
});

/** Text that still grows: only its last block is rendered anew. */
export function GrowingMarkdown({ text }: { text: string }): ReactElement {
  const blocks = splitBlocks(text);
  return (
    <>
      {blocks.map((block, i) => (
        <Markdown key={i} text={block} />
      ))}
    </>
  );
}

/** Cuts at blank lines, but not inside a fence, nor between what may belong together (lists, quotes, indented text). */
export function splitBlocks(text: string): string[] {
  const blocks: string[] = [];
  let current: string[] = [];
  let fence: string | null = null;
  let blank = false;
  for (const line of text.split("\n")) {
    const mark = /^\s{0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === null && blank && current.length > 0 && /^[^\s\-*+>\d|]/.test(line)) {
      blocks.push(current.join("\n"));
      current = [];
    }
    if (mark !== undefined) {
      if (fence === null) fence = mark;
      else if (mark[0] === fence[0] && mark.length >= fence.length) fence = null;
    }
    current.push(line);
    blank = line.trim() === "";
  }
  if (current.length > 0) blocks.push(current.join("\n"));
  return blocks;
}
