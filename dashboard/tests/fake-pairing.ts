// The machine's end of a pairing, as an agent at its terminal does it.
import * as c from "../src/crypto/index.ts";
import type { PairingStatus } from "../src/api/types.ts";
import { type AgentCredentials, post } from "./fake-agent.ts";

export class PairingAgent {
  readonly origin: string;
  readonly name: string;
  readonly box = c.boxKeyPair();
  readonly device: c.KeyPair;
  readonly secret = c.randomBytes(32);
  readonly nonce = c.randomBytes(c.nonceBytes);
  /** The answer that it accepted: the first that it could open. */
  answer: { readonly answer: c.PairingAnswer; readonly plaintext: c.Bytes } | null = null;
  #request: c.PairingRequest | null = null;

  constructor(origin: string, name: string, device = c.signKeyPair()) {
    this.origin = origin;
    this.name = name;
    this.device = device;
  }

  get #link(): c.PairingLink {
    return { relay: null, publicKey: this.box.publicKey, secret: this.secret };
  }

  get link(): string {
    return c.formatPairingLink(this.origin, this.box.publicKey, this.secret);
  }

  get #key(): string {
    return c.toBase64(this.box.publicKey);
  }

  async request(change: (body: any) => void = () => {}): Promise<void> {
    const body = structuredClone(await c.makePairingRequest(this.#link, this.device, this.name, this.nonce));
    change(body);
    this.#request = body;
    await post(this.origin, "/v1/auth/request", body);
  }

  async status(): Promise<PairingStatus> {
    const response = await fetch(`${this.origin}/v1/auth/request/status?publicKey=${encodeURIComponent(this.#key)}`);
    return (await response.json()) as PairingStatus;
  }

  async statusWhen(status: PairingStatus["status"]): Promise<PairingStatus> {
    for (;;) {
      const now = await this.status();
      if (now.status === status) return now;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  verified(): Promise<c.VerifiedRequest> {
    return c.verifyPairingRequest(this.#link, this.#request as c.PairingRequest);
  }

  /** Accepts the answer and reveals the nonce. */
  async reveal(nonce = this.nonce): Promise<void> {
    const status = await this.statusWhen("answered");
    if (status.status !== "answered") throw new Error();
    this.answer = await c.openPairingAnswer(await this.verified(), status.response, this.box.secretKey);
    await post(this.origin, "/v1/auth/reveal", { publicKey: this.#key, nonce: c.toBase64(nonce) });
  }

  async code(): Promise<c.PairingCode> {
    return c.pairingCode(await this.verified(), (this.answer as { plaintext: c.Bytes }).plaintext, this.nonce);
  }

  /** What stands on the terminal once the digits of the dashboard were typed there. Null, and refused, when they are wrong. */
  async typed(digits: string): Promise<string | null> {
    const code = await this.code();
    if (digits.replace(/\s/g, "") !== code.forTerminal.join("")) {
      await this.refuse();
      return null;
    }
    return code.fromTerminal.join(" ");
  }

  async refuse(): Promise<void> {
    await post(this.origin, "/v1/auth/refuse", { publicKey: this.#key, signature: c.signRefusal((await this.verified()).transcript, this.device) });
  }

  /** Once it is confirmed: holds the chain to the answer, and signs in alone. */
  async finish(): Promise<AgentCredentials> {
    const status = await this.statusWhen("authorized");
    if (status.status !== "authorized" || this.answer === null) throw new Error();
    const { accountId, accountKey, contentKey, n, hash } = this.answer.answer;
    const { chain, problem } = c.DeviceChain.read(accountId, accountKey, status.statements.map(c.fromBase64));
    if (problem !== null) throw problem;
    const floor = chain.statements[n - 1];
    if (floor === undefined || c.toHex(c.statementHash(floor)) !== c.toHex(hash)) throw new Error("the chain lacks the statement of the answer");
    const own = chain.find(this.device.publicKey);
    if (own?.kind !== "agent" || own.revokedAt !== null) throw new Error("the chain does not name this machine");
    const { challenge } = await post(this.origin, "/v1/auth/challenge", { publicKey: c.toBase64(this.device.publicKey), origin: this.origin });
    const { token } = await post(this.origin, "/v1/auth", c.deviceLoginBody(c.fromBase64(challenge), accountId, { keys: this.device, kind: "agent" }));
    if (c.readToken(token).accountId !== accountId) throw new Error("a token of another account");
    return { origin: this.origin, token, accountId, contentPublicKey: contentKey, accountKey, device: this.device };
  }
}
