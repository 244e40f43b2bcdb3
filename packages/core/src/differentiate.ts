import { DTypeError, GradError, isFloat, sameShape, ShapeError } from "@gradus/kernels";
import { noGrad, synchronous, within } from "./context.ts";
import { zeros } from "./create.ts";
import { record, type Result } from "./define.ts";
import { leaf, type Form } from "./graph.ts";
import { add } from "./structural.ts";
import { checkAlive, constant, isTensor, Tensor } from "./tensor.ts";
import { flattenTree, mapTree, type Tree } from "./tree.ts";
import { walk } from "./walk.ts";

export interface GradOptions {
  /** What the output is multiplied with; of its shape and dtype. May be left out for a single element: 1. */
  readonly cotangent?: Tensor;
  /** Record the gradient itself, so that it can be differentiated. Default: false. */
  readonly createGraph?: boolean;
  /** What an input that the output does not depend on gets. Default: "throw". */
  readonly unreached?: "throw" | "zero";
}

/**
 * ⟨cotangent, ∂output/∂input⟩ for each input. Changes nothing that can be seen, and may be called again.
 * @throws GradError for an output or input without a graph, a missing cotangent, or an input that is not reached.
 * @example
 * const x = tensor([1, 2, 3], { requiresGrad: true });
 * const y = add(x, x);
 * console.log(grad(y, [x], { cotangent: tensor([1, 0, 5]) })[0]); // => float32[3] [2, 0, 10]
 */
export function grad<const I extends readonly Tensor[]>(
  output: Tensor,
  inputs: I,
  options: GradOptions = {},
): { -readonly [K in keyof I]: Tensor } {
  const { cotangent = null, createGraph = false, unreached = "throw" } = options;
  for (const [i, x] of [output, ...inputs].entries()) checkDifferentiable(x, i === 0 ? "output" : `inputs[${i - 1}]`);
  if (cotangent) checkLike("grad", "cotangent", cotangent, output);
  else if (output.size !== 1) {
    const want = `a cotangent of shape [${output.shape.join(",")}], or a scalar output`;
    throw new GradError("grad", "an output of several elements needs a cotangent", { output }, want);
  }
  return walk(output, inputs, { cotangent, createGraph, unreached, consume: false }) as never;
}

function checkDifferentiable(x: Tensor, argument: string): void {
  checkAlive("grad", argument, x);
  if (x.node) return;
  const label = x.name ? `${argument} "${x.name}"` : argument;
  const problem = `${argument === "output" ? "the output" : "an input"} has no graph${x.detached && `: ${x.detached}`}`;
  throw new GradError("grad", problem, { [label]: x }, "a tensor made with requiresGrad, or computed from one");
}

function checkLike(op: string, argument: string, x: Tensor, like: Tensor): void {
  checkAlive(op, argument, x);
  if (!sameShape(x.shape, like.shape)) {
    throw new ShapeError(op, `${argument} of another shape`, { [argument]: x }, `[${like.shape.join(",")}]`);
  }
  if (x.dtype !== like.dtype) throw new DTypeError(op, `${argument} of another dtype`, { [argument]: x }, like.dtype);
}

type Loss<P, R extends unknown[]> = (params: P, ...rest: R) => Tensor;
type LossWithAux<P, R extends unknown[], A> = (params: P, ...rest: R) => { readonly value: Tensor; readonly aux: A };

/**
 * A function that returns `fn`'s value and its gradients in `params`, a tree of float tensors (records and arrays).
 * `fn` gets fresh leaves over the same data, named by their path, and returns a scalar, or `{ value, aux }`. Value and
 * aux come back as constants.
 * @throws GradError for a parameter that `fn` does not use, or uses by closure; DTypeError for one that is no float.
 * @example
 * const square = (p: { w: Tensor }) => add(p.w, p.w);
 * const { value, grads } = valueAndGrad(square)({ w: tensor(3) });
 * console.log(value, grads.w); // => float32[] 6 float32[] 2
 */
export function valueAndGrad<P extends Tree, R extends unknown[], A>(
  fn: LossWithAux<P, R, A>,
): (params: P, ...rest: R) => { readonly value: Tensor; readonly grads: P; readonly aux: A };
export function valueAndGrad<P extends Tree, R extends unknown[]>(
  fn: Loss<P, R>,
): (params: P, ...rest: R) => { readonly value: Tensor; readonly grads: P };
export function valueAndGrad<P extends Tree, R extends unknown[]>(
  fn: (params: P, ...rest: R) => Tensor | { readonly value: Tensor; readonly aux: unknown },
): (params: P, ...rest: R) => { readonly value: Tensor; readonly grads: P; readonly aux?: unknown } {
  return (params, ...rest) => {
    const { leaves, tree } = asLeaves("valueAndGrad", params);
    const result = within("valueAndGrad", { recording: true }, () => fn(tree, ...rest));
    const value = isTensor(result) ? result : result?.value;
    checkDifferentiable(value, "output");
    if (value.size !== 1) {
      throw new GradError("valueAndGrad", "the function did not return a scalar", { value }, "a single element");
    }
    const gradients = walk(value, leaves, { cotangent: null, createGraph: false, unreached: "throw", consume: true });
    const why = "valueAndGrad returns its value and aux as constants";
    let next = 0;
    const grads = mapTree(params, () => gradients[next++]!);
    if (isTensor(result)) return { value: constant(value, why), grads };
    return { value: constant(value, why), grads, aux: mapTree(result.aux, (x) => constant(x, why)) };
  };
}

function asLeaves<P extends Tree>(op: string, params: P): { leaves: Tensor[]; tree: P } {
  const leaves: Tensor[] = [];
  const tree = mapTree(params, (x, path) => {
    checkAlive(op, path || "params", x);
    if (!isFloat(x.dtype)) {
      throw new DTypeError(op, "a parameter that is no float", { [path || "params"]: x }, "float32 or float64");
    }
    const fresh = new Tensor(x.array, leaf(x.array, path), path);
    leaves.push(fresh);
    return fresh;
  });
  return { leaves, tree };
}

/**
 * The Hessian of a scalar function times a vector: ∇⟨∇fn(params), direction⟩, for a tree of tensors.
 * @example
 * const cube = (x: Tensor) => customGradient((x) => ({ value: x, gradient: (dy) => [add(x, dy)] }))(x);
 * console.log(hvp(cube, tensor(2), tensor(1))); // => float32[] 1
 */
export function hvp<P extends Tree>(fn: (params: P) => Tensor, params: P, direction: P): P {
  const { leaves, tree } = asLeaves("hvp", params);
  const vectors = flattenTree(direction);
  if (vectors.size !== leaves.length || !leaves.every((x) => vectors.has(x.name))) {
    const [got, want] = [[...vectors.keys()], leaves.map((x) => x.name).join(", ")];
    throw new GradError("hvp", "direction is not a tree like params", { direction: got }, `tensors at ${want}`);
  }
  for (const x of leaves) checkLike("hvp", x.name || "direction", vectors.get(x.name)!, x);
  const value = within("hvp", { recording: true }, () => fn(tree));
  const gradients = grad(value, leaves, { createGraph: true, unreached: "zero" });
  let products = leaves.map(() => null as Tensor | null);
  gradients.forEach((gradient, i) => {
    if (!gradient.node) return; // it does not depend on the parameters
    const rows = grad(gradient, leaves, { cotangent: vectors.get(leaves[i]!.name)!, unreached: "zero" });
    products = products.map((sum, j) => (sum ? noGrad(() => add(sum, rows[j]!)) : rows[j]!));
  });
  let next = 0;
  return mapTree(params, (x) => products[next++] ?? zeros(x.shape, { dtype: x.dtype }));
}

/** The same values without history: no gradient flows through. */
export function stopGradient(x: Tensor): Tensor {
  checkAlive("stopGradient", "x", x);
  return constant(x, "it went through stopGradient");
}

/**
 * A function with a derivative of one's own. `fn` computes the value, unrecorded, and says how its cotangent is pulled
 * back, one gradient for each argument; if that is written with ops, it can be differentiated again.
 * @example
 * const clipped = customGradient((x) => ({ value: x, gradient: (dy) => [add(dy, -1)] }));
 * const x = tensor(5, { requiresGrad: true });
 * console.log(grad(clipped(x), [x])[0]); // => float32[] 0
 */
export function customGradient<X extends Tensor[]>(
  fn: (...xs: X) => { readonly value: Tensor; readonly gradient: (dy: Tensor) => readonly Tensor[] },
): (...xs: X) => Tensor {
  return (...xs) => {
    xs.forEach((x, i) => checkAlive("customGradient", `arguments[${i}]`, x));
    const { value, gradient } = within("customGradient", { recording: false }, () => fn(...xs));
    const form: Form = {
      name: fn.name || "customGradient",
      pull: () => {
        let all: readonly Tensor[] | null = null; // one call of `gradient` answers for all arguments
        return (dy, i) => {
          all ??= synchronous("customGradient", gradient(dy));
          if (all.length === xs.length) return all[i]!;
          throw new GradError("customGradient", `wrong number of gradients: ${all.length}`, {}, String(xs.length));
        };
      },
    };
    const run = (): Result => ({ output: value.array, saved: {} });
    return record(form, xs, {}, run, () => ({}));
  };
}
