/// A WebSocket client on a bare TCP socket: it can send what no library would, and stop reading.

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { endLater } from './cleanup.ts';
import { waitFor, within } from './wait.ts';

export class RawSocket {
  readonly tcp: Socket;
  /** Text messages in order. */
  readonly messages: string[] = [];
  closeCode: number | undefined;
  closed = false;
  #pending: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];
  #head: string | undefined;

  private constructor(tcp: Socket) {
    this.tcp = tcp;
    const forget = endLater(() => tcp.destroy());
    tcp.on('error', () => {});
    tcp.on('close', () => {
      this.closed = true;
      forget();
    });
    tcp.on('data', (data: Buffer) => {
      this.#pending = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
      this.#consume();
    });
  }

  /** Opens a WebSocket to the relay, `from` a loopback address; nothing of Engine.IO is said yet. */
  static async open(
    port: number,
    target = '/v1/updates/?EIO=4&transport=websocket',
    { highWaterMark = 16 * 1024, from = '127.0.0.1', headers = '' } = {},
  ): Promise<RawSocket> {
    const tcp = connect({ port, host: '127.0.0.1', localAddress: from, highWaterMark } as never);
    const raw = new RawSocket(tcp);
    tcp.write(
      `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${headers}` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
    );
    const head = await waitFor('the answer to the upgrade', () => raw.#head ?? (raw.closed ? 'closed' : undefined), { every: 2 });
    if (!head.startsWith('HTTP/1.1 101')) throw new Error(`no upgrade: ${head.split('\r\n', 1)[0]}`);
    return raw;
  }

  /** Opens one and connects to the namespace with this auth object. */
  static async signedIn(port: number, auth: Record<string, unknown>, options: { from?: string } = {}): Promise<RawSocket> {
    const raw = await RawSocket.open(port, undefined, options);
    raw.text(`40${JSON.stringify(auth)}`);
    await raw.message('the connect packet', (text) => text.startsWith('40'));
    return raw;
  }

  #consume(): void {
    if (this.#head === undefined) {
      const end = this.#pending.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.#head = this.#pending.subarray(0, end).toString();
      this.#pending = this.#pending.subarray(end + 4);
    }
    let frame;
    while ((frame = this.#frame()) !== undefined) {
      const { final, opcode, payload } = frame;
      if (opcode === 8) {
        this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
        this.frame(8, payload);
        this.tcp.end();
      }
      if (opcode === 9) this.frame(10, payload);
      if (opcode > 2) continue;
      this.#parts.push(payload);
      if (final) {
        this.messages.push(Buffer.concat(this.#parts).toString('utf8'));
        this.#parts = [];
      }
    }
  }

  #frame(): { final: boolean; opcode: number; payload: Buffer } | undefined {
    const data = this.#pending;
    if (data.length < 2) return undefined;
    let size = data[1]! & 0x7f;
    let at = 2;
    if (size === 126) {
      if (data.length < 4) return undefined;
      size = data.readUInt16BE(2);
      at = 4;
    } else if (size === 127) {
      if (data.length < 10) return undefined;
      size = Number(data.readBigUInt64BE(2));
      at = 10;
    }
    if (data.length < at + size) return undefined;
    this.#pending = data.subarray(at + size);
    return { final: (data[0]! & 0x80) !== 0, opcode: data[0]! & 0x0f, payload: data.subarray(at, at + size) };
  }

  /** One masked frame. */
  frame(opcode: number, payload: Uint8Array, { final = true } = {}): void {
    const mask = randomBytes(4);
    const size = payload.length;
    const head =
      size < 126
        ? Buffer.from([0, 0x80 | size])
        : size < 65536
          ? Buffer.from([0, 0x80 | 126, size >> 8, size & 255])
          : Buffer.concat([Buffer.from([0, 0x80 | 127]), bigEndian(size)]);
    head[0] = (final ? 0x80 : 0) | opcode;
    const masked = Buffer.from(payload);
    for (let at = 0; at < size; at += 1) masked[at]! ^= mask[at & 3]!;
    this.tcp.write(Buffer.concat([head, mask, masked]));
  }

  text(message: string): void {
    this.frame(1, Buffer.from(message));
  }

  emit(name: string, argument: unknown, ack?: number): void {
    this.text(`42${ack ?? ''}${JSON.stringify([name, argument])}`);
  }

  message(what: string, matches: (text: string) => boolean, ms?: number): Promise<string> {
    let looked = 0;
    const probe = () => {
      const found = this.messages.slice(looked).find(matches);
      looked = this.messages.length;
      return found;
    };
    return waitFor(what, probe, { every: 5, ...(ms === undefined ? {} : { ms }), last: () => this.messages.slice(-5).map((text) => text.slice(0, 300)) });
  }

  /** The events received so far. */
  get events(): [string, any][] {
    return this.messages.filter((text) => text.startsWith('42')).map((text) => JSON.parse(text.slice(2)) as [string, any]);
  }

  async gone(ms?: number): Promise<void> {
    await within('the connection to be closed', new Promise<void>((resolve) => {
      if (this.closed) return resolve();
      this.tcp.once('close', () => resolve());
    }), ms);
  }

  close(): void {
    this.tcp.destroy();
  }
}

function bigEndian(size: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(size));
  return bytes;
}
