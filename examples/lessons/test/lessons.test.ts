import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));
const lessons = readdirSync(folder).filter((name) => /^\d\d-.*\.ts$/.test(name));

test.each(lessons)("%s checks its own numbers, and draws the picture that stands beside it", (lesson) => {
  const picture = `${folder}${lesson.replace(/\.ts$/, ".svg")}`;
  const before = readFileSync(picture, "utf8");
  const tsx = fileURLToPath(import.meta.resolve("tsx/cli"));
  const printed = execFileSync(process.execPath, [tsx, `${folder}${lesson}`], { encoding: "utf8" });
  expect(printed).not.toContain("\u001b");
  expect(readFileSync(picture, "utf8")).toBe(before);
});
