import { defineList, DTypeError, ShapeError, ValueError, type Shape, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkOptions, checkTensor } from "./arguments.ts";
import { placeAt } from "./placeAt.ts";
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

function checkList(op: string, xs: readonly Tensor[]): Tensor {
  if (!Array.isArray(xs) || xs.length === 0) {
    throw new ValueError(op, "not a list of tensors", { xs }, "at least one tensor");
  }
  xs.forEach((x: Tensor, i) => checkTensor(op, `xs[${i}]`, x));
  const first = xs[0] as Tensor;
  const odd = xs.findIndex((x: Tensor) => x.dtype !== first.dtype);
  if (odd < 0) return first;
  throw new DTypeError(op, "mixed dtypes", { "xs[0]": first, [`xs[${odd}]`]: xs[odd] }, "one dtype");
}
