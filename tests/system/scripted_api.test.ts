/// The scripted API is good enough for the real Claude Code.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startScriptedApi, say, gate, use, readTurn } from '../support/scripted-api.mjs';
import { startClaude, type Line } from '../support/claude.ts';
import { freshDirectory } from '../support/places.ts';

type Api = Awaited<ReturnType<typeof startScriptedApi>>;

const isResult = (line: Line) => line['type'] === 'result';
const textDelta = (line: Line) => line['event']?.delta?.text as string | undefined;

describe('the scripted API', () => {
  const place = freshDirectory('scripted-api');
  const home = join(place.path, 'home');
  const cwd = join(place.path, 'work');
  let api: Api;

  before(async () => {
    mkdirSync(home);
    mkdirSync(cwd);
    api = await startScriptedApi({
      scenes: {
        write: [[use('Write', { file_path: join(cwd, 'poem.txt'), content: 'roses\n' })]],
        edit: [
          [use('Read', { file_path: join(cwd, 'poem.txt') })],
          [use('Edit', { file_path: join(cwd, 'poem.txt'), old_string: 'roses', new_string: 'violets' })],
        ],
        halves: [[say('left '), gate('middle'), say('right')]],
      },
    });
  });
  after(async () => {
    await api.close();
    place.remove();
  });

  it('reads the turn off the messages', () => {
    const result = { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'r' }] };
    assert.deepEqual(readTurn([{ role: 'user', content: 'a<system-reminder>x</system-reminder>' }]), { prompt: 'a', prompts: ['a'], history: ['a'], round: 0, results: [] });
    const two = readTurn([{ role: 'user', content: 'a' }, { role: 'assistant', content: [] }, { role: 'user', content: 'b' }, { role: 'user', content: 'c' }]);
    assert.deepEqual([two.prompt, two.prompts, two.history], ['c', ['b', 'c'], ['a', 'b', 'c']]);
    const turn = readTurn([{ role: 'user', content: 'a' }, { role: 'assistant', content: [] }, { role: 'user', content: [result] }]);
    assert.equal(turn.round, 1);
    assert.deepEqual(turn.results, [{ id: 't', failed: false, text: 'r' }]);
    assert.equal(readTurn([{ role: 'user', content: [result, { type: 'text', text: 'b' }] }]).prompt, 'b');
  });

  it('answers, thinks, streams, asks for tools and is interrupted', async () => {
    const claude = startClaude(api.url, home, cwd);

    claude.prompt('#ponder');
    assert.equal((await claude.line('the answer', isResult))['result'], 'Then I answer.');
    assert.ok(claude.lines.some((line) => line['message']?.content?.[0]?.thinking === 'First I ponder the matter.'));

    claude.lines.length = 0;
    claude.prompt('#halves');
    await claude.line('the first half', (line) => textDelta(line)?.includes('ft') ?? false);
    await api.reached('middle');
    assert.equal(claude.lines.some(isResult), false, 'the answer stands at the gate');
    api.open('middle');
    assert.equal((await claude.line('both halves', isResult))['result'], 'left right');

    claude.lines.length = 0;
    claude.prompt('#unicode');
    assert.match((await claude.line('the torn text', isResult))['result'], /世界! 👩‍💻 שלום/);

    claude.lines.length = 0;
    claude.prompt('#write');
    const question = await claude.line('the question', (line) => line['type'] === 'control_request');
    assert.equal(question['request'].tool_name, 'Write');
    const allow = { behavior: 'allow', updatedInput: question['request'].input };
    claude.write({ type: 'control_response', response: { subtype: 'success', request_id: question['request_id'], response: allow } });
    assert.match((await claude.line('the report', isResult))['result'], /^Results: \[done\]/);
    assert.ok(existsSync(join(cwd, 'poem.txt')));

    claude.lines.length = 0;
    claude.prompt('#edit');
    const edit = await claude.line('the second question', (line) => line['type'] === 'control_request');
    const deny = { behavior: 'deny', message: 'no violets' };
    claude.write({ type: 'control_response', response: { subtype: 'success', request_id: edit['request_id'], response: deny } });
    assert.match((await claude.line('the denial', isResult))['result'], /\[failed\].*no violets/);

    claude.lines.length = 0;
    claude.prompt('#hang');
    await claude.line('a word', (line) => textDelta(line) !== undefined);
    claude.write({ type: 'control_request', request_id: 'stop', request: { subtype: 'interrupt' } });
    assert.equal((await claude.line('the end of the turn', isResult))['terminal_reason'], 'aborted_streaming');

    claude.lines.length = 0;
    claude.prompt('#overloaded');
    assert.equal((await claude.line('the recovery', isResult))['result'], 'Recovered.');
    claude.lines.length = 0;
    claude.prompt('#forbidden');
    assert.equal((await claude.line('the refusal', isResult))['is_error'], true);
    claude.lines.length = 0;
    claude.prompt('no scene');
    assert.equal((await claude.line('an echo', isResult))['result'], 'Heard: no scene');
    assert.equal(await claude.end(), 0);
  });
});
