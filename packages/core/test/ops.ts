// A few ops for the tests of the engine, one for each way in which a rule can be written.
import * as k from "@gradus/kernels";
import { align, broadcastTo, defineFused, defineList, defineOp, sumTo, type Shape, type Tensor } from "../src/index.ts";

const mulOp = defineOp({
  name: "mul",
  inputs: ["a", "b"],
  keeps: ["a", "b"],
  forward: ({ a, b }) => k.mul(a, b),
  vjp: ({ a, b }) => ({ a: (dy) => mul(dy, b), b: (dy) => mul(a, dy) }),
});
/** a·b, with a rule on tensors only. */
export function mul(a: Tensor | number, b: Tensor | number): Tensor {
  return mulOp(align("mul", a, b), {});
}

const productOp = defineOp({
  name: "product",
  inputs: ["a", "b"],
  keeps: ["a", "b"],
  forward: ({ a, b }) => k.mul(a, b),
  vjp: ({ a, b }) => ({ a: (dy) => product(dy, b), b: (dy) => product(a, dy) }),
  backward: ({ a, b }) => ({
    a: (dy, into, beta) => k.mulNoNanInto(into, beta, b, dy),
    b: (dy, into, beta) => k.mulNoNanInto(into, beta, a, dy),
  }),
});
/** a·b, with a rule on arrays as well, which adds into accumulators. */
export const product = (a: Tensor, b: Tensor): Tensor => productOp({ a, b }, {});

const tanhOp = defineOp({
  name: "tanh",
  inputs: ["x"],
  keeps: ["output"],
  forward: ({ x }) => k.tanh(x),
  vjp: ({ output }) => ({ x: (dy) => mul(dy, sub(1, mul(output, output))) }),
});
export const tanh = (x: Tensor): Tensor => tanhOp({ x }, {});

const subOp = defineOp({
  name: "sub",
  inputs: ["a", "b"],
  keeps: [],
  forward: ({ a, b }) => k.sub(a, b),
  vjp: () => ({ a: (dy) => dy, b: (dy) => mul(dy, -1) }),
});
export function sub(a: Tensor | number, b: Tensor | number): Tensor {
  return subOp(align("sub", a, b), {});
}

const reshapeOp = defineOp({
  name: "reshape",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }, { shape }: { shape: Shape }) => k.reshaped(x, [...shape]),
  vjp: ({ shapes }) => ({ x: (dy) => reshape(dy, shapes.x) }),
});
/** The same elements under another shape: shares its storage with x, as its pull-back does with the cotangent. */
export const reshape = (x: Tensor, shape: Shape): Tensor => reshapeOp({ x }, { shape });

/** Σ x, by way of `sumTo`. */
export const sum = (x: Tensor): Tensor => sumTo(x, []);

/** a·b + a, fused; `saved` has what `backward` needs, and says so if it is asked for in vain. */
export const fusedRuns: string[] = [];
const mulAddOp = defineFused({
  name: "mulAdd",
  inputs: ["a", "b"],
  forward: ({ a, b }, _attrs: object, needsGradient) => {
    fusedRuns.push(needsGradient ? "forward for a gradient" : "forward");
    const factor = k.add(b, k.fill(b.shape, 1, b.dtype)); // y = a·(b + 1)
    return { output: k.mul(a, factor), saved: { factor } };
  },
  backward: ({ a, factor }, dy, to) => {
    fusedRuns.push("backward");
    if (to.a) k.mulNoNanInto(to.a.into, to.a.beta, factor, dy);
    if (to.b) k.mulNoNanInto(to.b.into, to.b.beta, a, dy);
  },
  composed: ({ a, b }) => {
    fusedRuns.push("composed");
    return mul(a, sub(b, -1));
  },
});
export const mulAdd = (a: Tensor, b: Tensor): Tensor => mulAddOp({ a, b }, {});

const totalOp = defineList({
  name: "total",
  keeps: [],
  forward: (xs) => xs.slice(1).reduce((sum, x) => k.add(sum, x), k.copy(xs[0]!)),
  vjp: () => (dy) => dy,
});
/** The sum of a list of tensors; every one of them gets the cotangent itself. */
export const total = (xs: readonly Tensor[]): Tensor => totalOp(xs, {});

const passOp = defineOp({
  name: "pass",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }) => x,
  vjp: () => ({ x: (dy) => dy }),
});
/** x itself as a node of its own: the very same array. */
export const pass = (x: Tensor): Tensor => passOp({ x }, {});

const oddOp = defineOp({
  name: "odd",
  inputs: ["a", "b", "c"],
  keeps: ["b"],
  forward: ({ a }) => k.copy(a),
  vjp: ({ b }) => {
    let once: Tensor | null = null;
    const memo = (dy: Tensor): Tensor => (once ??= tanh(mul(dy, 2)));
    return { a: () => b, b: memo, c: (dy) => reshape(memo(dy), b.shape) };
  },
});
/** Not a derivative: hands out an input that it kept, and one tensor twice. */
export const odd = (a: Tensor, b: Tensor, c: Tensor): Tensor => oddOp({ a, b, c }, {});

/** x stretched over a new axis in front. */
export const stack = (x: Tensor, n: number): Tensor => broadcastTo(x, [n, ...x.shape]);
