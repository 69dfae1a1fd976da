// What a conversation amounts to: the agent's plan and the files it changed, as far as entries are loaded.
import { countChanges, diffOf, planOf, relativePath, type Todo } from "./tools.ts";
import type { Row, ToolRow } from "./rows.ts";
import { record, string } from "./values.ts";

export interface ChangedFile {
  readonly path: string;
  readonly added: number;
  readonly removed: number;
}

export interface Digest {
  readonly plan: readonly Todo[];
  readonly files: readonly ChangedFile[];
}

const edits = new Set(["Edit", "MultiEdit", "Write", "NotebookEdit"]);

export function digest(rows: readonly Row[], cwd: string | null): Digest {
  let plan: Todo[] = [];
  const tasks = new Map<string, Todo>();
  const files = new Map<string, ChangedFile>();
  const visit = (row: ToolRow): void => {
    if (row.name === "TodoWrite") plan = planOf(row.input);
    else if (row.name === "TaskCreate") {
      const id = string(record(record(row.result?.structured)["task"])["id"]) ?? /#(\d+)/.exec(row.result?.text ?? "")?.[1];
      if (id !== undefined) tasks.set(id, { text: string(row.input["subject"]) ?? "", status: "pending" });
    } else if (row.name === "TaskUpdate") {
      const id = String(row.input["taskId"] ?? "");
      const task = tasks.get(id);
      const status = string(row.input["status"]);
      if (task !== undefined && status === "deleted") tasks.delete(id);
      else if (task !== undefined) tasks.set(id, { text: string(row.input["subject"]) ?? task.text, status: status ?? task.status });
    } else if (edits.has(row.name) && row.result !== null && !row.result.isError) {
      const path = relativePath(string(row.input["file_path"]) ?? string(row.input["notebook_path"]) ?? "", cwd);
      const { added, removed } = countChanges(diffOf(row));
      const before = files.get(path);
      files.set(path, { path, added: (before?.added ?? 0) + added, removed: (before?.removed ?? 0) + removed });
    }
    for (const child of row.children) if (child.kind === "tool") visit(child);
  };
  for (const row of rows) if (row.kind === "tool") visit(row);
  return { plan: plan.length > 0 ? plan : [...tasks.values()], files: [...files.values()] };
}
