import { defineOp, type Op, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { mul } from "./mul.ts";
import { pad, slice } from "./slice.ts";

interface Direction {
  readonly axis: number;
  /** From the last to the first. */
  readonly reverse: boolean;
}

/**
 * sᵢ = aᵢ·sᵢ₋₁ + bᵢ along the axis, from s = 0. With eᵢ = dsᵢ + aᵢ₊₁·eᵢ₊₁, a recurrence the other way, dbᵢ = eᵢ and
 * daᵢ = sᵢ₋₁·eᵢ: no division, so zeros among the factors do not matter.
 */
export function recurrence(a: Tensor, b: Tensor, direction: Direction): Tensor {
  return recurrenceOp({ a, b }, direction);
}
const recurrenceOp: Op<"a" | "b", Direction> = /* @__PURE__ */ defineOp({
  name: "recurrence",
  inputs: ["a", "b"],
  keeps: ["a", "output"],
  forward: ({ a, b }, direction: Direction) => k.recurrence(a, b, direction),
  vjp: ({ a, output: s }, { axis, reverse }) => {
    const back = { axis, reverse: !reverse };
    const e = (ds: Tensor): Tensor => recurrence(before(a, back), ds, back);
    return { a: (ds) => mul(before(s, { axis, reverse }), e(ds)), b: e };
  },
});

/** xᵢ₋₁ in the place of xᵢ, 0 in that of the first: what stands before in this direction. The axis has some length. */
export function before(x: Tensor, { axis, reverse }: Direction): Tensor {
  const rest = slice(x, reverse ? { axis, start: 1 } : { axis, end: -1 });
  const paddings = x.shape.map((_, i): [number, number] => (i !== axis ? [0, 0] : reverse ? [0, 1] : [1, 0]));
  return pad(rest, { paddings });
}
