import { defineOp, type Op, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkNumbers, checkOptions } from "./arguments.ts";

export interface ScanOptions {
  /** Default: the last. */
  readonly axis?: number;
  /** Leave the element itself out. Default: false. */
  readonly exclusive?: boolean;
  /** From the last to the first. Default: false. */
  readonly reverse?: boolean;
}

/**
 * yᵢ = x₀ + … + xᵢ along `axis`; without xᵢ itself if `exclusive`; from the last if `reverse`. xⱼ has slope 1 in every yᵢ
 * that it is part of, so the pull-back is the same sum the other way.
 * @throws DTypeError for bool, IndexError for an axis that is not there.
 * @example
 * console.log(cumsum(tensor([1, 2, 3]))); // => float32[3] [1, 3, 6]
 */
export function cumsum(x: Tensor, options: ScanOptions = {}): Tensor {
  checkNumbers("cumsum", { x });
  checkOptions("cumsum", options);
  const axis = axisOf("cumsum", x, options.axis ?? -1);
  return cumsumOp({ x }, { axis, exclusive: options.exclusive ?? false, reverse: options.reverse ?? false });
}
const cumsumOp: Op<"x", k.Scan> = /* @__PURE__ */ defineOp({
  name: "cumsum",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }, scan: k.Scan) => k.cumsum(x, scan),
  vjp: (_, { axis, exclusive, reverse }) => ({ x: (dy) => cumsum(dy, { axis, exclusive, reverse: !reverse }) }),
});
