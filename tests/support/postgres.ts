/// Debian's PostgreSQL for a test: a fresh cluster on a free loopback port, of the user postgres where the tests run as
/// root, for it refuses to be root's.

import { spawn, type ChildProcess } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { endAtExit, endLater } from './cleanup.ts';
import { freshDirectory } from './places.ts';
import { run } from './relay.ts';
import { waitFor } from './wait.ts';

const programs = '/usr/lib/postgresql/15/bin';

/** Who runs it, if not whoever runs the tests. */
function otherUser(): { uid: number; gid: number } | undefined {
  if (process.getuid!() !== 0) return undefined;
  const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((one) => one.startsWith('postgres:'));
  if (line === undefined) throw new Error('there is no user postgres: scripts/dependencies --test installs PostgreSQL');
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Postgres {
  readonly port: number;
  readonly #place = freshDirectory('consortium-postgres');
  readonly #user = otherUser();
  readonly #forget = endLater(() => this.close());
  #output = '';
  #child: ChildProcess | undefined;
  #ended: Promise<void> | undefined;

  private constructor(port: number) {
    this.port = port;
  }

  /** With a database `mirror` in it. */
  static async start(): Promise<Postgres> {
    const postgres = new Postgres(await freePort());
    if (postgres.#user) chownSync(postgres.#place.path, postgres.#user.uid, postgres.#user.gid);
    const code = await postgres.#launch('initdb', ['--pgdata', postgres.#data, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync']);
    if (code !== 0) throw new Error(`initdb: ${postgres.#output}`);
    await postgres.start();
    await postgres.sql('CREATE DATABASE mirror', 'postgres');
    return postgres;
  }

  get #data(): string {
    return join(this.#place.path, 'data');
  }

  #spawn(name: string, args: string[]): ChildProcess {
    const child = spawn(join(programs, name), args, { ...this.#user, cwd: '/', env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    return child;
  }

  #launch(name: string, args: string[]): Promise<number | null> {
    const child = this.#spawn(name, args);
    return new Promise((resolve) => child.on('close', resolve));
  }

  async start(): Promise<void> {
    const child = this.#spawn('postgres', ['-D', this.#data, '-p', String(this.port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'fsync=off', '-c', 'max_connections=30']);
    this.#child = child;
    const forget = endAtExit(() => child.kill('SIGQUIT'));
    child.on('exit', forget);
    this.#ended = new Promise((resolve) => child.on('close', () => resolve()));
    await waitFor('PostgreSQL to answer', async () => (await this.#psql('SELECT 1', 'postgres', 'postgres')).code === 0, { ms: 60_000, last: () => this.#output });
  }

  /** SIGKILL to all of it. */
  async kill(): Promise<void> {
    this.#all('SIGKILL');
    await this.#ended;
  }

  /** At once, with its files in order. */
  async stop(): Promise<void> {
    this.signal('SIGCONT');
    this.#child!.kill('SIGINT');
    await this.#ended;
  }

  /** SIGSTOP, SIGCONT: to all of it. */
  signal(which: 'SIGSTOP' | 'SIGCONT'): void {
    this.#all(which);
  }

  #all(signal: NodeJS.Signals): void {
    const { pid } = this.#child!;
    for (const one of [pid!, ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)]) {
      try {
        process.kill(one, signal);
      } catch {
        // It ended by itself.
      }
    }
  }

  url({ user = 'postgres', port = this.port, database = 'mirror' } = {}): string {
    return `postgresql://${user}@127.0.0.1:${port}/${database}`;
  }

  #psql(query: string, database: string, user: string) {
    return run(join(programs, 'psql'), ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', this.url({ user, database }), '-f', '-'], { input: query, env: { LC_ALL: 'C' } });
  }

  /** What psql prints: a line for each row, fields divided by |. */
  async sql(query: string, database = 'mirror', user = 'postgres'): Promise<string> {
    const { code, stdout, stderr } = await this.#psql(query, database, user);
    if (code !== 0) throw new Error(`psql: ${stderr}`);
    return stdout.trimEnd();
  }

  /** What it refuses with. */
  async refusal(query: string, user: string): Promise<string> {
    const { code, stderr } = await this.#psql(query, 'mirror', user);
    if (code === 0) throw new Error(`not refused: ${query}`);
    return stderr;
  }

  async close(): Promise<void> {
    this.#forget();
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) await this.stop();
    this.#place.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A place for Postgres' files that is soon full: a file system of its own. */
export class SmallDisk {
  readonly #place = freshDirectory('consortium-small-disk');
  readonly #forget = endLater(() => this.close());
  #mounted = false;

  /** Nothing where the tests may not mount one. */
  static async mount(mebibytes: number): Promise<SmallDisk | undefined> {
    const user = otherUser();
    if (!user) return undefined;
    const disk = new SmallDisk();
    disk.#mounted = (await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,uid=${user.uid},gid=${user.gid},mode=700`, 'tmpfs', disk.path])).code === 0;
    if (disk.#mounted) return disk;
    await disk.close();
    return undefined;
  }

  get path(): string {
    return this.#place.path;
  }

  async grow(mebibytes: number): Promise<void> {
    const { code, stderr } = await run('mount', ['-o', `remount,size=${mebibytes}m`, this.path]);
    if (code !== 0) throw new Error(`mount: ${stderr}`);
  }

  async close(): Promise<void> {
    this.#forget();
    if (this.#mounted) await run('umount', ['--lazy', this.path]);
    this.#place.remove();
  }
}

/** Passes bytes to Postgres until it is told to stop, or a client has sent so many, and then holds every connection without a word. */
export class StallingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #forget = endLater(() => this.close());
  #stalled = false;
  #bytesLeft = Infinity;

  private constructor(server: Server, target: number) {
    this.#server = server;
    server.on('connection', (client) => {
      const postgres = connect(target, '127.0.0.1');
      for (const [one, other] of [[client, postgres], [postgres, client]] as const) {
        this.#sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
        if (this.#stalled) one.pause();
      }
      client.on('data', (chunk: Buffer) => {
        this.#bytesLeft -= chunk.length;
        if (this.#bytesLeft <= 0) this.stall();
      });
    });
  }

  static async start(target: number): Promise<StallingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new StallingProxy(server, target);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Stalls when clients have sent so much more, in the middle of whatever that is. */
  stallAfter(bytes: number): void {
    this.#bytesLeft = bytes;
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  /** Nothing passes any more, in connections that there are and will be. */
  stall(): void {
    this.#stalled = true;
    this.#bytesLeft = Infinity;
    for (const socket of this.#sockets) socket.pause();
  }

  resume(): void {
    this.#stalled = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    this.#forget();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
