/// The dashboard as a person uses it: a page in Chromium, driven by the names of `dashboard/TESTIDS.md`.

import assert from 'node:assert/strict';
import type { Locator, Page } from 'playwright-core';
import type { Browser } from './browser.ts';

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

  /** Makes a new identity; returns the secret key that was shown once. */
  async newIdentity(): Promise<string> {
    await this.by('new-identity').click();
    const secret = (await this.by('secret-key').textContent())!.trim();
    assert.match(secret.replaceAll(/\s/g, ''), /^([A-Z2-7]{5}-){10}[A-Z2-7]{2}$/);
    await this.by('secret-written-down').check();
    await this.by('secret-continue').click();
    await this.by('sessions').waitFor();
    return secret;
  }

  async signIn(secret: string): Promise<void> {
    await this.by('sign-in-secret').fill(secret);
    await this.by('sign-in').click();
    await this.by('sessions').waitFor();
  }

  /** Approves the machine behind a link; returns the code to compare. */
  async approve(link: string): Promise<string> {
    await this.by('pair-open').click();
    await this.by('pair-link').fill(link);
    await this.by('pair-check').click();
    await this.by('pair-approve').click();
    const code = await this.by('pair-code').innerText();
    return code.replaceAll(/\s+/g, ' ').trim();
  }

  row(text: string | RegExp): Locator {
    return this.by('session-row').filter({ hasText: text });
  }

  async choose(text: string | RegExp): Promise<void> {
    await this.row(text).first().click();
    await this.by('conversation').waitFor();
  }

  async prompt(text: string): Promise<void> {
    await this.by('composer').fill(text);
    await this.by('send').click();
  }

  /** Waits until the conversation shows this. */
  async shows(text: string | RegExp, timeout = 20_000): Promise<void> {
    await this.by('conversation').getByText(text).first().waitFor({ timeout });
  }
}
