// Markdown as React elements, block by block: no raw HTML, no foreign images, links open elsewhere. A block that is not read yet, or
// cannot be, stands as it was written.
import { Fragment, memo, type ReactElement, type ReactNode, useMemo } from "react";
import { type Block, blocksOf } from "../text/blocks.ts";
import { blockCharactersMax } from "../text/limits.ts";
import type { Element, Tree } from "../text/tree.ts";
import { CodeBlock } from "./code.tsx";
import { Guard } from "./guard.tsx";
import { Pieces, useNear } from "./piecewise.tsx";
import { PlainText } from "./plain.tsx";
import { useMarkdown } from "./reading.ts";

function draw(nodes: readonly Tree[]): ReactNode {
  return nodes.map((node, i) => (typeof node === "string" ? node : <Fragment key={i}>{drawElement(node)}</Fragment>));
}

function drawElement(node: Element): ReactNode {
  const { tag: Tag, children } = node;
  switch (Tag) {
    case "br":
    case "hr":
      return <Tag />;
    case "a":
      return (
        <a className="link" href={node.href} target="_blank" rel="noreferrer noopener">
          {draw(children)}
        </a>
      );
    case "code":
      return <code translate="no">{draw(children)}</code>;
    case "pre":
      return <CodeBlock text={children.filter((child) => typeof child === "string").join("")} language={node.language ?? ""} />;
    case "ol":
      return (
        <ol start={node.start} style={node.start === undefined ? undefined : { counterReset: `n ${node.start - 1}` }}>
          {draw(children)}
        </ol>
      );
    case "ul":
      return <ul className={children.some((child) => typeof child !== "string" && child.done !== undefined) ? "contains-task-list" : undefined}>{draw(children)}</ul>;
    case "li":
      return (
        <li>
          {node.done !== undefined && <input type="checkbox" checked={node.done} disabled readOnly />} {draw(children)}
        </li>
      );
    case "table":
      return (
        <div className="tablescroll" tabIndex={0} role="group" aria-label="Table">
          <table>{draw(children)}</table>
        </div>
      );
    case "th":
    case "td":
      return <Tag style={node.align === undefined ? undefined : { textAlign: node.align }}>{draw(children)}</Tag>;
    default:
      return <Tag>{draw(children)}</Tag>;
  }
}

const MarkdownBlock = memo(function MarkdownBlock({ text, own }: { text: string; own: number }): ReactElement {
  const [ref, near] = useNear<HTMLDivElement>();
  const tree = useMarkdown(text, own, near && text.length <= blockCharactersMax);
  const plain = () => <PlainText text={text.slice(0, own)} />;
  // The element that is watched is there before and after: what is around it stays as it is.
  return (
    <div ref={ref} className="block">
      {tree === null ? (
        plain()
      ) : (
        <Guard plain={plain} of={[text]}>
          {draw(tree)}
        </Guard>
      )}
    </div>
  );
});

/** Blocks that are made, and unmade far from the view, together. */
const pieceBlocks = 40;
const lineHeight = 24;
const linesOfBlock = (block: Block) => block.text.split("\n").length + 1;

/** Blocks from here on, as many as are made together. */
function Blocks({ blocks, from }: { blocks: readonly Block[]; from: number }): ReactElement {
  return (
    <>
      {blocks.slice(from, from + pieceBlocks).map((block, i) => (block.kind === "code" ? <CodeBlock key={i} text={block.text} language={block.language} /> : <MarkdownBlock key={i} text={block.text} own={block.own} />))}
    </>
  );
}

export const Markdown = memo(function Markdown({ text }: { text: string }): ReactElement {
  const blocks = useMemo(() => blocksOf(text), [text]);
  if (blocks.length <= pieceBlocks) return <Blocks blocks={blocks} from={0} />;
  const height = (piece: number) => blocks.slice(piece * pieceBlocks, (piece + 1) * pieceBlocks).reduce((sum, block) => sum + linesOfBlock(block) * lineHeight, 0);
  return (
    <Pieces count={Math.ceil(blocks.length / pieceBlocks)} height={height}>
      {(piece) => <Blocks blocks={blocks} from={piece * pieceBlocks} />}
    </Pieces>
  );
});
