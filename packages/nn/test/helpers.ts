import { readFileSync } from "node:fs";
import { step, tensor, type DType, type GradusError, type Shape, type Tensor } from "@gradus/core";
import { createRandom, uniform } from "@gradus/nn";
import fc from "fast-check";
import { expect } from "vitest";

/** Numbers as JSON holds them. */
type Json = number | "NaN" | "Infinity" | "-Infinity";
interface JsonTensor {
  readonly shape: Shape;
  readonly data: readonly Json[];
  readonly dtype?: DType;
}
export type Tensors<N extends string = string> = Readonly<Record<N, JsonTensor>>;

/** A case of PyTorch's numbers; the files' descriptions say how they were computed. */
export interface Golden {
  readonly name: string;
  readonly op: string;
  readonly inputs: Tensors;
  readonly options: Readonly<Record<string, unknown>>;
  readonly differentiable: readonly string[];
  readonly cotangent: Tensors;
  readonly expected: Tensors;
  readonly grads: Tensors;
  readonly scales: Readonly<Record<string, number>>;
  readonly scale: number;
}

export function goldens(file: string): readonly Golden[] {
  const text = readFileSync(new URL(`goldens/${file}`, import.meta.url), "utf8");
  return (JSON.parse(text) as { cases: Golden[] }).cases;
}

export function toTensor({ shape, data, dtype = "float64" }: JsonTensor, requiresGrad = false): Tensor {
  return tensor(data.map(Number), { shape, dtype, requiresGrad });
}

/** |got − wanted| ≤ tolerance for each element. */
export function expectClose(got: Tensor, wanted: Tensor, tolerance: number, what = "value"): void {
  expect(got.shape, what).toEqual(wanted.shape);
  const [a, b] = [got.data, wanted.data];
  const i = a.findIndex((value: number, j: number) => !(Math.abs(value - b[j]!) <= tolerance));
  if (i >= 0) expect.fail(`${what}, element ${i}: got ${a[i]}, want ${b[i]}, tolerance ${tolerance}`);
}

/** The same dtype, shape and bits. */
export function expectSame(got: Tensor, wanted: Tensor, what = "value"): void {
  expect(`${got.dtype}[${got.shape.join()}]`, what).toBe(`${wanted.dtype}[${wanted.shape.join()}]`);
  const [a, b] = [got.data, wanted.data];
  const i = a.findIndex((value: number, j: number) => !Object.is(value, b[j]));
  if (i >= 0) expect.fail(`${what}, element ${i}: got ${a[i]}, want ${b[i]}`);
}

/** The same bits in linear memory, inside step(), as outside. */
export function expectSameInStep(compute: () => readonly Tensor[]): void {
  const outside = compute();
  step(compute).forEach((x, i) => expectSame(x, outside[i]!, `result ${i} in step()`));
}

export function random(seed: number, shape: Shape, dtype: "float32" | "float64" = "float64"): Tensor {
  return uniform(shape, { random: createRandom(seed), low: -1, high: 1, dtype });
}

/** Lengths up to `most` of the rows of a batch. A few batches are so large that layers treat steps by twos or singly. */
export function batchOfLengths(most: number): fc.Arbitrary<number[]> {
  const lengths = fc.array(fc.nat(most), { minLength: 1, maxLength: 4 });
  const times = fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constantFrom(17, 33) });
  return fc.tuple(lengths, times).map(([some, n]) => new Array<number[]>(n).fill(some).flat());
}

type ErrorClass = new (op: string, problem: string) => GradusError;

/** An error of the class, with the whole text. */
export function expectError(call: () => unknown, type: ErrorClass, message: string): void {
  let thrown: unknown = null;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(type);
  expect((thrown as GradusError).message).toBe(message);
}
