/// The pinned Claude Code program, and the environment it runs in: nothing of the machine's own reaches it.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { waitFor } from './wait.ts';

export const claudeProgram = fileURLToPath(
  new URL('../node_modules/@anthropic-ai/claude-code-linux-x64/claude', import.meta.url),
);

/** The whole environment for Claude Code (and for the agent that starts it). */
export function claudeEnvironment(apiUrl: string, home: string): Record<string, string> {
  return {
    PATH: '/usr/bin:/bin',
    HOME: home,
    TERM: 'xterm-256color',
    LANG: 'C.UTF-8',
    ANTHROPIC_BASE_URL: apiUrl,
    ANTHROPIC_API_KEY: 'test-key',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    CLAUDE_CODE_MAX_RETRIES: '1',
    DISABLE_AUTOUPDATER: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
  };
}

/** Content of `.claude.json` for somebody who has answered in this folder all that Claude Code asks at a terminal at first. */
export const seenBefore = (cwd: string) => ({
  hasCompletedOnboarding: true,
  customApiKeyResponses: { approved: ['test-key'], rejected: [] },
  projects: { [cwd]: { hasTrustDialogAccepted: true } },
});

export type Line = Record<string, any>;

/** Claude Code in stream-json mode. */
export function startClaude(apiUrl: string, home: string, cwd: string) {
  const child = spawn(
    claudeProgram,
    ['-p', '--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose',
      '--include-partial-messages', '--permission-prompt-tool', 'stdio'],
    { cwd, env: claudeEnvironment(apiUrl, home), stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const lines: Line[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line) as Line));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));

  return {
    lines,
    ended,
    write: (line: Line) => child.stdin.write(`${JSON.stringify(line)}\n`),
    prompt: (text: string) => child.stdin.write(`${JSON.stringify({ type: 'user', uuid: crypto.randomUUID(), message: { role: 'user', content: text } })}\n`),
    line: (what: string, matches: (line: Line) => boolean) =>
      waitFor(what, () => lines.find(matches), { ms: 30_000, last: () => `${lines.map((line) => JSON.stringify(line).slice(0, 200)).join('\n')}\n${errors}` }),
    async end() {
      child.stdin.end();
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
      const code = await ended;
      clearTimeout(late);
      return code;
    },
  };
}
