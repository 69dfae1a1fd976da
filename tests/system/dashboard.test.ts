/// The dashboard where it cannot work, and where it must hold several things at once.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../support/browser.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Person } from '../support/e2ee.ts';
import { Relay } from '../support/relay.ts';
import { SessionOwner } from '../support/session.ts';
import { waitFor } from '../support/wait.ts';

let relay: Relay;

before(async () => {
  relay = await Relay.start();
});
after(() => relay.close());

describe('over plain HTTP from elsewhere', () => {
  it('says why the browser withholds cryptography, and what to do', async () => {
    await using browser = await Browser.start({ more: ['--host-resolver-rules=MAP relay.example 127.0.0.1'] });
    const page = await browser.page(`http://relay.example:${relay.port}/`);
    assert.equal(await page.evaluate(() => isSecureContext), false);
    await page.getByTestId('insecure').waitFor();
    const notice = await page.locator('body').innerText();
    assert.match(notice, /HTTPS/);
    assert.match(notice, /--tls|localhost|ssh/i);
    assert.deepEqual(browser.complaints.filter((text) => text.startsWith('uncaught')), []);
  });
});

describe('several sessions', () => {
  let browser: Browser;
  let person: Person;
  let dashboard: Dashboard;
  const owners: SessionOwner[] = [];

  before(async () => {
    browser = await Browser.start();
    person = await Person.signIn(relay.url);
    for (const name of ['alpha', 'beta', 'gamma']) owners.push(await SessionOwner.start(person, { path: `/home/someone/${name}` }));
    dashboard = await Dashboard.open(browser, relay.url);
    await dashboard.signIn(base32Of(person.secret));
  });
  after(async () => {
    for (const owner of owners) owner.close();
    await browser.close();
  });

  const state = (owner: SessionOwner, value: string) => dashboard.page.locator(`[data-testid=session-row][data-session-id="${owner.id}"][data-state=${value}]`).waitFor();

  it('show live what each is at', async () => {
    const [alpha, beta, gamma] = owners as [SessionOwner, SessionOwner, SessionOwner];
    alpha.alive(true);
    await state(alpha, 'working');
    const { id, requests } = beta.question('touch it');
    await beta.setState({ requests });
    await state(beta, 'needs-you');
    gamma.alive(false);
    await state(gamma, 'idle');
    await waitFor('the title to say how many wait', async () => (await dashboard.page.title()).includes('(1)'));
    await dashboard.choose(beta.id);
    assert.ok((await dashboard.by('slip-exact').innerText()).includes('touch it'));
    await dashboard.by('slip-allow-session').or(dashboard.by('slip-allow-once')).first().click();
    await waitFor('the answer', () => beta.calls.some(({ name, d }) => name === 'permission' && d.id === id && d.decision === 'approved'));
    await beta.setState({ requests: {} });
    beta.alive(false);
    await state(beta, 'idle');
    alpha.end();
    await waitFor('it to be no longer working', async () => (await dashboard.row(alpha.id).getAttribute('data-state')) !== 'working');
  });

  it('stream into the page that shows them, and end as one entry', async () => {
    const gamma = owners[2]!;
    await dashboard.choose(gamma.id);
    await gamma.say('before');
    await dashboard.entry('text', 'before').waitFor();
    const line = gamma.text('Grüße 👩‍💻, part by part') as any;
    const { block } = line.meta;
    const parts = ['Grüße ', '👩‍💻, ', 'part by part'];
    let offset = 0;
    for (const text of parts) {
      gamma.stream({ block, offset, text, kind: 'text' });
      offset += text.length;
    }
    await dashboard.by('partial').getByText('Grüße 👩‍💻, part by part').waitFor();
    await gamma.send((await gamma.seal(line)).bundle);
    await dashboard.entry('text', 'Grüße 👩‍💻, part by part').waitFor();
    await waitFor('the partial text to go', async () => (await dashboard.by('partial').count()) === 0);
    // A piece was lost: what is shown has no hole in it, and the finished block is whole.
    const torn = gamma.text('one two three') as any;
    gamma.stream({ block: torn.meta.block, offset: 0, text: 'one ', kind: 'text' });
    gamma.stream({ block: torn.meta.block, offset: 8, text: 'three', kind: 'text' });
    await dashboard.by('partial').getByText('one').waitFor();
    assert.equal(await dashboard.by('partial').getByText('one three').count(), 0);
    await gamma.send((await gamma.seal(torn)).bundle);
    await dashboard.entry('text', 'one two three').waitFor();
  });

  it('what Claude says is text, never markup', async () => {
    const gamma = owners[2]!;
    await gamma.say('<img src=x onerror="document.title=\'pwned\'"> <script>document.title="pwned"</script> [click](javascript:alert(1)) ![](http://elsewhere.example/x.png)');
    await dashboard.entry('text', 'click').waitFor();
    assert.notEqual(await dashboard.page.title(), 'pwned');
    assert.equal(await dashboard.page.locator('[data-testid=entry] img[src*=elsewhere], [data-testid=entry] script, [data-testid=entry] a[href^="javascript:"]').count(), 0);
    assert.equal(browser.sent.some((bytes) => bytes.includes('elsewhere.example/x.png') && bytes.includes('GET ')), false, 'nothing is fetched from elsewhere');
  });

  it('a script in the page reaches the relay and no other server, by WebSocket too', async () => {
    await using other = await Browser.start();
    const page = await other.page(relay.url);
    const open = (address: string) => page.evaluate((to) => new Promise<string>((resolve) => {
      addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => resolve(`${effectiveDirective} ${blockedURI}`), { once: true });
      const socket = new WebSocket(to);
      socket.onopen = () => resolve('open');
    }), address);
    assert.equal(await open(`${relay.url.replace('http', 'ws')}/v1/updates/?EIO=4&transport=websocket`), 'open');
    const stranger = await Relay.start();
    for (const address of [`ws://127.0.0.1:${stranger.port}`, `ws://localhost:${relay.port}`, 'wss://evil.example']) {
      assert.match(await open(`${address}/v1/updates/?EIO=4&transport=websocket`), /^connect-src /, address);
    }
    await stranger.close();
  });

  it('another person in the same relay sees none of them', async () => {
    const other = await Browser.start({ width: 390, height: 844 });
    const stranger = await Person.signIn(relay.url);
    const phone = await Dashboard.open(other, relay.url);
    await phone.signIn(base32Of(stranger.secret));
    await phone.by('empty').or(phone.by('pair-machine-empty')).first().waitFor();
    assert.equal(await phone.by('session-row').count(), 0);
    await other.close();
  });
});
