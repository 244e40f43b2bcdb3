import { align, broadcastShapes, broadcastTo, defineOp, DTypeError, isTensor } from "@gradus/core";
import type { Tensor, TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { conditionOf } from "./masks.ts";

/**
 * y = x where the condition holds, elsewhere `otherwise`; all three broadcast. What is not selected is not read, and
 * its gradient is 0: so `where(greater(x, 0), sqrt(x), 0)` has finite gradients at 0.
 * @throws DTypeError for mixed dtypes, ShapeError for shapes that do not broadcast.
 * @example
 * console.log(where([true, false], tensor([1, 2]), -1)); // => float32[2] [1, -1]
 */
export function where(condition: TensorLike, x: Tensor | number, otherwise: Tensor | number): Tensor {
  const c = conditionOf("where", "condition", condition);
  // Under their own names, where align would call them a and b.
  if (isTensor(x) && isTensor(otherwise) && x.dtype !== otherwise.dtype) {
    throw new DTypeError("where", "mixed dtypes", { x, otherwise }, "one dtype: cast one of them");
  }
  const shape = broadcastShapes("where", {
    condition: c,
    ...(isTensor(x) && { x }),
    ...(isTensor(otherwise) && { otherwise }),
  });
  const { a, b } = align("where", x, otherwise);
  const inputs = { condition: broadcastTo(c, shape), x: broadcastTo(a, shape), otherwise: broadcastTo(b, shape) };
  return whereOp(inputs, {});
}
const whereOp = /* @__PURE__ */ defineOp({
  name: "where",
  inputs: ["x", "otherwise"],
  indices: ["condition"],
  keeps: [],
  forward: ({ condition, x, otherwise }) => k.select(condition, x, otherwise),
  vjp: ({ condition }) => ({ x: (dy) => where(condition, dy, 0), otherwise: (dy) => where(condition, 0, dy) }),
});
