/// Chromium with a fresh profile.

import { join } from 'node:path';
import { chromium, type BrowserContext, type ConsoleMessage, type Page } from 'playwright-core';
import { endLater } from './cleanup.ts';
import { freshDirectory } from './places.ts';

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser that the chain does not name yet is told so by 409, with what it has to sign: Chromium writes that down as an error. */
function isFirstSignIn(message: ConsoleMessage): boolean {
  return message.text().includes('status of 409') && new URL(message.location().url).pathname === '/v1/auth';
}

export class Browser {
  readonly context: BrowserContext;
  /** All that left the browser: addresses, headers, bodies, WebSocket messages. */
  readonly sent: Buffer[] = [];
  /** What pages wrote to their console, and what they failed at. */
  readonly complaints: string[] = [];
  readonly #remove: () => void;
  readonly #forget: () => void;

  private constructor(context: BrowserContext, remove: () => void) {
    this.context = context;
    this.#remove = remove;
    this.#forget = endLater(() => this.close());
    context.setDefaultTimeout(45_000);
  }

  /** CONSORTIUM_CHROMIUM names another program than /usr/bin/chromium. */
  static async start({ width = 1280, height = 900, more = [] as string[] } = {}): Promise<Browser> {
    const place = freshDirectory('browser');
    const context = await chromium.launchPersistentContext(join(place.path, 'profile'), {
      executablePath: process.env['CONSORTIUM_CHROMIUM'] ?? '/usr/bin/chromium',
      args: [...flags, ...more],
      headless: true,
      viewport: { width, height },
    });
    return new Browser(context, place.remove);
  }

  async page(url: string): Promise<Page> {
    const page = await this.context.newPage();
    page.on('console', (message) => {
      if (message.type() !== 'error' || isFirstSignIn(message)) return;
      this.complaints.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.complaints.push(`uncaught: ${error.stack ?? error.message}`));
    page.on('request', (request) => {
      this.sent.push(Buffer.from(`${request.method()} ${request.url()} ${JSON.stringify(request.headers())}`), request.postDataBuffer() ?? Buffer.alloc(0));
    });
    page.on('websocket', (socket) => {
      this.sent.push(Buffer.from(socket.url()));
      socket.on('framesent', ({ payload }) => this.sent.push(Buffer.from(payload)));
    });
    await page.goto(url);
    return page;
  }

  async close(): Promise<void> {
    this.#forget();
    await this.context.close();
    this.#remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
