import { grad, tensor, type DType, type Tensor, type TypedArray } from "@gradus/core";
import { add, cast, exp, gather, log, logSoftmax, mean, mul, neg, oneHot, reshape, sub, sum } from "@gradus/ops";
import type { SequenceLossOptions, SoftmaxLossFunction } from "@gradus/seq2seq";
import { expect } from "vitest";

/** Numbers as JSON holds them. */
export type Json = number | "NaN" | "Infinity" | "-Infinity";
export interface JsonTensor {
  readonly shape: readonly number[];
  readonly data: readonly Json[];
  readonly dtype?: DType;
}

export const toTensor = ({ shape, data, dtype = "float64" }: JsonTensor, requiresGrad = false): Tensor =>
  tensor(data.map(Number), { shape, dtype, requiresGrad });

/** Nested arrays that stay on one line. */
export const rows = (...nested: number[][]): number[][] => nested;

/** Each element within `tolerance · scale(wanted)`; NaN, infinities and -0 = 0 as they are. */
export function expectClose(
  got: ArrayLike<number>,
  wanted: ArrayLike<Json>,
  tolerance: number,
  what: string,
  scale: (wanted: number) => number = () => 1,
): void {
  expect(got.length, `${what}: number of elements`).toBe(wanted.length);
  for (let i = 0; i < got.length; i++) {
    const [a, b] = [got[i]!, Number(wanted[i])];
    if (Object.is(a, b) || a === b || Math.abs(a - b) <= tolerance * scale(b)) continue;
    expect.fail(`${what}, element ${i}: got ${a}, want ${b}, tolerance ${tolerance * scale(b)}`);
  }
}

/** To the bit, but for the sign of 0. */
export function expectSame(got: TypedArray, wanted: TypedArray, what: string): void {
  expectClose(got, wanted, 0, what);
}

export interface Evaluated {
  readonly value: TypedArray;
  readonly shape: readonly number[];
  readonly grads: readonly TypedArray[];
}

/** Value, and gradients of ⟨cotangent, value⟩; the cotangent is cos(1 + 2i) where none is given. */
export function evaluate(value: Tensor, inputs: readonly Tensor[], cotangent?: Tensor): Evaluated {
  const u = cotangent ?? tensor(wave(value.size), { shape: value.shape, dtype: value.dtype });
  return { value: value.data, shape: value.shape, grads: grad(value, inputs, { cotangent: u }).map((g) => g.data) };
}
export const wave = (size: number): Float64Array => Float64Array.from({ length: size }, (_, i) => Math.cos(1 + 2 * i));

type Four = [boolean, boolean, boolean, boolean];
const setting = (...[time, batch, overTime, overBatch]: Four): SequenceLossOptions => {
  const flags = { averageAcrossTimesteps: time, averageAcrossBatch: batch };
  return { ...flags, sumOverTimesteps: overTime, sumOverBatch: overBatch } as SequenceLossOptions; // one of the seven
};
/** The seven ways to reduce. */
export const settings: Readonly<Record<string, SequenceLossOptions>> = {
  "average both": setting(true, true, false, false),
  "sum both": setting(false, false, true, true),
  "average timesteps": setting(true, false, false, false),
  "average batch": setting(false, true, false, false),
  "sum timesteps": setting(false, false, true, false),
  "sum batch": setting(false, false, false, true),
  none: setting(false, false, false, false),
};

/** The logits at the labels, [N]. */
const at = (x: Tensor, labels: Tensor): Tensor => reshape(gather(x, reshape(labels, [labels.size, 1])), [labels.size]);

/** Loss functions of one's own, by the names of the fixtures. */
export const lossFunctions = {
  /** (x[y] − 1)² */
  squaredErrorAtLabel:
    (): SoftmaxLossFunction =>
    ({ labels, logits }) => {
      const off = sub(at(logits, labels), 1);
      return mul(off, off);
    },
  /** −(1−ε)·log p[y] − ε·mean log p */
  labelSmoothedCE:
    (epsilon: number): SoftmaxLossFunction =>
    ({ labels, logits }) => {
      const logp = logSoftmax(logits);
      return neg(add(mul(at(logp, labels), 1 - epsilon), mul(mean(logp, { axis: 1 }), epsilon)));
    },
  /** −(1 − p[y])^γ · log p[y] */
  focalCE:
    (gamma: number): SoftmaxLossFunction =>
    ({ labels, logits }) => {
      const logp = at(logSoftmax(logits), labels);
      return neg(mul(exp(mul(log(sub(1, exp(logp))), gamma)), logp));
    },
  /** Σ y·(x − 1)², of distributions and of labels alike */
  squaredError:
    (): SoftmaxLossFunction =>
    ({ labels, logits }) => {
      const y = labels.shape.length === 2 ? labels : cast(oneHot(labels, { depth: logits.shape[1]! }), logits.dtype);
      const off = sub(logits, 1);
      return sum(mul(y, mul(off, off)), { axis: 1 });
    },
} as const;

export function lossFunctionOf(given: { name: string; epsilon?: number; gamma?: number }): SoftmaxLossFunction {
  if (given.name === "squaredErrorAtLabel") return lossFunctions.squaredErrorAtLabel();
  if (given.name === "labelSmoothedCE") return lossFunctions.labelSmoothedCE(given.epsilon!);
  if (given.name === "focalCE") return lossFunctions.focalCE(given.gamma!);
  throw new Error(`no loss function ${given.name}`);
}
