import { defineOp, defineList, tensor, type Tensor } from "@gradus/core";
import { CheckError, checkGrads } from "@gradus/gradcheck";
import * as k from "@gradus/kernels";
import { add, div, mul, mulNoNan, neg, sigmoid, sum } from "@gradus/ops";
import { expect, test } from "vitest";

// Ops as a reader of the documentation would write them, in a package of their own.

/** y = √(a² + b²), for two tensors of one shape. ∂y/∂a = a/y. */
function hypot(a: Tensor, b: Tensor): Tensor {
  return hypotOp({ a, b }, {});
}
const hypotOp = /* @__PURE__ */ defineOp({
  name: "hypot",
  inputs: ["a", "b"],
  keeps: ["a", "b", "output"],
  forward: ({ a, b }) =>
    k.loop([a, b], a.shape, a.dtype, (y, a, b) => {
      for (let i = 0; i < y.length; i++) y[i] = Math.hypot(a[i]!, b[i]!);
    }),
  vjp: ({ a, b, output: y }) => ({
    a: (dy) => mulNoNan(div(a, y), dy),
    b: (dy) => mulNoNan(div(b, y), dy),
  }),
});

/** y = Σᵢ wᵢ·σ(xᵢ), for a list of tensors of one shape and a list of numbers. ∂y/∂xᵢ = wᵢ·σ·(1 − σ). */
const mixture = /* @__PURE__ */ defineList({
  name: "mixture",
  keeps: ["xs"],
  forward: (xs, { weights }: { weights: readonly number[] }) =>
    k.loop(xs, xs[0]!.shape, xs[0]!.dtype, (y, ...xs) => {
      y.fill(0);
      xs.forEach((x, i) => x.forEach((value, j) => (y[j] = y[j]! + weights[i]! / (1 + Math.exp(-value)))));
    }),
  vjp:
    ({ xs }, { weights }) =>
    (dy, i) => {
      const y = sigmoid(xs[i]!);
      return mulNoNan(mul(weights[i]!, mul(y, add(1, neg(y)))), dy);
    },
});

const float64 = (values: readonly (readonly number[])[]): Tensor => tensor(values, { dtype: "float64" });
const [a, b] = [
  float64([
    [3, -1, 0.5],
    [2, 0.3, -0.7],
  ]),
  float64([
    [4, 1, -2],
    [-1, 0.6, 1.5],
  ]),
];

test("a stranger's op is checked to second order", () => {
  expect(() => checkGrads(hypot, [a, b])).not.toThrow();
  expect(() => checkGrads((a, b) => sum(hypot(a, mul(b, b))), [a, b])).not.toThrow();
});

test("so is one over a list, beside the same tensor twice", () => {
  expect(() => checkGrads((a, b) => mixture([a, b, a], { weights: [1, -2, 0.5] }), [a, b])).not.toThrow();
});

test("and its faults are found", () => {
  const wrong = defineOp({
    name: "hypot",
    inputs: ["a", "b"],
    keeps: ["a", "b", "output"],
    forward: ({ a, b }) =>
      k.loop([a, b], a.shape, a.dtype, (y, a, b) => {
        for (let i = 0; i < y.length; i++) y[i] = Math.hypot(a[i]!, b[i]!);
      }),
    vjp: ({ a, b, output: y }) => ({
      a: (dy) => mulNoNan(div(a, y), dy),
      b: (dy) => mulNoNan(div(a, mul(b, y)), dy),
    }),
  });
  let thrown: unknown;
  try {
    checkGrads((a, b) => wrong({ a, b }, {}), [a, b], { seed: 5 });
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(CheckError);
  expect(thrown).toMatchObject({ finding: "gradient", seed: 5, place: { order: 1, of: "inputs[1]" } });
});
