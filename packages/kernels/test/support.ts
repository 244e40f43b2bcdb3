import * as fc from "fast-check";
import { vi } from "vitest";
import type * as kernels from "../src/index.ts";
import type { DType, NdArray, Shape, TypedArray } from "../src/index.ts";

/** What random data come from; it is part of the tests' names, and SEED=… repeats a run. */
export const seed: number = Number(process.env.SEED ?? 20240229);
fc.configureGlobal({ seed });

export type Kernels = typeof kernels;

/** Two copies of the package in one process, the second without WebAssembly: each with a memory of its own. */
export const simd: Kernels = await import("../src/index.ts");
vi.resetModules();
export const twin: Kernels = await import("../src/index.ts");
twin.configure({ wasm: false, poison: true });
simd.configure({ poison: true });

/** mulberry32, two draws a number: uniform in [0, 1), with all 53 bits, so that sums of such numbers are rounded. */
export function generator(start: number): () => number {
  let state = start;
  const draw = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
  return () => ((draw() >>> 5) * 2 ** 26 + (draw() >>> 6)) / 2 ** 53;
}

/** `count` numbers between −scale and scale, rounded to the dtype's kind; bool is 0 or 1. */
export function randoms(count: number, dtype: DType, random: () => number, scale = 3): number[] {
  return Array.from({ length: count }, () => {
    if (dtype === "bool") return random() < 0.5 ? 0 : 1;
    const value = scale * (2 * random() - 1);
    return dtype === "int32" ? Math.round(value) + 0 : value; // never −0
  });
}

/** An array of one value, in the current scope. */
export function filled(k: Kernels, ...what: Parameters<Kernels["fill"]>): NdArray {
  return k.fill(...what);
}

/** Puts an array where a run wants its operands. */
export type Place = (values: ArrayLike<number>, shape: Shape, dtype: DType) => NdArray;
export type Run = (k: Kernels, place: Place) => NdArray | readonly NdArray[];

export interface Outcome {
  readonly values: readonly TypedArray[];
  readonly shapes: readonly Shape[];
  /** Kernel forms that ran, in order. */
  readonly forms: readonly string[];
}

/**
 * Runs kernels and copies their results out. In a step, every other operand is placed in linear memory; the rest are
 * ordinary arrays, which the kernels stage.
 */
export function outcome(k: Kernels, inStep: boolean, run: Run): Outcome {
  const scope = inStep ? k.openScope("step", true) : null;
  const forms: string[] = [];
  let placed = 0;
  const place: Place = (values, shape, dtype) => {
    const data = k.newArray(dtype, values.length);
    data.set(values);
    const array = k.wrap(data, shape, dtype);
    return inStep && placed++ % 2 === 0 ? k.copy(array) : array;
  };
  const before = k.observeKernels((form) => forms.push(form));
  try {
    const results = [run(k, place)].flat() as readonly NdArray[];
    return {
      values: results.map(({ storage }) => k.copyOut(storage)),
      shapes: results.map(({ shape }) => shape),
      forms,
    };
  } finally {
    k.observeKernels(before);
    if (scope) k.closeScope(scope, "was made in a test");
  }
}

/** Throws at the first place where two lists of numbers are not the same, to the bit (but for the kind of NaN). */
export function expectSame(got: ArrayLike<number>, want: ArrayLike<number>): void {
  expectClose(got, want, () => 0);
}

/** Throws at the first place where numbers differ by more than `allowed` there; NaN and infinities are exact. */
export function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, allowed: (i: number) => number): void {
  if (got.length !== want.length) throw new Error(`${got.length} elements, want ${want.length}`);
  for (let i = 0; i < want.length; i++) {
    const [g, w] = [got[i]!, want[i]!];
    if (Object.is(g, w) || (allowed(i) > 0 && Math.abs(g - w) <= allowed(i))) continue;
    throw new Error(`[${i}] is ${g}, want ${w}; off by ${Math.abs(g - w)}, allowed ${allowed(i)}; seed ${seed}`);
  }
}

/** One unit in the last place of `value`. */
export function ulp(value: number, dtype: DType): number {
  const [digits, lowest] = dtype === "float32" ? [23, -126] : [52, -1022];
  if (!Number.isFinite(value)) return 0;
  return 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), lowest) - digits);
}
