/// A terminal with a program in it: tmux, with a server of its own.

import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endAtExit } from './cleanup.ts';
import { freshDirectory } from './places.ts';
import { waitFor } from './wait.ts';

const execute = promisify(execFile);

function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

export class Terminal {
  readonly #place = freshDirectory('terminal');
  readonly #socket = join(this.#place.path, 'tmux');
  readonly #forget = endAtExit(() => {
    spawnSync('tmux', ['-S', this.#socket, 'kill-server']);
    this.#place.remove();
  });

  /** Runs `command` with exactly this environment, 120 columns by 60 rows. */
  static async start(command: string[], { env, cwd }: { env: Record<string, string>; cwd: string }): Promise<Terminal> {
    const terminal = new Terminal();
    const settings = join(terminal.#place.path, 'settings');
    writeFileSync(settings, 'set -g remain-on-exit on\nset -g status off\nset -g history-limit 20000\nset -g escape-time 0\n');
    const clean = Object.entries({ TERM: 'screen-256color', ...env }).map(([name, value]) => `${name}=${value}`);
    await terminal.#tmux('-f', settings, 'new-session', '-d', '-x', '120', '-y', '60', '-c', cwd, 'env', '-i', ...clean, ...command);
    return terminal;
  }

  async #tmux(...args: string[]): Promise<string> {
    const { stdout } = await execute('tmux', ['-S', this.#socket, ...args], {
      env: { PATH: '/usr/bin:/bin', HOME: this.#place.path, LANG: 'C.UTF-8', TMUX_TMPDIR: this.#place.path },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  }

  /** All that has been printed, wrapped lines joined. */
  screen(): Promise<string> {
    return this.#tmux('capture-pane', '-p', '-J', '-S', '-');
  }

  /** Types text as it is. */
  async type(text: string): Promise<void> {
    await this.#tmux('send-keys', '-l', '--', text);
  }

  /** Presses keys by their tmux names: Enter, C-c, Escape ... */
  async press(...keys: string[]): Promise<void> {
    await this.#tmux('send-keys', ...keys);
  }

  /** Waits for text on the screen. */
  async shows(pattern: RegExp, ms = 20_000): Promise<RegExpExecArray> {
    let screen = '';
    return waitFor(`${pattern} in the terminal`, async () => {
      screen = await this.screen();
      return pattern.exec(screen);
    }, { ms, every: 50, last: () => screen.trimEnd() });
  }

  /** Process id of the program. */
  async pid(): Promise<number> {
    return Number(await this.#tmux('display-message', '-p', '#{pane_pid}'));
  }

  /** The program's exit status once it has ended. */
  async ended(ms = 20_000): Promise<number> {
    let seen = '';
    let zombie = 0;
    const status = await waitFor('the program in the terminal to end', async () => {
      const [server, pid, dead, code] = (
        await this.#tmux('display-message', '-p', '#{pid} #{pane_pid} #{pane_dead} #{pane_dead_status}')
      ).trim().split(' ');
      if (dead === '1' && code) return [Number(code)];
      // Now and then tmux 3.3a misses a SIGCHLD and leaves a zombie. Told while the program's last words are still on
      // their way through the kernel, it would close the terminal before it has read them.
      zombie = isZombie(Number(pid)) ? zombie + 1 : 0;
      if (zombie > 10) process.kill(Number(server), 'SIGCHLD');
      seen = (await this.screen()).trimEnd();
      return undefined;
    }, { ms, every: 50, last: () => seen });
    return status[0]!;
  }

  async close(): Promise<void> {
    this.#forget();
    await this.#tmux('kill-server').catch(() => {});
    this.#place.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
