import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { document } from "./paths.ts";

const opening = `# Benchmarks

Written by \`pnpm bench\`. Each contender runs in a process of its own, on one thread unless its name says otherwise; rounds
of all of them alternate, each round on the next core where \`taskset\` is to be had, so that whatever else the machine does
meets all alike. A result is compared with a float64 reference before it is timed. Compare ratios: the times are those of
one machine. A bar is decided by the median of the ratios within each round.
`;

const mark = (name: string): string => `<!-- ${name} -->`;

export function writeDocument(sections: ReadonlyMap<string, string>): void {
  const parts = [...sections].map(([name, text]) => `${mark(name)}\n\n${text}\n`);
  writeFileSync(document, [opening, ...parts].join("\n"));
}

/** Puts a section in the place of its older self, or at the end. */
export function replaceSection(name: string, text: string): void {
  const old = existsSync(document) ? readFileSync(document, "utf8") : opening;
  const [, ...parts] = old.split(/^<!-- (.*) -->\n/mu);
  const sections = new Map<string, string>();
  for (let i = 0; i < parts.length; i += 2) sections.set(parts[i]!, parts[i + 1]!.trim());
  writeDocument(sections.set(name, text));
}
