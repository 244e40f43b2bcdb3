import { defineOp, type Op, type Shape, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { reshape } from "./reshape.ts";
import { pad } from "./slice.ts";

interface Place {
  readonly axis: number;
  readonly i: number;
}

/** The i-th place of x along `axis`, without that axis: one of what `unstack` gives. */
export function placeAt(x: Tensor, place: Place): Tensor {
  return unstackOp({ x }, place);
}
const unstackOp: Op<"x", Place> = /* @__PURE__ */ defineOp({
  name: "unstack",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }, { axis, i }: Place) => {
    const place = k.slice(x, k.boxAlong(x.shape, axis, i), withLengthOne(x.shape, axis));
    return k.reshaped(
      place,
      x.shape.filter((_, a) => a !== axis),
    );
  },
  vjp: ({ shapes: { x } }, { axis, i }) => ({
    x: (dy) => {
      const paddings = x.map((length, a) => (a === axis ? ([i, length - 1 - i] as const) : ([0, 0] as const)));
      return pad(reshape(dy, withLengthOne(x, axis)), { paddings });
    },
  }),
  backward: ({ shapes: { x } }, { axis, i }) => ({
    x: (dy, into, beta) => {
      k.sliceGrad(into, beta, k.reshaped(dy, withLengthOne(x, axis)), k.boxAlong(x, axis, i));
    },
  }),
});

function withLengthOne(shape: Shape, axis: number): Shape {
  return shape.map((length, a) => (a === axis ? 1 : length));
}
