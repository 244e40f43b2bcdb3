import { defineOp, ValueError, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats, checkOptions } from "./arguments.ts";
import { cast } from "./cast.ts";
import { equal } from "./compare.ts";
import { mulNoNan } from "./mul.ts";

export interface ClipOptions {
  /** Default: none. */
  readonly min?: number;
  /** Default: none. */
  readonly max?: number;
}

/**
 * y = x, but `min` below it and `max` above it; NaN stays. ∂y/∂x = 1 where y = x, else 0: so 1 at the bounds.
 * @throws ValueError for bounds that are not in order, DTypeError for all but floats.
 * @example
 * console.log(clip(tensor([-2, 0.5, 3]), { min: -1, max: 1 })); // => float32[3] [-1, 0.5, 1]
 */
export function clip(x: Tensor, options: ClipOptions = {}): Tensor {
  checkFloats("clip", { x });
  checkOptions("clip", options);
  const { min = -Infinity, max = Infinity } = options;
  if (typeof min !== "number" || typeof max !== "number" || !(min <= max))
    throw new ValueError("clip", "bounds are not in order", { min, max }, "min ≤ max");
  return clipOp({ x }, { min, max });
}
const clipOp = /* @__PURE__ */ defineOp({
  name: "clip",
  inputs: ["x"],
  keeps: ["x", "output"],
  forward: ({ x }, { min, max }: { min: number; max: number }) => k.clip(x, min, max),
  vjp: ({ x, output }) => ({ x: (dy) => mulNoNan(cast(equal(x, output), dy.dtype), dy) }),
});
