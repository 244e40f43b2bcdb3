/**
 * `pnpm pack-test`: builds and packs the public packages, installs them with npm into an empty
 * project and uses them there as anybody would: a gradient under plain node, a strict type check, a test with vitest.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";

const consumer = `
import { grad, tensor } from "@gradus/core";
import { gather, logSoftmax, mean, neg } from "@gradus/ops";
import { sequenceLoss } from "@gradus/seq2seq";

const logits = tensor([[[0.5, 1.5, -1], [2, 0, 1]]], { requiresGrad: true, name: "logits" });
const byHand = neg(mean(gather(logSoftmax(logits), [[[1], [0]]], { axis: -1 })));
const loss = sequenceLoss(logits, [[1, 0]], [[1, 1]]);
const [dLogits] = grad(loss, [logits]);
const difference = Math.abs(byHand.item() - loss.item());
if (!(difference < 1e-6)) throw new Error(\`sequenceLoss \${loss.item()}, by hand \${byHand.item()}\`);

const of = (row: number[]): number[] => row.map((x) => Math.exp(x) / row.reduce((sum, y) => sum + Math.exp(y), 0));
const want = [...of([0.5, 1.5, -1]), ...of([2, 0, 1])].map((p, i) => (p - (i === 1 || i === 3 ? 1 : 0)) / 2);
const got = Array.from(dLogits!.data, Number);
if (got.length !== 6 || !want.every((w, i) => Math.abs(w - got[i]!) < 1e-6)) throw new Error(\`gradient \${got.join()}\`);
`;

/** A test of one's own, with vitest from the registry: the matcher, its types, and the function without a runner. */
const matcher = `
import { tensor, type Tensor } from "@gradus/core";
import { checkGrads } from "@gradus/gradcheck";
import { matchers } from "@gradus/gradcheck/vitest";
import { mul } from "@gradus/ops";
import { expect, test } from "vitest";

expect.extend(matchers);
test("a product has its gradient", () => {
  const square = (x: Tensor): Tensor => mul(x, x);
  const x = tensor([1, -2], { dtype: "float64" });
  expect(square).toHaveCorrectGradients([x], { degree: 2 });
  checkGrads(square, [x]);
});
`;

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const root = process.cwd();
const work = mkdtempSync(join(tmpdir(), "gradus-pack-"));
try {
  for (const { folder } of publicPackages()) rmSync(join(folder, "dist"), { recursive: true, force: true });
  run("pnpm", ["build"], root);
  const tarballs = publicPackages().map(({ name, folder }) => ({ name, file: pack(folder) }));

  const compilerOptions = {
    target: "es2022",
    module: "nodenext",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
  };
  const dependencies = Object.fromEntries(tarballs.map(({ name, file }) => [name, `file:${file}`]));
  const all = tarballs.map(
    ({ name }, at) => `import * as p${at} from "${name}";\nconsole.log(Object.keys(p${at}).length);`,
  );
  const { devDependencies } = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
  const manifest = {
    private: true,
    type: "module",
    dependencies,
    devDependencies: { vitest: devDependencies!.vitest },
  };
  write("package.json", JSON.stringify({ ...manifest, overrides: dependencies }));
  const bare = { ...compilerOptions, types: [] };
  write("tsconfig.json", JSON.stringify({ compilerOptions: bare, files: ["consumer.ts", "all.ts"] }));
  const beside = { ...compilerOptions, noEmit: true }; // vitest's own types want Node's
  write("tsconfig.matcher.json", JSON.stringify({ compilerOptions: beside, files: ["matcher.test.ts"] }));
  write("consumer.ts", consumer);
  write(
    "all.ts",
    `${all.join("\n")}\nimport { opTable } from "@gradus/ops/table";\nconsole.log(Object.keys(opTable).length);\n`,
  );
  write("matcher.test.ts", matcher);
  run("npm", ["install", "--no-audit", "--no-fund"], work);
  run("tsc", ["-p", "."], work);
  run("tsc", ["-p", "tsconfig.matcher.json"], work);
  run("node", ["consumer.js"], work);
  run("node", ["all.js"], work);
  run("npx", ["vitest", "run", "matcher.test.ts"], work);
  await checkShaken();
} catch (error) {
  console.error(`pack-test: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true });
}

/** A bundle of the loss alone must not have what the loss does not use, also from packages of one file each. */
async function checkShaken(): Promise<void> {
  const contents = 'export { sequenceLoss } from "@gradus/seq2seq";';
  const options = { bundle: true, write: false, format: "esm", minify: true } as const;
  const { outputFiles } = await build({ ...options, stdin: { contents, resolveDir: work } });
  const code = outputFiles[0]!.text;
  const left = ["dropout", "matmul", "argMax", "greedyDecode"].filter((name) => code.includes(`"${name}"`));
  if (left.length > 0) throw new Error(`a bundle of sequenceLoss has ${left.join(", ")}`);
  console.log(`a bundle of sequenceLoss has ${Math.round(code.length / 1000)} kB`);
}

function publicPackages(): { name: string; folder: string }[] {
  const folders = readdirSync("packages", { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.flatMap((entry) => {
    const folder = resolve("packages", entry.name);
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
    return manifest.private === true ? [] : [{ name: manifest.name, folder }];
  });
}

function pack(folder: string): string {
  const output = execFileSync("pnpm", ["pack", "--json", "--pack-destination", work], {
    cwd: folder,
    encoding: "utf8",
  });
  return (JSON.parse(output) as { filename: string }).filename;
}

function write(file: string, text: string): void {
  writeFileSync(join(work, file), text);
}

/** The output is shown if the command fails. */
function run(command: string, args: readonly string[], cwd: string): void {
  console.log(`$ ${[command, ...args].join(" ").replaceAll(work, ".")}`);
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status === 0) return;
  console.error(stdout + stderr);
  throw new Error(`${command} failed`);
}
