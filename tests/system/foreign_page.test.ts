/// A page of somebody else, open in the person's browser, beside a relay on this machine: it may knock, and gets nothing.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { Browser } from '../support/browser.ts';
import { Login, SigningKey, answerChallenge, askChallenge, newDevice } from '../support/client.ts';
import { Pairing, pairingStatus } from '../support/e2ee.ts';
import { Relay } from '../support/relay.ts';

describe('a page of another origin', () => {
  let relay: Relay;
  let foreign: Server;
  let browser: Browser;
  let page: Page;

  before(async () => {
    relay = await Relay.start();
    foreign = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<title>somewhere else</title>'));
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
    browser = await Browser.start();
    page = await browser.page(`http://localhost:${(foreign.address() as AddressInfo).port}/`);
  });
  after(async () => {
    await browser?.close();
    foreign?.close();
    await relay?.close();
  });

  /** What the page can learn of what it sends; `opaque`: it was sent, and nothing of the answer is shown. */
  const send = (path: string, body: unknown, simple: boolean) =>
    page.evaluate(
      async ({ url, text, simple }) => {
        try {
          const answer = await fetch(url, simple ? { method: 'POST', mode: 'no-cors', body: text } : { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: text });
          return answer.type === 'opaque' ? 'opaque' : `${answer.status} ${(await answer.json()).code}`;
        } catch {
          return 'unreadable';
        }
      },
      { url: relay.url + path, text: JSON.stringify(body), simple },
    );

  const refused = (answer: string) => assert.match(answer, /^403 forbidden$|^unreadable$/);

  for (const simple of [false, true]) {
    const how = simple ? 'as a form would' : 'as a script would';

    it(`makes no account, ${how}`, async () => {
      const key = new SigningKey();
      // Even with a challenge that it has from elsewhere, the last step is refused.
      const body = answerChallenge(await askChallenge(relay.url, key), key, undefined, { create: true });
      const answer = await send('/v1/auth', body, simple);
      if (!simple) refused(answer);
      const asked = await fetch(`${relay.url}/v1/auth`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(answerChallenge(await askChallenge(relay.url, key), key, newDevice())),
      });
      assert.equal(asked.status, 404, 'the account exists');
    });

    it(`begins no pairing, ${how}`, async () => {
      const pairing = new Pairing(relay.url);
      const answer = await send('/v1/auth/request', pairing.body, simple);
      if (!simple) refused(answer);
      assert.equal((await pairingStatus(relay.url, pairing.publicKey)).body.status, 'not_found');
    });
  }

  it('gets no challenge', async () => refused(await send('/v1/auth/challenge', { publicKey: new SigningKey().base64, origin: relay.url }, false)));

  it('gets no WebSocket', async () => {
    const outcome = await page.evaluate(
      (url) =>
        new Promise<string>((resolve) => {
          const socket = new WebSocket(`${url}/v1/updates/?EIO=4&transport=websocket`);
          socket.onopen = () => resolve('open');
          socket.onerror = () => resolve('refused');
        }),
      relay.url.replace('http', 'ws'),
    );
    assert.equal(outcome, 'refused');
  });

  it('gets no polling session', async () => {
    const outcome = await page.evaluate(async (url) => {
      try {
        const answer = await fetch(`${url}/v1/updates/?EIO=4&transport=polling`);
        return `${answer.status}`;
      } catch {
        return 'unreadable';
      }
    }, relay.url);
    assert.match(outcome, /^403$|^unreadable$/);
  });

  it("the relay's own page gets all of it", async () => {
    const own = await browser.page(relay.url);
    const status = await own.evaluate(async () => {
      const answer = await fetch('/v1/auth/challenge', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ publicKey: 'AAAA' }) });
      return answer.status;
    });
    assert.equal(status, 400, 'its own origin was refused');
    const login = await Login.in(relay.url);
    const outcome = await own.evaluate(
      ({ url, token }) =>
        new Promise<string>((resolve) => {
          const socket = new WebSocket(`${url}/v1/updates/?EIO=4&transport=websocket`);
          socket.onmessage = ({ data }) => {
            if (data.startsWith('0')) socket.send(`40${JSON.stringify({ token })}`);
            else resolve(data.slice(0, 2));
          };
          socket.onerror = () => resolve('refused');
        }),
      { url: relay.url.replace('http', 'ws'), token: login.token },
    );
    assert.equal(outcome, '40');
  });
});
