import { defineOp, type Shape, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkNumbers, checkOptions } from "./arguments.ts";
import { reductionOf, type ReductionOptions } from "./reduction.ts";
import { expandDims, reshape } from "./reshape.ts";
import { checkSome, sharedByTies } from "./ties.ts";

/**
 * The largest x over the axes given; NaN where one is NaN. The n places that hold it have slope 1/n each.
 * @throws ValueError over nothing, IndexError for an axis that is not there or stands twice.
 * @example
 * console.log(max(tensor([[1, 5], [7, 3]]), { axis: 1 })); // => float32[2] [5, 7]
 */
export function max(x: Tensor, options: ReductionOptions = {}): Tensor {
  const { axes, kept, shape } = reductionOf("max", x, options);
  checkNumbers("max", { x });
  checkSome("max", "largest", x, axes);
  return reshape(maxOp({ x }, { axes, kept }), shape);
}
const maxOp = /* @__PURE__ */ defineOp({
  name: "max",
  inputs: ["x"],
  keeps: ["x", "output"],
  forward: ({ x }, { axes, kept }: { axes: readonly number[]; kept: Shape }) => k.reshaped(k.max(x, axes), kept),
  vjp: ({ x, output }, { axes }) => ({ x: sharedByTies(x, output, axes) }),
});

/**
 * Index, int32, of the largest x along `axis`, by default the last; of the first where several tie, of the first NaN
 * where there is one. No gradient.
 * @throws ValueError over nothing, IndexError for an axis that is not there.
 * @example
 * console.log(argMax(tensor([[1, 5], [7, 3]]))); // => int32[2] [1, 0]
 */
export function argMax(x: Tensor, options: { readonly axis?: number; readonly keepDims?: boolean } = {}): Tensor {
  checkNumbers("argMax", { x });
  checkOptions("argMax", options);
  const axis = axisOf("argMax", x, options.axis ?? -1);
  checkSome("argMax", "largest", x, axis);
  const index = argMaxOp({ x }, { axis });
  return options.keepDims ? expandDims(index, { axis }) : index;
}
const argMaxOp = /* @__PURE__ */ defineOp({
  name: "argMax",
  inputs: [],
  indices: ["x"],
  keeps: [],
  forward: ({ x }, { axis }: { axis: number }) => k.argMax(x, axis),
  vjp: () => ({}),
});
