// What a bundle keeps of the packages. A module-level call that is not marked pure would stay in it, used or not.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";

async function bundle(contents: string): Promise<string> {
  const resolveDir = dirname(fileURLToPath(import.meta.url));
  const options = { bundle: true, minify: true, format: "esm", write: false, keepNames: false } as const;
  const { outputFiles } = await build({ ...options, stdin: { contents, resolveDir, loader: "ts" } });
  return outputFiles[0]!.text;
}

const strings = (code: string): Set<string> => new Set(code.match(/"\w+"/g)?.map((text) => text.slice(1, -1)));

test("a bundle of sequenceLoss keeps the ops that it uses, and no others", async () => {
  const code = await bundle('export { sequenceLoss } from "@gradus/seq2seq";');
  const names = strings(code);
  expect([...names]).toEqual(expect.arrayContaining(["logSoftmax", "gather", "divNoNan"]));
  for (const name of ["matmul", "dropout", "concat", "take", "argMax", "greedyDecode", "sequenceMask", "adam"]) {
    expect(names).not.toContain(name);
  }
  expect(code.length).toBeLessThan(140_000); // of which the WebAssembly module, in base64, is the larger part
});

test("a bundle of core alone knows its three ops only", async () => {
  const names = strings(await bundle('export { add, grad, tensor } from "@gradus/core";'));
  expect(names).toContain("broadcastTo");
  for (const name of ["mul", "softmax", "tanh", "gather"]) expect(names).not.toContain(name);
});

test("of a file with several ops, a bundle keeps the one it uses", async () => {
  const names = strings(await bundle('export { equal } from "@gradus/ops";'));
  expect(names).toContain("equal");
  for (const name of ["notEqual", "less", "greater"]) expect(names).not.toContain(name);
});
