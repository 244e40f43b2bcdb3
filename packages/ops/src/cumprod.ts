import { defineOp, type Op, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkNumbers, checkOptions } from "./arguments.ts";
import type { ScanOptions } from "./cumsum.ts";
import { mul } from "./mul.ts";
import { before, recurrence } from "./recurrence.ts";

/**
 * yᵢ = x₀·…·xᵢ along `axis`; without xᵢ itself if `exclusive`; from the last if `reverse`. With eᵢ the exclusive product
 * and vᵢ = dyᵢ + xᵢ₊₁·vᵢ₊₁, dxᵢ = eᵢ·vᵢ; if exclusive, wᵢ = dyᵢ + xᵢ·wᵢ₊₁ and dxᵢ = eᵢ·wᵢ₊₁. Nothing is divided: zeros
 * among the x do no harm.
 * @throws DTypeError for bool, IndexError for an axis that is not there.
 * @example
 * console.log(cumprod(tensor([2, 3, 4]), { exclusive: true })); // => float32[3] [1, 2, 6]
 */
export function cumprod(x: Tensor, options: ScanOptions = {}): Tensor {
  checkNumbers("cumprod", { x });
  checkOptions("cumprod", options);
  const axis = axisOf("cumprod", x, options.axis ?? -1);
  return cumprodOp({ x }, { axis, exclusive: options.exclusive ?? false, reverse: options.reverse ?? false });
}
const cumprodOp: Op<"x", k.Scan> = /* @__PURE__ */ defineOp({
  name: "cumprod",
  inputs: ["x"],
  keeps: ["x", "output"],
  forward: ({ x }, scan: k.Scan) => k.cumprod(x, scan),
  vjp: ({ x, output }, { axis, exclusive, reverse }) => ({
    x: (dy) => {
      const back = { axis, reverse: !reverse };
      if (dy.size === 0) return dy;
      if (exclusive) return mul(output, before(recurrence(x, dy, back), back));
      return mul(cumprod(x, { axis, exclusive: true, reverse }), recurrence(before(x, back), dy, back));
    },
  }),
});
