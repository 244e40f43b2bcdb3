import { defineList, ShapeError, type Shape, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkList, checkOptions } from "./arguments.ts";
import { placeAt } from "./placeAt.ts";

/**
 * Tensors of one shape side by side along a new axis, by default the first. Its pull-back takes dy apart again.
 * @throws ValueError for an empty list, ShapeError for shapes that differ, DTypeError for mixed dtypes, IndexError for an
 * axis that is not there.
 * @example
 * console.log(stack([tensor([1, 2]), tensor([3, 4])], { axis: 1 })); // => float32[2,2] [[1, 3], [2, 4]]
 */
export function stack(xs: readonly Tensor[], options: { readonly axis?: number } = {}): Tensor {
  const first = checkList("stack", xs);
  checkOptions("stack", options);
  const axis = axisOf("stack", first, options.axis ?? 0, first.shape.length + 1);
  xs.forEach((x, i) => {
    if (k.sameShape(x.shape, first.shape)) return;
    throw new ShapeError("stack", "shapes differ", { "xs[0]": first, [`xs[${i}]`]: x }, "one shape");
  });
  return stackOp(xs, { axis });
}
const stackOp = /* @__PURE__ */ defineList({
  name: "stack",
  keeps: [],
  forward: (xs, { axis }: { axis: number }) => {
    return k.concat(
      xs.map((x) => k.reshaped(x, withAxis(x.shape, axis))),
      axis,
    );
  },
  vjp:
    (_, { axis }) =>
    (dy, i) =>
      placeAt(dy, { axis, i }),
  backward:
    (_, { axis }) =>
    (dy, i, into, beta) => {
      const to = k.reshaped(into, withAxis(into.shape, axis));
      k.readBox(to, beta, dy, k.boxAlong(to.shape, axis, i));
    },
});
const withAxis = (shape: Shape, axis: number): Shape => [...shape.slice(0, axis), 1, ...shape.slice(axis)];
