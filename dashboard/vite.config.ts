import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  resolve: {
    // For browsers it asks the document what a character is called; texts are read in a worker, which has none.
    alias: { "decode-named-character-reference": fileURLToPath(new URL("./node_modules/decode-named-character-reference/index.js", import.meta.url)) },
  },
  build: {
    target: "es2023",
    // light-dark() and oklch() as written: lowering them would double the style sheet.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // The Content-Security-Policy allows no inline anything: no preload polyfill, no inlined assets.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    sourcemap: false,
  },
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    testTimeout: 60_000,
  },
});
