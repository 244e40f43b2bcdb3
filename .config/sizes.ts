/** Core stays small enough to read in an afternoon, and an op small enough to see at once. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const CORE = 1000;
const OP = 60;
const FUSED_OP = 150;
const NOT_OPS = new Set(["index.ts", "opTable.ts", "makers.ts", "reduction.ts", "arguments.ts"]);

interface Size {
  readonly of: string;
  readonly lines: number;
  readonly limit: number;
}

/** The size of core, and that of each op file, in lines that are neither blank nor comment. */
export function sizesIn(root: string): Size[] {
  const core = sourcesIn(join(root, "packages/core/src")).reduce((sum, { lines }) => sum + lines, 0);
  const ops = sourcesIn(join(root, "packages/ops/src")).filter(({ file }) => !NOT_OPS.has(basename(file)));
  return [
    { of: "packages/core/src", lines: core, limit: CORE },
    ...ops.map(({ file, text, lines }) => ({
      of: `packages/ops/src/${file}`,
      lines,
      limit: text.includes("defineFused") ? FUSED_OP : OP,
    })),
  ];
}

function sourcesIn(folder: string): { file: string; text: string; lines: number }[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return files.sort().map((file) => {
    const text = readFileSync(join(folder, file), "utf8");
    return { file, text, lines: linesOf(text) };
  });
}

/** Strings are matched first, so that a comment sign inside one is no comment. */
function linesOf(text: string): number {
  const stringOrComment = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/.*|\/\*[\s\S]*?\*\//g;
  const code = text.replace(stringOrComment, (_, string: string | undefined) => string ?? "");
  return code.split("\n").filter((line) => line.trim() !== "").length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [core, ...ops] = sizesIn(".");
  for (const { of, lines, limit } of [core!, ...ops.filter((op) => op.lines > op.limit)]) {
    console.log(`${of}: ${lines} of at most ${limit} lines`);
    if (lines > limit) process.exitCode = 1;
  }
}
