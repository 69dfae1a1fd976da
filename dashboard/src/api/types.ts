// What travels between relay and dashboard (wire contract A, B). Values of sealed fields are opaque here.
import type { PairingRequest, WireRecord } from "../crypto/index.ts";

export interface WireSession {
  id: string;
  seq: number;
  createdAt: number;
  updatedAt: number;
  active: boolean;
  activeAt: number;
  metadata: string;
  metadataVersion: number;
  agentState: string | null;
  agentStateVersion: number;
  dataEncryptionKey: string | null;
}

export interface WireMessage {
  id: string;
  seq: number;
  revision: number;
  content: { t: "encrypted"; c: string };
  localId: string | null;
  createdAt: number;
  updatedAt: number;
}

export interface WireMachine {
  id: string;
  metadata: string;
  metadataVersion: number;
  daemonState: string | null;
  daemonStateVersion: number;
  dataEncryptionKey: string | null;
  active: boolean;
  activeAt: number;
  createdAt: number;
  updatedAt: number;
}

/** What the relay says of a device. What counts is the chain. */
export interface WireDevice {
  id: string;
  /** Null: a login without a device key. */
  publicKey: string | null;
  kind: "agent" | "browser" | "unnamed";
  createdAt: number;
  revokedAt: number | null;
  /** The chain names it. */
  stated: boolean;
}

/** Statements in base64, in the order of the relay's chain. */
export interface DevicesAnswer {
  devices: WireDevice[];
  statements: string[];
}

/** Beside `conflict`, where a sign-in or a statement was not the chain's next. */
export interface ChainConflict {
  statements: string[];
  accountId?: string;
  challenge?: string;
}

/** A place in the account's stream: the log's id and a revision of it. */
export interface Position {
  log: string;
  revision: number;
}

export interface Versioned {
  value: string | null;
  version: number;
}

export type UpdateBody =
  | { t: "new-message"; sid: string; message: WireMessage }
  | ({ t: "new-session" } & WireSession)
  | { t: "update-session"; id: string; metadata?: Versioned; agentState?: Versioned; epoch?: number }
  | { t: "delete-session"; sid: string; device?: string; signature?: string }
  | { t: "session-activity"; id: string; active: boolean; activeAt: number }
  | ({ t: "new-machine"; machineId: string } & Omit<WireMachine, "id">)
  | { t: "update-machine"; machineId: string; metadata?: Versioned; daemonState?: Versioned; active?: boolean; activeAt?: number }
  | { t: "delete-machine"; machineId: string }
  | { t: "machine-activity"; id: string; active: boolean; activeAt: number }
  | { t: "device"; statement: string }
  | { t: "none" }
  | { t: "shredded"; from: number };

export interface Update {
  id: string;
  seq: number;
  body: UpdateBody | { t: string };
  createdAt: number;
}

export type Ephemeral =
  | { type: "activity"; id: string; active: boolean; activeAt: number; thinking: boolean }
  | { type: "machine-activity"; id: string; active: boolean; activeAt: number }
  | { type: "stream"; sid: string; c: string }
  | { type: string };

export type MessageAck =
  | { result: "success"; id: string; seq: number; localId: string | null; createdAt: number; revision: number }
  | ErrorAck;

export interface ErrorAck {
  result: "error";
  message: string;
  code: string;
  retry: false | number;
}

export type RpcAnswer = { ok: true; result: string } | { ok: false; error: string; code?: string; retry?: false | number };

interface PairingPending {
  device: PairingRequest["device"];
  commit: string;
  signature: string;
  mac: string;
}

export type PairingStatus =
  | { status: "not_found" }
  | { status: "refused" }
  | ({ status: "pending" } & PairingPending)
  | ({ status: "answered"; response: string } & PairingPending)
  | ({ status: "revealed"; response: string; nonce: string } & PairingPending)
  | { status: "authorized"; statements: string[] };

/** Who signs the log's checkpoints and receipts. */
export interface LogKey {
  log: string;
  origin: string;
  /** `<name>+<key id>+<base64>` */
  key: string;
}

export interface CheckpointAnswer {
  log: string;
  /** A signed note. */
  checkpoint: string;
  /** From the tree size that was named in the request. */
  consistency?: string[];
}

export interface ProofAnswer extends CheckpointAnswer {
  records: WireRecord[];
}

/** What the relay answers to a deletion. A relay without receipts leaves both out. */
export interface DeletionAnswer {
  success: boolean;
  /** A signed note. */
  receipt?: string;
  proof?: { checkpoint: string; record: WireRecord };
}

export interface Invitation {
  readonly code: string;
  readonly link: string;
  readonly expiresAt: number;
}
