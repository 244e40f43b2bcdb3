import type { Tensor, TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { equal } from "./compare.ts";
import { logical, type Logical } from "./makers.ts";
import { conditionOf } from "./masks.ts";

/**
 * Whether a and b are both true, or anything but 0, NaN among it; broadcast: bool. No gradient.
 * @throws ShapeError for shapes that do not broadcast.
 * @example
 * console.log(logicalAnd([1, 1, 0], [true, false, true])); // => bool[3] [true, false, false]
 */
export const logicalAnd: Logical = /* @__PURE__ */ logical("logicalAnd", k.logicalAnd);

/**
 * Whether a or b is true, or anything but 0, NaN among it; broadcast: bool. No gradient.
 * @throws ShapeError for shapes that do not broadcast.
 * @example
 * console.log(logicalOr([1, 1, 0], [true, false, false])); // => bool[3] [true, true, false]
 */
export const logicalOr: Logical = /* @__PURE__ */ logical("logicalOr", k.logicalOr);

/**
 * Whether x is false, or 0: bool. No gradient.
 * @example
 * console.log(logicalNot([0, 2])); // => bool[2] [true, false]
 */
export function logicalNot(x: TensorLike): Tensor {
  return equal(conditionOf("logicalNot", "x", x), 0);
}
