import { defineOp, ShapeError, type DType, type Tensor, type TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkDType, checkOptions, checkValue, indicesOf } from "./arguments.ts";

export interface OneHotOptions {
  /** Length of the new last axis. */
  readonly depth: number;
  /** The value at the index. Default: 1. */
  readonly onValue?: number;
  /** The value elsewhere. Default: 0. */
  readonly offValue?: number;
  /** Default: "float32". */
  readonly dtype?: DType;
}

/**
 * Indices as rows of a new last axis: `onValue` at the index, `offValue` elsewhere. No gradient.
 * @throws IndexError for an index outside 0 to depth − 1, negative ones among them, ValueError for values that the dtype
 * cannot hold.
 * @example
 * console.log(oneHot([1, 0], { depth: 3 })); // => float32[2,3] [[0, 1, 0], [1, 0, 0]]
 */
export function oneHot(index: TensorLike, options: OneHotOptions): Tensor {
  checkOptions("oneHot", options);
  const { depth, onValue = 1, offValue = 0, dtype = "float32" } = options;
  if (!Number.isInteger(depth) || depth < 0) {
    throw new ShapeError("oneHot", "no such depth", { depth }, "a whole number from 0");
  }
  checkDType("oneHot", dtype);
  checkValue("oneHot", "onValue", onValue, dtype);
  checkValue("oneHot", "offValue", offValue, dtype);
  return oneHotOp({ index: indicesOf("oneHot", "index", index, depth) }, { depth, onValue, offValue, dtype });
}
const oneHotOp = /* @__PURE__ */ defineOp({
  name: "oneHot",
  inputs: [],
  indices: ["index"],
  keeps: [],
  forward: ({ index }, { depth, onValue, offValue, dtype }: Required<OneHotOptions>) =>
    k.oneHot(index, depth, onValue, offValue, dtype),
  vjp: () => ({}),
});
