// Syntax colours for a limited set of languages.
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
import type { Root, RootContent } from "hast";
import { createLowlight } from "lowlight";
import { colouredCharactersMax } from "./limits.ts";
import type { Span } from "./tree.ts";

const lowlight = createLowlight({
  bash, c, cpp, csharp, css, diff, dockerfile, go, ini, java, javascript, json, kotlin, lua, makefile, php, python, ruby, rust, sql, swift, typescript, xml, yaml,
});
lowlight.registerAlias({ bash: ["console", "shell-session"], ini: ["toml"], typescript: ["tsx", "mts", "cts"], javascript: ["jsx", "mjs", "cjs"] });

/** Null where the language is not known or the text too long. `apart`: every line by itself. */
export function colourLines(code: string, language: string, apart: boolean): Span[][] | null {
  if (code.length > colouredCharactersMax || !lowlight.registered(language)) return null;
  const colour = (text: string) => linesOf(lowlight.highlight(language, text));
  return apart ? code.split("\n").map((line) => colour(line)[0] ?? []) : colour(code);
}

function linesOf(root: Root): Span[][] {
  const lines: Span[][] = [[]];
  const walk = (nodes: readonly RootContent[], colour: string | null): void => {
    for (const node of nodes) {
      if (node.type === "element") {
        const own = node.properties["className"];
        walk(node.children, Array.isArray(own) ? own.join(" ") : colour);
      } else if (node.type === "text") {
        node.value.split("\n").forEach((part, i) => {
          if (i > 0) lines.push([]);
          if (part !== "") lines.at(-1)?.push([colour, part]);
        });
      }
    }
  };
  walk(root.children, null);
  return lines;
}
