import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    include: ["packages/*/test/**/*.test.ts", "examples/*/test/**/*.test.ts", "docs/test/**/*.test.ts"],
    setupFiles: ["packages/kernels/test/strict.ts"],
    environment: "node",
    pool: "threads",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
