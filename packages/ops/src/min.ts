import { defineOp, type Shape, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkNumbers, checkOptions } from "./arguments.ts";
import { reductionOf, type ReductionOptions } from "./reduction.ts";
import { expandDims, reshape } from "./reshape.ts";
import { checkSome, sharedByTies } from "./ties.ts";

/**
 * The smallest x over the axes given; NaN where one is NaN. The n places that hold it have slope 1/n each.
 * @throws ValueError over nothing, IndexError for an axis that is not there or stands twice.
 * @example
 * console.log(min(tensor([[1, 5], [7, 3]]), { axis: 1 })); // => float32[2] [1, 3]
 */
export function min(x: Tensor, options: ReductionOptions = {}): Tensor {
  const { axes, kept, shape } = reductionOf("min", x, options);
  checkNumbers("min", { x });
  checkSome("min", "smallest", x, axes);
  return reshape(minOp({ x }, { axes, kept }), shape);
}
const minOp = /* @__PURE__ */ defineOp({
  name: "min",
  inputs: ["x"],
  keeps: ["x", "output"],
  forward: ({ x }, { axes, kept }: { axes: readonly number[]; kept: Shape }) => k.reshaped(k.min(x, axes), kept),
  vjp: ({ x, output }, { axes }) => ({ x: sharedByTies(x, output, axes) }),
});

/**
 * Index, int32, of the smallest x along `axis`, by default the last; of the first where several tie, of the first NaN
 * where there is one. No gradient.
 * @throws ValueError over nothing, IndexError for an axis that is not there.
 * @example
 * console.log(argMin(tensor([[1, 5], [7, 3]]))); // => int32[2] [0, 1]
 */
export function argMin(x: Tensor, options: { readonly axis?: number; readonly keepDims?: boolean } = {}): Tensor {
  checkNumbers("argMin", { x });
  checkOptions("argMin", options);
  const axis = axisOf("argMin", x, options.axis ?? -1);
  checkSome("argMin", "smallest", x, axis);
  const index = argMinOp({ x }, { axis });
  return options.keepDims ? expandDims(index, { axis }) : index;
}
const argMinOp = /* @__PURE__ */ defineOp({
  name: "argMin",
  inputs: [],
  indices: ["x"],
  keeps: [],
  forward: ({ x }, { axis }: { axis: number }) => k.argMin(x, axis),
  vjp: () => ({}),
});
