import { defineOp, ValueError, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkNumbers, checkOptions } from "./arguments.ts";
import { gather } from "./gather.ts";

export interface TopKOptions {
  /** How many. */
  readonly k: number;
  /** Default: the last. */
  readonly axis?: number;
}

/**
 * The `k` largest of x along `axis`, from the largest down, and their indices, int32: of equal ones the first comes first,
 * and NaN is larger than all. y = x[indices], so the pull-back of the values adds each dy to the place it came from; the
 * indices have no gradient.
 * @throws ValueError for a k outside 0 to the axis's length, DTypeError for bool, IndexError for an axis that is not there.
 * @example
 * console.log(topK(tensor([3, 9, 5]), { k: 2 }).values); // => float32[2] [9, 5]
 * console.log(topK(tensor([3, 9, 5]), { k: 2 }).indices); // => int32[2] [1, 2]
 */
export function topK(x: Tensor, options: TopKOptions): { readonly values: Tensor; readonly indices: Tensor } {
  checkNumbers("topK", { x });
  checkOptions("topK", options);
  const { k: count } = options;
  const axis = axisOf("topK", x, options.axis ?? -1);
  const length = x.shape[axis]!;
  if (!Number.isInteger(count) || count < 0 || count > length) {
    throw new ValueError("topK", "no such k", { k: count, x, axis }, `0 to ${length}`);
  }
  const indices = largestOp({ x }, { axis, count });
  return { values: gather(x, indices, { axis }), indices };
}
const largestOp = /* @__PURE__ */ defineOp({
  name: "topK",
  inputs: [],
  indices: ["x"],
  keeps: [],
  forward: ({ x }, { axis, count }: { axis: number; count: number }) => k.topK(x, axis, count),
  vjp: () => ({}),
});
