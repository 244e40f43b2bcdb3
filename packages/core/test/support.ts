import { currentScope, memoryStats, type Storage } from "@gradus/kernels";
import * as fc from "fast-check";
import { afterEach, expect } from "vitest";
import {
  step,
  tensor,
  type GradusError,
  type Nested,
  type Shape,
  type Tensor,
  type TensorOptions,
} from "../src/index.ts";

/** What random data come from; SEED=… repeats a run, and fast-check prints its own beside it. */
export const seed: number = Number(process.env.SEED ?? 20240229);
fc.configureGlobal({ seed });

/** mulberry32, two draws a number: uniform in [0, 1), with all 53 bits, so that sums of such numbers are rounded. */
export function generator(start: number = seed): () => number {
  let state = start;
  const draw = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
  return () => ((draw() >>> 5) * 2 ** 26 + (draw() >>> 6)) / 2 ** 53;
}

/** A float64 leaf of random numbers between −1 and 1. */
export function randomLeaf(shape: Shape, random: () => number, options: TensorOptions = {}): Tensor {
  const length = shape.reduce((product, n) => product * n, 1);
  const values = Float64Array.from({ length }, () => 2 * random() - 1);
  return tensor(values, { shape, requiresGrad: true, ...options });
}

/** A float64 scalar or array that gradients can be asked for. */
export function leaf(values: Nested, name = ""): Tensor {
  return tensor(values, { dtype: "float64", requiresGrad: true, name });
}

/** A float64 constant. */
export function constant(values: Nested): Tensor {
  return tensor(values, { dtype: "float64" });
}

export const numbers = (x: Tensor): number[] => Array.from(x.data, Number);

/** The same shape and the same bits. */
export function expectBits(got: Tensor, want: Tensor): void {
  expect([got.dtype, got.shape]).toEqual([want.dtype, want.shape]);
  const [a, b] = [got.data, want.data];
  for (let i = 0; i < b.length; i++) {
    if (!Object.is(a[i], b[i])) throw new Error(`[${i}] is ${a[i]}, want ${b[i]}; seed ${seed}`);
  }
}

/** Equal to `tolerance` times the largest number wanted, or 1. */
export function expectNear(got: Tensor, want: ArrayLike<number>, tolerance = 1e-12): void {
  const data = got.data;
  expect(data.length).toBe(want.length);
  const scale = Math.max(1, ...Array.from(want, Math.abs));
  for (let i = 0; i < want.length; i++) {
    if (Math.abs(data[i]! - want[i]!) <= tolerance * scale) continue;
    throw new Error(`[${i}] is ${data[i]}, want ${want[i]}; seed ${seed}`);
  }
}

type Kind = new (...args: never[]) => GradusError;

/** The function throws an error of exactly this type with exactly this message. */
export function expectError(fn: () => unknown, type: Kind, message: string): void {
  let thrown: unknown = null;
  try {
    fn();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(type);
  expect([(thrown as Error).name, (thrown as Error).message]).toEqual([type.name, message]);
}

export const storageOf = (x: Tensor): Storage => x.array.storage;

/** No two of the tensors share elements. */
export function expectUnshared(tensors: readonly Tensor[]): void {
  expect(new Set(tensors.map(storageOf)).size).toBe(tensors.length);
}

/** The places where code may run: results must not depend on them. */
export const homes: readonly (readonly [string, <R>(fn: () => R) => R])[] = [
  ["outside of a step", (fn) => fn()],
  ["in a step", (fn) => step(fn)],
  ["in a step of a step", (fn) => step(() => step(fn))],
];

/** Checks after each test that no scope is open and no block is held. */
export function watchMemory(): void {
  afterEach(() => {
    expect(currentScope()).toBeNull();
    expect(memoryStats()).toMatchObject({ live: 0, blocks: 0 });
  });
}
