/// A browser that does not keep what the page gives it: a full disk, a connection that was dropped, data that was erased, a window where nothing
/// may be stored. What a person writes is never lost unsaid.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { CDPSession } from 'playwright-core';
import { Browser } from '../support/browser.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Person } from '../support/e2ee.ts';
import { Relay } from '../support/relay.ts';
import { SessionOwner } from '../support/session.ts';
import { waitFor } from '../support/wait.ts';

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

/** A session open in a browser, whose pages run `before` first. */
async function open(before: () => void = () => undefined): Promise<{ relay: Relay; browser: Browser; owner: SessionOwner; dashboard: Dashboard; protocol: CDPSession }> {
  const relay = await Relay.start();
  const browser = await Browser.start();
  opened.push(relay, browser);
  await browser.context.addInitScript(before);
  const person = await Person.signIn(relay.url);
  const owner = await SessionOwner.start(person);
  opened.push({ close: async () => owner.close() });
  const dashboard = await Dashboard.open(browser, relay.url);
  await dashboard.signIn(base32Of(person.secret));
  await dashboard.choose(owner.id);
  return { relay, browser, owner, dashboard, protocol: await dashboard.page.context().newCDPSession(dashboard.page) };
}

const state = (dashboard: Dashboard, ...states: string[]) => dashboard.page.locator(states.map((value) => `[data-testid=truth-line][data-state=${value}]`).join(', ')).waitFor();
const away = async (relay: Relay, dashboard: Dashboard) => {
  await relay.stop();
  await state(dashboard, 'offline', 'reconnecting');
};
const texts = async (owner: SessionOwner) => (await owner.prompts()).map(({ d }) => (d as { content: { text: string } }).content.text);
const arrives = (owner: SessionOwner, text: string) => waitFor(`the prompt “${text}”`, async () => (await texts(owner)).includes(text), { ms: 120_000 });
const why = (dashboard: Dashboard, reason: string) => dashboard.page.locator(`[data-why=${reason}] [data-testid=storage-note]`);

/** Writes a prompt for an agent that cannot be reached, and gives it an hour. */
async function queue(dashboard: Dashboard, text: string): Promise<void> {
  await dashboard.prompt(text);
  await dashboard.by('wait-1').click();
  await dashboard.entry('prompt', text).waitFor();
  assert.equal(await dashboard.by('composer-input').inputValue(), '');
}

describe('a browser without room', () => {
  it('has the page keep a prompt in memory, which is said, and deliver it; once there is room all is stored again', async () => {
    const { relay, owner, dashboard, protocol } = await open();
    await protocol.send('Storage.overrideQuotaForOrigin', { origin: relay.url, quotaSize: 1 });
    // Chromium looks at the quota anew only now and then.
    let drafts = 0;
    const full = async () => {
      await dashboard.by('composer-input').fill(`draft ${(drafts += 1)}`);
      return (await why(dashboard, 'full').count()) > 0;
    };
    await waitFor('the disk to be full', full, { ms: 180_000, every: 1_000 });
    await away(relay, dashboard);
    await queue(dashboard, 'there is no room for this');
    await dashboard.entry('prompt', 'in this page only').waitFor();
    await protocol.send('Storage.overrideQuotaForOrigin', { origin: relay.url });
    await dashboard.by('storage-note').waitFor({ state: 'detached', timeout: 240_000 });
    await dashboard.entry('prompt', 'queued here, not sent').waitFor();
    await dashboard.page.close();
    await relay.start();
    const again = await Dashboard.open(opened[1] as Browser, relay.url);
    await state(again, 'live');
    await arrives(owner, 'there is no room for this');
    assert.deepEqual(await texts(owner), ['there is no room for this']);
  });
});

describe('a connection that was dropped', () => {
  it('is opened again: what was written then is there for the next page', async () => {
    const { relay, browser, owner, dashboard } = await open(() => {
      const original = IDBFactory.prototype.open;
      const connections: IDBDatabase[] = [];
      Object.assign(globalThis, { drop: () => connections.splice(0).forEach((each) => each.close()) });
      IDBFactory.prototype.open = function (...args) {
        const request = original.apply(this, args);
        request.addEventListener('success', () => connections.push(request.result));
        return request;
      };
    });
    await away(relay, dashboard);
    await dashboard.page.evaluate(() => (globalThis as unknown as { drop(): void }).drop());
    await queue(dashboard, 'written behind a dropped connection');
    await dashboard.entry('prompt', 'queued here, not sent').waitFor();
    assert.equal(await dashboard.by('storage-note').count(), 0);
    await dashboard.page.close();
    await relay.start();
    const again = await Dashboard.open(browser, relay.url);
    await state(again, 'live');
    await arrives(owner, 'written behind a dropped connection');
  });
});

describe('site data that was erased under an open page', () => {
  it('is not made anew without a word: the page goes on from memory', async () => {
    const { relay, owner, dashboard, protocol } = await open();
    await protocol.send('Storage.clearDataForOrigin', { origin: relay.url, storageTypes: 'indexeddb' });
    owner.alive();
    await dashboard.prompt('said from memory');
    await arrives(owner, 'said from memory');
    await why(dashboard, 'cleared').waitFor();
    assert.deepEqual(await dashboard.page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name)), []);
    await dashboard.by('storage-note-ok').click();
    await dashboard.by('storage-note').waitFor({ state: 'detached' });
    await dashboard.page.reload();
    await dashboard.by('have-key').waitFor();
  });
});

describe('a window where nothing may be stored', () => {
  it('works for as long as it is open, and says what that costs before anybody signs in', async () => {
    const { owner, dashboard } = await open(() => {
      Object.defineProperty(globalThis, 'indexedDB', {
        get: () => {
          throw new DOMException('Nothing may be stored.', 'SecurityError');
        },
      });
    });
    await why(dashboard, 'refused').waitFor();
    assert.match(await dashboard.by('storage-note').innerText(), /signed out.*key.*not delivered.*forgotten/s);
    await dashboard.by('storage-note-ok').click();
    owner.alive();
    await dashboard.prompt('said in a private window');
    await arrives(owner, 'said in a private window');
    await dashboard.page.reload();
    await dashboard.by('have-key').waitFor();
    await why(dashboard, 'refused').waitFor();
  });
});
