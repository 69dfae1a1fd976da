// Pictures of others: drawn within bounds, larger on demand; what is not drawn is named.
import { FileMediaIcon } from "@primer/octicons-react";
import { type ReactElement, useMemo, useState } from "react";
import { drawable, type Picture } from "../state/pictures.ts";
import { Dialog } from "./basics.tsx";
import { number } from "./format.ts";
import { Pieces, useNear } from "./piecewise.tsx";

/** Of the small one, in CSS pixels. */
const heightMax = 420;

function sizeWords(bytes: number): string {
  return bytes < 1_000 ? `${bytes} bytes` : bytes < 1_000_000 ? `${number(Math.round(bytes / 1_000))} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function One({ picture }: { picture: Picture }): ReactElement {
  const [ref, near] = useNear<HTMLElement>();
  const found = useMemo(() => drawable(picture), [picture]);
  const [large, setLarge] = useState(false);
  const [broken, setBroken] = useState(false);
  if (found === null || broken) {
    return (
      <p className="line still" data-testid="picture-named">
        <FileMediaIcon className="i" />
        <span className="o say">
          {picture.data === null ? "A picture that was not sent along" : "A picture that is not shown here"}: {picture.type.slice(0, 100)}
          {picture.bytes > 0 && `, ${sizeWords(picture.bytes)}`}
        </span>
      </p>
    );
  }
  const words = `Picture, ${number(found.width)} × ${number(found.height)}, ${sizeWords(picture.bytes)}`;
  const image = (className: string) => <img className={className} src={found.url} alt={words} width={found.width} height={found.height} decoding="async" onError={() => setBroken(true)} />;
  return (
    <figure className="picture" ref={ref} data-testid="picture">
      <button type="button" title="Larger" style={{ aspectRatio: `${found.width} / ${found.height}`, width: Math.min(found.width, (heightMax * found.width) / found.height) }} onClick={() => setLarge(true)}>
        {near && image("")}
      </button>
      <figcaption className="dim small">{words}</figcaption>
      {large && (
        <Dialog title={words} onClose={() => setLarge(false)} className="pictured">
          <div className="picturescroll" tabIndex={0} role="group" aria-label="The picture in its own size">
            {image("whole")}
          </div>
          <div className="acts flush">
            <button type="button" className="b" onClick={() => setLarge(false)}>
              Close
            </button>
          </div>
        </Dialog>
      )}
    </figure>
  );
}

/** Pictures that are made, and unmade far from the view, together. */
const piecePictures = 8;

export function Pictures({ of }: { of: readonly Picture[] }): ReactElement {
  const some = (from: number) => of.slice(from, from + piecePictures).map((picture, i) => <One key={i} picture={picture} />);
  if (of.length <= piecePictures) return <>{some(0)}</>;
  return (
    <Pieces count={Math.ceil(of.length / piecePictures)} height={() => piecePictures * heightMax}>
      {(piece) => some(piece * piecePictures)}
    </Pieces>
  );
}
