// Looks at the built dashboard in a real browser: `node tests/walk.ts [out]` after `npm run build`.
// Walks from a new identity to a deleted account against the test relay, and takes pictures on the way.
import { mkdtempSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";
import * as c from "../src/crypto/index.ts";
import { AgentSession } from "./fake-agent.ts";
import { PairingAgent } from "./fake-pairing.ts";
import { FakeRelay } from "./fake-relay.ts";
import { writeQrVideo } from "./qr-video.ts";

const out = resolve(process.argv[2] ?? "shots");
mkdirSync(out, { recursive: true });
const dist = resolve(import.meta.dirname, "../dist");
const problems: string[] = [];

const relay = new FakeRelay({ serve: dist });
await relay.start();

async function browser(camera?: string): Promise<{ context: BrowserContext; profile: string }> {
  const profile = mkdtempSync(join(tmpdir(), "consortium-walk-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    headless: true,
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP elsewhere.test 127.0.0.1",
      ...(camera === undefined ? [] : ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-video-capture=${camera}`]),
    ],
    viewport: { width: 1440, height: 900 },
    colorScheme: "light",
    locale: "en-GB",
  });
  context.on("page", watch);
  context.pages().forEach(watch);
  return { context, profile };
}

function watch(page: Page): void {
  page.on("console", (message) => {
    // A sign-in of a new device begins with a conflict, that of a key without an account ends with a not-found.
    const expected = /ERR_CONNECTION_REFUSED|WebSocket connection/.test(message.text()) || (/status of (409|404|403)/.test(message.text()) && /\/v1\/auth$/.test(message.location().url));
    if (message.type() === "error" && !expected) problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`page: ${error.message}`));
}

const sizes = { desktop: { width: 1440, height: 900 }, tablet: { width: 1024, height: 800 }, phone: { width: 390, height: 844 } };

async function shoot(page: Page, name: string, which: readonly (keyof typeof sizes)[] = ["desktop", "phone"]): Promise<void> {
  for (const size of which) {
    await page.setViewportSize(sizes[size]);
    for (const theme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
      await page.evaluate(() => document.fonts.ready.then(() => undefined));
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      await page.screenshot({ path: join(out, `${name}-${sizes[size].width}-${theme}.png`) });
    }
  }
  await page.setViewportSize(sizes.desktop);
  await page.emulateMedia({ colorScheme: "light" });
}


/** Somebody else: without an invitation, with a bad one, and by the link. */
async function walkInvited(code: string): Promise<void> {
  relay.invitations = new Set([code]);
  const other = await browser();
  const guest = await other.context.newPage();
  try {
    await guest.goto(relay.origin);
    await guest.getByTestId("new-identity").click();
    await guest.getByText("need an invitation").waitFor();
    await shoot(guest, "uninvited");
    await guest.getByTestId("invitation").fill("AAAAA-AAAAA");
    await guest.getByTestId("new-identity").click();
    await guest.getByText("This invitation is not good").waitFor();
    await guest.goto(`${relay.origin}/#invite=${code}`);
    await guest.waitForURL(`${relay.origin}/`);
    await shoot(guest, "invited");
    await guest.getByTestId("new-identity").click();
    await guest.getByTestId("secret-key").waitFor();
  } finally {
    relay.invitations = null;
    await other.context.close();
    rmSync(other.profile, { recursive: true, force: true });
  }
}

const { context, profile } = await browser();
const page = context.pages()[0] ?? (await context.newPage());
const id = (testId: string) => page.getByTestId(testId);
const agents: AgentSession[] = [];
try {
  // A new identity.
  await page.goto(relay.origin);
  await id("new-identity").waitFor();
  await shoot(page, "welcome");
  await id("have-key").click();
  await id("sign-in-input").fill("hello there");
  await id("sign-in-submit").click();
  await page.getByText("Some are missing").waitFor();
  await shoot(page, "signin");
  await page.getByRole("button", { name: "Back" }).click();
  await id("new-identity").click();
  await id("secret-key").waitFor();
  const key = (await id("secret-key").getAttribute("data-key")) ?? "";
  const groups = key.split("-");
  for (const input of await id("key-group").all()) await input.fill((groups[Number(await input.getAttribute("data-group")) - 1] ?? "").toLowerCase());
  await shoot(page, "key");
  await id("key-confirm").click();
  await id("empty").waitFor();
  await shoot(page, "empty");

  // Pairing, by a link that is opened directly.
  const machine = new PairingAgent(relay.origin, "build-02");
  await id("pair-machine").click();
  await id("pair-link-input").fill("not a link");
  await id("pair-continue").click();
  await id("pair-error").waitFor();
  await shoot(page, "pair-link");
  await machine.request();
  await page.goto(machine.link);
  await id("pair-opened").waitFor();
  if (page.url().includes("#")) problems.push(`the link's secret is still in the address bar: ${page.url()}`);
  if ((await machine.status()).status !== "pending") problems.push("a link that was only opened changed something");
  await shoot(page, "pair-opened");
  await id("pair-opened-yes").click();
  await id("pair-begin").waitFor();
  await shoot(page, "pair-request");
  await id("pair-begin").click();
  await machine.reveal();
  await id("pair-for-terminal").waitFor();
  const there = await machine.typed((await id("pair-for-terminal").innerText()).replace(/\s+/g, ""));
  if (there === null) problems.push("the terminal's digits differ");
  await shoot(page, "pair-digits");
  await id("pair-digits").fill(there ?? "");
  await shoot(page, "pair-digits-typed", ["phone"]);
  await id("pair-confirm").click();
  await id("pair-paired").waitFor();
  await shoot(page, "pair-paired");
  const credentials = await machine.finish();
  const main = await AgentSession.create(credentials, { summary: "Stop double charges on webhook retry" });
  agents.push(main);
  await id("pair-open-session").click();
  await id("composer-input").waitFor();
  await shoot(page, "conversation-empty");

  // More sessions, in every state.
  const more = async (path: string, host: string, summary: string) => {
    const session = await AgentSession.create(credentials, { path, host, summary });
    agents.push(session);
    return session;
  };
  const bucket = await more("/home/noor/src/harbor-api", "build-02", "Move rate limits to a token bucket");
  await bucket.text("Starting with the tests.");
  await bucket.tool("b1", "Bash", { command: "pnpm vitest" });
  const report = await more("/home/noor/src/harbor-api", "build-02", "Explain the settlement report");
  await report.text("Four causes.");
  await report.result({ result: "4 causes, 1 open question" });
  const form = await more("/home/noor/src/harbor-web", "noor-laptop", "Checkout form loses focus on Safari 26 when the address list opens");
  await form.tool("f1", "Edit", { file_path: "/home/noor/src/harbor-web/src/AddressForm.tsx", old_string: "a", new_string: "b" });
  const moment = await more("/home/noor/src/harbor-web", "noor-laptop", "Replace moment with Temporal");
  await moment.result({ is_error: true, result: "API Error: the API key expired", terminal_reason: "api_error" });
  const certs = await more("/home/noor/src/infra", "build-01", "Rotate the staging certificates");
  await certs.tool("c1", "Bash", { command: "certbot renew" });
  bucket.alive(true);
  form.alive(true);

  // A conversation.
  const taken = new Promise<void>((done) => (main.onPrompt = ({ id: prompt }) => void main.taken(prompt).then(() => done())));
  main.alive(true);
  await id("composer-input").fill("Customers are charged twice when a worker restarts in the middle of a webhook retry. Find out why, fix it, and add a test that fails before the fix.");
  await id("composer-input").press("Enter");
  await taken;
  await main.thinking("The retry job builds its key from a fresh UUID, so a restart would ask for a second charge. I should check where the key is stored before I touch anything.");
  await main.text("I will start with how a retry is keyed, then look at what survives a restart.");
  await main.tool("t1", "Grep", { pattern: "idempotencyKey", path: "/home/noor/src/harbor-api/src" });
  await main.toolResult("t1", "src/a.ts\nsrc/b.ts\nsrc/c.ts", { structured: { numFiles: 5 } });
  await main.tool("t2", "Read", { file_path: "/home/noor/src/harbor-api/src/webhooks/retry.ts" });
  await main.toolResult("t2", "     1→export async function retryJob(job: WebhookJob) {\n     2→  const key = randomUUID();", { structured: { file: { content: "export async function retryJob(job: WebhookJob) {\n  const key = randomUUID();\n", numLines: 164 } } });
  await main.tool("t3", "Bash", { command: "pnpm vitest run src/webhooks", description: "Run the tests" });
  await main.toolResult("t3", "Exit code 1\n RUN  v4.0.3 /home/noor/src/harbor-api\n\n ✓ src/webhooks/signature.test.ts (12 tests) 38ms\n ✗ src/webhooks/retry.test.ts (7 tests | 1 failed) 412ms\n   ✗ charges once when the worker restarts\n     AssertionError: expected 2 to be 1\n\n Tests  1 failed | 41 passed (42)\n line\n line\n line\n line", { isError: true });
  await main.text("The new test fails the way your customers do: the worker charges, dies before `markDone`, and on restart makes a new key. I will derive the key from the delivery.\n\n```ts\n// One key per delivery, not per attempt.\nconst key = chargeKey(job.deliveryId);\n```\n\nWhat changes:\n\n1. The key names the **delivery**.\n2. `markDone` keeps the charge.\n\n| file | lines |\n|---|---|\n| retry.ts | +3 −2 |");
  await main.tool("t4", "Edit", { file_path: "/home/noor/src/harbor-api/src/webhooks/retry.ts", old_string: "  const key = randomUUID();\n  const charge = 1;", new_string: "  // One key per delivery.\n  const key = chargeKey(job.deliveryId);\n  const charge = 1;" });
  await main.toolResult("t4", "ok", {
    structured: { structuredPatch: [{ oldStart: 41, newStart: 41, lines: [" export async function retryJob(job: WebhookJob) {", "-  const key = randomUUID();", "+  // One key per delivery, not per attempt: a restarted worker must ask for the same charge.", "+  const key = chargeKey(job.deliveryId);", "   const charge = await charges.create({ amount: job.amount, idempotencyKey: key });", "-  await jobs.markDone(job.id);", "+  await jobs.markDone(job.id, { chargeId: charge.id });", "   return charge;", " }"] }] },
  });
  const todos = ["Find how a retry is keyed", "Write a test that fails", "Key by delivery, not by attempt", "Check the migration on staging", "Explain the cause in the pull request"];
  await main.tool("p1", "TodoWrite", { todos: todos.map((content, i) => ({ content, status: i < 3 ? "completed" : i === 3 ? "in_progress" : "pending" })) });
  await main.toolResult("p1", "ok");
  await main.tool("a1", "Agent", { description: "check-migrations", prompt: "Look at the migrations." });
  await main.tool("t5", "Read", { file_path: "/home/noor/src/harbor-api/prisma/migrations/0042_charge_key_unique/migration.sql" }, "a1");
  await main.toolResult("t5", "ok", { parent: "a1", structured: { file: { content: "x", numLines: 11 } } });
  await main.tool("t6", "Bash", { command: "pnpm prisma migrate deploy --schema prisma/staging.prisma" }, "a1");
  await main.text("While the migration check waits for you, here is what went wrong.");
  await id("conversation").getByText("here is what went wrong").waitFor();
  const said = "The cause is in `retryJob()`: the key named the *attempt*, so each restart looked like a new purchase to the provider. Two things change:\n\n";
  await main.stream("m9:0", 0, said);
  await main.stream("m9:0", said.length, "1. The key now names the delivery, which stays the same across a");
  await id("partial").waitFor();
  await main.ask("t6", "Bash", { command: "pnpm prisma migrate deploy --schema prisma/staging.prisma" }, {
    description: "Apply the migration to staging",
    grants: (["localSettings", "session"] as const).map((destination) => ({
      type: "addRules", rules: [{ toolName: "Bash", ruleContent: "pnpm prisma migrate deploy:*" }], behavior: "allow", destination,
    })),
  });
  await id("slip").waitFor();
  certs.end();
  await page.locator(`[data-session-id="${certs.id}"][data-state=offline]`).first().waitFor();
  await shoot(page, "conversation", ["desktop", "tablet", "phone"]);
  await page.setViewportSize(sizes.phone);
  await id("toggle-context").click();
  await id("context").waitFor();
  await shoot(page, "context", ["phone"]);
  await page.setViewportSize(sizes.phone);
  await id("ask-bar").click();
  await shoot(page, "slip-sheet", ["phone"]);
  await page.keyboard.press("Escape");
  await page.setViewportSize(sizes.desktop);
  await page.locator("[data-testid=tool]").nth(2).locator("summary").first().click();
  await page.locator("[data-testid=tool]").nth(3).locator("summary").first().click();
  await page.locator("[data-testid=tool]").nth(4).locator("summary").first().click();
  await page.locator("#conversation").evaluate((element) => element.scrollTo(0, 0));
  await shoot(page, "tools", ["desktop", "phone"]);
  await id("slip-allow-always").click();
  await shoot(page, "slip-always", ["desktop"]);
  await page.getByRole("button", { name: "Back" }).click();

  const permission = new Promise<any>((done) => main.desk.rpc.set("permission", (d) => (done(d), {})));
  await id("slip-allow-once").click();
  const given = await permission;
  if (given.decision !== "approved" || given.id !== "t6") problems.push(`permission: ${JSON.stringify(given)}`);
  await main.answer("t6");
  await id("slip").waitFor({ state: "detached" });

  await main.ask("q1", "question", { questions: [{ question: "Which deliveries should the backfill cover?", header: "Backfill", multiSelect: false, options: [{ label: "Only failed deliveries", description: "1,204 rows, about a minute" }, { label: "All of October", description: "88,310 rows, needs the replica" }] }] });
  await id("slip").waitFor();
  await shoot(page, "question", ["desktop"]);
  const answered = new Promise<any>((done) => main.desk.rpc.set("permission", (d) => (done(d), {})));
  await page.getByText("Only failed deliveries").click();
  await id("slip-answer").click();
  if ((await answered).answers["Which deliveries should the backfill cover?"] !== "Only failed deliveries") problems.push("question: wrong answer");
  await main.answer("q1");
  await id("slip").waitFor({ state: "detached" });

  await main.ask("w1", "Write", { file_path: "/home/noor/src/harbor-api/CHANGELOG.md", content: "# Changes\n\n- Charge once.\n" });
  await id("slip").waitFor();
  await id("slip-deny").click();
  await id("slip-deny-note").fill("Use the changelog of the monorepo.");
  await shoot(page, "slip-deny", ["desktop"]);
  const denied = new Promise<any>((done) => main.desk.rpc.set("permission", (d) => (done(d), {})));
  await id("slip-deny-send").click();
  if ((await denied).reason !== "Use the changelog of the monorepo.") problems.push("deny: no reason");
  await main.answer("w1");
  await id("slip").waitFor({ state: "detached" });

  const stopped = new Promise<void>((done) => main.desk.rpc.set("abort", () => (done(), {})));
  await id("stop").click();
  await stopped;
  await main.result({ subtype: "error_during_execution", is_error: true, terminal_reason: "aborted_streaming", result: undefined, duration_ms: 51_000 });
  main.alive(false);
  await id("conversation").getByText("Stopped after").waitFor();

  // Things that do not verify.
  const bad = await main.seal({ role: "agent", content: { type: "event", data: { type: "message", message: "x" } } });
  const bytes = c.fromBase64(bad.bundle);
  bytes[40] = (bytes[40] as number) ^ 1;
  await main.sendBundle(c.toBase64(bytes));
  await id("conversation").getByText("could not be verified").waitFor();
  await main.text("After it the conversation goes on.");

  // Offline, with prompts in the queue.
  await relay.stop();
  await page.locator("[data-testid=truth-line][data-state=offline], [data-testid=truth-line][data-state=reconnecting]").waitFor();
  await id("composer-input").fill("Then add one line to CHANGELOG.md under Fixed.");
  await id("send").click();
  await id("wait-dialog").waitFor();
  await shoot(page, "wait");
  await id("wait-8").click();
  await page.locator("[data-testid=entry][data-kind=prompt] [data-state=queued]").waitFor();
  await shoot(page, "offline");
  await page.goto("about:blank");
  await relay.restart();
  while (!main.socket.connected) await new Promise((done) => setImmediate(done));
  await page.goto(`${relay.origin}/session/${main.id}`);
  await page.locator("[data-testid=truth-line][data-state=live]").waitFor();
  await id("conversation").getByText("Then add one line to CHANGELOG.md under Fixed.").first().waitFor();
  await page.locator("[data-testid=entry] [data-state=taken]").nth(1).waitFor();

  // The log: everything proved, the panel says by what.
  await page.locator("[data-testid=entry][data-proof=proved]").nth(5).waitFor();
  await page.locator("[data-testid=truth-line][data-log=verified]").waitFor();
  await shoot(page, "proved");
  await id("open-log").click();
  await page.locator("[data-testid=certificate][data-state=verified]").waitFor();
  await page.locator("[data-testid=log-check][data-check=shown][data-state=ok]").waitFor();
  await id("log-entry").nth(7).waitFor();
  await shoot(page, "log");
  const [checkpointFile] = await Promise.all([page.waitForEvent("download"), id("log-save-checkpoint").click()]);
  const [proofFile] = await Promise.all([page.waitForEvent("download"), id("log-save-proof").click()]);
  const proof = JSON.parse(readFileSync(await proofFile.path(), "utf8")) as { key: string; checkpoint: string; records: c.WireRecord[] };
  c.openCheckpoint(readFileSync(await checkpointFile.path(), "utf8"), c.parseVerifier(proof.key));
  for (const record of proof.records) await c.checkRecord(record, c.openCheckpoint(proof.checkpoint, c.parseVerifier(proof.key)));

  await page.goto(`${relay.origin}/`);
  await page.locator("[data-testid=session-row]").first().waitFor();
  await shoot(page, "sessions");
  await page.keyboard.press("Control+k");
  await id("palette-input").fill("token bucket");
  await shoot(page, "palette", ["desktop"]);
  await page.keyboard.press("Enter");
  await page.locator(`[data-testid=conversation][data-session-id="${bucket.id}"]`).waitFor();
  await id("nav-devices").click();
  await id("device-row").first().waitFor();
  await shoot(page, "devices");
  const forged = new PairingAgent(relay.origin, "build-02");
  await forged.request((body) => (body.device.publicKey = c.toBase64(c.randomBytes(32))));
  await page.goto(forged.link);
  await id("pair-opened-yes").click();
  await id("pair-over").waitFor();
  await shoot(page, "pair-changed", ["desktop"]);
  // Digits that were sent by somebody, or mistyped.
  const mistyped = new PairingAgent(relay.origin, "build-05");
  await mistyped.request();
  await id("pair-again").click();
  await id("pair-link-input").fill(mistyped.link);
  await id("pair-continue").click();
  await id("pair-begin").click();
  await mistyped.reveal();
  const wrong = ((Number((await mistyped.code()).fromTerminal.join("")) + 1) % 1_000_000).toString().padStart(6, "0");
  await id("pair-digits").fill(wrong);
  await id("pair-confirm").click();
  await page.locator("[data-testid=pair-over-why][data-why=wrong-digits]").waitFor();
  await mistyped.statusWhen("refused");
  await shoot(page, "pair-wrong-digits");
  await page.goto(`${relay.origin}/settings`);
  await id("show-key").waitFor();
  await shoot(page, "settings");
  await id("invite").click();
  await shoot(page, "invite");
  await id("invite-make").click();
  const invitation = (await id("invite-code").textContent()) ?? "";
  await shoot(page, "invitation");
  await id("invite-close").click();
  await walkInvited(invitation);

  await page.goto(`${relay.origin}/session/${moment.id}`);
  await id("session-menu").click();
  await shoot(page, "menu", ["desktop"]);
  await id("session-delete").click();
  await id("session-delete-word").fill("web");
  await shoot(page, "delete", ["desktop", "phone"]);
  await id("session-delete-confirm").click();
  await page.locator(`[data-testid=session-row][data-session-id="${moment.id}"]`).waitFor({ state: "detached" });
  await page.locator("[data-testid=receipt][data-verified=true]").waitFor();
  await shoot(page, "receipt");

  // Signing in with the key elsewhere, on a device with a camera.
  const scanned = new PairingAgent(relay.origin, "build-03");
  await scanned.request();
  const video = join(out, "camera.y4m");
  writeQrVideo(video, scanned.link);
  const second = await browser(video);
  const other = second.context.pages()[0] ?? (await second.context.newPage());
  const waitingLink = new PairingAgent(relay.origin, "build-04");
  await waitingLink.request();
  await other.goto(waitingLink.link);
  await other.getByTestId("have-key").click();
  await other.getByTestId("sign-in-input").fill(key.toLowerCase().replaceAll("-", " "));
  await other.getByTestId("sign-in-submit").click();
  await other.getByTestId("first-look").waitFor();
  await shoot(other, "first-look");
  await other.getByTestId("first-look-ok").click();
  // The link that was opened first is kept through signing in.
  await other.getByTestId("pair-opened-yes").click();
  await other.getByTestId("pair-begin").waitFor();
  if ((await other.getByTestId("pair-name").innerText()) !== "build-04" || other.url().includes("#")) problems.push("a link opened before signing in was not kept, or not scrubbed");
  await other.getByTestId("pair-decline").click();
  await other.getByTestId("session-row").first().waitFor();
  await other.getByTestId("pair-machine").click();
  await other.getByTestId("pair-camera").click();
  await other.getByTestId("pair-begin").waitFor();
  if ((await other.getByTestId("pair-name").innerText()) !== "build-03") problems.push("camera: another machine");

  // The first browser says that a device was added elsewhere; then the relay leaves it out.
  await page.goto(`${relay.origin}/devices`);
  await id("devices-announced").waitFor();
  await id("new-device").waitFor();
  await shoot(page, "devices-announced");
  await id("devices-acknowledge").click();
  await id("devices-announced").waitFor({ state: "detached" });
  relay.tamperChain = (statements) => statements.slice(0, 2);
  await page.reload();
  await id("devices-lacking").waitFor();
  await shoot(page, "devices-lacking");
  relay.tamperChain = null;
  await id("devices-take-over").click();
  await id("devices-lacking").waitFor({ state: "detached" });
  await page.goto(`${relay.origin}/log`);
  await id("log-acknowledge").click();
  await id("log-acknowledged").waitFor();

  // Over plain HTTP from elsewhere: an explanation instead of a failure.
  await other.goto(relay.origin.replace("127.0.0.1", "elsewhere.test"));
  await other.getByTestId("insecure").waitFor();
  await shoot(other, "insecure");
  await second.context.close();
  rmSync(second.profile, { recursive: true, force: true });

  // The agent found the log wrong; then this browser does, too.
  await page.goto(`${relay.origin}/session/${main.id}`);
  await main.event({ type: "log-alarm", text: "The relay's log no longer begins with the 412 records this machine accepted." });
  await id("log-alarm").waitFor();
  await page.locator("[data-testid=truth-line][data-log=verified]").waitFor();
  const honest = [...(relay.proofs?.records ?? [])];
  relay.proofs?.rewrite(3, c.utf8("another history"));
  await main.text("The relay changed its past.");
  await page.locator("[data-testid=truth-line][data-t=bad]").waitFor();
  await shoot(page, "alarm-conversation");
  await id("open-log").click();
  await id("log-alarm-note").waitFor();
  await shoot(page, "alarm");
  await id("log-acknowledge").click();
  await id("log-acknowledged").waitFor();
  await shoot(page, "alarm-acknowledged");

  // And at last the account, honestly.
  relay.proofs?.records.splice(0, honest.length, ...honest);
  await page.goto(`${relay.origin}/settings`);
  await id("account-delete").click();
  await id("account-delete-word").fill("delete everything");
  await shoot(page, "delete-account");
  await id("account-delete-confirm").click();
  await page.locator("[data-testid=receipt][data-verified=true]").waitFor();
  await shoot(page, "farewell");
  await id("farewell-done").click();
  await id("new-identity").waitFor();

  // The key of it opens nothing any more, and makes nothing by itself.
  await id("have-key").click();
  await id("sign-in-input").fill(key);
  await id("sign-in-submit").click();
  await id("sign-in-problem").waitFor();
  await shoot(page, "no-account");
} catch (error) {
  await page.screenshot({ path: join(out, "failure.png") }).catch(() => undefined);
  problems.push(String(error));
} finally {

  for (const agent of agents) agent.close();
  await context.close();
  rmSync(profile, { recursive: true, force: true });
  await relay.stop();
}
console.log(problems.length === 0 ? `walked; pictures in ${out}` : `PROBLEMS\n${problems.join("\n")}`);
process.exit(problems.length === 0 ? 0 : 1);
