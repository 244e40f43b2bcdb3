import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Lints a tree of these files, and no other, by the workspace's own rules; arrows and cycles need no types. */
function complaints(files: Readonly<Record<string, string>>): string[] {
  const tree = mkdtempSync(join(tmpdir(), "arrows-"));
  try {
    const config = JSON.parse(readFileSync(join(root, ".oxlintrc.json"), "utf8")) as object;
    writeFileSync(join(tree, ".oxlintrc.json"), JSON.stringify({ ...config, options: {} }));
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, file)), { recursive: true });
      writeFileSync(join(tree, file), text);
    }
    const oxlint = join(root, "node_modules/.bin/oxlint");
    const { status, stdout } = spawnSync(oxlint, ["--format", "unix"], { cwd: tree, encoding: "utf8" });
    const lines = stdout.split("\n").filter((line) => /^(packages|examples|docs)\//.test(line));
    expect(status, stdout).toBe(lines.length > 0 ? 1 : 0);
    return lines.sort();
  } finally {
    rmSync(tree, { recursive: true });
  }
}

const importing = (name: string): string => `import { x } from "${name}";\nexport const y: unknown = x;\n`;

/** One file an arrow, so that one run of the linter judges all of them. */
const filesOf = (arrows: readonly (readonly [folder: string, name: string])[]): Record<string, string> =>
  Object.fromEntries(arrows.map(([folder, name], index) => [`${folder}/a${index}.ts`, importing(name)]));

const allowed = [
  ["packages/core/src", "@gradus/kernels"],
  ["packages/ops/src", "@gradus/core"],
  ["packages/ops/src", "@gradus/kernels"],
  ["packages/gradcheck/src", "@gradus/core"],
  ["packages/seq2seq/src", "@gradus/ops"],
  ["packages/nn/src", "@gradus/ops"],
  ["packages/nn/src", "@gradus/kernels"],
  ["packages/core/test", "@gradus/gradcheck"],
  ["packages/core/test", "../src/tensor.ts"],
  ["packages/gradcheck/test", "@gradus/ops/table"],
  ["examples/g2p/src", "@gradus/nn"],
  ["docs/test", "@gradus/seq2seq"],
] as const;

test("arrows that point down are accepted", () => {
  expect(complaints(filesOf(allowed))).toEqual([]);
});

const forbidden = [
  ["packages/kernels/src", "@gradus/core"],
  ["packages/core/src", "@gradus/ops"],
  ["packages/ops/src", "@gradus/gradcheck"],
  ["packages/ops/src", "@gradus/ops"],
  ["packages/gradcheck/src", "@gradus/ops/table"],
  ["packages/seq2seq/src", "@gradus/nn"],
  ["packages/nn/src", "@gradus/seq2seq"],
  ["examples/g2p/src", "@gradus/bench"],
  ["docs/test", "@gradus/example-g2p"],
  ["packages/core/src/deep", "../../../ops/src/add.ts"],
  ["packages/core/test", "../../ops/src/add.ts"],
  ["docs/test", "../../packages/core/src/index.ts"],
] as const;

test("every other arrow is refused", () => {
  const lines = complaints(filesOf(forbidden));
  expect(new Set(lines.map((line) => line.split(":")[0]))).toEqual(new Set(Object.keys(filesOf(forbidden))));
  expect(lines.filter((line) => !line.includes("no-restricted-imports"))).toEqual([]);
});

test("neither by export … from nor by type", () => {
  const file = "packages/core/src/a.ts";
  expect(complaints({ [file]: 'export { x } from "@gradus/ops";\n' })).toHaveLength(1);
  expect(complaints({ [file]: 'import type { X } from "@gradus/ops";\nexport type Y = X;\n' })).toHaveLength(1);
});

test("import cycles are refused", () => {
  const a = 'import { b } from "./b.ts";\nexport const a = (): number => b();\n';
  const b = 'import { a } from "./a.ts";\nexport const b = (): number => a();\n';
  const files = { "packages/ops/src/a.ts": a, "packages/ops/src/b.ts": b };
  expect(complaints(files)).toEqual([expect.stringContaining("no-cycle"), expect.stringContaining("no-cycle")]);
});
