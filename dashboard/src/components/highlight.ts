// Syntax colours for a limited set of languages. Loaded when the first code block is shown.
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import dockerfile from "highlight.js/lib/languages/dockerfile";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import kotlin from "highlight.js/lib/languages/kotlin";
import lua from "highlight.js/lib/languages/lua";
import makefile from "highlight.js/lib/languages/makefile";
import php from "highlight.js/lib/languages/php";
import python from "highlight.js/lib/languages/python";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import swift from "highlight.js/lib/languages/swift";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { toJsxRuntime } from "hast-util-to-jsx-runtime";
import { createLowlight } from "lowlight";
import { Fragment, jsx, jsxs } from "react/jsx-runtime";
import type { ReactElement } from "react";

const lowlight = createLowlight({
  bash, c, cpp, csharp, css, diff, dockerfile, go, ini, java, javascript, json, kotlin, lua, makefile, php, python, ruby, rust, sql, swift, typescript, xml, yaml,
});
lowlight.registerAlias({ bash: ["console", "shell-session"], ini: ["toml"], typescript: ["tsx", "mts", "cts"], javascript: ["jsx", "mjs", "cjs"] });

/** Beyond this a block stays plain: colouring it would hold up the page. */
const charactersMax = 60_000;

/** Null where the language is not known or the text too long. */
export function highlight(code: string, language: string): ReactElement | null {
  if (code.length > charactersMax || !lowlight.registered(language)) return null;
  return toJsxRuntime(lowlight.highlight(language, code), { Fragment, jsx, jsxs }) as ReactElement;
}

const byExtension: Record<string, string> = {
  sh: "bash", bash: "bash", zsh: "bash", c: "c", h: "cpp", cc: "cpp", cpp: "cpp", hpp: "cpp", cs: "csharp", css: "css", scss: "css", diff: "diff", patch: "diff", go: "go",
  ini: "ini", toml: "ini", cfg: "ini", java: "java", js: "javascript", mjs: "javascript", cjs: "javascript", jsx: "javascript", json: "json", kt: "kotlin", lua: "lua", mk: "makefile",
  php: "php", py: "python", rb: "ruby", rs: "rust", sql: "sql", swift: "swift", ts: "typescript", tsx: "typescript", mts: "typescript", html: "xml", xml: "xml", svg: "xml", vue: "xml",
  yml: "yaml", yaml: "yaml",
};

export function languageOf(path: string): string {
  const name = path.split("/").pop() ?? "";
  if (/^Dockerfile/.test(name)) return "dockerfile";
  if (/^Makefile/.test(name)) return "makefile";
  return byExtension[name.split(".").pop()?.toLowerCase() ?? ""] ?? "";
}
