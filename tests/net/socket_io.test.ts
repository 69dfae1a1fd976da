/// The transport under the official client: what a browser or an existing agent would see.
/// The server is tests/net/echo_server.cpp; its events are described there.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { WebSocket } from 'ws';
import { EchoServer } from '../support/echo_server.ts';
import { waitFor, within } from '../support/wait.ts';

const open: Socket[] = [];
after(() => {
  open.forEach((socket) => socket.disconnect());
  EchoServer.all.forEach((server) => server.kill());
});

function dial(server: EchoServer, options: Partial<ManagerOptions & SocketOptions> = {}): Socket {
  const socket = io(server.url, { path: '/v1/updates', forceNew: true, reconnectionDelay: 20, ...options });
  open.push(socket);
  return socket;
}

function heard(socket: Socket, event: string): Promise<unknown> {
  return within(`"${event}"`, new Promise((resolve) => socket.once(event, resolve)));
}

const carriers: Record<string, string[]> = {
  polling: ['polling'],
  websocket: ['websocket'],
  upgrade: ['polling', 'websocket'],
};

for (const [carrier, transports] of Object.entries(carriers)) {
  for (const threads of [1, 3]) {
    describe(`${carrier}, ${threads} thread(s)`, () => {
      let server: EchoServer;
      it('starts', async () => {
        server = await EchoServer.start({ threads });
      });

      it('connects, and gets what was emitted meanwhile after the connect packet, in order', async () => {
        const socket = dial(server, { transports, auth: { token: 'x' } });
        const events: unknown[] = [];
        socket.onAny((name, value) => events.push([name, value]));
        await heard(socket, 'connect');
        await waitFor('both', () => events.length === 2);
        assert.deepEqual(events[0], ['hello', { token: 'x' }]);
        assert.equal((events[1] as unknown[])[0], 'welcome');
        if (carrier === 'upgrade')
          await waitFor('the upgrade', () => socket.io.engine.transport.name === 'websocket');
        assert.equal(socket.io.engine.transport.name, carrier === 'polling' ? 'polling' : 'websocket');
      });

      it('acknowledges in both directions', async () => {
        const socket = dial(server, { transports });
        socket.on('question', (what, reply) => reply({ you: what }, 'and more'));
        const text = 'ä € 𝄞 "quoted" \\ \u2028 '.repeat(3000);
        assert.equal(await socket.timeout(5000).emitWithAck('echo', text), text);
        assert.deepEqual(await socket.timeout(5000).emitWithAck('echo'), {});
        assert.deepEqual(await socket.timeout(5000).emitWithAck('ask', 7), [{ you: 7 }, 'and more']);
      });

      it('carries bytes in both directions, whole and in order', async () => {
        const socket = dial(server, { transports });
        const large = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) % 256));
        socket.on('question', (what, reply) => reply({ you: what }, Buffer.from([0, 255])));
        // Some travel before there is a connection, and during the upgrade.
        const asked = Array.from({ length: 20 }, (_, at) => socket.timeout(15_000).emitWithAck('ask', { at, bytes: Buffer.from([at, 0]) }));
        for (const [at, answer] of (await Promise.all(asked)).entries())
          assert.deepEqual(answer, [{ you: { at, bytes: Buffer.from([at, 0]) } }, Buffer.from([0, 255])]);
        assert.deepEqual(await socket.timeout(15_000).emitWithAck('echo', large), large);
        assert.deepEqual(await socket.timeout(15_000).emitWithAck('echo', { a: [Buffer.alloc(0)] }), { a: [Buffer.alloc(0)] });
      });

      it('keeps the order of many events, across the upgrade too', async () => {
        const socket = dial(server, { transports });
        const count = 3000;
        const back: number[] = [];
        socket.on('echo', (value) => back.push(value));
        // The first go out before there is a connection.
        for (let i = 0; i < count; ++i) {
          socket.emit('echo', i);
          if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await waitFor('all', () => back.length === count, { last: () => back.length });
        assert.deepEqual(back, [...Array(count).keys()]);

        const ticks: number[] = [];
        socket.on('tick', (value) => ticks.push(value));
        socket.emit('burst', count);
        await waitFor('all', () => ticks.length === count, { last: () => ticks.length });
        assert.deepEqual(ticks, [...Array(count).keys()]);
      });

      it('answers an error for an acknowledgement that was forgotten', async () => {
        const socket = dial(server, { transports });
        assert.deepEqual(await socket.timeout(5000).emitWithAck('mute'), {
          result: 'error',
          message: 'Internal Server Error',
          code: 'internal',
          retry: false,
        });
      });

      it('times out on a client that does not acknowledge', async () => {
        const socket = dial(server, { transports });
        socket.on('question', () => {});
        const answer = await socket.timeout(5000).emitWithAck('ask', 1);
        assert.equal(answer.code, 'timeout');
        assert.equal(answer.message, 'operation has timed out');
      });

      it('tells the rules that the target of a question is gone', async () => {
        const asker = dial(server, { transports });
        asker.on('question', () => asker.disconnect());
        await heard(asker, 'connect');
        const id = asker.id!;
        asker.emit('ask', 1);
        await waitFor('the end', () => server.output.includes(`gone ${id} `));
      });

      it('refuses with a message and data, for good', async () => {
        const socket = dial(server, { transports, auth: { refuse: 'Invalid authentication token' } });
        const error = (await heard(socket, 'connect_error')) as Error & { data?: unknown };
        assert.equal(error.message, 'Invalid authentication token');
        assert.deepEqual(error.data, { code: 'unauthorized', retry: false });
        assert.equal(socket.active, false);
      });

      it('refuses other namespaces', async () => {
        const socket = io(`${server.url}/admin`, { path: '/v1/updates', forceNew: true, transports });
        open.push(socket);
        const error = (await heard(socket, 'connect_error')) as Error;
        assert.equal(error.message, 'Invalid namespace');
      });

      it('delivers events sent while the rules still think', async () => {
        const socket = dial(server, { transports, auth: { slow: 200 } });
        socket.emit('echo', 'early');
        assert.equal(await heard(socket, 'echo'), 'early');
      });

      it('closes the transport without a goodbye: the client dials again', async () => {
        const socket = dial(server, { transports });
        await heard(socket, 'connect');
        const first = socket.id!;
        if (carrier === 'upgrade')
          await waitFor('the upgrade', () => socket.io.engine.transport.name === 'websocket');
        const reason = heard(socket, 'disconnect');
        socket.emit('drop');
        assert.equal(await reason, 'transport close');
        await heard(socket, 'connect');
        assert.notEqual(socket.id, first);
        assert.ok(server.output.includes(`gone ${first} dropped\n`));
      });

      it('says goodbye for good: the client does not dial again', async () => {
        const socket = dial(server, { transports });
        await heard(socket, 'connect');
        const reason = heard(socket, 'disconnect');
        socket.emit('kick');
        assert.equal(await reason, 'io server disconnect');
        assert.equal(socket.active, false);
      });

      it('closes the transport of a client that cannot be judged: it dials again', async () => {
        const socket = dial(server, { transports, auth: { fail: 'no disk' }, reconnection: false });
        const refusals: unknown[] = [];
        socket.on('connect_error', (error) => refusals.push(error.message));
        const engine = await waitFor('its engine', () => socket.io.engine);
        const reason = await within('its end', new Promise((resolve) => engine.once('close', resolve)));
        assert.match(String(reason), /^transport (close|error)$/);
        assert.deepEqual(refusals, []);
        await waitFor('the reason', () => server.output.includes('bug no disk\n'));
        socket.disconnect();
      });

      it('makes a client dial again when the rules fail', async () => {
        const socket = dial(server, { transports });
        await heard(socket, 'connect');
        const reason = heard(socket, 'disconnect');
        socket.emit('fault');
        assert.match(String(await reason), /^transport (close|error)$/);
        await heard(socket, 'connect');
        assert.ok(server.output.includes('bug asked for\n'));
      });

      it('loses nothing while reading is paused', async () => {
        const socket = dial(server, { transports });
        const back: unknown[] = [];
        socket.on('echo', (value) => back.push(value));
        await heard(socket, 'connect');
        socket.emit('pause', 150);
        for (let i = 0; i < 500; ++i) socket.emit('echo', i);
        await waitFor('all', () => back.length === 500);
        assert.deepEqual(back, [...Array(500).keys()]);
      });

      it('reaches every socket with one encoded event', async () => {
        const sockets = [1, 2, 3, 4, 5, 6].map(() => dial(server, { transports }));
        const threadOf = await Promise.all(
          sockets.map(async (socket) => ((await heard(socket, 'welcome')) as { thread: number }).thread),
        );
        const text = 'x'.repeat(5000);
        const near = sockets.filter((_, i) => threadOf[i] === threadOf[0]);
        const all = Promise.all(near.map((socket) => heard(socket, 'shout')));
        sockets[0]!.emit('shout', text);
        assert.deepEqual(await all, near.map(() => text));
      });

      it('forgets clients that leave', async () => {
        for (const socket of open.splice(0)) socket.disconnect();
        await waitFor('none left', async () => {
          const { connections, sockets } = await server.counts();
          return connections === 0 && sockets === 0;
        });
      });

      it('drains: clients are told to dial again', async () => {
        const socket = dial(server, { transports });
        await heard(socket, 'connect');
        const reason = heard(socket, 'disconnect');
        const output = server.stop();
        // A polling client learns it from its poll, or from finding nobody there.
        assert.match(String(await reason), carrier === 'websocket' ? /^transport close$/ : /^transport (close|error)$/);
        assert.match(await output, /drained/);
        socket.disconnect();
      });
    });
  }

  describe(`heartbeat over ${carrier}`, () => {
    it('keeps a quiet client', async () => {
      const server = await EchoServer.start({ ping_interval: 50, ping_timeout: 3000 });
      const socket = dial(server, { transports });
      await heard(socket, 'connect');
      let pings = 0;
      socket.io.on('ping', () => ++pings);
      await waitFor('ten pings', () => pings >= 10);
      assert.equal(socket.connected, true);
      socket.disconnect();
      await server.stop();
    });

    it('holds no silence against a client that it does not listen to itself', async () => {
      // Longer than the machine may keep either end from running, and not listened to for longer than that.
      const server = await EchoServer.start({ ping_interval: 50, ping_timeout: 1500 });
      const socket = dial(server, { transports });
      await heard(socket, 'connect');
      const { id } = socket;
      socket.emit('pause', 3500);
      assert.equal(await socket.timeout(20_000).emitWithAck('echo', 'still here'), 'still here');
      assert.equal(socket.id, id);
      socket.disconnect();
      await server.stop();
    });

    it('drops a client that has fallen silent', async () => {
      const server = await EchoServer.start({ ping_interval: 50, ping_timeout: 2000 });
      const socket = dial(server, { transports, reconnection: false });
      await heard(socket, 'connect');
      if (carrier === 'upgrade') await waitFor('the upgrade', () => socket.io.engine.transport.name === 'websocket');
      // Deaf and dumb, but the connection stays.
      const transport = socket.io.engine.transport as unknown as { send: () => void };
      transport.send = () => {};
      await waitFor('its end', () => server.output.includes(`${'gone'} `) && /ping timeout/.test(server.output));
      socket.disconnect();
      await server.stop();
    });

    it('makes a client notice a server that has fallen silent', async () => {
      const server = await EchoServer.start({ ping_interval: 50, ping_timeout: 2000 });
      const socket = dial(server, { transports, reconnection: false });
      await heard(socket, 'connect');
      const reason = heard(socket, 'disconnect');
      server.pause();
      assert.equal(await reason, 'ping timeout');
      server.resume();
      socket.disconnect();
      await server.stop();
    });
  });
}

describe('raw', () => {
  let server: EchoServer;
  it('starts', async () => {
    server = await EchoServer.start({ connect_timeout: 300 });
  });
  after(() => server.stop());

  const socketUrl = () => `ws://127.0.0.1:${server.port}/v1/updates/?EIO=4&transport=websocket`;

  async function exchange(send: (socket: WebSocket) => void): Promise<{ code: number; frames: string[] }> {
    const socket = new WebSocket(socketUrl());
    const frames: string[] = [];
    socket.on('message', (data) => frames.push(String(data)));
    socket.on('error', () => {});
    socket.on('open', () => send(socket));
    const [code] = await within('the close', once(socket, 'close'));
    return { code, frames };
  }

  it('closes when no namespace is joined in time', async () => {
    const { frames } = await exchange(() => {});
    assert.match(frames[0]!, /^0\{/);
    const hello = JSON.parse(frames[0]!.slice(1));
    assert.deepEqual(hello.upgrades, []);
    assert.equal(hello.pingInterval, 15000);
    assert.equal(hello.pingTimeout, 45000);
    assert.equal(hello.maxPayload, 16 * 1024 * 1024);
  });

  const malformed: Record<string, string> = {
    'an unknown Engine.IO type': '9',
    'a ping from the client': '2',
    'an empty frame': '',
    'an unknown Socket.IO type': '47',
    'a binary event before connecting': '451-["echo",{"_placeholder":true,"num":0}]',
    'text where an attachment has to come': '451-["echo",{"_placeholder":true,"num":0}]\n42["echo",1]',
    'more attachments than there may be': '4511-["echo",{"_placeholder":true,"num":0}]',
    'a binary event that does not say how many': '45["echo",1]',
    'a placeholder without an attachment': '450-["echo",{"_placeholder":true,"num":0}]',
    'base64 that is none': '451-["echo",{"_placeholder":true,"num":0}]\nbA',
    'a repeated placeholder': '452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]\nbAQID\nbAQID',
    'a placeholder out of range': '451-["echo",{"_placeholder":true,"num":1}]\nbAQID',
    'an attachment of nothing': '42["echo",1]\nbAQID',
    'an event before connecting': '42["echo",1]',
    'broken JSON': '42["echo",',
    'an event without a name': '42[1]',
    'an event that is no list': '42{}',
    'an acknowledgement id that is no number': '42abc["echo"]',
    'a reserved name': '42["disconnect"]',
    'an acknowledgement id beyond bounds': '4299999999999999999999["echo"]',
    'a connect with no object': '40[1]',
  };
  for (const [what, text] of Object.entries(malformed))
    it(`closes on ${what}`, async () => {
      const connects = /^4[25]/.test(text) && !what.includes('before');
      const { frames } = await exchange((socket) => {
        if (connects) socket.send('40{}');
        for (const message of text.split('\n')) socket.send(message);
      });
      assert.ok(frames.every((frame) => /^[04]/.test(frame)));
    });

  it('lets a client leave and join again on one connection', async () => {
    const { frames } = await exchange((socket) => {
      for (const text of ['40{}', '41', '40{}', '420["echo",1]']) socket.send(text);
      socket.on('message', (data) => {
        if (String(data).startsWith('43')) socket.close();
      });
    });
    const welcomes = frames.filter((frame) => frame.startsWith('40'));
    assert.equal(new Set(welcomes).size, 2);
    assert.equal(frames.at(-1), '430[1]');
    const { sid } = JSON.parse(welcomes[0]!.slice(2));
    assert.ok(server.output.includes(`gone ${sid} client namespace disconnect\n`));
  });

  it('closes on a binary frame that nothing announced', async () => {
    const { code } = await exchange((socket) => socket.send(Buffer.from([4, 2]), { binary: true }));
    assert.equal(code, 1002);
  });

  it('takes a packet with its attachments of just so many bytes, and none with more', async () => {
    const head = '451-0["echo",{"_placeholder":true,"num":0}]';
    const most = 16 * 1024 * 1024 - (head.length - 1);
    const sent = async (size: number) =>
      exchange((socket) => {
        socket.on('message', (_, binary) => {
          if (binary) socket.close();
        });
        socket.send('40{}');
        socket.send(head);
        socket.send(Buffer.alloc(size), { binary: true });
      });
    const { frames } = await sent(most);
    assert.ok(frames.includes('461-0[{"_placeholder":true,"num":0}]'));
    assert.equal((await sent(most + 1)).code, 1009);
  });

  it('closes on a frame above maxPayload with 1009', async () => {
    const { code } = await exchange((socket) => {
      socket.send('40{}');
      socket.send('4' + 'x'.repeat(16 * 1024 * 1024));
    });
    assert.equal(code, 1009);
  });

  it('takes a frame of just maxPayload', async () => {
    const text = 'x'.repeat(16 * 1024 * 1024 - '42["echo",""]'.length);
    const { frames } = await exchange((socket) => {
      socket.on('message', (data) => {
        if (String(data).startsWith('42["echo"')) socket.close();
      });
      socket.send('40{}');
      socket.send(`42["echo","${text}"]`);
    });
    assert.ok(frames.includes(`42["echo","${text}"]`));
  });

  it('acknowledges ping without an argument', async () => {
    const { frames } = await exchange((socket) => {
      socket.send('40{}');
      socket.send('420["echo"]');
      socket.on('message', (data) => {
        if (String(data).startsWith('43')) socket.close();
      });
    });
    assert.equal(frames.at(-1), '430[{}]');
  });

  it('answers with and without the trailing slash, and says what is wrong', async () => {
    const get = async (query: string, init?: RequestInit) => {
      const answer = await fetch(`${server.url}/v1/updates${query}`, init);
      return { status: answer.status, body: await answer.text(), headers: answer.headers };
    };
    for (const slash of ['', '/']) {
      const hello = await get(`${slash}?EIO=4&transport=polling`);
      assert.equal(hello.status, 200);
      assert.match(hello.body, /^0\{"sid":"[\w-]{20}","upgrades":\["websocket"\],"pingInterval":15000,/);
      assert.equal(hello.headers.get('access-control-allow-origin'), '*');
    }
    assert.deepEqual(await get('/?EIO=3&transport=polling').then((a) => [a.status, a.body]), [
      400,
      '{"code":5,"message":"Unsupported protocol version"}',
    ]);
    assert.equal((await get('/?EIO=4&transport=pigeon')).body, '{"code":0,"message":"Transport unknown"}');
    assert.equal((await get('/?EIO=4&transport=polling&sid=no')).body, '{"code":1,"message":"Session ID unknown"}');
    assert.equal(
      (await get('/?EIO=4&transport=polling', { method: 'POST', body: 'x' })).body,
      '{"code":2,"message":"Bad handshake method"}',
    );
    assert.equal((await get('/?EIO=4&transport=polling', { method: 'OPTIONS' })).status, 204);
    assert.equal((await get('x')).status, 404);
  });

  it('takes and gives attachments in the bodies of polling', async () => {
    const hello = await (await fetch(`${server.url}/v1/updates/?EIO=4&transport=polling`)).text();
    const url = `${server.url}/v1/updates/?EIO=4&transport=polling&sid=${JSON.parse(hello.slice(1)).sid}`;
    const say = async (body: string) => (await fetch(url, { method: 'POST', body })).status;
    assert.equal(await say('40{}'), 200);
    assert.match(await (await fetch(url)).text(), /^40/);
    assert.equal(await say('452-7["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]\x1ebAQID\x1ebBAU='), 200);
    assert.equal(await (await fetch(url)).text(), '462-7[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]\x1ebAQID\x1ebBAU=');
  });

  it('ends a session that polls twice at once', async () => {
    const hello = await (await fetch(`${server.url}/v1/updates/?EIO=4&transport=polling`)).text();
    const sid = JSON.parse(hello.slice(1)).sid;
    const url = `${server.url}/v1/updates/?EIO=4&transport=polling&sid=${sid}`;
    const answers = await Promise.all([fetch(url), fetch(url)]);
    const bodies = await Promise.all(answers.map((answer) => answer.text()));
    assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 400]);
    assert.ok(bodies.includes('1'));
  });
});
