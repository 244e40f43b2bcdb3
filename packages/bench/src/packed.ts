import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./paths.ts";

let folder: string | null = null;

/** A folder where the public packages stand in node_modules as they are published: built, packed and unpacked. */
export function packedFolder(): string {
  if (folder) return folder;
  const fresh = mkdtempSync(join(tmpdir(), "gradus-bench-"));
  folder = fresh;
  process.once("exit", () => rmSync(fresh, { recursive: true, force: true }));
  const run = (command: string, args: readonly string[], cwd: string): string =>
    execFileSync(command, args, { cwd, encoding: "utf8" });
  run("pnpm", ["build"], root);
  for (const name of ["kernels", "core", "ops", "seq2seq", "nn"]) {
    const packed = run("pnpm", ["pack", "--json", "--pack-destination", folder], join(root, "packages", name));
    const target = join(folder, "node_modules", "@gradus", name);
    mkdirSync(target, { recursive: true });
    const { filename } = JSON.parse(packed) as { filename: string };
    run("tar", ["-xzf", filename, "-C", target, "--strip-components=1"], folder);
  }
  return folder;
}
