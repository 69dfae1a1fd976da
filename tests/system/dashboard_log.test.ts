/// The dashboard's own check of the log, with the real relay: what is proved, what is saved, what is deleted, and a relay
/// whose history does not match.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Locator } from 'playwright-core';
import { Browser } from '../support/browser.ts';
import { request } from '../support/client.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Person } from '../support/e2ee.ts';
import { freshDirectory, program } from '../support/places.ts';
import { checkDeletion, checkRecord, openCheckpoint, openReceipt, readKey } from '../support/proofs.ts';
import { LyingRelay } from '../support/proxy.ts';
import { Relay } from '../support/relay.ts';
import { SessionOwner } from '../support/session.ts';
import { waitFor } from '../support/wait.ts';

const run = promisify(execFile);

/** The truth line in a state of the log. */
const line = (dashboard: Dashboard, state: string) => dashboard.page.locator(`[data-testid=truth-line][data-state=live][data-log=${state}]`).waitFor();

/** The truth line says that everything up to the relay's newest entry is verified. */
async function allVerified(dashboard: Dashboard): Promise<void> {
  await line(dashboard, 'verified');
  await waitFor('the newest number to be verified', async () => (await dashboard.by('log-word').innerText()) === 'verified');
}

const proof = (dashboard: Dashboard, text: string, state: 'none' | 'proved' | 'refuted') =>
  dashboard.page.locator(`[data-testid=entry][data-proof=${state}]`).filter({ hasText: text }).first().waitFor();

async function saved(dashboard: Dashboard, button: Locator): Promise<string> {
  const [download] = await Promise.all([dashboard.page.waitForEvent('download'), button.click()]);
  return readFileSync(await download.path(), 'utf8');
}

async function openLog(dashboard: Dashboard): Promise<void> {
  await dashboard.by('open-log').click();
  await dashboard.by('log-panel').waitFor();
}

const checks = async (dashboard: Dashboard) =>
  Object.fromEntries(await Promise.all((await dashboard.by('log-check').all()).map(async (check) => [await check.getAttribute('data-check'), await check.getAttribute('data-state')])));

const keyText = async (url: string): Promise<string> => (await request(`${url}/v1/log/key`, 'GET')).body.key;
const key = async (url: string) => readKey((await request(`${url}/v1/log/key`, 'GET')).body);

describe('an honest relay', () => {
  let relay: Relay;
  let browser: Browser;
  let person: Person;
  let dashboard: Dashboard;
  let owner: SessionOwner;
  const place = freshDirectory('proofs');

  before(async () => {
    relay = await Relay.start();
    browser = await Browser.start();
    person = await Person.signIn(relay.url);
    owner = await SessionOwner.start(person, { path: '/home/someone/harbor' });
    await owner.say('said before this browser first looked');
    dashboard = await Dashboard.open(browser, relay.url);
    await dashboard.signIn(base32Of(person.secret));
  });
  after(async () => {
    owner.close();
    await browser.close();
    await relay.close();
    place.remove();
  });

  it('is verified, entry by entry, as it goes on', async () => {
    await allVerified(dashboard);
    await dashboard.choose(owner.id);
    await proof(dashboard, 'said before this browser first looked', 'proved');
    await owner.say('said while it looks');
    await proof(dashboard, 'said while it looks', 'proved');
    await dashboard.prompt('my own words');
    await dashboard.page.locator('[data-testid=entry][data-kind=prompt][data-proof=proved]').waitFor();
    await allVerified(dashboard);
  });

  it('says in the log panel what was checked, and saves it for others to check', async () => {
    await openLog(dashboard);
    await dashboard.page.locator('[data-testid=certificate][data-state=verified]').waitFor();
    await dashboard.page.locator('[data-testid=log-check][data-check=shown][data-state=ok]').waitFor();
    const { signature, entries, shown } = await checks(dashboard);
    assert.deepEqual({ signature, entries, shown }, { signature: 'ok', entries: 'ok', shown: 'ok' });

    const by = await key(relay.url);
    const checkpoint = await saved(dashboard, dashboard.by('log-save-checkpoint'));
    openCheckpoint(checkpoint, by);
    const { records, ...under } = JSON.parse(await saved(dashboard, dashboard.by('log-save-proof')));
    assert.equal(under.key, await keyText(relay.url));
    const head = openCheckpoint(under.checkpoint, by);
    assert.ok(records.length >= 5);
    for (const record of records) assert.equal(checkRecord(record, head).account, person.login.accountId);

    writeFileSync(join(place.path, 'checkpoint.txt'), checkpoint);
    await owner.say('the log goes on');
    await relay.stop();
    await run(program('consortium-admin'), ['verify', '--data', relay.data, '--checkpoint', join(place.path, 'checkpoint.txt')]);
    await relay.start();
    await allVerified(dashboard);
  });

  it('is compared with what was accepted before it was killed and the page loaded anew', async () => {
    await relay.kill();
    await relay.start();
    await dashboard.page.reload();
    await allVerified(dashboard);
    await openLog(dashboard);
    await dashboard.page.locator('[data-testid=log-check][data-check=history][data-state=ok]').waitFor();
  });

  it('gives a receipt for a deleted session', async () => {
    const doomed = await SessionOwner.start(person, { path: '/home/someone/parser' });
    await doomed.say('one');
    await doomed.say('two');
    await dashboard.choose(doomed.id);
    await dashboard.entry('text', 'two').waitFor();
    await dashboard.deleteSession();
    const receipt = dashboard.by('receipt');
    await receipt.waitFor();
    assert.equal(await receipt.getAttribute('data-verified'), 'true', await receipt.innerText());
    assert.match(await receipt.innerText(), /only extends what this browser accepted before/);
    const by = await key(relay.url);
    const text = await saved(dashboard, dashboard.by('receipt-save'));
    const read = openReceipt(text, by);
    assert.deepEqual([read.what, read.id, read.messages], ['session', doomed.id, 2]);
    assert.equal(await receipt.getAttribute('data-revision'), String(read.deleted));
    const whole = JSON.parse(await saved(dashboard, dashboard.by('receipt-save-proof')));
    assert.equal(checkDeletion(whole, by).receipt.id, doomed.id);
    writeFileSync(join(place.path, 'receipt.txt'), text);
    await run(program('consortium-admin'), ['receipt', join(place.path, 'receipt.txt'), '--key', await keyText(relay.url)]);
    doomed.close();
    await allVerified(dashboard);
    // It is kept in this browser.
    await dashboard.page.reload();
    await receipt.waitFor();
  });

  it('deletes the account, wipes the browser, and begins anew', async () => {
    await allVerified(dashboard);
    await dashboard.by('nav-settings').click();
    await dashboard.by('account-delete').click();
    const dialog = dashboard.by('account-delete-dialog');
    await dashboard.by('account-delete-word').fill(await dialog.locator('label b').innerText());
    await dashboard.by('account-delete-confirm').click();
    const receipt = dashboard.by('receipt');
    await receipt.waitFor();
    assert.equal(await receipt.getAttribute('data-verified'), 'true', await receipt.innerText());
    const read = openReceipt(await saved(dashboard, dashboard.by('receipt-save')), await key(relay.url));
    assert.deepEqual([read.what, read.id], ['account', person.login.accountId]);
    await dashboard.by('farewell-done').click();
    await dashboard.by('new-identity').waitFor();
    assert.equal((await request(`${relay.url}/v1/sessions`, 'GET', undefined, { token: person.login.token })).status, 401);
    await dashboard.page.reload();
    await dashboard.by('new-identity').waitFor();
    await dashboard.tryToSignIn(base32Of(person.secret));
    await dashboard.by('make-empty').click(); // a key without an account makes none by itself
    await allVerified(dashboard);
    assert.equal(await dashboard.by('session-row').count(), 0);
    assert.deepEqual(browser.complaints.filter((text) => text.startsWith('uncaught') || text.includes('Content Security Policy')), []);
  });
});

describe('a relay that was set back to a copy', () => {
  it('is found out when its log goes on another way', async () => {
    const relay = await Relay.start();
    const browser = await Browser.start({ width: 390, height: 844 });
    try {
      const person = await Person.signIn(relay.url);
      const dashboard = await Dashboard.open(browser, relay.url);
      await dashboard.signIn(base32Of(person.secret));
      await allVerified(dashboard);
      await relay.stop();
      using copy = freshDirectory('copy');
      cpSync(relay.data, join(copy.path, 'data'), { recursive: true });
      await relay.start();
      let owner = await SessionOwner.start(person);
      for (let i = 0; i < 3; i += 1) await owner.say(`first history ${i}`);
      await dashboard.by('session-row').first().waitFor();
      await allVerified(dashboard);
      owner.close();
      await relay.stop();
      await dashboard.page.goto('about:blank');

      rmSync(relay.data, { recursive: true });
      cpSync(join(copy.path, 'data'), relay.data, { recursive: true });
      await relay.start();
      owner = await SessionOwner.start(person);
      for (let i = 0; i < 8; i += 1) await owner.say(`second history ${i}`);
      await dashboard.page.goto(relay.url);
      await dashboard.page.locator('[data-testid=truth-line][data-t=bad]').waitFor();
      await openLog(dashboard);
      assert.match(await dashboard.by('log-alarm-note').innerText(), /does not begin with the \d+ this browser accepted before/);
      assert.equal((await checks(dashboard))['history'], 'failed');
      await dashboard.page.reload();
      await dashboard.by('log-alarm-note').waitFor();
      await dashboard.by('log-acknowledge').click();
      await dashboard.by('log-acknowledged').waitFor();
      assert.equal(await dashboard.by('truth-line').getAttribute('data-t'), '');
      await line(dashboard, 'refuted');
      owner.close();
    } finally {
      await browser.close();
      await relay.close();
    }
  });
});

describe('a relay that lies', () => {
  let relay: Relay;
  let lying: LyingRelay;
  let browser: Browser;
  let person: Person;
  let dashboard: Dashboard;
  let owner: SessionOwner;

  before(async () => {
    ({ lying, relay } = await LyingRelay.start());
    person = await Person.signIn(relay.url);
    owner = await SessionOwner.start(person);
    await owner.say('an honest beginning');
  });
  after(async () => {
    owner.close();
    await lying.close();
    await relay.close();
  });
  afterEach(async () => {
    lying.hooks = {};
    await browser.close();
  });

  async function signIn(): Promise<void> {
    browser = await Browser.start();
    dashboard = await Dashboard.open(browser, lying.url);
    await dashboard.signIn(base32Of(person.secret));
  }
  const alarm = async (words: RegExp) => {
    await dashboard.page.locator('[data-testid=truth-line][data-t=bad]').waitFor();
    await openLog(dashboard);
    assert.match(await dashboard.by('log-alarm-note').innerText(), words);
  };

  it('about its key: the pinned one stays', async () => {
    await signIn();
    await allVerified(dashboard);
    const other = await Relay.start();
    const stolen = (await request(`${other.url}/v1/log/key`, 'GET')).body.key.split('+').at(-1);
    await other.close();
    lying.hooks = {
      reply: ({ path }, { body }) => {
        if (path === '/v1/log/key') body.key = body.key.replace(/[^+]+$/, stolen);
      },
    };
    await dashboard.page.reload();
    await alarm(/key/);
  });

  it('about what a record holds', async () => {
    await signIn();
    await allVerified(dashboard);
    lying.hooks = {
      reply: ({ path }, { body }) => {
        for (const record of path.startsWith('/v1/log/proof') ? (body.records ?? []) : []) record.bodyCommitment = record.headerKey;
      },
    };
    await owner.say('one more');
    await alarm(/is not proved/);
  });

  it('about a conversation: what it shows is not what the log holds', async () => {
    await signIn();
    await allVerified(dashboard);
    const seen = lying;
    seen.hooks = {
      reply: ({ path }, { body }) => {
        if (!/^\/v3\/sessions\/.*\/messages/.test(path)) return;
        for (const message of body.messages) message.content.c = Buffer.from(Buffer.from(message.content.c, 'base64').map((byte, i) => (i === 60 ? byte ^ 1 : byte))).toString('base64');
      },
    };
    await dashboard.choose(owner.id);
    await dashboard.page.locator('[data-testid=entry][data-proof=refuted]').first().waitFor();
    await alarm(/was shown here, but the log has another content/);
    assert.equal((await checks(dashboard))['shown'], 'failed');
  });

  it('about a receipt: it is not shown as one', async () => {
    await signIn();
    await allVerified(dashboard);
    const doomed = await SessionOwner.start(person, { path: '/home/someone/parser' });
    await dashboard.choose(doomed.id);
    lying.hooks = {
      reply: ({ method }, { body }) => {
        if (method === 'DELETE') body.receipt = body.receipt.replace('messages 0', 'messages 7');
      },
    };
    await dashboard.deleteSession();
    await dashboard.page.locator('[data-testid=receipt][data-verified=false]').waitFor();
    assert.match(await dashboard.by('receipt').innerText(), /does not verify/);
    doomed.close();
  });

  it('by being silent: nothing is called verified', async () => {
    lying.hooks = { request: ({ path }) => (path.startsWith('/v1/log/') ? { status: 404, body: { error: 'Not found', code: 'not-found', retry: false } } : undefined) };
    await signIn();
    await line(dashboard, 'unavailable');
    assert.equal(await dashboard.by('log-word').innerText(), 'stored, not checked');
    await dashboard.choose(owner.id);
    await proof(dashboard, 'an honest beginning', 'none');
    await openLog(dashboard);
    assert.doesNotMatch(await dashboard.by('log-panel').innerText(), /verified/);
  });
});
