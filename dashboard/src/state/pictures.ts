// Pictures in what Claude and its tools say: which of them may be drawn. The type is read from the bytes themselves, and so is the size:
// a few bytes can unfold to gigabytes.
import { fromBase64 } from "../crypto/index.ts";
import { record, string } from "./values.ts";

export interface Picture {
  /** As it was called. */
  readonly type: string;
  /** Zero where they are not here. */
  readonly bytes: number;
  /** Base64; null where it was not sent along. */
  readonly data: string | null;
}

/** What may be drawn. */
export interface Drawable {
  readonly url: string;
  readonly width: number;
  readonly height: number;
}

export const pictureBytesMax = 16 << 20;
export const picturePixelsMax = 40_000_000;
/** How far into a JPEG its size is looked for: profiles and previews stand before it. */
const headerBytesMax = 1 << 20;

/** A block of a message's content. Null when it is no picture. */
export function pictureOf(block: Readonly<Record<string, unknown>>): Picture | null {
  if (block["type"] !== "image") return null;
  const source = record(block["source"]);
  // The Messages API has them in `source`, MCP beside the type.
  const data = string(source["data"]) ?? string(block["data"]);
  const type = string(source["media_type"]) ?? string(block["mimeType"]) ?? string(source["type"]) ?? "picture";
  return { type, data, bytes: data === null ? 0 : Math.floor((data.length * 3) / 4) };
}

/** What Claude Code says of a picture that it read, in the structured form of the result. */
export function pictureOfFile(structured: unknown): Picture | null {
  const of = record(structured);
  const file = record(of["file"]);
  const data = string(file["base64"]);
  return of["type"] === "image" && data !== null ? { type: string(file["type"]) ?? "picture", data, bytes: Math.floor((data.length * 3) / 4) } : null;
}

/** Null: it is only named. */
export function drawable({ data }: Picture): Drawable | null {
  if (data === null || data.length > (pictureBytesMax * 4) / 3 || !/^[A-Za-z0-9+/]*={0,2}$/.test(data)) return null;
  let header: Uint8Array;
  try {
    header = fromBase64(data.length <= (headerBytesMax * 4) / 3 ? data : data.slice(0, Math.floor(headerBytesMax / 3) * 4));
  } catch {
    return null;
  }
  const found = sizeOf(header);
  if (found === null || found.width < 1 || found.height < 1 || found.width * found.height > picturePixelsMax) return null;
  return { url: `data:${found.type};base64,${data}`, width: found.width, height: found.height };
}

function sizeOf(bytes: Uint8Array): { type: string; width: number; height: number } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at: number, length: number) => String.fromCharCode(...bytes.subarray(at, at + length));
  const triple = (at: number) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
  try {
    if (word(0, 8) === "\x89PNG\r\n\x1a\n" && word(12, 4) === "IHDR") return { type: "image/png", width: view.getUint32(16), height: view.getUint32(20) };
    if (/^GIF8[79]a$/.test(word(0, 6))) return { type: "image/gif", width: view.getUint16(6, true), height: view.getUint16(8, true) };
    if (word(0, 4) === "RIFF" && word(8, 4) === "WEBP") {
      const type = "image/webp";
      // RFC 9649: extended, lossless, lossy.
      if (word(12, 4) === "VP8X") return { type, width: triple(24) + 1, height: triple(27) + 1 };
      if (word(12, 4) === "VP8L" && view.getUint8(20) === 0x2f) {
        const bits = view.getUint32(21, true);
        return { type, width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
      }
      if (word(12, 4) === "VP8 " && word(23, 3) === "\x9d\x01\x2a") return { type, width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
      return null;
    }
    return bytes[0] === 0xff && bytes[1] === 0xd8 ? sizeOfJpeg(view) : null;
  } catch (error) {
    if (error instanceof RangeError) return null; // it ends before it says
    throw error;
  }
}

/** ITU T.81, B.1.1: segments of a marker and a length, until a frame begins. Throws RangeError where there is none. */
function sizeOfJpeg(view: DataView): { type: string; width: number; height: number } | null {
  for (let at = 2; ; ) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1; // a byte to fill
      continue;
    }
    const beginsFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (beginsFrame) return { type: "image/jpeg", height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    if (marker === 0xda || marker === 0xd9) return null;
    const length = view.getUint16(at + 2);
    if (length < 2) return null;
    at += 2 + length;
  }
}
