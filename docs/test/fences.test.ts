import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { compare, documents, fencesIn, rewrite, run, scratch, writeFence, type Fence } from "../scripts/fences.ts";

const tsc = fileURLToPath(new URL("../../node_modules/.bin/tsc", import.meta.url));
const fences = documents().flatMap((file) => fencesIn(file));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

for (const fence of fences) {
  test(`${fence.file}:${fence.line} prints what it says`, async () => compare(fence, await run(fence)));
}

test("every fence is well typed", async () => {
  expect(fences.map(({ file }) => file)).toContain("README.md");
  expect(await typeErrors("documents", fences)).toEqual([]);
});

describe("the runner", () => {
  const page = (...code: string[]): string => ["# Page", "", "```ts", ...code, "```", "", "Text"].join("\n");
  const fenceOf = (...code: string[]): Fence => fencesIn("page.md", page(...code))[0]!;
  const check = async (...code: string[]): Promise<void> => {
    const fence = fenceOf(...code);
    compare(fence, await run(fence));
  };

  test("accepts what is right", async () => {
    await check(
      "const x: number = 1 + 1;",
      "console.log(x, [x]); // => 2 [ 2 ]",
      'console.log("a\\nb");',
      "// => a",
      "// => b",
    );
  });

  test("names file and line of a wrong text", async () => {
    await expect(check("console.log(1); // => 1", "console.log(1 + 1); // => 3")).rejects.toThrow(
      "page.md:5: says   3\npage.md:5: prints 2",
    );
  });

  test("refuses a text that nothing prints, and a print that nothing says", async () => {
    await expect(check("1 + 1; // => 2")).rejects.toThrow("page.md:4: says   2\npage.md:4: prints nothing");
    await expect(check("console.log(7);")).rejects.toThrow('page.md:4: prints a line that no "// =>" says: 7');
  });

  test("names file and line of what a fence throws, also before it runs", async () => {
    await expect(check("const a = 1;", 'if (a === 1) throw new RangeError("no");')).rejects.toThrow(
      "page.md:5: RangeError: no",
    );
    await expect(check('import { nothing } from "@gradus/nothing";', "nothing();")).rejects.toThrow(
      /^page\.md:\d+: .*@gradus\/nothing/,
    );
    await expect(check("const = 1;")).rejects.toThrow(/^page\.md:\d+: /);
  });

  test("names file and line of a wrong type", async () => {
    expect(await typeErrors("fixture", [fenceOf("const a = 1;", "const b: string = a;", "console.log(b);")])).toEqual([
      expect.stringMatching(/^page\.md:5: error TS2322: /),
    ]);
  });

  test("reads ts fences alone", () => {
    expect(fencesIn("a.md", "```sh\nls\n```\n````md\n```ts\n```\n````\n")).toEqual([]);
    expect(() => fencesIn("a.md", "```ts\n1;\n")).toThrow("a.md:1: the fence is never closed");
  });

  test("reads doc comments, fenced or not", () => {
    const comment = (...lines: string[]): string =>
      ["/**", ...lines.map((line) => ` * ${line}`), " */", "f();"].join("\n");
    const fence = (line: number): Fence => ({ file: "a.ts", line, code: "g(2); // => 2" });
    expect(fencesIn("a.ts", comment("@example", "```ts", "g(2); // => 2", "```", "@source"))).toEqual([fence(4)]);
    expect(fencesIn("a.ts", comment("Text.", "@example", "g(2); // => 2"))).toEqual([fence(4)]);
    expect(fencesIn("a.ts", comment("@example", "g(2); // => 2", "@source"))).toEqual([fence(3)]);
    expect(() => fencesIn("a.ts", comment("```ts", "g(2); // => 2"))).toThrow("a.ts:2: the fence is never closed");
  });

  test("imports what a doc comment names, from its own package first", async () => {
    const code = [
      "const exp = [2];",
      "console.log(exp, tensor([1]).shape, typeof add, typeof tanh); // => [ 2 ] [ 1 ] function function",
    ];
    const inOps: Fence = { file: "packages/ops/src/a.ts", line: 3, code: code.join("\n") };
    compare(inOps, await run(inOps));
    const inPage: Fence = { ...inOps, file: "page.md" };
    await expect(run(inPage)).rejects.toThrow("page.md:4: ReferenceError: tensor is not defined");
  });

  test("rewrites the texts", () => {
    const code = ["console.log(2); // => 1", "console.log('$&'); // => b"];
    expect(rewrite(page(...code), fenceOf(...code), ["2", "$&"])).toBe(
      page("console.log(2); // => 2", "console.log('$&'); // => $&"),
    );
    expect(() => rewrite(page(...code), fenceOf(...code), ["2"])).toThrow(
      'page.md:4: prints 1 lines, but 2 say "// =>"',
    );
  });
});

/** Type-checks fences as a strict consumer would; unused names are no error in a text. */
async function typeErrors(name: string, of: readonly Fence[]): Promise<string[]> {
  for (const [index, fence] of of.entries()) await writeFence(fence, `${name}/${index}.ts`);
  mkdirSync(join(scratch, name), { recursive: true });
  const compilerOptions = {
    lib: ["es2022", "dom"],
    incremental: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
  };
  const project = {
    extends: "../../../.config/tsconfig.check.json",
    compilerOptions,
    include: ["*.ts"],
    references: [],
  };
  writeFileSync(join(scratch, name, "tsconfig.json"), JSON.stringify(project));
  const { stdout } = spawnSync(tsc, ["-p", ".", "--pretty", "false"], { cwd: join(scratch, name), encoding: "utf8" });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) =>
      line.replace(/^(\d+)\.ts\((\d+),\d+\)/, (_, index: string, at: string) => `${of[Number(index)]!.file}:${at}`),
    );
}
