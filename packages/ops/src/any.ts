import { defineOp, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { reductionOf, type ReductionOptions } from "./reduction.ts";
import { reshape } from "./reshape.ts";

/**
 * Whether one x over the axes given is true, or anything but 0, NaN among it: bool. False over nothing. No gradient.
 * @throws IndexError for an axis that is not there or stands twice.
 * @example
 * console.log(any(tensor([[0, 2], [0, 0]]), { axis: 1 })); // => bool[2] [true, false]
 */
export function any(x: Tensor, options: ReductionOptions = {}): Tensor {
  const { axes, shape } = reductionOf("any", x, options);
  return reshape(anyOp({ x }, { axes }), shape);
}
const anyOp = /* @__PURE__ */ defineOp({
  name: "any",
  inputs: [],
  indices: ["x"],
  keeps: [],
  forward: ({ x }, { axes }: { axes: readonly number[] }) => k.any(x, axes),
  vjp: () => ({}),
});

/**
 * Whether every x over the axes given is true, or anything but 0, NaN among it: bool. True over nothing. No gradient.
 * @throws IndexError for an axis that is not there or stands twice.
 * @example
 * console.log(all(tensor([[0, 2], [1, 1]]), { axis: 1 })); // => bool[2] [false, true]
 */
export function all(x: Tensor, options: ReductionOptions = {}): Tensor {
  const { axes, shape } = reductionOf("all", x, options);
  return reshape(allOp({ x }, { axes }), shape);
}
const allOp = /* @__PURE__ */ defineOp({
  name: "all",
  inputs: [],
  indices: ["x"],
  keeps: [],
  forward: ({ x }, { axes }: { axes: readonly number[] }) => k.all(x, axes),
  vjp: () => ({}),
});
