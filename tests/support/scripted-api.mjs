#!/usr/bin/env node
// A Messages API that plays prepared scenes, so that the real Claude Code runs whole sessions without an
// account and without a network. It listens on 127.0.0.1 only and needs nothing but Node.
//
// A prompt names its scene with the first `#word` that is one: "please #bash-touch". A prompt without one is
// answered with "Heard: <prompt>". A scene is a list of rounds, one per request: round 0 answers the prompt,
// round n answers the n-th batch of tool results; a scene that has no round left reports those results. A round is
// a list of cues (below), or a function of what has been asked that returns such a list.
//
// Time is in the hands of the test: where an answer must stand still, the scene holds a gate, which stays shut
// until the test opens it (`api.open('name')`, or `POST /control/open/name` from another process).
//
//   import { startScriptedApi, say, gate } from '../support/scripted-api.mjs';
//   const api = await startScriptedApi({ scenes: { hello: [[say('Hello, '), gate('half'), say('world.')]] } });
//   ... ANTHROPIC_BASE_URL=api.url ...
//   await api.reached('half');  api.open('half');  await api.close();
//
// By itself, with the scenes at the end of this file:  node scripted-api.mjs [PORT]

import { randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { createServer } from 'node:http';
import { setImmediate as breathe } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

// ------------------------------------------------------------------------------------------------------- cues

/** Text of the answer, streamed in `pieces`; neighbouring cues continue one block. `torn` cuts the bytes of every frame. */
export const say = (text, { pieces = 3, torn = false } = {}) => ({ cue: 'text', text, pieces, torn });
/** Thinking, likewise. */
export const think = (text, { pieces = 3 } = {}) => ({ cue: 'thinking', text, pieces, torn: false });
/** A tool call. */
export const use = (name, input) => ({ cue: 'tool', name, input });
/** Stand still until the test opens the gate of that name. */
export const gate = (name) => ({ cue: 'gate', name });
/** Say no more, but keep the connection. */
export const hang = () => ({ cue: 'hang' });
/** Cut the connection here. */
export const cut = () => ({ cue: 'cut' });
/** An error event in the middle of the stream. */
export const breakOff = (type = 'overloaded_error') => ({ cue: 'break', type });
/** Answer with an HTTP error, the first `times` times that this prompt asks; must be the first cue. */
export const refuse = (status, type, { times = Infinity, headers = {} } = {}) => ({ cue: 'refuse', status, type, times, headers });
/** End with another stop reason than the obvious one. */
export const stop = (reason) => ({ cue: 'stop', reason });

// ------------------------------------------------------------------------------------- what the request asks for

const asBlocks = (content) => (typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? []));
const textOfResult = (block) =>
  asBlocks(block.content)
    .map((part) => part.text ?? `(${part.type})`)
    .join('');

/** Claude Code adds notes of its own to what the person wrote. */
const withoutNotes = (text) =>
  text
    .replaceAll(/<(system-reminder|local-command-[a-z]+|command-[a-z]+)>.*?<\/\1>/gs, '')
    .replaceAll(/\[Request interrupted by user[^\]]*\]/g, '')
    .trim();

/**
 * Goes through the conversation and keeps the last prompt, how many batches of tool results came after it, and
 * those results. Text that follows results within one message is a new prompt (messages of the user are merged).
 * `prompts` are all that came since the last answer: Claude Code puts queued ones into one turn. `history` are all of
 * the conversation.
 */
export function readTurn(messages) {
  const turn = { prompt: '', prompts: [], history: [], round: 0, results: [] };
  let answered = false;
  for (const message of messages) {
    if (message.role !== 'user') {
      answered = true;
      continue;
    }
    let batch = [];
    for (const block of asBlocks(message.content)) {
      if (block.type === 'tool_result') {
        batch.push({ id: block.tool_use_id, failed: block.is_error === true, text: textOfResult(block) });
      } else if (block.type === 'text') {
        const text = withoutNotes(block.text);
        if (!text) continue;
        Object.assign(turn, { prompt: text, prompts: answered ? [text] : [...turn.prompts, text], round: 0, results: [] });
        turn.history.push(text);
        answered = false;
        batch = [];
      }
    }
    if (batch.length > 0) {
      turn.round += 1;
      turn.results.push(...batch);
    }
  }
  return turn;
}

const report = ({ results }) => [
  say(`Results: ${results.map(({ failed, text }) => `[${failed ? 'failed' : 'done'}] ${text.trim().slice(0, 300)}`).join(' ; ')}`),
];

// --------------------------------------------------------------------------------------------------- streaming

/** Cuts between code points into at most `count` parts. */
function inPieces(text, count) {
  const points = [...text];
  const each = Math.max(1, Math.ceil(points.length / Math.max(1, count)));
  const parts = [];
  for (let at = 0; at < points.length; at += each) parts.push(points.slice(at, at + each).join(''));
  return parts;
}

const newId = (prefix) => `${prefix}_${randomBytes(12).toString('hex')}`;

/** Writes one answer as server-sent events; remembers the blocks for the part that is still open. */
class Answer {
  #response;
  #index = -1;
  #open = null;
  #torn = false;

  constructor(response) {
    this.#response = response;
  }

  async send(type, fields = {}) {
    const frame = Buffer.from(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
    if (!this.#torn) {
      this.#response.write(frame);
      return;
    }
    // Three writes per frame, so that characters of several bytes arrive in parts.
    const third = Math.ceil(frame.length / 3);
    for (let at = 0; at < frame.length; at += third) {
      this.#response.write(frame.subarray(at, at + third));
      await breathe();
    }
  }

  async begin(model, promptSize) {
    const usage = { input_tokens: promptSize, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1 };
    await this.send('message_start', {
      message: { id: newId('msg'), type: 'message', role: 'assistant', model, content: [], stop_reason: null, stop_sequence: null, usage },
    });
  }

  async #startBlock(kind, block) {
    if (this.#open === kind) return;
    await this.endBlock();
    this.#index += 1;
    this.#open = kind;
    await this.send('content_block_start', { index: this.#index, content_block: block });
  }

  async #delta(delta) {
    await this.send('content_block_delta', { index: this.#index, delta });
  }

  async words({ cue, text, pieces, torn }) {
    this.#torn = torn;
    await this.#startBlock(cue, cue === 'text' ? { type: 'text', text: '' } : { type: 'thinking', thinking: '', signature: '' });
    for (const part of inPieces(text, pieces)) {
      await this.#delta(cue === 'text' ? { type: 'text_delta', text: part } : { type: 'thinking_delta', thinking: part });
    }
    this.#torn = false;
  }

  async tool({ name, input }) {
    await this.endBlock();
    await this.#startBlock('tool', { type: 'tool_use', id: newId('toolu'), name, input: {} });
    for (const part of inPieces(JSON.stringify(input), 2)) await this.#delta({ type: 'input_json_delta', partial_json: part });
    await this.endBlock();
  }

  async endBlock() {
    if (this.#open === null) return;
    if (this.#open === 'thinking') await this.#delta({ type: 'signature_delta', signature: randomBytes(24).toString('base64') });
    await this.send('content_block_stop', { index: this.#index });
    this.#open = null;
  }

  async end(reason, tokens) {
    await this.endBlock();
    await this.send('message_delta', { delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: tokens } });
    await this.send('message_stop');
    this.#response.end();
  }
}

// ------------------------------------------------------------------------------------------------------ the API

/**
 * Starts the API. `asked` lists what the programs asked for: {prompt, prompts, history, scene, round, results, hungUp}.
 * `scenes` are added to the built-in ones.
 */
export async function startScriptedApi({ port = 0, scenes = {} } = {}) {
  const known = new Map(Object.entries({ ...builtIn, ...scenes }));
  const gates = new Map();
  const asked = [];
  const attempts = new Map();

  function gateOf(name) {
    if (!gates.has(name)) {
      gates.set(name, { opened: Promise.withResolvers(), reached: Promise.withResolvers() });
    }
    return gates.get(name);
  }

  async function play(cues, request, body, note) {
    const answer = new Answer(request.response);
    let said = 0;
    let reason = null;
    await answer.begin(body.model ?? 'scripted', Math.ceil(JSON.stringify(body.messages ?? []).length / 4));
    for (const cue of cues) {
      if (note.hungUp) return;
      switch (cue.cue) {
        case 'text':
        case 'thinking':
          await answer.words(cue);
          said += cue.text.length;
          break;
        case 'tool':
          await answer.tool(cue);
          reason ??= 'tool_use';
          break;
        case 'gate':
          gateOf(cue.name).reached.resolve();
          await Promise.race([gateOf(cue.name).opened.promise, request.gone]);
          break;
        case 'hang':
          await request.gone;
          return;
        case 'cut':
          request.response.destroy();
          return;
        case 'break':
          await answer.send('error', { error: { type: cue.type, message: 'broken off by the script' } });
          request.response.end();
          return;
        case 'stop':
          reason = cue.reason;
          break;
        default:
          throw new Error(`no such cue: ${JSON.stringify(cue)}`);
      }
    }
    if (!note.hungUp) await answer.end(reason ?? 'end_turn', Math.ceil(said / 4) + 1);
  }

  function cuesFor(turn, sideQuestion) {
    // Without tools it is Claude Code asking something for itself (a title, a summary), not the conversation.
    if (sideQuestion) return { scene: null, cues: [say('Aside')] };
    const scene = [...turn.prompt.matchAll(/#([a-z0-9-]+)/gi)].map((match) => match[1]).find((word) => known.has(word));
    if (scene === undefined) return { scene: null, cues: turn.round === 0 ? [say(`Heard: ${turn.prompt}`)] : report(turn) };
    const round = known.get(scene)[turn.round] ?? report;
    return { scene, cues: typeof round === 'function' ? round(turn) : round };
  }

  async function converse(body, request) {
    const turn = readTurn(body.messages ?? []);
    const sideQuestion = (body.tools ?? []).length === 0;
    const { scene, cues } = cuesFor(turn, sideQuestion);
    const note = { ...turn, scene, sideQuestion, hungUp: false };
    asked.push(note);
    request.gone.then(() => (note.hungUp = true));

    const refusal = cues.find(({ cue }) => cue === 'refuse');
    const tries = (attempts.get(turn.prompt) ?? 0) + 1;
    attempts.set(turn.prompt, tries);
    if (refusal && tries <= refusal.times) {
      return json(request.response, refusal.status, { type: 'error', error: { type: refusal.type, message: 'refused by the script' } }, refusal.headers);
    }
    const rest = cues.filter(({ cue }) => cue !== 'refuse');
    if (body.stream) {
      request.response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      return play(rest, request, body, note);
    }
    const content = rest.filter(({ cue }) => cue === 'text').map(({ text }) => ({ type: 'text', text }));
    const usage = { input_tokens: 1, output_tokens: 1 };
    json(request.response, 200, { id: newId('msg'), type: 'message', role: 'assistant', model: body.model, content, stop_reason: 'end_turn', stop_sequence: null, usage });
  }

  function json(response, status, value, headers = {}) {
    response.writeHead(status, { 'content-type': 'application/json', 'request-id': newId('req'), ...headers });
    response.end(JSON.stringify(value));
  }

  async function route(incoming, response) {
    const { pathname } = new URL(incoming.url, 'http://scripted');
    const gone = new Promise((resolve) => response.on('close', resolve));
    let text = '';
    incoming.setEncoding('utf8');
    for await (const part of incoming) text += part;

    if (incoming.method === 'POST' && pathname === '/v1/messages') return converse(JSON.parse(text), { response, gone });
    if (incoming.method === 'POST' && pathname === '/v1/messages/count_tokens') return json(response, 200, { input_tokens: Math.ceil(text.length / 4) });
    if (incoming.method === 'GET' && pathname === '/control/asked') return json(response, 200, asked);
    if (incoming.method === 'POST' && pathname.startsWith('/control/open/')) {
      gateOf(decodeURIComponent(pathname.slice('/control/open/'.length))).opened.resolve();
      return json(response, 200, {});
    }
    if (pathname === '/') return json(response, 200, {});
    return json(response, 404, { type: 'error', error: { type: 'not_found_error', message: `${incoming.method} ${pathname}` } });
  }

  const server = createServer((incoming, response) => {
    response.on('error', () => {});
    route(incoming, response).catch((error) => {
      if (response.headersSent) response.destroy();
      else json(response, 500, { type: 'error', error: { type: 'api_error', message: String(error) } });
    });
  });
  server.requestTimeout = 0;
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const address = server.address();

  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    asked,
    scene: (name, rounds) => known.set(name, rounds),
    open: (name) => gateOf(name).opened.resolve(),
    /** Resolves when an answer stands at that gate; rejects when none does in time. */
    async reached(name, ms = 30_000) {
      let timer;
      const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`no answer has come to the gate ${name}`)), ms)));
      await Promise.race([gateOf(name).reached.promise, late]).finally(() => clearTimeout(timer));
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// -------------------------------------------------------------------------------------------------------- scenes

const unicodeText = 'Grüße, 世界! 👩‍💻 שלום, é as e\u0301, 🚀 "quoted" \\ back';
const markdownText = '# Heading\n\n- first\n- second\n\n```cpp\nint main() { return 42; }\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n';

export const builtIn = {
  plain: [[say('A plain answer.')]],
  ponder: [[think('First I ponder the matter.'), say('Then I answer.')]],
  unicode: [[say(unicodeText, { pieces: 9, torn: true })]],
  markdown: [[say(markdownText, { pieces: 8 })]],
  big: [[say('0123456789abcdef'.repeat(16 * 1024), { pieces: 64 })]],
  slowly: [[say('The first part, '), gate('slowly-1'), say('the second part, '), gate('slowly-2'), say('and the last.')]],
  hang: [[say('This never '), hang()]],
  echo: [[say('Running.'), use('Bash', { command: 'echo from-the-tool', description: 'Print a line' })]],
  'bash-touch': [[say('Making a file.'), use('Bash', { command: 'touch made-by-claude.txt', description: 'Make an empty file' })]],
  'bash-long': [[use('Bash', { command: 'sleep 120', description: 'Wait' })]],
  both: [[use('Bash', { command: 'echo one', description: 'One' }), use('Bash', { command: 'echo two', description: 'Two' })]],
  ask: [
    [
      use('AskUserQuestion', {
        questions: [
          {
            question: 'Which colour shall the door have?',
            header: 'Door',
            multiSelect: false,
            options: [
              { label: 'Green', description: 'Like a leaf' },
              { label: 'Blue', description: 'Like the sea' },
            ],
          },
        ],
      }),
    ],
  ],
  full: [[say('Cut for leng'), stop('max_tokens')]],
  overloaded: [[refuse(529, 'overloaded_error', { times: 1 }), say('Recovered.')]],
  forbidden: [[refuse(403, 'permission_error')]],
  broken: [[say('Half of it '), breakOff()]],
  severed: [[say('Half of it '), cut()]],
};

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  const api = await startScriptedApi({ port: Number(process.argv[2] ?? 0) });
  console.log(api.url);
  process.on('SIGTERM', () => api.close().then(() => process.exit(0)));
}
