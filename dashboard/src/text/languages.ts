// Which language a file is written in, by its name.
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
