/// The words behind `consortium`: a prompt, options of Claude Code, its own commands, or a mistake.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Machine, pair, trustFolder } from '../support/agent.ts';
import { Person } from '../support/e2ee.ts';
import { Relay } from '../support/relay.ts';
import { startScriptedApi } from '../support/scripted-api.mjs';

let relay: Relay;
let api: Awaited<ReturnType<typeof startScriptedApi>>;

before(async () => {
  relay = await Relay.start();
  api = await startScriptedApi();
});
after(async () => {
  await relay.close();
  await api.close();
});

const prompts = () => api.asked.filter(({ round, sideQuestion }) => round === 0 && !sideQuestion).flatMap(({ prompts }) => prompts);

describe('words behind consortium', () => {
  it('with white space are the first prompt, which the browser sees and Claude hears once', { timeout: 180_000 }, async () => {
    await using machine = new Machine({ relay: relay.url, api: api.url, args: ['--model', 'sonnet', 'say hello\nto everybody'] });
    const terminal = await machine.start();
    const person = await Person.signIn(relay.url);
    await pair(terminal, person);
    const conversation = await person.join();
    const typed: any = await conversation.said('the prompt', (d: any) => d.content?.data?.type === 'prompt-typed');
    assert.equal(typed.content.data.text, 'say hello\nto everybody');
    await conversation.answered('Heard: say hello');
    assert.equal(prompts().filter((text) => text.includes('say hello\nto everybody')).length, 1);
    await conversation.prompt('and again');
    await conversation.answered('Heard: and again');
    conversation.close();
  });

  it('that are a single one are refused, with what it may have been', { timeout: 60_000 }, async () => {
    await using machine = new Machine({ relay: relay.url, api: api.url });
    for (const [words, due] of [
      [['tarsh'], /Did you mean `consortium trash`\?[^]*consortium -- tarsh/],
      [['frobnicate'], /"frobnicate" is no command[^]*consortium -- frobnicate/],
      [['fix', 'this'], /in quotes/],
      [['--output-format', 'json'], /with -p only/],
    ] as const) {
      const terminal = await machine.start([...words]);
      await terminal.shows(due);
      assert.equal(await terminal.ended(), 2, words.join(' '));
    }
    assert.deepEqual(machine.stored(), [], 'nothing was begun');
  });

  it('that are a command of Claude Code, or -p, run Claude Code by itself', { timeout: 120_000 }, async () => {
    await using machine = new Machine({ relay: relay.url, api: api.url });
    const list = await machine.start(['mcp', 'list']);
    await list.shows(/No MCP servers/i);
    assert.equal(await list.ended(), 0);
    const print = await machine.start(['-p', 'just print']);
    await print.shows(/Heard: just print/);
    assert.equal(await print.ended(), 0);
    assert.deepEqual(machine.stored(), [], 'nothing of it is relayed');
  });
});

it('a hook that is slow at the start is waited for, said within seconds, and given up by Ctrl-C', { timeout: 180_000 }, async () => {
  await using machine = new Machine({ relay: relay.url, api: api.url });
  mkdirSync(join(machine.work, '.claude'));
  const hooks = { SessionStart: [{ hooks: [{ type: 'command', command: 'sleep 600' }] }] };
  writeFileSync(join(machine.work, '.claude', 'settings.json'), JSON.stringify({ hooks }));
  const terminal = await machine.start();
  await pair(terminal, await Person.signIn(relay.url));
  await trustFolder(terminal);
  await terminal.shows(/has not answered yet/);
  await terminal.press('C-c');
  await terminal.shows(/Ended before Claude Code had answered/);
  assert.equal(await terminal.ended(), 1);
});
