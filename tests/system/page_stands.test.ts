/// The page stands: whatever an agent says, whoever else changes the page, and whatever of it cannot be fetched any more.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../support/browser.ts';
import { Dashboard } from '../support/dashboard.ts';
import { base32Of, Person, sealBundle, utf8 } from '../support/e2ee.ts';
import { Relay } from '../support/relay.ts';
import { SessionOwner } from '../support/session.ts';
import { waitFor } from '../support/wait.ts';

let relay: Relay;
before(async () => {
  relay = await Relay.start();
});
after(() => relay.close());

/** A session whose agent's end is in the test's hands, open in a browser. */
async function open(): Promise<{ browser: Browser; person: Person; owner: SessionOwner; dashboard: Dashboard; close(): Promise<void> }> {
  const browser = await Browser.start();
  const person = await Person.signIn(relay.url);
  const owner = await SessionOwner.start(person);
  const dashboard = await Dashboard.open(browser, relay.url);
  await dashboard.signIn(base32Of(person.secret));
  await dashboard.choose(owner.id);
  return {
    browser, person, owner, dashboard,
    close: async () => {
      owner.close();
      await browser.close();
    },
  };
}

const uncaught = (browser: Browser) => browser.complaints.filter((text) => text.startsWith('uncaught'));
const state = (dashboard: Dashboard, value: string) => dashboard.page.locator(`[data-testid=conversation][data-state=${value}]`).waitFor();

/** A tool call with its result, as Claude's lines say it. */
async function tool(owner: SessionOwner, name: string, input: unknown, content: unknown, structured: unknown): Promise<void> {
  const id = `toolu_${crypto.randomUUID()}`;
  const put = (line: Record<string, unknown>) =>
    owner.send(owner.seal({ role: 'agent', content: { type: 'output', data: { parent_tool_use_id: null, ...line } }, meta: { sentFrom: 'cli' } }).bundle);
  await put({ type: 'assistant', message: { id: `m${id}`, role: 'assistant', content: [{ type: 'tool_use', id, name, input }] } });
  await put({ type: 'user', message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content }] }, tool_use_result: structured });
}

describe('what is more than text', () => {
  const picture = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

  it('is shown as what it is: colours, pictures, days, the output of commands', async () => {
    const { browser, owner, dashboard, close } = await open();
    const line = (data: Record<string, unknown>) => ({ role: 'agent', content: { type: 'output', data: { parent_tool_use_id: null, ...data } }, meta: { sentFrom: 'cli' } });
    const put = (data: Record<string, unknown>) => owner.send(owner.seal(line(data)).bundle);
    const days = [3, 0].map((before) => Date.now() - before * 86_400_000);
    for (const at of days) {
      const { id, envelope } = owner.sender.next(owner.text(`said at ${at}`), at);
      await owner.send(sealBundle(utf8(JSON.stringify(envelope)), owner.key, owner.place('message'), { id }));
    }
    const printed = '\u001b[31mFAIL\u001b[0m one\n\rprogress 10%\rprogress 100%';
    await tool(owner, 'Bash', { command: 'pnpm test' }, printed, { stdout: printed, stderr: '' });
    await tool(owner, 'Read', { file_path: '/home/someone/project/shot.png' }, [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: picture } }], null);
    const usage = '## Context Usage\n\n| Category | Tokens |\n|----------|--------|\n| Skills | 2k |';
    await put({ type: 'assistant', message: { model: '<synthetic>', role: 'assistant', content: [{ type: 'text', text: usage }] }, local_command_source: `<local-command-stdout>${usage}</local-command-stdout>` });

    assert.deepEqual(await dashboard.by('day').evaluateAll((all) => all.map((each) => (each as HTMLElement).dataset['day'])), days.map((at) => new Date(at).toDateString()));
    await dashboard.page.locator('[data-kind=output] td').first().waitFor();
    for (const i of [0, 1]) await dashboard.by('tool').nth(i).locator('summary').first().click();
    await dashboard.page.locator('.t-1').filter({ hasText: 'FAIL' }).waitFor();
    assert.equal(await dashboard.by('tool').first().locator('pre').innerText(), 'FAIL one\nprogress 100%');
    await waitFor('the picture', () => dashboard.by('picture').locator('img').evaluate((image) => (image as HTMLImageElement).naturalWidth === 1));
    assert.deepEqual(browser.complaints.filter((text) => text.startsWith('uncaught') || text.includes('Content Security Policy')), []);
    await close();
  });

  it('a question of twenty thousand lines is made as it is read, and allowed once its end was in view', { timeout: 300_000 }, async () => {
    const { owner, dashboard, close } = await open();
    const { requests } = owner.question(`${Array.from({ length: 20_000 }, (_, i) => `echo ${i}`).join('\n')}\nrm -rf build`);
    owner.alive();
    await owner.setState({ requests });
    const slip = dashboard.by('slip');
    await slip.waitFor();
    assert.ok((await slip.evaluate((element) => element.textContent!.length)) < 60_000);
    await dashboard.page.locator('[data-testid=slip][data-awake=true]').waitFor();
    assert.equal(await slip.getAttribute('data-armed'), 'false');
    await dashboard.by('slip-contents').evaluate((box) => box.scrollTo(0, box.scrollHeight));
    await waitFor('the end of the question', async () => (await slip.getAttribute('data-armed')) === 'true', { ms: 60_000 });
    await dashboard.by('slip-exact').filter({ hasText: 'rm -rf build' }).waitFor();
    await dashboard.by('slip-allow-once').click();
    await waitFor('the answer', () => owner.calls.some(({ name }) => name === 'permission'), { ms: 60_000 });
    await close();
  });

  it('long choices are cut where they are chosen, stand whole above, and leave the answer in view, on a phone as well', { timeout: 300_000 }, async () => {
    const { owner, dashboard, close } = await open();
    owner.alive();
    const label = (letter: string) => `${letter} ${'goes on and on '.repeat(4_000)}and ends`;
    for (const [width, height] of [[1280, 720], [390, 720]] as const) {
      await dashboard.page.setViewportSize({ width, height });
      const options = ['a', 'b', 'c', 'd'].map((letter) => ({ label: label(letter), description: label(`why ${letter}`) }));
      const asking = owner.ask({ tool: 'question', arguments: { questions: [{ question: 'Which?', header: 'Way', multiSelect: false, options }] }, grants: [] });
      await owner.setState({ requests: asking.requests });
      if (width < 768) await dashboard.by('ask-bar').click();
      const slip = dashboard.by('slip');
      await slip.waitFor();
      await dashboard.page.locator('[data-testid=slip][data-awake=true]').waitFor();
      const button = (await dashboard.by('slip-answer').boundingBox())!;
      assert.ok(button.y > 0 && button.y + button.height <= height, `the answer is at ${button.y} of ${height}`);
      assert.ok((await slip.locator('form').innerText()).length < 5_000);
      await dashboard.by('slip-choice').nth(1).click();
      assert.ok(await dashboard.by('slip-answer').isDisabled(), 'not before its end was in view');
      const before = owner.calls.length;
      // Once: what comes into view turns out higher than it was taken for, and the end stays in view.
      await dashboard.by('slip-contents').evaluate((box) => box.scrollTo(0, box.scrollHeight));
      await waitFor('the end of the question', () => dashboard.by('slip-answer').isEnabled(), { ms: 60_000, every: 100 });
      await dashboard.by('slip-answer').click();
      const call = await waitFor('the answer', () => owner.calls.slice(before).find(({ name }) => name === 'permission'), { ms: 60_000 });
      assert.deepEqual((call.d as { answers: unknown }).answers, { 'Which?': label('b') });
      await owner.setState({ requests: {} });
      await slip.waitFor({ state: 'detached' });
    }
    await close();
  });
});

describe('a phone', () => {
  it('shows how a call ended, whole, though the line is short', { timeout: 120_000 }, async () => {
    const { owner, dashboard, close } = await open();
    await dashboard.page.setViewportSize({ width: 390, height: 720 });
    const put = (line: Record<string, unknown>) =>
      owner.send(owner.seal({ role: 'agent', content: { type: 'output', data: { parent_tool_use_id: null, ...line } }, meta: { sentFrom: 'cli' } }).bundle);
    await put({ type: 'assistant', message: { id: 'm1', role: 'assistant', content: [{ type: 'tool_use', id: 'a1', name: 'Agent', input: { description: 'Look for the leak', prompt: 'look' } }] } });
    await put({ type: 'system', subtype: 'task_started', task_id: 't1', tool_use_id: 'a1', description: 'Look for the leak', is_backgrounded: true, task_type: 'local_agent' });
    await put({ type: 'assistant', parent_tool_use_id: 'a1', message: { id: 'm2', role: 'assistant', content: [{ type: 'tool_use', id: 'i1', name: 'Bash', input: { command: 'true' } }] } });
    await put({ type: 'system', subtype: 'task_notification', task_id: 't1', tool_use_id: 'a1', status: 'stopped', summary: 'Look for the leak' });
    const end = dashboard.by('tool').first().locator('.m.end').filter({ hasText: '1 step, in the background: was stopped' });
    await end.waitFor({ timeout: 60_000 });
    assert.ok(await end.evaluate((word) => word.scrollWidth <= word.clientWidth && word.scrollHeight <= word.clientHeight), 'none of it is cut off');
    await close();
  });
});

describe('a page that others change', () => {
  /** What a browser's translator does: every text is replaced by an element with another one. */
  const translate = (dashboard: Dashboard) =>
    dashboard.page.evaluate(() => {
      const walk = document.createTreeWalker(document.getElementById('root')!, NodeFilter.SHOW_TEXT);
      const texts: Text[] = [];
      while (walk.nextNode()) texts.push(walk.currentNode as Text);
      for (const text of texts) {
        if (text.data.trim() === '' || text.parentElement?.closest('[translate=no]')) continue;
        const outer = document.createElement('font');
        const inner = document.createElement('font');
        inner.textContent = text.data.toUpperCase();
        outer.append(inner);
        text.replaceWith(outer);
      }
    });

  it('goes on, and shows what is new in the place of what was translated', async () => {
    const { browser, owner, dashboard, close } = await open();
    await owner.say('some words');
    await dashboard.entry('text', 'some words').waitFor();
    await translate(dashboard);
    await dashboard.entry('text', 'SOME WORDS').waitFor();
    owner.alive(true);
    await state(dashboard, 'working');
    owner.stream({ block: 'b', offset: 0, text: 'being', kind: 'text' });
    await dashboard.by('partial').filter({ hasText: 'being' }).waitFor();
    await translate(dashboard);
    owner.stream({ block: 'b', offset: 5, text: ' said', kind: 'text' });
    await dashboard.by('partial').filter({ hasText: 'being said' }).waitFor();
    await owner.say('more words');
    await dashboard.entry('text', 'more words').waitFor();
    const { requests } = owner.question('touch it');
    await owner.setState({ requests });
    await dashboard.by('slip').waitFor();
    await translate(dashboard);
    assert.equal(await dashboard.by('slip-exact').innerText(), 'touch it', 'a command is nothing to translate');
    await owner.setState({ requests: {} });
    await dashboard.by('slip').waitFor({ state: 'detached' });
    owner.alive(false);
    await state(dashboard, 'idle');
    await dashboard.page.goto(`${relay.url}/settings`);
    await dashboard.by('truth-line').waitFor();
    assert.deepEqual(uncaught(browser), []);
    await close();
  });

  it('goes on where nodes were taken out, moved and wrapped', async () => {
    const { browser, owner, dashboard, close } = await open();
    for (const words of ['first', 'second', 'third']) await owner.say(words);
    await dashboard.entry('text', 'third').waitFor();
    await dashboard.page.evaluate(() => {
      const [first, second, third] = Array.from(document.querySelectorAll('[data-testid=entry]'));
      first?.remove();
      if (second && third) third.after(second);
      const box = document.createElement('div');
      third?.replaceWith(box);
      box.append(third!);
      document.querySelector('[data-testid=truth-line]')?.firstElementChild?.remove();
    });
    owner.alive(true);
    await state(dashboard, 'working');
    await owner.say('fourth');
    await dashboard.entry('text', 'fourth').waitFor();
    owner.alive(false);
    await state(dashboard, 'idle');
    await dashboard.by('nav-devices').click();
    await dashboard.page.goBack();
    await dashboard.entry('text', 'first').waitFor();
    assert.deepEqual(uncaught(browser), []);
    await close();
  });
});

describe('texts that cost much', () => {
  /** Seconds of a processor that the page's own thread has taken so far: what is beside this test on the machine does not count. */
  async function meter(dashboard: Dashboard): Promise<() => Promise<number>> {
    const session = await dashboard.page.context().newCDPSession(dashboard.page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    return async () => (await session.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration')!.value;
  }

  /** Each of the faults took ten seconds and more by itself. */
  const secondsMax = 8;

  const texts: [what: string, text: string][] = [
    ['quotes in quotes', `${'>'.repeat(3_000)} x`],
    ['lists in lists', Array.from({ length: 300 }, (_, i) => `${'  '.repeat(i)}- x`).join('\n')],
    ['emphasis that never ends', '**a *b '.repeat(12_000)],
    ['brackets', '['.repeat(60_000)],
    ['links in links', '[a]('.repeat(20_000)],
    ['a wide table', `|${'a|'.repeat(3_000)}\n|${'-|'.repeat(3_000)}\n${`|${'b|'.repeat(1_000)}\n`.repeat(20)}`],
    ['marks of code', Array.from({ length: 400 }, (_, i) => '`'.repeat(i)).join(' ')],
    ['addresses', 'a@'.repeat(40_000)],
    ['one line', 'word '.repeat(20_000)],
    ['a program', `\`\`\`js\n${'"\\'.repeat(30_000)}\n\`\`\``],
    ['stars in the first line', '*_'.repeat(45_000)],
    ['short paragraphs', 'a\n\n'.repeat(30_000)],
    ['short programs', '```\na\n```\n'.repeat(9_000)],
  ];

  it('are shown, and the page goes on, before and after a reload', { timeout: 600_000 }, async () => {
    const { browser, owner, dashboard, close } = await open();
    const spent = await meter(dashboard);
    for (const [, text] of texts) await owner.say(text);
    await owner.say('the **last** of them');
    await dashboard.entry('text', 'the last of them').waitFor();
    const before = await spent();
    assert.ok(before < secondsMax, `the page was busy for ${before} s`);
    await dashboard.page.reload();
    await dashboard.entry('text', 'the last of them').waitFor();
    await dashboard.page.locator('strong').filter({ hasText: 'last' }).waitFor();
    await dashboard.by('composer-input').fill('still here');
    assert.equal(await dashboard.by('composer-input').inputValue(), 'still here');
    const both = await spent();
    assert.ok(both < 2 * secondsMax, `the page was busy for ${both} s`);
    assert.deepEqual(uncaught(browser), []);
    await close();
  });

  it('a change of 45,000 lines is shown whole, and made as far as it is in view', { timeout: 300_000 }, async () => {
    const { owner, dashboard, close } = await open();
    const lines = Array.from({ length: 45_000 }, (_, i) => (i % 7 === 0 ? [`-line ${i}`, `+line ${i} changed`] : [` line ${i}`])).flat();
    await tool(owner, 'Edit', { file_path: '/home/someone/project/a.ts', old_string: 'x', new_string: 'y' }, 'ok', { structuredPatch: [{ oldStart: 1, oldLines: 45_000, newStart: 1, newLines: 45_000, lines }] });
    const row = dashboard.by('tool').first();
    await row.locator('summary').first().click();
    const spent = await meter(dashboard);
    const before = await spent();
    await dashboard.page.getByText('Show all 51,429 lines').click();
    await dashboard.page.getByText('Show 60', { exact: true }).waitFor();
    assert.ok((await row.locator('tr').count()) < 1_500, 'no more rows than are near the view');
    await dashboard.page.locator('#conversation').evaluate((box) => (box.scrollTop = box.scrollHeight));
    await row.getByText('line 44999', { exact: true }).waitFor();
    assert.ok((await row.locator('tr').count()) < 1_500, 'what is far from the view is unmade again');
    const took = (await spent()) - before;
    assert.ok(took < secondsMax, `the page was busy for ${took} s`);
    await close();
  });
});

describe('after an upgrade of the relay', () => {
  it('an open page fetches itself anew, once, with what was typed', async () => {
    const { browser, dashboard, close } = await open();
    await dashboard.by('composer-input').fill('half a sentence');
    let loads = 0;
    dashboard.page.on('load', () => (loads += 1));
    await browser.context.route('**/assets/scanner-*', (route) => route.fulfill({ status: 404 }));
    await dashboard.by('pair-machine').click();
    await dashboard.by('pair-camera').click();
    await waitFor('the page to be loaded again', () => loads === 1);
    await dashboard.by('pair-camera').click();
    await dashboard.by('broken').waitFor();
    assert.match(await dashboard.by('broken').innerText(), /could not be fetched/);
    assert.equal(loads, 1);
    assert.ok(await dashboard.by('pair-link-input').isVisible(), 'all around it goes on');
    await dashboard.page.getByText('Back', { exact: true }).click();
    await dashboard.by('session-row').first().click();
    await waitFor('the draft', async () => (await dashboard.by('composer-input').inputValue()) === 'half a sentence');
    await close();
  });

  it('loses nothing that is typed elsewhere, and says what to do', async () => {
    const { browser, dashboard, close } = await open();
    let loads = 0;
    dashboard.page.on('load', () => (loads += 1));
    await browser.context.route('**/assets/scanner-*', (route) => route.fulfill({ status: 404 }));
    await dashboard.by('pair-machine').click();
    await dashboard.by('pair-link-input').fill('half a link');
    await dashboard.by('pair-camera').click();
    await dashboard.by('broken').waitFor();
    assert.equal(loads, 0);
    assert.equal(await dashboard.by('pair-link-input').inputValue(), 'half a link');
    await close();
  });

  it('signing in ends in a page that says what is missing, never in a blank one or in a loop', async () => {
    await using browser = await Browser.start();
    const person = await Person.signIn(relay.url);
    const dashboard = await Dashboard.open(browser, relay.url);
    let loads = 0;
    dashboard.page.on('load', () => (loads += 1));
    await browser.context.route('**/assets/shell-*', (route) => route.fulfill({ status: 404 }));
    await dashboard.tryToSignIn(base32Of(person.secret));
    const [look, broken] = [dashboard.by('first-look-ok'), dashboard.by('broken')];
    await look.or(broken).first().waitFor();
    if (await look.count()) await look.click();
    await broken.waitFor();
    assert.ok(loads <= 1, `loaded again ${loads} times`);
    await browser.context.unroute('**/assets/shell-*');
    await dashboard.page.getByText('Load the page again').click();
    await dashboard.by('truth-line').waitFor();
  });
});
