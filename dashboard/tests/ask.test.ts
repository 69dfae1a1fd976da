// Questions, grants and answers as they come from outside: whatever stands there, what is shown is what was sent.
import { describe, expect, it } from "vitest";
import * as c from "../src/crypto/index.ts";
import { marked, parseAsk, plainly, readGrant } from "../src/state/ask.ts";
import { decodeMessage } from "../src/state/decode.ts";
import { readAgentState, withText } from "../src/state/sessionfields.ts";
import { askText } from "./fake-agent.ts";

/** Numbers from a seed: a failure names it, and can be run again. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
const rounds = Array.from({ length: 300 }, (_, i) => i + 1);

/** Any JSON value, with keys and texts that are likely to mean something. */
function anything(next: () => number, depth = 0): unknown {
  const words = ["", "ask", "id", "type", "addRules", "session", "localSettings", "allow", "rules", "toolName", "__proto__", "toString", "Bash", "\u202e", "\ud800", "a\nb", "🌍"];
  const word = () => words[Math.floor(next() * words.length)] as string;
  const kind = next();
  if (depth > 3 || kind < 0.3) return word();
  if (kind < 0.4) return Math.floor(next() * 1e6) / 7;
  if (kind < 0.5) return [null, true, false][Math.floor(next() * 3)];
  if (kind < 0.7) return Array.from({ length: Math.floor(next() * 4) }, () => anything(next, depth + 1));
  return Object.fromEntries(Array.from({ length: Math.floor(next() * 5) }, () => [word(), anything(next, depth + 1)]));
}

describe("an ask", () => {
  it("is read as it was written, or not at all, wherever it is cut or changed", () => {
    const text = askText("t1", "Bash", { command: "ls", note: 1.5 }, { grants: [{ type: "setMode", mode: "plan", destination: "session" }], cwd: "/" });
    expect(parseAsk(text, "t1")).toMatchObject({ exact: true, tool: "Bash", cwd: "/", arguments: { command: "ls", note: 1.5 }, hash: c.askHash(text) });
    for (let size = 0; size < text.length; size += 1) expect(parseAsk(text.slice(0, size), "t1")).toBeNull();
    for (const seed of rounds) {
      const next = random(seed);
      const at = Math.floor(next() * text.length);
      const changed = text.slice(0, at) + String.fromCharCode(32 + Math.floor(next() * 95)) + text.slice(at + 1);
      const ask = parseAsk(changed, "t1");
      if (ask === null) continue;
      expect(ask.hash === c.askHash(text), `seed ${seed}`).toBe(changed === text);
      // What is shown as parsed says all of the text again.
      if (ask.exact) expect(JSON.stringify(JSON.parse(changed)), `seed ${seed}`).toBe(changed);
    }
  });

  it("of any other shape is none", () => {
    const good = { id: "t1", nonce: "0".repeat(32), tool: "Bash", arguments: {}, grants: [] };
    expect(parseAsk(JSON.stringify(good), "t1")).not.toBeNull();
    for (const bad of [{ id: "t2" }, { nonce: "0" }, { nonce: undefined }, { tool: 1 }, { arguments: [] }, { arguments: null }, { grants: {} }, { grants: undefined }]) expect(parseAsk(JSON.stringify({ ...good, ...bad }), "t1")).toBeNull();
    for (const bad of ["", "null", "[]", "1", '"x"']) expect(parseAsk(bad, "t1")).toBeNull();
  });

  it("of any arguments and grants is read without a fault, with every grant", () => {
    for (const seed of rounds) {
      const next = random(seed);
      const grants = Array.from({ length: Math.floor(next() * 4) }, () => anything(next));
      const input = { any: anything(next) };
      const ask = parseAsk(askText("t1", "Any", input, { grants }), "t1");
      expect(ask?.grants.map((grant) => grant.index), `seed ${seed}`).toEqual(grants.map((_, i) => i));
      for (const grant of ask?.grants ?? []) expect(grant.words !== "" && grant.exact.length > 0, `seed ${seed}`).toBe(true);
    }
  });
});

describe("grants", () => {
  const rule = { toolName: "Bash", ruleContent: "ls:*" };
  it("are put into words only where the words say all of it", () => {
    const known = [
      [{ type: "addRules", rules: [rule, { toolName: "Edit" }], behavior: "allow", destination: "session" }, "Every command that begins with “ls”, and changing any file, anywhere pass without a question", ["Bash(ls:*)", "Edit"]],
      [{ type: "addRules", rules: [rule], behavior: "deny", destination: "userSettings" }, "Every command that begins with “ls” is never run", ["Bash(ls:*)"]],
      [{ type: "removeRules", rules: [rule], behavior: "deny", destination: "localSettings" }, "Every command that begins with “ls” is no longer forbidden", ["Bash(ls:*)"]],
      [{ type: "setMode", mode: "bypassPermissions", destination: "session" }, "Claude does everything without a question", ["bypassPermissions"]],
      [{ type: "addDirectories", directories: ["/srv", "/etc"], destination: "session" }, "Claude reads everything in these folders without a question, and works there as it does in the project", ["/srv", "/etc"]],
    ] as const;
    for (const [update, words, exact] of known) expect(readGrant(update, 0)).toMatchObject({ words, exact });

    const odd: unknown[] = [
      null, "x", [], {}, { type: "addRules" }, { type: "addRules", rules: [], behavior: "allow", destination: "session" }, { type: "addRules", rules: [rule], behavior: "maybe", destination: "session" },
      { type: "addRules", rules: [{ ...rule, more: 1 }], behavior: "allow", destination: "session" }, { type: "addRules", rules: [rule], behavior: "allow", destination: "elsewhere" },
      { type: "addRules", rules: [rule], behavior: "allow", destination: "session", more: true }, { type: "addRules", rules: [{ toolName: "Bash", ruleContent: 1 }], behavior: "allow", destination: "session" },
      { type: "setMode", destination: "session" }, { type: "addDirectories", directories: ["/srv", 1], destination: "session" }, { type: "somethingNew", destination: "session" },
    ];
    for (const update of odd) expect(readGrant(update, 3)).toMatchObject({ index: 3, words: expect.stringMatching(/cannot put into words/), exact: [JSON.stringify(update)] });
  });
});

describe("the words of a rule", () => {
  // Goal: nobody takes a wide rule for a narrow one. The wide ones were tried on Claude Code 2.1.330.
  const wordsOf = (toolName: string, ruleContent?: string) => readGrant({ type: "addRules", rules: [ruleContent === undefined ? { toolName } : { toolName, ruleContent }], behavior: "allow", destination: "session" }, 0).words.replace(" passes without a question", "");
  it.each([
    ["Bash", undefined, "Every command, whatever it does"],
    ["Bash", "*", "Every command, whatever it does"],
    ["Bash", ":*", "Every command, whatever it does"],
    ["Bash", "git status", "This very command"],
    ["Bash", "echo \\*", "This very command"],
    ["Bash", "npm:*", "Every command that begins with “npm”"],
    ["Bash", "npm run *", "Every command that begins with “npm run”"],
    ["Bash", "touch a*.txt", "Every command of this form, each star standing for any text"],
    ["Bash", "git * main *", "Every command of this form, each star standing for any text"],
    ["Bash", "npm \u202e:*", "Every command that begins with “npm U+202E”"],
    ["Write", undefined, "Changing any file, anywhere"],
    ["Edit", "//p/a.txt", "Changing this very file"],
    ["Edit", "//p/\\[1\\]\\*.txt", "Changing this very file"],
    ["Edit", "//p/*.txt", "Changing every file that this pattern fits"],
    ["Edit", "//p/?.txt", "Changing every file that this pattern fits"],
    ["Edit", "//p/**", "Changing any file in this folder and below it"],
    ["Edit", "//**", "Changing every file that this pattern fits"],
    ["Read", "//etc/**", "Reading any file in this folder and below it"],
    ["Read", undefined, "Reading any file, anywhere"],
    ["WebFetch", "domain:example.org", "Fetching any page of example.org"],
    ["WebFetch", "domain:*.example.org", "Every call that this rule fits"],
    ["WebFetch", undefined, "Fetching any page of any site"],
    ["mcp__desk__book", undefined, "Every call of book on desk, whatever its arguments"],
    ["mcp__desk", undefined, "Every call of every tool of desk, whatever its arguments"],
    ["mcp__desk__*", undefined, "Every call of every tool of desk, whatever its arguments"],
    ["Agent", undefined, "Every call of Agent, whatever its arguments"],
    ["Skill", "deploy", "Every call that this rule fits"],
  ])("%s(%s) says how much passes", (tool, content, words) => expect(wordsOf(tool, content)).toBe(words));
});

describe("odd characters", () => {
  it("are not those that make one picture of emoji, and are the same ones anywhere else", () => {
    const shown = (text: string) => marked(text).map((piece) => piece.text).join("");
    for (const picture of ["\u26a0\ufe0f", "1\ufe0f\u20e3", "\ud83d\udc69\u200d\ud83d\udcbb", "\ud83d\udc69\ud83c\udffd\u200d\u2764\ufe0f\u200d\ud83d\udc68"]) expect(shown(picture)).toBe(picture);
    expect(shown("a\ufe0f 1\ufe0f \u26a0\ufe0f\ufe0f \ud83d\udc69\u200da a\u200d\ud83d\udcbb")).toBe("aU+FE0F 1U+FE0F \u26a0\ufe0fU+FE0F \ud83d\udc69U+200Da aU+200D\ud83d\udcbb");
  });

  it("are shown by their numbers, all of them; plain text stays as it is", () => {
    expect(plainly("a\u0000b\u001b[31m\r\u007f\u0085\u00ad\u061c\u200e\u202e\u2066\u2028\ufeff\u3164\u{e0041}\ud800")).toBe(
      "aU+0000bU+001B[31mU+000DU+007FU+0085U+00ADU+061CU+200EU+202EU+2066U+2028U+FEFFU+3164U+E0041U+D800",
    );
    expect(plainly("Grüße, 世界 🌍\n\tok")).toBe("Grüße, 世界 🌍\n\tok");
    for (const seed of rounds) {
      const next = random(seed);
      const text = Array.from({ length: 30 }, () => String.fromCodePoint(Math.floor(next() * 0x3100))).join("");
      const whole = marked(text).map((piece) => (piece.odd ? String.fromCodePoint(Number.parseInt(piece.text.slice(2), 16)) : piece.text)).join("");
      expect(whole, `seed ${seed}`).toBe(text);
      expect(marked(text).some((piece) => !piece.odd && /[\p{Cc}\p{Cf}]/u.test(piece.text.replace(/[\n\t]/g, ""))), `seed ${seed}`).toBe(false);
    }
  });
});

describe("states and messages of any content", () => {
  it("are read without a fault", async () => {
    const accountId = "01a00000-0000-7000-8000-0000000000a1";
    const scope = "01a00000-0000-7000-8000-0000000005e1";
    const key = c.randomBytes(32);
    const sender = new c.SenderChain(c.newSenderId(), accountId, scope);
    for (const seed of rounds.slice(0, 120)) {
      const next = random(seed);
      const state = readAgentState({ requests: { a: anything(next), b: { hash: "0", in: "x" } }, held: [anything(next), { id: "1", from: "f", n: 1, why: "until" }], mode: anything(next) });
      expect(state.requests.map((request) => request.id).sort(), `seed ${seed}`).toEqual(["a", "b"]);
      expect(state.held.at(-1)?.why).toBe("until");
      for (const request of state.requests) expect(withText(request, JSON.stringify(anything(next))).ask, `seed ${seed}`).toBeNull();
      const data = { type: ["approval", "ask", "ready"][seed % 3], ask: anything(next), id: anything(next), text: anything(next), device: anything(next), signature: anything(next) };
      const { bundle } = await sender.seal({ role: "agent", content: { type: "event", data } }, key, 1);
      const decoded = await decodeMessage(bundle, key, accountId, scope);
      if (decoded.content.type === "approval") expect(decoded.content.approval.device, `seed ${seed}`).toBeNull();
    }
  });
});
