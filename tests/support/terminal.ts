/// A terminal with a program in it: tmux, with a server of its own.

import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endAtExit } from './cleanup.ts';
import { freshDirectory } from './places.ts';
import { waitFor } from './wait.ts';

const execute = promisify(execFile);

// tmux may throw away what a program printed last before it ended. So a shell outlives the program, and tells its exit
// status as the terminal's title: in order behind all that was printed. (Keys that signal reach the shell too.)
const SUPERVISOR = "trap : INT QUIT; \"$@\"; printf '\\033]2;ended %d\\033\\\\' $?; exec sleep infinity";

export class Terminal {
  readonly #place = freshDirectory('terminal');
  readonly #socket = join(this.#place.path, 'tmux');
  readonly #forget = endAtExit(() => {
    spawnSync('tmux', ['-S', this.#socket, 'kill-server']);
    this.#place.remove();
  });

  /** Runs `command` with exactly this environment, in so many columns by 60 rows. */
  static async start(command: string[], { env, cwd, columns = 120 }: { env: Record<string, string>; cwd: string; columns?: number }): Promise<Terminal> {
    const terminal = new Terminal();
    const settings = join(terminal.#place.path, 'settings');
    writeFileSync(settings, 'set -g status off\nset -g history-limit 20000\nset -g escape-time 0\n');
    const clean = Object.entries({ TERM: 'screen-256color', ...env }).map(([name, value]) => `${name}=${value}`);
    await terminal.#tmux('-f', settings, 'new-session', '-d', '-x', String(columns), '-y', '60', '-c', cwd,
      'sh', '-c', SUPERVISOR, 'sh', 'env', '-i', ...clean, ...command);
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

  /** What stands on the terminal now, with its colours, and where the cursor is. */
  async painted(): Promise<string> {
    return (await this.#tmux('capture-pane', '-p', '-e')) + (await this.#tmux('display-message', '-p', '#{cursor_x},#{cursor_y} #{cursor_flag} #{alternate_on} #{mouse_any_flag}'));
  }

  /** Pastes text, as one paste where the program takes those. */
  async paste(text: string): Promise<void> {
    await this.#tmux('set-buffer', '--', text);
    await this.#tmux('paste-buffer', '-p', '-d');
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
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

  /** Process id of the program, while it runs. */
  async pid(): Promise<number> {
    const shell = (await this.#tmux('display-message', '-p', '#{pane_pid}')).trim();
    return waitFor('the program in the terminal', () => Number(readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8')) || undefined);
  }

  /** The program's exit status (128 more than the signal's number after one) once it has ended and all it printed is shown. */
  async ended(ms = 20_000): Promise<number> {
    let seen = '';
    const [, status] = await waitFor('the program in the terminal to end', async () => {
      const ended = /^ended (\d+)$/m.exec(await this.#tmux('display-message', '-p', '#{pane_title}'));
      if (!ended) seen = (await this.screen()).trimEnd();
      return ended;
    }, { ms, every: 50, last: () => seen });
    return Number(status);
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
