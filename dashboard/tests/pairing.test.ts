// Pairing, link version 2: the shared vectors, and whole pairings with a machine, a person and whoever stands in between.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IDBFactory } from "fake-indexeddb";
import * as c from "../src/crypto/index.ts";
import { ApiError } from "../src/api/http.ts";
import { Client } from "../src/state/client.ts";
import { Database } from "../src/state/database.ts";
import type { DeviceBook } from "../src/state/devicebook.ts";
import type { Clock } from "../src/state/elapsed.ts";
import { Elapsed } from "../src/state/elapsed.ts";
import { type PairingEnd, pairingMs, type PairingRun, type PairingState } from "../src/state/pairing.ts";
import { post } from "./fake-agent.ts";
import { PairingAgent } from "./fake-pairing.ts";
import { FakeRelay, Refusal } from "./fake-relay.ts";

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, "../../tests/vectors/pairing.json"), "utf8"));
const b64 = c.fromBase64;

describe("the bytes of a pairing", () => {
  const link = c.parsePairingLink(vectors.link.text);
  const nonce = b64(vectors.nonceA);
  const verified = () => c.verifyPairingRequest(link, vectors.request);
  const codeText = ({ fromTerminal, forTerminal }: c.PairingCode) => [...fromTerminal, ...forTerminal].join(" ");

  it("links", () => {
    expect([link.relay, c.toBase64(link.publicKey), c.toBase64(link.secret)]).toEqual([vectors.link.relay, vectors.link.publicKey, vectors.link.s]);
    expect(c.formatPairingLink(vectors.link.relay, link.publicKey, link.secret)).toBe(vectors.link.text);
    for (const { name, text } of vectors.badLinks) expect(() => c.parsePairingLink(text), name).toThrow(c.CryptoError);
  });

  it("request, transcript, commitment and name", async () => {
    const request = await verified();
    expect(c.toHex(request.transcript)).toBe(vectors.T);
    expect(request.name).toBe(vectors.name);
    expect(c.toBase64(c.pairingCommit(link.publicKey, request.device, nonce))).toBe(vectors.commit);
    expect(c.isRevealed(request, nonce)).toBe(true);
    for (const { name, nonce: bad } of vectors.badReveals) expect(c.isRevealed(request, b64(bad)), name).toBe(false);
    const copied = await c.verifyPairingRequest(link, vectors.copiedCommit.request);
    expect(c.isRevealed(copied, b64(vectors.copiedCommit.nonce))).toBe(false);
  });

  it("a request that somebody made or changed is refused", async () => {
    let count = 0;
    for (const { name, request, refusedBy } of vectors.badRequests) {
      if (!refusedBy.includes("dashboard")) continue;
      count += 1;
      await expect(c.verifyPairingRequest(link, request), name).rejects.toBeInstanceOf(c.CryptoError);
    }
    expect(count).toBeGreaterThan(10);
    // A request of another pairing is none of this link.
    await expect(c.verifyPairingRequest(link, vectors.otherPairing.request)).rejects.toMatchObject({ code: "not-authentic" });
  });

  it("the answer, of 185 bytes, and what is none", async () => {
    const account = await c.accountFromSecret(b64(vectors.account.seed));
    const { answer } = vectors;
    const plaintext = await c.makePairingAnswer(await verified(), account, answer.account, { size: answer.n, head: c.fromHex(answer.hash) }, b64(answer.nonceD));
    expect([c.toBase64(plaintext), plaintext.length]).toEqual([answer.plaintext, 185]);
    const secretKey = b64(vectors.link.secretKey);
    const opened = await c.openPairingAnswer(await verified(), answer.response, secretKey);
    expect(opened.answer).toMatchObject({ accountId: answer.account, n: answer.n });
    expect([c.toHex(opened.answer.hash), c.toBase64(opened.answer.accountKey)]).toEqual([answer.hash, vectors.account.publicKey]);
    for (const { name, response } of vectors.badAnswers) await expect(c.openPairingAnswer(await verified(), response, secretKey), name).rejects.toBeInstanceOf(c.CryptoError);
  });

  it("the code, which every part of it changes", async () => {
    const request = await verified();
    const plaintext = b64(vectors.answer.plaintext);
    const code = await c.pairingCode(request, plaintext, nonce);
    expect(codeText(code)).toBe(vectors.code);
    expect([code.forTerminal.join(" "), code.fromTerminal.join(" ")]).toEqual([vectors.dashboardShows, vectors.terminalShows]);
    expect(codeText(await c.pairingCode(request, plaintext, b64(vectors.codeWithZeros.nonceA)))).toBe(vectors.codeWithZeros.code);
    const codes = new Set([vectors.code, ...vectors.otherCodes.map((other: { code: string }) => other.code)]);
    expect(codes.size).toBe(1 + vectors.otherCodes.length);
    for (const changed of [
      { ...request, transcript: c.sha256(request.transcript) },
      { ...request, link: { ...link, secret: c.sha256(link.secret) } },
    ]) {
      expect(codeText(await c.pairingCode(changed, plaintext, nonce))).not.toBe(vectors.code);
    }
  });

  it("refusals", async () => {
    const { transcript, device } = await verified();
    expect(c.isRefusal(transcript, device, vectors.refusal.signature)).toBe(true);
    for (const { name, signature } of vectors.badRefusals) expect(c.isRefusal(transcript, device, signature), name).toBe(false);
  });
});

describe("a clock that runs on in sleep", () => {
  it("takes the longer of two spans", () => {
    const now = { steady: 1_000, date: 5_000 };
    const elapsed = new Elapsed({ steady: () => now.steady, date: () => now.date });
    now.steady += 10;
    now.date += 10;
    expect(elapsed.ms).toBe(10);
    now.date += 3_600_000; // Asleep: the steady one stood still.
    expect(elapsed.ms).toBe(3_600_010);
    now.date = 0; // Set back.
    now.steady += 90;
    expect(elapsed.ms).toBe(100);
  });
});

describe("a pairing", () => {
  let relay: FakeRelay;
  let secret: c.Bytes;
  const clients: Client[] = [];
  const time = { steady: 0, date: 1_000_000 };
  const clock: Clock = { steady: () => time.steady, date: () => time.date };

  beforeEach(async () => {
    relay = new FakeRelay();
    await relay.start();
    secret = c.randomBytes(32);
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.stop();
    await relay.stop();
  });

  async function browser(factory = new IDBFactory(), name = "Firefox on Fedora", fetcher: typeof fetch = fetch): Promise<Client> {
    const client = new Client({ origin: relay.origin, database: await Database.open(factory), deviceName: name, clock, pairingPollMs: 20, fetch: fetcher });
    clients.push(client);
    await client.start();
    if (client.phase.get() !== "ready") await client.signIn(secret, true, { create: true });
    await client.connection.when((connection) => connection.state === "live");
    return client;
  }

  async function machine(name = "build-02", device?: c.KeyPair): Promise<PairingAgent> {
    const agent = new PairingAgent(relay.origin, name, device);
    await agent.request();
    return agent;
  }

  const at = <S extends PairingState["step"]>(run: PairingRun, step: S) =>
    run.state.when((state) => state.step === step || state.step === "over").then((state) => {
      if (state.step !== step) throw new Error(`over: ${JSON.stringify(state)}`);
      return state as Extract<PairingState, { step: S }>;
    });
  const over = async (run: PairingRun): Promise<PairingEnd> => {
    const state = await run.state.when(({ step }) => step === "over" || step === "paired");
    return state.step === "over" ? state.why : ("paired" as never);
  };
  const statements = () => relay.onlyAccount.statements.length;
  const book = (client: Client) => client.book.get() as DeviceBook;

  /** As far as the digits. */
  async function digits(client: Client, agent: PairingAgent): Promise<{ run: PairingRun; forTerminal: string; fromTerminal: string }> {
    const run = client.pair(agent.link);
    await at(run, "request");
    await run.begin();
    await agent.reveal();
    const { forTerminal } = await at(run, "digits");
    return { run, forTerminal: forTerminal.join(" "), fromTerminal: (await agent.code()).fromTerminal.join(" ") };
  }

  it("goes from the link to a place in the chain, and no further without the digits of both ends", async () => {
    const client = await browser();
    const agent = await machine();
    const run = client.pair(agent.link);
    await at(run, "request");
    expect(run.name).toBe("build-02");
    expect((await agent.status()).status).toBe("pending");
    await run.begin();
    await agent.reveal();
    const { forTerminal } = await at(run, "digits");
    const fromTerminal = await agent.typed(forTerminal.join(" "));
    // Nothing exists yet.
    expect([statements(), (await agent.status()).status]).toEqual([1, "revealed"]);
    expect(relay.onlyAccount.devices.size).toBe(1);
    await run.type(fromTerminal as string);
    await at(run, "paired");
    const credentials = await agent.finish();
    expect(credentials.accountId).toBe(client.accountId);
    expect(book(client).devices.map((device) => [device.name, device.kind, device.stated])).toEqual([["Firefox on Fedora", "browser", true], ["build-02", "agent", true]]);
    expect(book(client).unannounced).toEqual([]);
    expect(client.seen?.posting).toEqual([]);
  });

  it("waits for a terminal that is late", async () => {
    const client = await browser();
    const agent = new PairingAgent(relay.origin, "build-02");
    const run = client.pair(agent.link);
    await at(run, "absent");
    await agent.request();
    await at(run, "request");
    run.stop();
  });

  it("that a phisher got a click for gives him nothing", async () => {
    const client = await browser();
    const agent = await machine("yours, honestly");
    const run = client.pair(agent.link);
    await at(run, "request");
    await run.begin();
    await agent.reveal();
    await at(run, "digits");
    run.stop(); // The person closes the page.
    await agent.statusWhen("refused");
    expect(statements()).toBe(1);
    expect(client.seen?.devices.standingOf(agent.device.publicKey)).toBe("unknown");
    const { challenge } = await post(relay.origin, "/v1/auth/challenge", { publicKey: c.toBase64(agent.device.publicKey), origin: relay.origin });
    await expect(post(relay.origin, "/v1/auth", c.deviceLoginBody(b64(challenge), client.accountId as string, { keys: agent.device, kind: "agent" }))).rejects.toThrow(/not-found/);
    // Nor with a relay that lists it: without a statement it is a device of the relay's alone.
    relay.onlyAccount.devices.set("x", { id: "x", publicKey: c.toBase64(agent.device.publicKey), kind: "agent", createdAt: 1, revokedAt: null, stated: true, tokens: [] });
    expect((await client.devices()).map((device) => [device.name, device.stated])).toEqual([["Firefox on Fedora", true], [null, false]]);
    expect(client.seen?.devices.standingOf(agent.device.publicKey)).toBe("unknown");
  });

  it("refuses links of elsewhere and requests that are not the link's", async () => {
    const client = await browser();
    const honest = await machine();
    expect(await over(client.pair(honest.link.replace("127.0.0.1", "other.example")))).toBe("other-relay");
    expect(() => client.pair("hello")).toThrow(c.CryptoError);

    const changes: [PairingEnd, (body: any) => void][] = [
      ["not-agent", (body) => (body.device.kind = "browser")],
      ["changed", (body) => (body.device.publicKey = c.toBase64(c.signKeyPair().publicKey))],
      ["changed", (body) => (body.commit = c.toBase64(c.randomBytes(32)))],
      ["changed", (body) => (body.signature = c.toBase64(c.randomBytes(64)))],
      ["changed", (body) => (body.mac = c.toBase64(c.randomBytes(32)))],
      ["changed", (body) => (body.device.sealedName = c.toBase64(c.randomBytes(60)))],
    ];
    for (const [why, change] of changes) {
      const agent = new PairingAgent(relay.origin, "build-02");
      await agent.request(change);
      expect(await over(client.pair(agent.link))).toBe(why);
    }
    expect(statements()).toBe(1);
  });

  it("refuses a device key that was revoked, and takes one that is good again", async () => {
    const client = await browser();
    const agent = await machine();
    const first = await digits(client, agent);
    await first.run.type(first.fromTerminal);
    await agent.finish();
    expect(statements()).toBe(2);

    // The same key again: it is in the chain, nothing more is signed.
    const again = await machine("build-02", agent.device);
    const second = await digits(client, again);
    await second.run.type(second.fromTerminal);
    await at(second.run, "paired");
    await again.finish();
    expect(statements()).toBe(2);

    await client.revokeDevice(c.toHex(agent.device.publicKey));
    const third = await machine("build-02", agent.device);
    expect(await over(client.pair(third.link))).toBe("revoked");
  });

  it("that a stranger answered first is said, and cannot be answered again", async () => {
    const client = await browser();
    const agent = await machine();
    const run = client.pair(agent.link);
    await at(run, "request");
    // Somebody who saw the QR code, with an account of his own.
    const stranger = new Client({ origin: relay.origin, database: await Database.open(new IDBFactory()), deviceName: "Stranger", pairingPollMs: 20 });
    clients.push(stranger);
    await stranger.start();
    await stranger.signIn(c.randomBytes(32), true, { create: true });
    const theirs = stranger.pair(agent.link);
    await at(theirs, "request");
    await theirs.begin();
    await run.begin();
    expect(await over(run)).toBe("answered");
    expect(await over(client.pair(agent.link))).toBe("answered");
  });

  it("with a relay and a stranger's own request in between shows digits that do not fit", async () => {
    const client = await browser();
    const agent = await machine();
    // The stranger has s from the QR code and makes a request of his own for the same link; the relay shows it to the dashboard.
    const forged = new PairingAgent(relay.origin, "build-02");
    Object.assign(forged, { secret: agent.secret, box: agent.box });
    const theirs = await c.makePairingRequest(c.parsePairingLink(agent.link), forged.device, "build-02", forged.nonce);
    relay.tamperPairing = (status) => (status.status === "pending" ? { ...status, ...theirs } : status.status === "revealed" ? { ...status, nonce: c.toBase64(forged.nonce) } : status);
    const run = client.pair(agent.link);
    await at(run, "request");
    await run.begin();
    relay.tamperPairing = null;
    const status = await agent.statusWhen("answered");
    // What the true machine opens is no answer to its request.
    await expect(c.openPairingAnswer(await agent.verified(), status.status === "answered" ? status.response : "", agent.box.secretKey)).rejects.toMatchObject({ code: "not-authentic" });
    run.stop();
    expect(statements()).toBe(1);
  });

  it("takes no other request once it has answered one", async () => {
    const client = await browser();
    for (const when of ["answered", "revealed"] as const) {
      const agent = await machine();
      const run = client.pair(agent.link);
      await at(run, "request");
      await run.begin();
      if (when === "revealed") {
        await agent.reveal();
        await at(run, "digits");
      }
      // Whoever knows s makes another, right in all its parts, and the relay shows that one from now on.
      const other = new PairingAgent(relay.origin, "build-02");
      const theirs = await c.makePairingRequest(c.parsePairingLink(agent.link), other.device, "build-02", other.nonce);
      relay.tamperPairing = () => ({ ...theirs, status: "pending" });
      expect(await over(run)).toBe("lost");
      relay.tamperPairing = null;
    }
    expect([statements(), client.seen?.posting]).toEqual([1, []]);
  });

  it("makes its answer once: what is shown afterwards changes no digit", async () => {
    const client = await browser();
    const agent = await machine();
    const answers: string[] = [];
    const answerPairing = client.api.answerPairing.bind(client.api);
    client.api.answerPairing = async (publicKey, response) => {
      answers.push(response);
      return answerPairing(publicKey, response);
    };
    const { run, forTerminal, fromTerminal } = await digits(client, agent);
    let shown = 0;
    relay.tamperPairing = (status) => {
      if (status.status !== "revealed") return status;
      shown += 1;
      return { ...status, response: answers[0]?.replace(/^./, "B") ?? "", nonce: c.toBase64(c.randomBytes(32)) };
    };
    await run.begin(); // A second press.
    while (shown < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    const state = run.state.get();
    expect([state.step, state.step === "digits" ? state.forTerminal.join(" ") : null, answers.length]).toEqual(["digits", forTerminal, 1]);
    // An answer of somebody else, by the same browser's token, is none any more.
    await expect(answerPairing(c.toBase64(agent.box.publicKey), c.toBase64(c.randomBytes(257)))).rejects.toMatchObject({ code: "conflict" });
    relay.tamperPairing = null;
    await run.type(fromTerminal);
    await at(run, "paired");
  });

  it("gives one guess to each pairing, however many are begun", async () => {
    const client = await browser();
    for (let round = 0; round < 3; round += 1) {
      const agent = await machine();
      const { run, fromTerminal } = await digits(client, agent);
      const guesses = [...Array(50)].map(() => String(c.randomBytes(4).reduce((sum, byte) => sum * 256 + byte, 0) % 1_000_000).padStart(6, "0")).filter((guess) => guess !== fromTerminal.replace(" ", ""));
      // All at once, and the right one last: only the first is looked at.
      await Promise.all([...guesses, fromTerminal].map((guess) => run.type(guess)));
      expect(await over(run)).toBe("wrong-digits");
      await agent.statusWhen("refused");
    }
    expect([statements(), client.seen?.posting, book(client).devices.length]).toEqual([1, [], 1]);
  });

  it("ends when what is revealed is not what was committed to", async () => {
    const client = await browser();
    const agent = await machine();
    relay.tamperPairing = (status) => (status.status === "revealed" ? { ...status, nonce: c.toBase64(c.randomBytes(32)) } : status);
    const run = client.pair(agent.link);
    await at(run, "request");
    await run.begin();
    await agent.reveal();
    expect(await over(run)).toBe("wrong-reveal");
    relay.tamperPairing = null;
    await agent.statusWhen("refused");
  });

  it("with wrong digits here is over: no statement, one try, and the next pairing works", async () => {
    const client = await browser();
    const agent = await machine();
    const { run, fromTerminal } = await digits(client, agent);
    const wrong = fromTerminal.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10));
    await run.type(wrong);
    expect(await over(run)).toBe("wrong-digits");
    await agent.statusWhen("refused");
    // Right, but too late.
    await run.type(fromTerminal);
    expect([await over(run), statements(), client.seen?.posting]).toEqual(["wrong-digits", 1, []]);

    const next = await machine();
    const second = await digits(client, next);
    await second.run.type(second.fromTerminal);
    await next.finish();
    expect(statements()).toBe(2);
  });

  it("with wrong digits there is over here as well", async () => {
    const client = await browser();
    const agent = await machine();
    const { run } = await digits(client, agent);
    expect(await agent.typed("000 000")).toBeNull();
    expect(await over(run)).toBe("refused");
    expect(statements()).toBe(1);
  });

  it("is forgotten by a page that is reloaded, and by a relay that is restarted", async () => {
    const factory = new IDBFactory();
    const client = await browser(factory);
    const agent = await machine();
    await digits(client, agent);
    client.stop();
    const again = await browser(factory);
    expect(await over(again.pair(agent.link))).toBe("answered");
    expect(statements()).toBe(1);

    const second = await machine();
    const { run, fromTerminal } = await digits(again, second);
    relay.forgetPairings();
    expect(await over(run)).toBe("lost");
    await run.type(fromTerminal);
    expect(statements()).toBe(1);
  });

  it("ends ten minutes after the answer, by a clock that runs on in sleep", async () => {
    const client = await browser();
    const agent = await machine();
    const { run, fromTerminal } = await digits(client, agent);
    expect(run.left).toBe(pairingMs);
    time.date += pairingMs; // Asleep: the steady clock stood still.
    await run.type(fromTerminal);
    expect(await over(run)).toBe("expired");
    await agent.statusWhen("refused");
    expect(statements()).toBe(1);
  });

  it("repeats an answer whose way back was lost, and never makes a second one", async () => {
    const client = await browser();
    const agent = await machine();
    relay.loseAnswers = 1;
    const run = client.pair(agent.link);
    await at(run, "request");
    await run.begin();
    const state = await run.state.when(({ step }) => step !== "looking");
    expect(state).toMatchObject({ step: "request", error: expect.stringContaining("Could not reach") });
    await run.begin();
    await at(run, "answered");
    await agent.reveal();
    const { forTerminal } = await at(run, "digits");
    await run.type((await agent.typed(forTerminal.join(""))) as string);
    await agent.finish();
    expect(statements()).toBe(2);
  });

  it("signs again when the chain went on meanwhile: the same code, and it succeeds", async () => {
    const client = await browser();
    const agent = await machine();
    const { run, fromTerminal } = await digits(client, agent);
    const account = await c.accountFromSecret(secret);
    let once = true;
    relay.beforeStatement = (to) => {
      if (!once) return;
      once = false;
      const { chain } = c.DeviceChain.read(to.id, account.publicKey, to.statements);
      relay.append(to, chain.next(account.secret, { action: "add", device: c.signKeyPair().publicKey, kind: "browser", time: 1, sealedName: c.sealBox(c.utf8("Another"), account.content.publicKey) }));
    };
    await run.type(fromTerminal);
    await at(run, "paired");
    await agent.finish();
    expect(book(client).devices.map((device) => device.name).sort()).toEqual(["Another", "Firefox on Fedora", "build-02"]);
  });

  it("that the relay refuses to confirm is taken back for good", async () => {
    const client = await browser();
    const agent = await machine();
    const { run, fromTerminal } = await digits(client, agent);
    relay.refuseConfirm = () => new Refusal(403, "forbidden", "No.");
    await run.type(fromTerminal);
    expect(await over(run)).toBe("not-confirmed");
    await client.devicesChanged.when(() => client.seen?.devices.standingOf(agent.device.publicKey) === "revoked");
    while (statements() < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(client.watch.get().alarm.get()).toBeNull();
  });

  it("whose confirmation was lost is confirmed again; after a reload its statement is posted", async () => {
    const factory = new IDBFactory();
    const client = await browser(factory);
    const agent = await machine();
    const { run, fromTerminal } = await digits(client, agent);
    const confirm = client.api.confirmPairing.bind(client.api);
    let lost = 0;
    client.api.confirmPairing = async (...args) => {
      if (lost++ === 0) throw new ApiError(0, "unreachable", "Gone.", 1);
      return confirm(...args);
    };
    await run.type(fromTerminal);
    await at(run, "paired");
    await agent.finish();
    expect([lost, statements()]).toEqual([2, 2]);

    const second = await machine("build-03");
    const other = await digits(client, second);
    client.api.confirmPairing = async () => Promise.reject(new ApiError(0, "unreachable", "Gone.", 1));
    void other.run.type(other.fromTerminal);
    await at(other.run, "confirming");
    await other.run.state.when((state) => state.step === "confirming" && state.error !== null);
    client.stop();
    other.run.close();
    const again = await browser(factory);
    expect([statements(), again.seen?.posting]).toEqual([3, []]);
    expect(again.seen?.devices.standingOf(second.device.publicKey)).toBe("good");
  });

  describe("whose page dies", () => {
    /** The requests of a whole pairing, in order; what the page does in between is on disk before the next. */
    const requests = ["GET /v1/auth/request/status", "GET /v1/devices", "POST /v1/auth/response", "POST /v1/auth/confirm"];
    /** What the page learns by looking, and dies of. */
    const sights = ["pending", "answered", "revealed"];

    /** A network whose page dies at a moment: what it asks from then on goes nowhere, and what was asked is never answered. */
    function mortal() {
      const seen = new Set<string>();
      let at: string | null = null;
      let dead = false;
      let bury = () => {};
      const died = new Promise<void>((resolve) => (bury = resolve));
      const never = new Promise<Response>(() => {});
      const dies = (moment: string): boolean => {
        seen.add(moment);
        if (moment === at) {
          dead = true;
          bury();
        }
        return dead;
      };
      const fetcher: typeof fetch = async (input, init) => {
        const request = `${init?.method} ${new URL(String(input)).pathname}`;
        if (dead || (requests.includes(request) && dies(`before ${request}`))) return never;
        const response = await fetch(input, init);
        if (dead || (requests.includes(request) && dies(`after ${request}`))) return never;
        if (request === requests[0]) {
          const { status } = (await response.clone().json()) as { status: string };
          if (dies(`seeing ${status}`)) return never;
        }
        return response;
      };
      const dieAt = (moment: string | null) => {
        seen.clear();
        at = moment;
      };
      return { fetcher, dieAt, seen, died };
    }

    /** All that both ends do, as it should be; the machine reveals its part once the page has looked for it in vain. */
    async function whole(client: Client, agent: PairingAgent, seen: ReadonlySet<string>): Promise<void> {
      const run = client.pair(agent.link);
      await at(run, "request");
      await run.begin();
      while (!seen.has("seeing answered")) await new Promise((resolve) => setTimeout(resolve, 5));
      await agent.reveal();
      await at(run, "digits");
      await run.type((await agent.code()).fromTerminal.join(" "));
      await at(run, "paired");
    }

    const signsIn = async (agent: PairingAgent, accountId: string): Promise<boolean> => {
      const { challenge } = await post(relay.origin, "/v1/auth/challenge", { publicKey: c.toBase64(agent.device.publicKey), origin: relay.origin });
      return post(relay.origin, "/v1/auth", c.deviceLoginBody(b64(challenge), accountId, { keys: agent.device, kind: "agent" })).then(() => true, () => false);
    };

    const moments = [...requests.flatMap((request) => [`before ${request}`, `after ${request}`]), ...sights.map((status) => `seeing ${status}`)];

    it("at one of the moments below, and there are no others", async () => {
      const { fetcher, dieAt, seen } = mortal();
      const client = await browser(new IDBFactory(), "Firefox on Fedora", fetcher);
      dieAt(null);
      await whole(client, await machine(), seen);
      expect([...seen].sort()).toEqual([...moments].sort());
    });

    for (const moment of moments) {
      it(`${moment}: nothing half-made remains, and the next pairing works`, async () => {
        const { fetcher, dieAt, seen, died } = mortal();
        const factory = new IDBFactory();
        const client = await browser(factory, "Firefox on Fedora", fetcher);
        const agent = await machine();
        dieAt(moment);
        void whole(client, agent, seen);
        await died;
        client.stop();

        const again = await browser(factory);
        const accountId = again.accountId as string;
        // Both halves were typed by the time of the confirmation, and what was signed then is out. Before it, nothing is.
        const both = moment.endsWith("/confirm");
        expect([again.seen?.posting, statements()]).toEqual([[], both ? 2 : 1]);
        expect([again.seen?.devices.standingOf(agent.device.publicKey), await signsIn(agent, accountId)]).toEqual(both ? ["good", true] : ["unknown", false]);
        expect(book(again).devices.map((device) => device.name)).toEqual(["Firefox on Fedora", ...(both ? ["build-02"] : [])]);
        expect(again.watch.get().alarm.get()).toBeNull();

        const next = await machine("build-03");
        const second = await digits(again, next);
        await second.run.type(second.fromTerminal);
        await next.finish();
        expect(statements()).toBe(both ? 3 : 2);
      });
    }
  });

  it("can be confirmed and refused by nobody else", async () => {
    const client = await browser();
    const sibling = await browser(new IDBFactory(), "Second");
    const agent = await machine();
    await digits(client, agent);
    const publicKey = c.toBase64(agent.box.publicKey);
    await expect(sibling.api.confirmPairing(publicKey, null)).rejects.toMatchObject({ code: "forbidden" });
    await expect(sibling.api.refusePairing(publicKey)).rejects.toMatchObject({ code: "forbidden" });
    await expect(post(relay.origin, "/v1/auth/refuse", { publicKey, signature: c.signRefusal(c.randomBytes(32), agent.device) })).rejects.toThrow(/bad-request/);
    expect((await agent.status()).status).toBe("revealed");
  });
});
