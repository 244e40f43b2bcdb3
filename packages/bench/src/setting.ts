import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { contendersFolder } from "./paths.ts";

/** What the figures depend on. */
export function facts(): string {
  const [cpu] = cpus();
  const date = new Date().toISOString().slice(0, 10);
  return `Measured on ${date}: ${cpu?.model.trim() ?? "unknown CPU"}, ${cpus().length} cores, Node ${process.version}.`;
}

/** Installs the other libraries, which are no part of the workspace; returns what went wrong, or null. */
export function installContenders(): string | null {
  const args = ["install", "--ignore-workspace", "--frozen-lockfile", "--ignore-scripts", "--prefer-offline"];
  const { status, stdout, error } = spawnSync("pnpm", args, { cwd: contendersFolder, encoding: "utf8" });
  if (status === 0) return null;
  return error?.message ?? stdout.trim().split("\n").at(-1) ?? "pnpm failed";
}
