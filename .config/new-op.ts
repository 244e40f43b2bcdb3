/** `pnpm new-op NAME`: the stub of an op, its export, its table line and its reference. Its tests fail until they are written. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";

const stub = (name: string): string => `import { defineOp, type Tensor } from "@gradus/core";

/**
 * y = … (the formula, and the shapes of its terms).
 * ∂y/∂x = … (its derivation, in two to four lines).
 * @source …
 */
export function ${name}(x: Tensor): Tensor {
  return ${name}Op({ x }, {});
}
const ${name}Op = /* @__PURE__ */ defineOp({
  name: "${name}",
  inputs: ["x"],
  keeps: [],
  forward: () => {
    throw new Error("${name}: its forward is not written yet");
  },
  vjp: () => ({
    x: () => {
      throw new Error("${name}: its vjp is not written yet");
    },
  }),
});
`;

const tableLine = (name: string): string =>
  `  ${name}: { samples: [[{ shape: [2, 3] }]], errors: [] }, // to be written\n`;

const referenceLine = (name: string): string =>
  `  ${name}: () => {\n    throw new Error("${name}: its naive reference is not written yet");\n  },\n`;

export function newOp(name: string, root: string): void {
  const source = join(root, "packages/ops/src");
  if (!isCamelCase(name)) throw new Error(`"${name}" is no camelCase identifier; want a name such as logSumExp`);
  if (exists(name, source)) throw new Error(`"${name}" exists; want a new name`);

  edit(join(source, "opTable.ts"), (text) => ({ at: endOf("opTable", text), line: tableLine(name) }));
  edit(join(root, "packages/ops/test/references.ts"), (text) => {
    return { at: endOf("references", text), line: referenceLine(name) };
  });
  edit(join(source, "index.ts"), (text) => {
    const exports = [...text.matchAll(/^export [^;]* from "\.\/(\w+)\.ts";\n/gm)];
    const next = exports.find(([, file]) => file!.toLowerCase() > name.toLowerCase());
    return { at: next?.index ?? text.length, line: `export * from "./${name}.ts";\n` };
  });
  writeFileSync(join(source, `${name}.ts`), stub(name));
}

/** Where an exported object literal ends. */
function endOf(object: string, text: string): number {
  const start = text.indexOf(`export const ${object}`);
  const end = text.indexOf("\n}", start) + 1;
  if (start === -1 || end === 0) throw new Error(`there is no "export const ${object}" that a line "}" closes`);
  return end;
}

function isCamelCase(word: string): boolean {
  if (!/^[a-z][A-Za-z0-9]*$/.test(word)) return false;
  try {
    return Boolean(new Script(`"use strict"; let ${word};`));
  } catch {
    return false; // a reserved word
  }
}

function exists(name: string, source: string): boolean {
  if (existsSync(join(source, `${name}.ts`))) return true;
  const exported = new RegExp(`^export (?:(?:function|const) ${name}\\b|\\{[^}]*\\b${name}\\b)`, "m");
  const files = readdirSync(source).filter((file) => file.endsWith(".ts"));
  return files.some((file) => exported.test(readFileSync(join(source, file), "utf8")));
}

function edit(path: string, insertion: (text: string) => { at: number; line: string }): void {
  const text = readFileSync(path, "utf8");
  const { at, line } = insertion(text);
  writeFileSync(path, text.slice(0, at) + line + text.slice(at));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const name = process.argv[2] ?? "";
  try {
    newOp(name, ".");
    console.log(`wrote packages/ops/src/${name}.ts, its export, table line and reference; see docs/adding-an-op.md`);
  } catch (error) {
    console.error(`new-op: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
