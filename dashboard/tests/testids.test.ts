// TESTIDS.md is what tests of others go by.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

it("names every data-testid that the sources have", () => {
  const root = join(import.meta.dirname, "..");
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".tsx"));
  const used = sources.flatMap((name) => [...readFileSync(join(root, "src", name), "utf8").matchAll(/data-testid="([a-z-]+)"/g)].map((match) => match[1] as string));
  const listed = readFileSync(join(root, "TESTIDS.md"), "utf8");
  expect(used.length).toBeGreaterThan(50);
  expect([...new Set(used)].filter((id) => !listed.includes(`\`${id}\``))).toEqual([]);
});
