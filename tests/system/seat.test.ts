/// The real Claude Code at a seat, in a real terminal, beside Claude Code without one: nobody sees a difference.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startScriptedApi } from '../support/scripted-api.mjs';
import { claudeEnvironment, claudeProgram, seenBefore } from '../support/claude.ts';
import { freshDirectory, program } from '../support/places.ts';
import { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

type Api = Awaited<ReturnType<typeof startScriptedApi>>;

describe('Claude Code at a seat', () => {
  let api: Api;
  before(async () => {
    api = await startScriptedApi();
  });
  after(() => api.close());

  /** A home of its own for each. */
  async function start(command: (claude: string[]) => string[], place: string, more: Record<string, string> = {}): Promise<Terminal> {
    const home = join(place, 'home');
    const cwd = join(place, 'work');
    for (const each of [home, cwd]) mkdirSync(each, { recursive: true });
    writeFileSync(join(home, '.claude.json'), JSON.stringify(seenBefore(cwd)));
    const env = { ...claudeEnvironment(api.url, home), PS1: 'ready> ', COLORTERM: 'truecolor', ...more };
    return Terminal.start(command([claudeProgram, '--permission-mode', 'default']), { env, cwd });
  }
  const seated = (claude: string[]) => [program('seated'), ...claude];
  const input = /^❯\s/m;

  it('looks, and ends, as it does without one', async () => {
    using place = freshDirectory('seat');
    using other = freshDirectory('seat');
    await using alone = await start((claude) => claude, place.path);
    await using at = await start(seated, other.path);
    const both = [alone, at];
    for (const each of both) await each.shows(input, 60_000);
    const same = (when: string) => {
      let seen: string[] = [];
      return waitFor(`the same in both terminals ${when}`, async () => {
        seen = (await Promise.all(both.map((each) => each.painted()))).map((all) =>
          all.replace(/seat-\w{6}/g, 'place').replace(/✻.*$/m, 'how long it took'));
        return seen[0] === seen[1];
      }, { last: () => seen.join('\n--------\n') });
    };
    await same('at first');
    for (const each of both) {
      await each.type('hello there');
      await each.shows(/❯\s*hello there/);
      await each.press('Enter');
      await each.shows(/Heard: hello there/, 60_000);
    }
    await same('after an answer');
    for (const each of both) await each.paste('two\nlines');
    for (const each of both) await each.shows(/two\s*\n\s*lines/);
    await same('with a paste');
    for (const each of both) await each.resize(77, 31);
    await same('in another size');
    for (const each of both) await each.press('C-c');
    await same('with an empty input');
    for (const each of both) {
      await each.type('/exit');
      await each.shows(/❯\s*\/exit/);
      await each.press('Enter');
    }
    assert.equal(await alone.ended(30_000), 0);
    assert.equal(await at.ended(30_000), 0);
  });

  it('is suspended and comes back, as a job of a shell', async () => {
    using place = freshDirectory('seat');
    await using terminal = await start(() => ['bash', '--norc', '--noprofile', '-i'], place.path);
    await terminal.shows(/ready>/);
    await terminal.type(seated([claudeProgram, '--permission-mode', 'default']).join(' '));
    await terminal.press('Enter');
    await terminal.shows(input, 60_000);
    for (const text of ['once', 'and again']) {
      await terminal.press('C-z');
      await terminal.shows(/Claude Code is suspended[^]*Stopped[^]*ready> $/m);
      await terminal.type('fg');
      await terminal.press('Enter');
      await terminal.shows(input);
      await terminal.type(text);
      await terminal.shows(new RegExp(`❯\\s*${text}`));
      await terminal.press('Enter');
      await terminal.shows(new RegExp(`Heard: ${text}`), 60_000);
    }
    await terminal.type('/exit');
    await terminal.shows(/❯\s*\/exit/);
    await terminal.press('Enter');
    await terminal.shows(/ready> $/m);
    await terminal.type('echo status $?; stty -a | grep -o " echo "');
    await terminal.press('Enter');
    await terminal.shows(/status 0\n\s*echo/);
  });

  it('takes prompts that are typed in the place of the person, and only where they can stand', async () => {
    using place = freshDirectory('seat');
    const file = join(place.path, 'prompt');
    await using terminal = await start(seated, place.path, { SEATED_PROMPT: file });
    await terminal.shows(input, 60_000);
    const type = async (text: string) => {
      writeFileSync(file, text);
      rmSync(`${file}.done`, { force: true });
      process.kill(await terminal.pid(), 'SIGUSR1');
      return waitFor('the prompt to be typed or refused', () => existsSync(`${file}.done`) && readFileSync(`${file}.done`, 'utf8'));
    };
    const heard = async (text: string) => {
      // Claude Code makes spaces of tabs, and names what was long.
      const words = (all: string) => all.replace(/<\/?pasted_content[^>]*>/g, ' ').replace(/\s+/g, ' ').trim();
      await waitFor(`the model to be asked ${JSON.stringify(text)}`, () => api.asked.some((each) => words(each.prompt) === words(text)),
        { last: () => api.asked.at(-1)?.prompt });
      await terminal.shows(input);
    };
    const prompts = ['short', 'two\nlines', 'a tab\tin it', 'Grüße, 你好, 👍🏽 and 👩‍👩‍👧', `${'long words '.repeat(40)}end`, `${'many\n'.repeat(60)}lines`,
      `${'x'.repeat(96)}`, '# a title', '1. a list', 'ends in a backslash\\ no'];
    for (const text of prompts) {
      assert.equal(await type(text), 'typed', text);
      await heard(text);
    }
    assert.equal(await type('not \x1b[201~\r\x03a key'), 'typed');
    await heard('not [201~\na key');

    await terminal.type('a draft');
    await terminal.shows(/❯\s*a draft/);
    assert.equal(await type('over it'), 'conflict');
    await terminal.press('C-c');
    await terminal.shows(/^❯\s*$/m);

    await terminal.type('/model');
    await terminal.shows(/❯\s*\/model/);
    await terminal.press('Enter');
    await terminal.shows(/Select model/);
    assert.equal(await type('into the list'), 'unavailable');
    await terminal.shows(/Select model/);
    await terminal.press('Escape');
    await terminal.shows(/Kept model/);
    assert.equal(await type('after it'), 'typed');
    await heard('after it');
  });

  it('ends as it is asked to from outside', async () => {
    using place = freshDirectory('seat');
    await using terminal = await start(seated, place.path);
    await terminal.shows(input, 60_000);
    process.kill(await terminal.pid(), 'SIGTERM');
    assert.equal(await terminal.ended(30_000), 143);
  });
});
