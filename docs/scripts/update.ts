/** `pnpm docs:update`: rewrites the `// => …` texts of all documents to what their fences print now, and docs/ops.md. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { opTable } from "@gradus/ops/table";
import { documents, fencesIn, rewrite, run } from "./fences.ts";
import { opSources, page, reference } from "./ops.ts";

for (const file of documents()) {
  const before = readFileSync(file, "utf8");
  let after = before;
  // A fence without such a text has nothing to rewrite, and may need the test runner.
  for (const fence of fencesIn(file, before).filter(({ code }) => code.includes("// =>"))) {
    try {
      after = rewrite(after, fence, await run(fence));
    } catch (error) {
      console.error((error as Error).message);
      process.exitCode = 1;
    }
  }
  update(file, before, after);
}

update(page, existsSync(page) ? readFileSync(page, "utf8") : "", reference(opTable, opSources()));

function update(file: string, before: string, after: string): void {
  if (after === before) return;
  writeFileSync(file, after);
  console.log(`updated ${file}`);
}
