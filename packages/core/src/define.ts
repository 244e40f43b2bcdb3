import { adopt, closeScope, currentScope, GradError, openScope, ValueError } from "@gradus/kernels";
import type { Beta, NdArray, Shape, Storage } from "@gradus/kernels";
import { currentContext } from "./context.ts";
import { newNode, type Accumulator, type Form, type Kept } from "./graph.ts";
import { checkAlive, Tensor } from "./tensor.ts";

/** What a rule reads: what is named in `keeps` and `indices`, and all shapes. Tensors for `vjp`, arrays for `backward`. */
export type KeptOf<T, N extends string, K extends string, I extends string> = { readonly [P in K | I]: T } & {
  readonly shapes: { readonly [P in N | "output"]: Shape };
};

/** Adds a pull-back to `into`: into = (pull-back of dy) + beta·into. */
export type PullInto = (dy: NdArray, into: NdArray, beta: Beta) => void;

/** An op: what it computes, and how its cotangent is pulled back. */
export interface Spec<N extends string, K extends N | "output", I extends string, A extends object> {
  readonly name: string;
  /** The differentiable inputs, in order. */
  readonly inputs: readonly N[];
  /** Inputs without a gradient: index, mask, condition, labels. */
  readonly indices?: readonly I[];
  /** What the rule reads, beside shapes and indices, which are always there. */
  readonly keeps: readonly K[];
  /** Arrays in, array out. */
  readonly forward: (x: { readonly [P in N | I]: NdArray }, attrs: A) => NdArray;
  /** The derivative, written with ops, so that it can be differentiated again. */
  readonly vjp: (kept: KeptOf<Tensor, N, K, I>, attrs: A) => { readonly [P in N]: (dy: Tensor) => Tensor };
  /** The same derivative in one kernel; used where no graph of the gradient is asked for. */
  readonly backward?: ((kept: KeptOf<NdArray, N, K, I>, attrs: A) => { readonly [P in N]: PullInto }) | undefined;
}

export type Op<N extends string, A extends object> = (x: { readonly [P in N]: Tensor }, attrs: A) => Tensor;

/** Makes an op from its spec. The result runs `forward` and records a node where an input needs gradients. */
export function defineOp<
  const N extends string,
  A extends object,
  const K extends N | "output" = never,
  const I extends string = never,
>(spec: Spec<N, K, I, A>): Op<N | I, A> {
  const { name, inputs, indices = [], keeps } = spec;
  const form: Form = {
    name,
    pull: (kept, attrs) => {
      const thunks = spec.vjp(kept as never, attrs as A);
      checkThunks(name, "vjp", inputs, thunks);
      return (dy, i) => thunks[inputs[i]!](dy);
    },
    ...(spec.backward && {
      pullInto: (kept, attrs) => {
        const thunks = spec.backward!(kept as never, attrs as A);
        checkThunks(name, "backward", inputs, thunks);
        return (dy, i, into, beta) => thunks[inputs[i]!](dy, into, beta);
      },
    }),
  };
  return operator(form, inputs, indices, keeps, (x, attrs) => ({
    output: spec.forward(x as never, attrs as A),
    saved: none,
  }));
}

function checkThunks(op: string, rule: string, inputs: readonly string[], thunks: object): void {
  const given = Object.keys(thunks);
  let answers = given.length === inputs.length; // every node comes by: no closure here
  for (const input of inputs) answers &&= input in thunks;
  if (answers) return;
  const want = `one for each: ${inputs.join(", ")}`;
  throw new GradError(op, `its ${rule} does not answer for its inputs`, { thunks: given }, want);
}

/** A fused op: one kernel each way, defined by the `composed` form, which second derivatives go through. */
export interface FusedSpec<N extends string, I extends string, S extends string, A extends object> {
  readonly name: string;
  readonly inputs: readonly N[];
  readonly indices?: readonly I[];
  /** `needsGradient` tells whether `saved` may be used at all. */
  readonly forward: (
    x: { readonly [P in N | I]: NdArray },
    attrs: A,
    needsGradient: boolean,
  ) => { readonly output: NdArray; readonly saved: { readonly [P in S]: NdArray } };
  /** Of an input, what `forward` saves for it of its own shape; see `backward`. */
  readonly becomes?: { readonly [P in N]?: S };
  /**
   * Pulls back to all inputs at once; null stands for an input that needs no gradient. `saved` is not written, but for an
   * array that `becomes` an input's gradient: where the graph is used up, it is what `to` has for that input.
   */
  readonly backward: (
    kept: { readonly [P in N | I | S | "output"]: NdArray },
    dy: NdArray,
    to: { readonly [P in N]: Accumulator | null },
    attrs: A,
  ) => void;
  readonly composed: (x: { readonly [P in N | I]: Tensor }, attrs: A) => Tensor;
}

/** Makes a fused op from its spec; it keeps all its inputs and its output. */
export function defineFused<
  const N extends string,
  const S extends string,
  A extends object,
  const I extends string = never,
>(spec: FusedSpec<N, I, S, A>): Op<N | I, A> {
  const { name, inputs, indices = [] } = spec;
  const becomes: Readonly<Record<string, string | undefined>> = spec.becomes ?? {};
  const form: Form = {
    name,
    becomes: inputs.map((input) => becomes[input]),
    pullAll: (kept, dy, to, attrs) => {
      const named = Object.fromEntries(inputs.map((input, i) => [input, to[i]!]));
      spec.backward(kept as never, dy, named as never, attrs as A);
    },
    composed: (kept, attrs, record) => {
      const named: Record<string, Tensor> = {};
      for (const index of indices) named[index] = kept[index] as Tensor;
      const recorded = inputs.map((input) => (named[input] = record(kept[input] as Tensor)));
      return { inputs: recorded, value: spec.composed(named as never, attrs as A) };
    },
  };
  const run = (x: Record<string, NdArray>, attrs: object, needs: boolean): Result =>
    spec.forward(x as never, attrs as A, needs);
  return operator(form, inputs, indices, [...inputs, "output"], run);
}

/** An op whose one differentiable input is a non-empty list. */
export interface ListSpec<K extends "xs" | "output", A extends object> {
  readonly name: string;
  readonly keeps: readonly K[];
  readonly forward: (xs: readonly NdArray[], attrs: A) => NdArray;
  readonly vjp: (kept: KeptListOf<Tensor, K>, attrs: A) => (dy: Tensor, i: number) => Tensor;
  readonly backward?: (kept: KeptListOf<NdArray, K>, attrs: A) => PullAtInto;
}

/** The same for the i-th of a list. */
export type PullAtInto = (dy: NdArray, i: number, into: NdArray, beta: Beta) => void;

export type KeptListOf<T, K extends string> = { readonly [P in K]: P extends "xs" ? readonly T[] : T } & {
  readonly shapes: { readonly xs: readonly Shape[]; readonly output: Shape };
};

/** Makes an op over a list from its spec. */
export function defineList<A extends object, const K extends "xs" | "output" = never>(
  spec: ListSpec<K, A>,
): (xs: readonly Tensor[], attrs: A) => Tensor {
  const { name, keeps } = spec;
  const keepsInputs = (keeps as readonly string[]).includes("xs");
  const keepsOutput = (keeps as readonly string[]).includes("output");
  const form: Form = {
    name,
    pull: (kept, attrs) => spec.vjp(kept as never, attrs as A),
    ...(spec.backward && { pullInto: (kept, attrs) => spec.backward!(kept as never, attrs as A) }),
  };
  return (xs, attrs) => {
    if (xs.length === 0) throw new ValueError(name, "an empty list", {}, "at least one tensor");
    const arrays = xs.map((x, i) => arrayOf(name, `xs[${i}]`, x));
    const run = (): Result => ({ output: spec.forward(arrays, attrs), saved: none });
    return record(form, xs, attrs, run, (output) => {
      const kept: Record<string, unknown> = { shapes: { xs: xs.map((x) => x.shape), output: output.shape } };
      if (keepsInputs) kept.xs = [...xs];
      if (keepsOutput) kept.output = output;
      return kept;
    });
  };
}

/** What a forward pass gives. */
export interface Result {
  readonly output: NdArray;
  readonly saved: Readonly<Record<string, NdArray>>;
}
const none: Readonly<Record<string, NdArray>> = {};

function operator(
  form: Form,
  inputs: readonly string[],
  indices: readonly string[],
  keeps: readonly string[],
  run: (x: Record<string, NdArray>, attrs: object, needs: boolean) => Result,
): (x: Readonly<Record<string, Tensor>>, attrs: object) => Tensor {
  return (x, attrs) => {
    const arrays: Record<string, NdArray> = {};
    const sources: Tensor[] = [];
    for (const input of inputs) {
      arrays[input] = arrayOf(form.name, input, x[input]!);
      sources.push(x[input]!);
    }
    for (const index of indices) arrays[index] = arrayOf(form.name, index, x[index]!);
    const keep = (output: Tensor): Kept => {
      const shapes: Record<string, Shape> = { output: output.shape };
      const kept: Record<string, unknown> = { shapes };
      for (const input of inputs) shapes[input] = x[input]!.shape;
      for (const index of indices) kept[index] = x[index];
      for (const name of keeps) kept[name] = name === "output" ? output : x[name];
      return kept;
    };
    return record(form, sources, attrs, (needs) => run(arrays, attrs, needs), keep);
  };
}

function arrayOf(op: string, argument: string, x: Tensor): NdArray {
  checkAlive(op, argument, x);
  return x.array;
}

/** Runs an op in a scope of its own, which frees its temporaries, and records a node where a source has one. */
export function record(
  form: Form,
  sources: readonly Tensor[],
  attrs: object,
  run: (needs: boolean) => Result,
  keep: (output: Tensor) => Kept,
): Tensor {
  const { recording, observer, scope: nameScope } = currentContext();
  let needs = false;
  if (recording) for (const source of sources) if (source.node) needs = true;
  const outer = currentScope();
  const scope = outer?.linear ? openScope("rule", true) : null;
  let result: Result;
  let own: readonly Storage[] = [];
  try {
    result = run(needs);
    if (scope) {
      adopt(result.output.storage, scope, outer);
      if (needs && result.saved !== none)
        own = Object.values(result.saved).flatMap((x) => (x.storage.scope === scope ? [x.storage] : []));
      for (const storage of own) adopt(storage, scope, outer);
    }
  } finally {
    if (scope) closeScope(scope, `was a temporary of ${form.name}`);
  }
  const rule = { form, attrs, kept: null as Kept | null, saved: result.saved, own };
  const parents = needs ? sources.map((source) => source.node) : [];
  const node = needs ? newNode(form.name, "", nameScope, result.output, parents, rule) : null;
  const output = new Tensor(result.output, node);
  if (needs) rule.kept = keep(output);
  observer?.value?.(form.name, node?.id ?? 0, output);
  return output;
}
