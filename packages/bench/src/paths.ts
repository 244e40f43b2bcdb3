import { fileURLToPath } from "node:url";

// The bench is bundled into dist/, which is as deep as src/.
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export const root = path("../../../");
export const childBundle = path("../dist/child.mjs");
export const digestBundle: string = path("../dist/digest.mjs");
export const contendersFolder = path("../contenders/");
export const pytorchScript = path("../src/contenders/pytorch.py");
export const document = path("../../../docs/benchmarks.md");
