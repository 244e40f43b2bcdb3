/**
 * Executed documentation. Every `ts` fence of a page is a module of its own. What it prints with `console.log` is
 * compared, line by line and in order, with its `// => …` texts. A `// => …` may stand alone on a line where one call
 * prints several lines. So are the fences of doc comments in a package's `src`, and what follows `@example` there without
 * a fence; in doc comments, what the packages export needs no import.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { format } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Inside docs, so that `@gradus/…` resolves as it does for a page's reader. */
export const scratch = join(root, "docs/.fences");

export interface Fence {
  readonly file: string;
  /** The file's line on which the code starts. */
  readonly line: number;
  readonly code: string;
}

/** README, docs, the packages' READMEs and sources; paths relative to the root. docs/ops.md repeats the sources. */
export function documents(): string[] {
  const packages = readdirSync(join(root, "packages"));
  return [
    "README.md",
    ...filesIn("docs", ".md").filter((file) => file !== "docs/ops.md"),
    ...packages.flatMap((name) => [`packages/${name}/README.md`, ...filesIn(`packages/${name}/src`, ".ts")]),
  ].filter((file) => existsSync(join(root, file)));
}

function filesIn(folder: string, ending: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : filesIn(path, ending);
    return entry.name.endsWith(ending) ? [path] : [];
  });
}

export function fencesIn(file: string, text: string = readFileSync(join(root, file), "utf8")): Fence[] {
  const fences: Fence[] = [];
  let open: { until: string; keep: boolean; line: number; code: string[] } | undefined;
  const close = (): void => {
    if (open?.keep === true) fences.push({ file, line: open.line, code: open.code.join("\n") });
    open = undefined;
  };
  for (const [index, raw] of text.split("\n").entries()) {
    // Of a source, the doc comments: undefined between them.
    const line = file.endsWith(".ts") ? /^\s*\*(?!\/) ?(.*)$/.exec(raw)?.[1] : raw;
    const [, marks, language] = /^\s*(`{3,})(\w*)/.exec(line ?? "") ?? [];
    const tag = file.endsWith(".ts") ? /^@\w+/.exec(line ?? "")?.[0] : undefined;
    if (open?.until === "@" && (line === undefined || tag !== undefined || marks !== undefined)) close();
    if (open === undefined) {
      if (marks !== undefined) open = { until: marks, keep: language === "ts", line: index + 2, code: [] };
      if (tag === "@example") open = { until: "@", keep: true, line: index + 2, code: [] };
    } else if (line === undefined) break;
    else if (marks === open.until && language === "") close();
    else open.code.push(line);
  }
  if (open !== undefined) throw new Error(`${file}:${open.line - 1}: the fence is never closed`);
  return fences.filter(({ code }) => code.trim() !== "");
}

/** The fence as a file whose line numbers are those of the document. */
export async function writeFence(fence: Fence, name: string): Promise<string> {
  const path = join(scratch, name);
  mkdirSync(dirname(path), { recursive: true });
  const prelude = fence.file.endsWith(".ts") ? await importsFor(fence) : "";
  writeFileSync(path, `${prelude}${"\n".repeat(fence.line - 1)}${fence.code}\nexport {};\n`);
  return path;
}

const packages: Readonly<Record<string, () => Promise<object>>> = {
  core: () => import("@gradus/core"),
  ops: () => import("@gradus/ops"),
  nn: () => import("@gradus/nn"),
  seq2seq: () => import("@gradus/seq2seq"),
  gradcheck: () => import("@gradus/gradcheck"),
  kernels: () => import("@gradus/kernels"),
};

/** One line of imports: each name from the comment's own package if that has it, else from the first that has it. */
async function importsFor({ file, code }: Fence): Promise<string> {
  const own = file.split("/")[1]!;
  const order = [own, ...Object.keys(packages)];
  const declared = /\b(?:const|let|function|class)\s+(?:[[{][^=]*|\w+)|\bimport\b[^;]*/g;
  const taken = new Set((code.match(declared) ?? []).flatMap((text) => text.match(/\w+/g)));
  let imports = "";
  for (const name of order) {
    const exported = Object.keys((await packages[name]?.()) ?? {});
    const used = exported.filter((word) => new RegExp(`\\b${word}\\b`).test(code) && !taken.has(word));
    for (const word of used) taken.add(word);
    if (used.length > 0) imports += `import { ${used.join(", ")} } from "@gradus/${name}"; `;
  }
  return imports;
}

let runs = 0;

/** Executes the fence and returns the lines that it printed. */
export async function run(fence: Fence): Promise<string[]> {
  const path = await writeFence(fence, `${process.pid}-${runs++}.ts`);
  const printed: string[] = [];
  const { log } = console;
  console.log = (...values: unknown[]) => printed.push(...format(...values).split("\n"));
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    const line = new RegExp(`${relative(root, path)}:(\\d+)`).exec(String((error as Error).stack))?.[1] ?? fence.line;
    throw new Error(`${fence.file}:${line}: ${String(error)}`, { cause: error });
  } finally {
    console.log = log;
    rmSync(path);
  }
  return printed.map((line) => line.trimEnd());
}

const asserted = /\/\/ =>(.*)$/;

/** Throws at the first line that differs. */
export function compare({ file, line, code }: Fence, printed: readonly string[]): void {
  const said = code.split("\n").flatMap((text, index) => {
    const match = asserted.exec(text);
    return match === null ? [] : [{ line: line + index, text: match[1]!.trim() }];
  });
  for (const [index, { line: at, text }] of said.entries()) {
    if (printed[index]?.trim() === text) continue;
    throw new Error(`${file}:${at}: says   ${text}\n${file}:${at}: prints ${printed[index] ?? "nothing"}`);
  }
  if (printed.length > said.length) {
    throw new Error(`${file}:${line}: prints a line that no "// =>" says: ${printed[said.length]}`);
  }
}

/** The document's text with the fence's `// =>` texts replaced by what it printed. */
export function rewrite(text: string, { file, line, code }: Fence, printed: readonly string[]): string {
  const lines = text.split("\n");
  const at = code.split("\n").flatMap((said, index) => (asserted.test(said) ? [line - 1 + index] : []));
  if (at.length !== printed.length) {
    throw new Error(`${file}:${line}: prints ${printed.length} lines, but ${at.length} say "// =>"`);
  }
  for (const [index, where] of at.entries())
    lines[where] = lines[where]!.replace(asserted, () => `// => ${printed[index]!}`);
  return lines.join("\n");
}
