import { spawnSync } from "node:child_process";

let found: string | null = null;

/** The first Python that has PyTorch; without one the first, whose error then says what is missing. */
export function pythonWithTorch(): string {
  const candidates = ["python3", "/usr/bin/python3"];
  const look = 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)';
  const has = (python: string): boolean => spawnSync(python, ["-c", look], { stdio: "ignore" }).status === 0;
  return (found ??= candidates.find(has) ?? candidates[0]!);
}
