import { defineOp, type Shape, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkNumbers } from "./arguments.ts";
import { cumprod } from "./cumprod.ts";
import { mul, mulNoNan } from "./mul.ts";
import { reductionOf, type ReductionOptions } from "./reduction.ts";
import { reshape } from "./reshape.ts";
import { transpose } from "./transpose.ts";

/**
 * y = Π x over the axes given; 1 over nothing. ∂y/∂xᵢ is the product of the others, made of the products before and
 * after xᵢ and not by division: it is right where x has zeros, and so is its own derivative.
 * @throws DTypeError for bool, IndexError for an axis that is not there or stands twice.
 * @example
 * console.log(prod(tensor([[1, 2], [3, 4]]), { axis: 0 })); // => float32[2] [3, 8]
 */
export function prod(x: Tensor, options: ReductionOptions = {}): Tensor {
  const { axes, shape } = reductionOf("prod", x, options);
  checkNumbers("prod", { x });
  const order = [...x.shape.keys()].filter((axis) => !axes.includes(axis));
  const rows = order.map((axis) => x.shape[axis]!);
  // The axes that go become one, the last.
  const count = k.sizeOf(axes.map((axis) => x.shape[axis]!));
  const last = reshape(transpose(x, { axes: [...order, ...axes] }), [...rows, count]);
  return reshape(prodOp({ x: last }, { kept: [...rows, 1] }), shape);
}
const prodOp = /* @__PURE__ */ defineOp({
  name: "prod",
  inputs: ["x"],
  keeps: ["x"],
  forward: ({ x }, { kept }: { kept: Shape }) => k.reshaped(k.prod(x, [x.shape.length - 1]), kept),
  vjp: ({ x }) => ({
    x: (dy) => mulNoNan(mul(cumprod(x, { exclusive: true }), cumprod(x, { exclusive: true, reverse: true })), dy),
  }),
});
