// The live connection: Socket.IO at /v1/updates, user-scoped, with catch-up from `since`.
import { io, type Socket } from "socket.io-client";
import type { Ephemeral, MessageAck, Position, RpcAnswer, Update } from "./types.ts";

export interface SocketHandlers {
  connected(): void;
  /** The transport is gone; socket.io dials again by itself. */
  disconnected(reason: string): void;
  /** A dial failed. `refused`: the relay said no, and socket.io will not try again. */
  failed(message: string, refused: boolean): void;
  update(update: Update): void;
  ephemeral(ephemeral: Ephemeral): void;
  caughtUp(position: Position): void;
  resync(reason: string): void;
}

export interface SocketOptions {
  origin: string;
  /** Asked again at every dial. */
  auth(): { token: string; since: Position | null };
}

export class NoAnswer extends Error {}

const probeMs = 5_000;
/** The relay says something every 15 s. A connection that is silent for longer is asked, so that its death is seen within 30 s. */
const silenceMs = 20_000;
const ackTimeoutMs = 20_000;
/** The relay answers a call within 30 s; a little more, so that its answer wins. */
const rpcTimeoutMs = 35_000;

export class RelaySocket {
  #socket: Socket;
  #silent: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SocketOptions, handlers: SocketHandlers) {
    this.#socket = io(options.origin, {
      path: "/v1/updates",
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      forceNew: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 8_000,
      timeout: 10_000,
      auth: (give) => give({ ...options.auth(), clientType: "user-scoped" }),
    });
    this.#socket.io.on("open", () => this.#socket.io.engine.on("packet", () => this.#heard()));
    this.#socket.on("connect", () => handlers.connected());
    this.#socket.on("disconnect", (reason) => {
      clearTimeout(this.#silent);
      handlers.disconnected(reason);
    });
    this.#socket.on("connect_error", (error) => handlers.failed(error.message, !this.#socket.active));
    this.#socket.on("update", (update: Update) => handlers.update(update));
    this.#socket.on("ephemeral", (ephemeral: Ephemeral) => handlers.ephemeral(ephemeral));
    this.#socket.on("caught-up", (position: Position) => handlers.caughtUp(position));
    this.#socket.on("resync", (body: { reason?: string }) => handlers.resync(body?.reason ?? ""));
  }

  /** Dials at once instead of waiting for the next attempt. */
  dial(): void {
    if (!this.#socket.connected) {
      this.#socket.disconnect();
      this.#socket.connect();
    }
  }

  /** After a sleep a connection may be dead without knowing: ask, and dial anew if nobody answers. */
  async probe(): Promise<void> {
    if (!this.#socket.connected) return this.dial();
    try {
      await this.#socket.timeout(probeMs).emitWithAck("ping");
    } catch {
      this.#socket.disconnect();
      this.#socket.connect();
    }
  }

  #heard(): void {
    clearTimeout(this.#silent);
    this.#silent = setTimeout(() => {
      if (this.#socket.connected) void this.probe();
    }, silenceMs);
  }

  close(): void {
    clearTimeout(this.#silent);
    this.#socket.removeAllListeners();
    this.#socket.disconnect();
  }

  async #ask<T>(event: string, body: unknown, timeout: number): Promise<T> {
    if (!this.#socket.connected) throw new NoAnswer("Not connected.");
    try {
      return (await this.#socket.timeout(timeout).emitWithAck(event, body)) as T;
    } catch {
      throw new NoAnswer("No answer.");
    }
  }

  sendMessage(sid: string, message: string, localId: string): Promise<MessageAck> {
    return this.#ask("message", { sid, message, localId }, ackTimeoutMs);
  }

  call(method: string, params: string): Promise<RpcAnswer> {
    return this.#ask("rpc-call", { method, params }, rpcTimeoutMs);
  }
}
