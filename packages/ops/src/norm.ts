import { defineOp, type Shape, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats } from "./arguments.ts";
import { divNoNan } from "./div.ts";
import { mulNoNan } from "./mul.ts";
import { reductionOf, type ReductionOptions } from "./reduction.ts";
import { reshape } from "./reshape.ts";

/**
 * y = √Σ x² over the axes given. ∂y/∂x = x/y, and 0 where y is 0. The sum is a float64.
 * @throws DTypeError for all but floats, IndexError for an axis that is not there or stands twice.
 * @example
 * console.log(norm(tensor([[3, 4], [0, 0]]), { axis: 1 })); // => float32[2] [5, 0]
 */
export function norm(x: Tensor, options: ReductionOptions = {}): Tensor {
  const { axes, kept, shape } = reductionOf("norm", x, options);
  checkFloats("norm", { x });
  return reshape(normOp({ x }, { axes, kept }), shape);
}
const normOp = /* @__PURE__ */ defineOp({
  name: "norm",
  inputs: ["x"],
  keeps: ["x", "output"],
  forward: ({ x }, { axes, kept }: { axes: readonly number[]; kept: Shape }) => k.reshaped(k.norm(x, axes), kept),
  vjp: ({ x, output: y }) => ({ x: (dy) => mulNoNan(divNoNan(x, y), dy) }),
});
