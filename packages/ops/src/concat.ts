import { defineList, ShapeError, type Shape, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkList, checkOptions } from "./arguments.ts";
import { slice } from "./slice.ts";

/**
 * Tensors one after the other along `axis`, by default the first. Its pull-back cuts dy into the same pieces.
 * @throws ValueError for an empty list, ShapeError for shapes that differ elsewhere than along the axis, DTypeError for
 * mixed dtypes, IndexError for an axis that is not there.
 * @example
 * console.log(concat([tensor([1]), tensor([2, 3])])); // => float32[3] [1, 2, 3]
 */
export function concat(xs: readonly Tensor[], options: { readonly axis?: number } = {}): Tensor {
  const first = checkList("concat", xs);
  checkOptions("concat", options);
  const axis = axisOf("concat", first, options.axis ?? 0);
  xs.forEach((x, i) => {
    if (x.shape.length === first.shape.length && x.shape.every((length, a) => a === axis || length === first.shape[a]))
      return;
    const got = { "xs[0]": first, [`xs[${i}]`]: x, axis };
    throw new ShapeError("concat", "shapes differ", got, "equal lengths but along the axis");
  });
  return concatOp(xs, { axis });
}
const concatOp = /* @__PURE__ */ defineList({
  name: "concat",
  keeps: [],
  forward: (xs, { axis }: { axis: number }) => k.concat(xs, axis),
  vjp: ({ shapes }, { axis }) => {
    const starts = startsOf(shapes.xs, axis);
    return (dy, i) => slice(dy, { axis, start: starts[i]!, end: starts[i]! + shapes.xs[i]![axis]! });
  },
  backward: ({ shapes }, { axis }) => {
    const starts = startsOf(shapes.xs, axis);
    return (dy, i, into, beta) => k.readBox(into, beta, dy, k.boxAlong(into.shape, axis, starts[i]!));
  },
});

function startsOf(shapes: readonly Shape[], axis: number): number[] {
  let next = 0;
  return shapes.map((shape) => (next += shape[axis]!) - shape[axis]!);
}
