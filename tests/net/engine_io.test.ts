/// Engine.IO 4 by its bytes: every case of the protocol's published suite, and what it says nothing about.
/// The server is tests/net/echo_server.cpp.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { EchoServer } from '../support/echo_server.ts';
import { waitFor, within } from '../support/wait.ts';

const path = '/v1/updates/';

let server: EchoServer;
/** In a hurry. */
let hasty: EchoServer;
before(async () => {
  [server, hasty] = await Promise.all([EchoServer.start(), EchoServer.start({ ping_interval: 200, ping_timeout: 3000 })]);
});
after(async () => {
  await Promise.all([server.stop(), hasty.stop()]);
  EchoServer.all.forEach((each) => each.kill());
});

/** A client that polls. */
class Poller {
  readonly #url: string;
  private constructor(url: string) {
    this.#url = url;
  }

  static async open(at: EchoServer): Promise<Poller> {
    const url = `${at.url}${path}?EIO=4&transport=polling`;
    const hello = await (await fetch(url)).text();
    return new Poller(`${url}&sid=${JSON.parse(hello.slice(1)).sid}`);
  }

  get webSocketUrl(): string {
    return this.#url.replace('http', 'ws').replace('polling', 'websocket');
  }
  async poll(): Promise<{ status: number; body: string }> {
    const answer = await within('an answer to a poll', fetch(this.#url));
    return { status: answer.status, body: await answer.text() };
  }
  /** Begins a poll and gives it up. */
  async abandon(): Promise<void> {
    const given = new AbortController();
    const waiting = fetch(this.#url, { signal: given.signal });
    setTimeout(() => given.abort(), 50);
    await assert.rejects(waiting, { name: 'AbortError' });
  }
  async post(body: string): Promise<number> {
    return (await within('an answer to a body', fetch(this.#url, { method: 'POST', body }))).status;
  }
}

/** A WebSocket, and what it gets. */
class Line {
  readonly socket: WebSocket;
  readonly #got: string[] = [];
  #read = 0;
  readonly closed: Promise<number>;

  private constructor(url: string) {
    this.socket = new WebSocket(url);
    this.socket.on('message', (data) => this.#got.push(String(data)));
    this.socket.on('error', () => {});
    this.closed = once(this.socket, 'close').then(([code]) => code);
  }

  static async open(url: string): Promise<Line> {
    const line = new Line(url);
    await within('the opening', once(line.socket, 'open'));
    return line;
  }
  static fresh(at: EchoServer): Promise<Line> {
    return Line.open(`${at.url.replace('http', 'ws')}${path}?EIO=4&transport=websocket`);
  }

  /** The next message. */
  async next(): Promise<string> {
    await waitFor('a message', () => this.#got.length > this.#read);
    return this.#got[this.#read++]!;
  }
  async end(): Promise<number> {
    return within('the close', this.closed);
  }
}

/** What the poll that waits gets when `body` is posted, and the client. Tried until the poll is there first. */
async function posted(body: string): Promise<[Poller, { status: number; body: string }]> {
  return waitFor('a poll that is there before the body', async () => {
    const poller = await Poller.open(server);
    const waiting = poller.poll();
    await poller.post(body);
    const answer = await waiting;
    return answer.status === 200 && ([poller, answer] as [Poller, typeof answer]);
  });
}

/** How a WebSocket is refused. */
async function refusal(url: string): Promise<number | undefined> {
  const socket = new WebSocket(url);
  const [, answer] = await within('a refusal', once(socket, 'unexpected-response'));
  socket.on('error', () => {});
  socket.terminate();
  return answer.statusCode;
}

/** A client that may upgrade now. */
async function probed(at: EchoServer): Promise<[Poller, Line]> {
  const poller = await Poller.open(at);
  const line = await Line.open(poller.webSocketUrl);
  line.socket.send('2probe');
  assert.equal(await line.next(), '3probe');
  return [poller, line];
}

async function upgraded(at: EchoServer): Promise<[Poller, Line]> {
  const [poller, line] = await probed(at);
  line.socket.send('5');
  return [poller, line];
}

describe('the handshake', () => {
  for (const query of ['transport=polling', 'EIO=abc&transport=polling', 'EIO=3&transport=polling', 'EIO=4', 'EIO=4&transport=abc'])
    it(`is refused for ?${query}`, async () => {
      assert.equal((await fetch(`${server.url}${path}?${query}`)).status, 400);
      assert.equal(await refusal(`${server.url.replace('http', 'ws')}${path}?${query.replace('polling', 'websocket')}`), 400);
    });

  for (const method of ['POST', 'PUT', 'DELETE'])
    it(`is no ${method}`, async () => {
      assert.equal((await fetch(`${server.url}${path}?EIO=4&transport=polling`, { method })).status, 400);
    });

  it('opens a WebSocket that offers no upgrade', async () => {
    const line = await Line.fresh(server);
    const hello = await line.next();
    assert.equal(hello[0], '0');
    const { sid, ...offer } = JSON.parse(hello.slice(1));
    assert.equal(typeof sid, 'string');
    assert.deepEqual(offer, { upgrades: [], pingInterval: 15_000, pingTimeout: 45_000, maxPayload: 16 * 1024 * 1024 });
    line.socket.close();
  });
});

describe('messages of a polling client', () => {
  it('come one or several in a body', async () => {
    const poller = await Poller.open(server);
    assert.equal(await poller.post('40{}'), 200);
    assert.match((await poller.poll()).body, /^40\{"sid":"[\w-]{20}"\}\x1e42\["hello",\{\}\]\x1e42\["welcome",/);
    assert.equal(await poller.post('421["echo","a"]\x1e422["echo","€"]'), 200);
    assert.deepEqual(await poller.poll(), { status: 200, body: '431["a"]\x1e432["€"]' });
  });

  for (const body of ['abc', '', '40{}\x1e', '40{}\x1e9', '2', '4x', '7'])
    it(`end it for ${JSON.stringify(body)}`, async () => {
      const poller = await Poller.open(server);
      // Well-formed packets of no sense are taken, and end the connection.
      assert.equal(await poller.post(body), /^(2|4x)$/.test(body) ? 200 : 400);
      assert.equal((await poller.poll()).status, 400);
      assert.equal(await poller.post('3'), 400);
    });

  it('tell a poll that waits, before they end it', async () => {
    const [poller, answer] = await posted('abc');
    assert.equal(answer.body, '1');
    assert.equal((await poller.poll()).status, 400);
  });

  it('are polled for by one request at a time', async () => {
    const poller = await Poller.open(server);
    const answers = await Promise.all([poller.poll(), poller.poll()]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    assert.equal(answers.find(({ status }) => status === 200)!.body, '1');
    assert.equal((await poller.poll()).status, 400);
  });
});

describe('a poll that is given up', () => {
  it('ends the connection at once: what it would have carried is lost', async () => {
    // One may be given up before it was asked: then nobody has gone.
    await waitFor('a connection that ends', async () => {
      const poller = await Poller.open(server);
      await poller.post('40{}');
      const { sid } = JSON.parse(/^40(\{[^}]*\})/.exec((await poller.poll()).body)![1]!);
      await poller.abandon();
      await waitFor('its end', () => server.output.includes(`gone ${sid} transport close\n`), { ms: 1000 });
      assert.equal((await poller.poll()).status, 400);
      return true;
    });
  });
});

describe('the heartbeat', () => {
  it('is asked for and answered by polling', async () => {
    const poller = await Poller.open(hasty);
    for (let n = 0; n < 3; n += 1) {
      assert.deepEqual(await poller.poll(), { status: 200, body: '2' });
      assert.equal(await poller.post('3'), 200);
    }
  });

  it('is asked for and answered on a WebSocket', async () => {
    const line = await Line.fresh(hasty);
    await line.next();
    for (let n = 0; n < 3; n += 1) {
      assert.equal(await line.next(), '2');
      line.socket.send('3');
    }
    line.socket.close();
  });

  it('ends a polling client that misses it: its id is unknown then', async () => {
    const alone = await EchoServer.start({ ping_interval: 100, ping_timeout: 50 });
    const poller = await Poller.open(alone);
    await waitFor('its end', async () => (await alone.counts()).connections === 0);
    assert.equal((await poller.poll()).status, 400);
    await alone.stop();
  });

  it('ends a poll that waits when nothing was answered', async () => {
    const poller = await Poller.open(hasty);
    assert.deepEqual(await poller.poll(), { status: 200, body: '2' });
    assert.deepEqual(await poller.poll(), { status: 200, body: '1' });
    assert.equal((await poller.poll()).status, 400);
  });

  it('ends a WebSocket that misses it', async () => {
    await (await Line.fresh(hasty)).end();
  });
});

describe('the close packet', () => {
  it('ends a poll that waits with a noop, and the connection', async () => {
    const [poller, answer] = await posted('1');
    assert.equal(answer.body, '6');
    assert.equal((await poller.poll()).status, 400);
  });

  it('ends a WebSocket', async () => {
    const line = await Line.fresh(server);
    line.socket.send('1');
    assert.equal(await line.end(), 1000);
  });
});

describe('an upgrade', () => {
  it('takes over', async () => {
    const [, line] = await upgraded(server);
    line.socket.send('40{}');
    assert.match(await line.next(), /^40\{"sid"/);
    line.socket.close();
  });

  it('ends a poll that waits with a noop', async () => {
    const poller = await Poller.open(server);
    const waiting = poller.poll();
    const line = await Line.open(poller.webSocketUrl);
    line.socket.send('2probe');
    assert.deepEqual(await waiting, { status: 200, body: '6' });
    line.socket.close();
  });

  it('answers a poll that comes before its last word with a noop', async () => {
    const [poller, line] = await probed(server);
    assert.deepEqual(await poller.poll(), { status: 200, body: '6' });
    line.socket.send('5');
    line.socket.send('40{}');
    assert.match(await line.next(), /^40\{"sid"/);
    line.socket.close();
  });

  it('refuses a poll that overtook its last word', async () => {
    const patient = await EchoServer.start({ upgrade_grace: 60_000 });
    const [poller, line] = await probed(patient);
    const polled = poller.poll();
    // Where the poll is not there by then it is refused as well.
    setTimeout(() => line.socket.send('5'), 100);
    assert.equal((await polled).status, 400);
    line.socket.send('40{}');
    assert.match(await line.next(), /^40\{"sid"/);
    line.socket.close();
    await patient.stop();
  });

  it('leaves nothing to polls and bodies with its id', async () => {
    const [poller, line] = await upgraded(server);
    await waitFor('the upgrade', async () => (await poller.poll()).status === 400);
    assert.equal(await poller.post('3'), 400);
    line.socket.send('40{}');
    assert.match(await line.next(), /^40\{"sid"/);
    line.socket.close();
  });

  it('takes a second WebSocket with its id, and closes it', async () => {
    const [poller, line] = await upgraded(server);
    await waitFor('the upgrade', async () => (await poller.poll()).status === 400);
    const second = await Line.open(poller.webSocketUrl);
    assert.equal(await second.end(), 1008);
    line.socket.send('40{}');
    assert.match(await line.next(), /^40\{"sid"/);
    line.socket.close();
  });

  it('closes a second WebSocket that wants the same connection meanwhile', async () => {
    const poller = await Poller.open(server);
    const line = await Line.open(poller.webSocketUrl);
    line.socket.send('2probe');
    assert.equal(await line.next(), '3probe');
    assert.equal(await (await Line.open(poller.webSocketUrl)).end(), 1008);
    line.socket.send('5');
    line.socket.send('40{}');
    assert.match(await line.next(), /^40\{"sid"/);
    line.socket.close();
  });

  it('is forgotten with its connection: the id is unknown then', async () => {
    const [poller, line] = await upgraded(server);
    line.socket.send('1');
    await line.end();
    assert.equal(await refusal(poller.webSocketUrl), 400);
  });

  for (const said of ['5', '2', '3probe', '40{}', 'x'])
    it(`is not begun by ${said}: polling goes on`, async () => {
      const poller = await Poller.open(server);
      const line = await Line.open(poller.webSocketUrl);
      line.socket.send(said);
      assert.equal(await line.end(), 1002);
      await poller.post('40{}');
      assert.match((await poller.poll()).body, /^40\{"sid"/);
    });
});
