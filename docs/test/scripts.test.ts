import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newOp } from "../../.config/new-op.ts";
import { sizesIn } from "../../.config/sizes.ts";

let tree = "";
beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), "scripts-"));
});
afterEach(() => rmSync(tree, { recursive: true }));

function write(file: string, ...lines: readonly string[]): void {
  mkdirSync(dirname(join(tree, file)), { recursive: true });
  writeFileSync(join(tree, file), lines.map((line) => `${line}\n`).join(""));
}

describe("sizes", () => {
  const lines = (count: number): string[] => Array.from({ length: count }, (_, at) => `export const a${at} = "/*";`);
  const tooLarge = (): string[] =>
    sizesIn(tree).flatMap((size) => (size.lines > size.limit ? [`${size.of} ${size.lines}`] : []));

  test("core may have 1000 lines, blank lines and comments aside", () => {
    write("packages/core/src/a.ts", ...lines(600), "", "// comment", "/**", " * comment", " */", "  /* comment */");
    write("packages/core/src/deep/b.ts", ...lines(400));
    expect(sizesIn(tree)).toEqual([{ of: "packages/core/src", lines: 1000, limit: 1000 }]);
    expect(tooLarge()).toEqual([]);
    write("packages/core/src/c.ts", "export {}; // one more");
    expect(tooLarge()).toEqual(["packages/core/src 1001"]);
  });

  test("an op may have 60 lines, a fused one 150, the table any number", () => {
    write("packages/ops/src/a.ts", ...lines(60));
    write("packages/ops/src/b.ts", "defineFused();", ...lines(149));
    write("packages/ops/src/opTable.ts", ...lines(200));
    expect(tooLarge()).toEqual([]);
    write("packages/ops/src/a.ts", ...lines(61));
    write("packages/ops/src/b.ts", "defineFused();", ...lines(150));
    expect(tooLarge()).toEqual(["packages/ops/src/a.ts 61", "packages/ops/src/b.ts 151"]);
  });
});

describe("new-op", () => {
  const read = (file: string): string[] => readFileSync(join(tree, "packages/ops/src", file), "utf8").split("\n");
  const index = [
    'export { add } from "@gradus/core";',
    'export * from "./gather.ts";',
    'export type { A } from "./makers.ts";',
  ];
  const table = ["export const opTable: Table = {", "  gather: { samples: [{}] },", "};", "const after = {", "};"];

  beforeEach(() => {
    write("packages/ops/src/index.ts", ...index);
    write("packages/ops/src/opTable.ts", ...table);
    write("packages/ops/test/references.ts", "export const references: References = {", "  gather: () => 0,", "};");
    write("packages/ops/src/gather.ts", "export function gather() {}", "export function scatterAdd() {}");
  });

  test("writes a stub, its export in order, its table line and its reference", () => {
    newOp("logSumExp", tree);
    newOp("zeta", tree);
    expect(read("logSumExp.ts")).toContain("export function logSumExp(x: Tensor): Tensor {");
    const exported = (name: string): string => `export * from "./${name}.ts";`;
    expect(read("index.ts")).toEqual([index[0], index[1], exported("logSumExp"), index[2], exported("zeta"), ""]);
    const line = (name: string): unknown => expect.stringMatching(`^  ${name}: \\{ samples: `);
    expect(read("opTable.ts").slice(1, 5)).toEqual([table[1], line("logSumExp"), line("zeta"), table[2]]);
    expect(read("../test/references.ts").filter((text) => text.endsWith("=> {"))).toEqual([
      "  logSumExp: () => {",
      "  zeta: () => {",
    ]);
  });

  test.each(["add", "gather", "scatterAdd"])("refuses %s, which exists", (name) => {
    expect(() => newOp(name, tree)).toThrow(`"${name}" exists`);
    expect(read("index.ts")).toEqual([...index, ""]);
  });

  test.each(["LogSumExp", "log-sum-exp", "log_sum", "1log", "delete", ""])(
    "refuses %j, no camelCase identifier",
    (name) => {
      expect(() => newOp(name, tree)).toThrow(`"${name}" is no camelCase identifier`);
    },
  );
});
