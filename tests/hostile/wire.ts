/// A client that does what no library would: bytes as they are, from any loopback address, and silence.

import { connect, type Socket } from 'node:net';

export interface WireAnswer {
  status: number;
  text: string;
  /** The parsed JSON; undefined where there is none. */
  body: any;
}

export class Wire {
  readonly tcp: Socket;
  readonly answers: WireAnswer[] = [];
  connected = false;
  closed = false;
  #pending: Buffer = Buffer.alloc(0);
  readonly #waiting: ((answer: WireAnswer | undefined) => void)[] = [];

  constructor(port: number, from: string) {
    this.tcp = connect({ port, host: '127.0.0.1', localAddress: from });
    this.tcp.setNoDelay(true);
    this.tcp.on('connect', () => (this.connected = true));
    this.tcp.on('error', () => {});
    this.tcp.on('close', () => {
      this.closed = true;
      for (const tell of this.#waiting.splice(0)) tell(undefined);
    });
    this.tcp.on('data', (data: Buffer) => {
      this.#pending = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
      this.#consume();
    });
  }

  #consume(): void {
    for (;;) {
      const end = this.#pending.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = this.#pending.subarray(0, end).toString('latin1');
      const size = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
      if (this.#pending.length < end + 4 + size) return;
      const text = this.#pending.subarray(end + 4, end + 4 + size).toString();
      this.#pending = this.#pending.subarray(end + 4 + size);
      let body: unknown;
      try {
        body = JSON.parse(text);
      } catch {
        // A page, or nothing.
      }
      const answer = { status: Number(head.slice(9, 12)), text, body };
      this.answers.push(answer);
      this.#waiting.shift()?.(answer);
    }
  }

  /** The next answer; undefined when the connection ends without one, or `ms` pass. */
  answer(ms = 20_000): Promise<WireAnswer | undefined> {
    if (this.closed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const late = setTimeout(() => resolve(undefined), ms);
      this.#waiting.push((answer) => {
        clearTimeout(late);
        resolve(answer);
      });
    });
  }

  /** Whether the connection stands: the system accepts for a relay that refuses, and closes at once. */
  opened(ms = 5_000): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.connected || this.closed) return resolve(!this.closed);
      const late = setTimeout(() => resolve(false), ms);
      const tell = () => {
        clearTimeout(late);
        resolve(this.connected && !this.closed);
      };
      this.tcp.once('connect', tell).once('close', tell);
    });
  }

  write(bytes: string | Uint8Array): void {
    if (!this.tcp.destroyed) this.tcp.write(bytes);
  }

  close(): void {
    this.tcp.destroy();
  }

  /** A reset, not an end. */
  reset(): void {
    this.tcp.resetAndDestroy();
  }
}

export interface Head {
  method?: string;
  path: string;
  headers?: Record<string, string | number>;
  body?: string;
}

/** A request as text; without a body the declared length is what the headers say. */
export function head({ method = 'POST', path, headers = {}, body }: Head): string {
  const all = { Host: '127.0.0.1', 'Content-Type': 'application/json', ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }), ...headers };
  return `${method} ${path} HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body ?? ''}`;
}

/** One request on a connection of its own. */
export async function exchange(port: number, from: string, request: Head, ms?: number): Promise<WireAnswer | undefined> {
  const wire = new Wire(port, from);
  wire.write(head(request));
  const answer = await wire.answer(ms);
  wire.close();
  return answer;
}
