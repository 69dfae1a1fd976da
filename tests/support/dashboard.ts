/// The dashboard as a person uses it: a page in Chromium, driven by the names of `dashboard/TESTIDS.md`.

import assert from 'node:assert/strict';
import type { Locator, Page } from 'playwright-core';
import { codeIn, linkIn, typeCode } from './agent.ts';
import type { Browser } from './browser.ts';
import type { Terminal } from './terminal.ts';
import { waitFor } from './wait.ts';

type EntryKind = 'prompt' | 'text' | 'thinking' | 'tool' | 'result' | 'event' | 'unverified';

export class Dashboard {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  static async open(browser: Browser, url: string): Promise<Dashboard> {
    return new Dashboard(await browser.page(url));
  }

  by(id: string): Locator {
    return this.page.getByTestId(id);
  }

  /** Reads the question to its end, as has to be done, and allows it once. */
  async allowOnce(): Promise<void> {
    await this.by('slip-contents').evaluate((box) => box.scrollTo(0, box.scrollHeight));
    await this.by('slip-allow-once').click();
  }

  /** Makes a new identity and shows that the key was written down; returns the key. */
  async newIdentity(): Promise<string> {
    await this.by('new-identity').click();
    const secret = (await this.by('secret-key').getAttribute('data-key'))!;
    assert.match(secret, /^([A-Z2-7]{5}-){10}[A-Z2-7]{2}$/);
    for (const field of await this.by('key-group').all()) {
      const group = Number(await field.getAttribute('data-group'));
      await field.fill(secret.split('-')[group - 1]!);
    }
    await this.by('key-confirm').click();
    await this.by('truth-line').waitFor();
    return secret;
  }

  async tryToSignIn(secret: string): Promise<void> {
    await this.by('have-key').click();
    await this.by('sign-in-input').fill(secret);
    await this.by('sign-in-submit').click();
  }

  /** Signs in as a new device, and has seen which devices there are. */
  async signIn(secret: string): Promise<void> {
    await this.tryToSignIn(secret);
    const [look, line] = [this.by('first-look-ok'), this.by('truth-line')];
    await look.or(line).first().waitFor();
    if (await look.count()) await look.click();
    await line.waitFor();
  }

  /** Gives the link, and goes no further. */
  async beginPairing(link: string): Promise<void> {
    await this.by('pair-machine').click();
    await this.by('pair-link-input').fill(link);
    await this.by('pair-continue').click();
  }

  async leavePairing(): Promise<void> {
    await this.page.getByText('Back', { exact: true }).click();
    await this.by('session-list').waitFor();
  }

  /** "I started this now": answers the request behind a link; returns the digits for the terminal. */
  async answer(link: string): Promise<string> {
    await this.beginPairing(link);
    await this.by('pair-begin').click();
    await this.by('pair-for-terminal').waitFor();
    const groups = await this.by('pair-for-terminal').locator('span').allInnerTexts();
    return groups.join(' ');
  }

  /** Types the digits of the terminal. */
  async typeDigits(digits: string): Promise<void> {
    await this.by('pair-digits').fill(digits);
    await this.by('pair-confirm').click();
  }

  /** Pairs the machine in the terminal, both halves typed as they are shown. */
  async pair(terminal: Terminal): Promise<void> {
    const shown = await this.answer(await linkIn(terminal));
    await typeCode(terminal, shown);
    await this.typeDigits(await codeIn(terminal));
    await this.by('pair-paired').or(this.by('pair-complete')).first().waitFor();
  }

  /** Waits until a pairing is over, and why. */
  async pairingOver(why: string): Promise<void> {
    await this.page.locator(`[data-testid=pair-over-why][data-why=${why}]`).waitFor();
  }

  /** The id of the session that is open. */
  async session(): Promise<string> {
    return (await this.by('conversation').getAttribute('data-session-id'))!;
  }

  row(id: string): Locator {
    return this.page.locator(`[data-testid=session-row][data-session-id="${id}"]`);
  }

  async choose(id: string): Promise<void> {
    await this.row(id).click();
    await this.page.locator(`[data-testid=conversation][data-session-id="${id}"]`).waitFor();
  }

  async prompt(text: string): Promise<void> {
    await this.by('composer-input').fill(text);
    await this.by('send').click();
  }

  /** The entries of the conversation of a kind that hold this text. */
  entry(kind: EntryKind, text: string | RegExp): Locator {
    return this.page.locator(`[data-testid=entry][data-kind=${kind}]`).filter({ hasText: text });
  }

  /** Waits until the turn has ended and is shown as such. */
  async settled(): Promise<void> {
    await waitFor('the end of the turn to be the last entry', async () => (await this.by('entry').last().getAttribute('data-kind')) === 'result');
    await this.page.locator('[data-testid=conversation][data-state=idle]').waitFor();
  }

  async deleteSession(): Promise<void> {
    await this.by('session-menu').click();
    await this.by('session-delete').click();
    const dialog = this.by('session-delete-dialog');
    await this.by('session-delete-word').fill(await dialog.locator('label b').innerText());
    await this.by('session-delete-confirm').click();
    await dialog.waitFor({ state: 'detached' });
  }
}
