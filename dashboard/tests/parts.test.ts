// @vitest-environment happy-dom
// Pieces of the page that are fetched when they are needed, and what becomes of a page that an upgrade left behind.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { keepBeforeLeaving, missed, part, PartMissing } from "../src/components/parts.ts";

const reload = vi.fn();
let served = "";
beforeEach(() => {
  vi.spyOn(location, "reload").mockImplementation(reload);
  vi.stubGlobal("fetch", async () => new Response(served, { headers: { "Content-Security-Policy": "default-src 'none'" } }));
  vi.spyOn(document, "querySelector").mockReturnValue({ getAttribute: () => "/assets/index-old.js" } as unknown as Element);
  document.body.innerHTML = "";
  sessionStorage.clear();
});
afterEach(() => {
  reload.mockReset();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const pageOf = (script: string) => `<!doctype html><script type="module" src="${script}"></script>`;
const settle = () => new Promise((resolve) => setTimeout(resolve));

describe("a part", () => {
  it("that came is there, also where the browser keeps nothing", async () => {
    vi.stubGlobal("sessionStorage", new Proxy({}, { get: () => () => { throw new DOMException("no", "SecurityError"); } }));
    expect(await part("a", async () => "loaded")).toBe("loaded");
    await expect(part("a", async () => Promise.reject(new Error("gone")))).rejects.toThrow(PartMissing);
    expect(reload).not.toHaveBeenCalled();
  });

  it("that is gone has the page loaded again once, with what was typed kept", async () => {
    const kept = vi.fn(async () => undefined);
    const stop = keepBeforeLeaving(kept);
    void part("b", async () => Promise.reject(new Error("gone")));
    await settle();
    expect([kept.mock.calls.length, reload.mock.calls.length]).toEqual([1, 1]);
    await expect(part("b", async () => Promise.reject(new Error("gone")))).rejects.toThrow(PartMissing);
    stop();
  });
});

describe("a part that the page does without", () => {
  it("has it loaded again where the relay serves another page by now", async () => {
    served = pageOf("/assets/index-new.js");
    void missed("texts");
    await settle();
    expect(reload).toHaveBeenCalledTimes(1);
    await missed("texts");
    expect(reload).toHaveBeenCalledTimes(1);
  });

  it("has it left as it is where the relay is away, is not the one who answers, or serves the same page", async () => {
    served = pageOf("/assets/index-old.js");
    await missed("c");
    vi.stubGlobal("fetch", async () => new Response("sign in here"));
    await missed("c");
    vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("away")));
    await missed("c");
    expect(reload).not.toHaveBeenCalled();
  });

  it("has it left as it is while something is typed that nobody keeps", async () => {
    served = pageOf("/assets/index-new.js");
    document.body.innerHTML = '<input value="half an answer">';
    await missed("d");
    expect(reload).not.toHaveBeenCalled();
  });
});
