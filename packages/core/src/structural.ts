import * as k from "@gradus/kernels";
import { checkShape, checkValue, DTypeError, sameShape, ShapeError, ValueError, type Shape } from "@gradus/kernels";
import { full } from "./create.ts";
import { defineOp } from "./define.ts";
import { checkAlive, isTensor, type Tensor } from "./tensor.ts";

/**
 * y = a + b, broadcast. ∂y/∂a = ∂y/∂b = 1: the cotangent goes to both.
 * @throws DTypeError for mixed dtypes, ShapeError for shapes that do not broadcast.
 * @example
 * console.log(add(tensor([1, 2]), 10)); // => float32[2] [11, 12]
 */
export function add(a: Tensor | number, b: Tensor | number): Tensor {
  const operands = align("add", a, b);
  checkNumbers("add", operands);
  return addOp(operands, {});
}
const addOp = /* @__PURE__ */ defineOp({
  name: "add",
  inputs: ["a", "b"],
  keeps: [],
  forward: ({ a, b }) => k.add(a, b),
  vjp: () => ({ a: (dy) => dy, b: (dy) => dy }),
});

/**
 * x repeated to `shape`: along axes that it lacks in front, and along axes of length 1. Its pull-back is `sumTo`.
 * @throws ShapeError if x does not broadcast to the shape.
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  checkAlive("broadcastTo", "x", x);
  checkShape("broadcastTo", shape);
  if (sameShape(x.shape, shape)) return x;
  if (!broadcasts(x.shape, shape)) {
    const want = "each axis of x, from the last, of length 1 or as in shape";
    throw new ShapeError("broadcastTo", "x does not broadcast", { x, shape }, want);
  }
  return broadcastOp({ x }, { shape: [...shape] });
}
const broadcastOp = /* @__PURE__ */ defineOp({
  name: "broadcastTo",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }, { shape }: { shape: Shape }) => k.broadcast(x, shape),
  vjp: ({ shapes }) => ({ x: (dy) => sumTo(dy, shapes.x) }),
});

/**
 * x summed to `shape`: over axes in front that `shape` lacks, and over axes that are 1 there. Its pull-back is
 * `broadcastTo`.
 * @throws ShapeError if the shape does not broadcast to x's.
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  checkAlive("sumTo", "x", x);
  checkShape("sumTo", shape);
  checkNumbers("sumTo", { x });
  if (sameShape(x.shape, shape)) return x;
  if (!broadcasts(shape, x.shape)) {
    const want = "each axis, from the last, of length 1 or as in x";
    throw new ShapeError("sumTo", "the shape does not broadcast to x's", { x, shape }, want);
  }
  return sumToOp({ x }, { shape: [...shape] });
}
const sumToOp = /* @__PURE__ */ defineOp({
  name: "sumTo",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }, { shape }: { shape: Shape }) => {
    const added = x.shape.length - shape.length;
    const axes = x.shape.flatMap((length, axis) =>
      axis < added || (shape[axis - added] === 1 && length !== 1) ? [axis] : [],
    );
    return k.reshaped(k.sum(x, axes), shape);
  },
  vjp: ({ shapes }) => ({ x: (dy) => broadcastTo(dy, shapes.x) }),
});

/** y = x, copied, as a node of its own. */
export const identity: (x: { readonly x: Tensor }, attrs: object) => Tensor = /* @__PURE__ */ defineOp({
  name: "identity",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }) => k.copy(x),
  vjp: () => ({ x: (dy) => dy }),
});

function broadcasts(from: Shape, to: Shape): boolean {
  const added = to.length - from.length;
  return added >= 0 && from.every((length, axis) => length === 1 || length === to[axis + added]);
}

/** Refuses bool, of which sums would make what is no bool. */
function checkNumbers(op: string, tensors: Readonly<Record<string, Tensor>>): void {
  for (const name in tensors) {
    if (tensors[name]!.dtype === "bool") throw new DTypeError(op, "numbers only", tensors);
  }
}

/** Two operands of one dtype, broadcast to one shape. A number becomes a constant of the other's dtype. */
export function align(op: string, a: Tensor | number, b: Tensor | number): { readonly a: Tensor; readonly b: Tensor } {
  const [x, y] = [operand(op, "a", a, b), operand(op, "b", b, a)];
  if (x.dtype !== y.dtype) {
    throw new DTypeError(op, "mixed dtypes", { a: x, b: y }, "one dtype: cast one of them");
  }
  if (sameShape(x.shape, y.shape)) return { a: x, b: y };
  const shape = broadcastShapes(op, { a: x, b: y });
  return { a: broadcastTo(x, shape), b: broadcastTo(y, shape) };
}

function operand(op: string, argument: string, value: Tensor | number, other: Tensor | number): Tensor {
  if (isTensor(value)) {
    checkAlive(op, argument, value);
    return value;
  }
  if (typeof value === "number") {
    const dtype = isTensor(other) ? other.dtype : "float32";
    checkValue(op, argument, value, dtype, []);
    return full([], value, { dtype });
  }
  throw new ValueError(op, "not a tensor or a number", { [argument]: value }, "a tensor, or a number for a constant");
}

/** The shape that all the tensors broadcast to. */
export function broadcastShapes(op: string, tensors: Readonly<Record<string, Tensor>>): Shape {
  let shape: Shape = [];
  for (const { shape: next } of Object.values(tensors)) {
    if (sameShape(shape, next)) continue;
    const rank = Math.max(shape.length, next.length);
    const joint: number[] = [];
    for (let axis = 0; axis < rank; axis++) {
      const [p, q] = [shape[axis - rank + shape.length] ?? 1, next[axis - rank + next.length] ?? 1];
      if (p !== q && p !== 1 && q !== 1) {
        throw new ShapeError(op, "shapes do not broadcast", tensors, "axes, from the last, of equal length or 1");
      }
      joint.push(p === 1 ? q : p);
    }
    shape = joint;
  }
  return shape;
}
