import { ValueError, type Tensor } from "@gradus/core";
import { cast } from "./cast.ts";
import { equal } from "./compare.ts";
import { div } from "./div.ts";
import { mulNoNan } from "./mul.ts";
import { sum } from "./sum.ts";

/** Refuses an extreme of nothing. */
export function checkSome(op: string, extreme: string, x: Tensor, axis: number | readonly number[]): void {
  if ([axis].flat().every((a) => x.shape[a] !== 0)) return;
  const want = typeof axis === "number" ? "an axis of length 1 or more" : "axes of length 1 or more";
  throw new ValueError(op, `nothing has no ${extreme}`, { x, axis }, want);
}

/** The pull-back of an extreme y of x: the n places that hold it have slope 1/n each. */
export function sharedByTies(x: Tensor, y: Tensor, axes: readonly number[]): (dy: Tensor) => Tensor {
  return (dy) => {
    const holds = cast(equal(x, y), dy.dtype);
    return mulNoNan(div(holds, sum(holds, { axis: axes, keepDims: true })), dy);
  };
}
