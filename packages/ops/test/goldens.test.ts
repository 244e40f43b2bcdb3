import { grad, tensor, type DType, type Tensor } from "@gradus/core";
import * as o from "@gradus/ops";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

// Cases computed by PyTorch, which shares no code with us. Op names are the oracle's.

type Value = number | "NaN" | "Infinity" | "-Infinity";
interface Data {
  readonly shape: readonly number[];
  readonly data: readonly Value[];
  readonly dtype?: DType;
}
type Named<T> = Readonly<Record<string, T>>;
interface Case {
  readonly name: string;
  readonly op: string;
  readonly inputs: Named<Data>;
  readonly options: Named<unknown>;
  readonly differentiable: readonly string[];
  readonly cotangent: Named<Data>;
  readonly expected: Named<Data>;
  readonly grads: Named<Data>;
  readonly scales: Named<number>;
  readonly tags?: readonly string[];
  /** Of second_order.json: the gradients' cotangents, and what comes of them. */
  readonly tangents?: Named<Data>;
  readonly gradgrads?: Named<Data>;
  readonly gradCotangent?: Named<Data>;
}

type Inputs = Named<Tensor>;
type Adapter = (x: Inputs, options: never) => Tensor | readonly Tensor[];
interface Reduced {
  readonly axis: readonly number[] | null;
  readonly keepdims: boolean;
}

const binary =
  (f: (a: Tensor, b: Tensor) => Tensor): Adapter =>
  ({ a, b }) =>
    f(a!, b ?? a!);
const unary =
  (f: (x: Tensor) => Tensor): Adapter =>
  ({ x }) =>
    f(x!);
const reduction =
  (f: (x: Tensor, options: o.ReductionOptions) => Tensor): Adapter =>
  ({ x }, { axis, keepdims }: Reduced) =>
    f(x!, axis ? { axis, keepDims: keepdims } : { keepDims: keepdims });
const withOptions =
  <O>(f: (x: Tensor, options: O) => Tensor): Adapter =>
  ({ x }, options: O) =>
    f(x!, options);
const spread =
  (f: (x: Tensor, options: o.VarianceOptions) => Tensor): Adapter =>
  ({ x }, { axis, keepdims, correction }: Reduced & { readonly correction: number }) =>
    f(x!, { keepDims: keepdims, correction, ...(axis && { axis }) });
const listOf = (x: Inputs): Tensor[] =>
  Object.keys(x)
    .sort()
    .map((name) => x[name]!);

const adapters: Named<Adapter> = {
  abs: unary(o.abs),
  add: binary(o.add),
  broadcastTo: ({ x }, { shape }: { shape: number[] }) => o.broadcastTo(x!, shape),
  clamp: ({ x }, { min, max }: { min: number | null; max: number | null }) =>
    o.clip(x!, { ...(min !== null && { min }), ...(max !== null && { max }) }),
  concat: (x, options: { axis: number }) => o.concat(listOf(x), options),
  cos: unary(o.cos),
  cumsum: withOptions(o.cumsum),
  div: binary(o.div),
  dropoutMask: ({ x, mask }, { rate }: { rate: number }) => {
    const kept = mask!.data.values(); // a stream that keeps what the case keeps
    return o.dropout(x!, { rate, random: { next: () => (kept.next().value === 1 ? 1 - 2 ** -30 : 0) } });
  },
  einsum: (x, { equation }: { equation: string }) => o.einsum(equation, ...listOf(x)),
  erf: unary(o.erf),
  exp: unary(o.exp),
  expandDims: withOptions(o.expandDims),
  expm1: unary(o.expm1),
  flip: withOptions(o.flip),
  gather: ({ x, index }, options: { axis: number }) => o.gather(x!, index!, options),
  indexAdd: ({ x, src, index }) => o.add(x!, o.scatterAdd(src!, index!, { size: x!.size })),
  layerNorm: ({ x, gamma, beta }, options: o.LayerNormOptions) =>
    o.layerNorm(x!, { gamma: gamma!, beta: beta!, ...options }),
  gelu: withOptions(o.gelu),
  log: unary(o.log),
  log1p: unary(o.log1p),
  logSoftmax: withOptions(o.logSoftmax),
  logsumexp: reduction(o.logSumExp),
  matmul: ({ a, b }, options: o.MatmulOptions) => o.matmul(a!, b!, options),
  max: reduction(o.max),
  maximum: binary(o.maximum),
  mean: reduction(o.mean),
  min: reduction(o.min),
  minimum: binary(o.minimum),
  mul: binary(o.mul),
  neg: unary(o.neg),
  oneHot: ({ index }, options: o.OneHotOptions) => o.oneHot(index!, { dtype: "float64", ...options }),
  pad: withOptions(o.pad),
  permute: ({ x }, { perm }: { perm: number[] }) => o.transpose(x!, { axes: perm }),
  pow: ({ a, b }, { exponent }: { exponent?: number }) => o.pow(a!, b ?? exponent!),
  relu: unary(o.relu),
  prod: reduction(o.prod),
  reshape: ({ x }, { shape }: { shape: number[] }) => o.reshape(x!, shape),
  rmsNorm: ({ x, gamma }, options: o.RmsNormOptions) => o.rmsNorm(x!, { gamma: gamma!, ...options }),
  scatterAdd: ({ x, src, index }, { axis }: { axis: number }) => {
    const rows = src!.shape.map((end, a) => ({ axis: a, end })).filter(({ axis: a }) => a !== axis);
    expect(rows.every(({ axis: a, end }) => x!.shape[a] === end)).toBe(true);
    return o.add(x!, o.scatterAdd(src!, index!, { axis, size: x!.shape[axis]! }));
  },
  sigmoid: unary(o.sigmoid),
  silu: unary(o.silu),
  sin: unary(o.sin),
  slice: ({ x }, { slices }: { slices: readonly (readonly [number | null, number | null, number])[] }) =>
    slices.reduce<Tensor>((t, [start, end, step], axis) => {
      return o.slice(t, { axis, step, ...(start !== null && { start }), ...(end !== null && { end }) });
    }, x!),
  softmax: withOptions(o.softmax),
  softplus: unary(o.softplus),
  split: ({ x }, options: o.SplitOptions) => o.split(x!, options),
  sqrt: unary(o.sqrt),
  squeeze: withOptions(o.squeeze),
  std: spread(o.std),
  stack: (x, options: { axis: number }) => o.stack(listOf(x), options),
  sub: binary(o.sub),
  sum: reduction(o.sum),
  take: ({ x, index }, options: { axis: number }) => o.take(x!, index!, options),
  tanh: unary(o.tanh),
  var: spread(o.variance),
  where: ({ cond, a, b }) => o.where(cond!, a!, b!),
  // Of second_order.json only: functions composed of ops.
  attention: ({ q, k, v }) => {
    const [, steps, depth] = q!.shape;
    const causal = Array.from({ length: steps! }, (_, i) => Array.from({ length: steps! }, (_, j) => j <= i));
    const scores = o.div(o.matmul(q!, k!, { transposeB: true }), Math.sqrt(depth!));
    return o.matmul(o.softmax(scores, { mask: causal }), v!);
  },
  composed: ({ x, w }) => {
    const y = o.sigmoid(o.matmul(x!, w!));
    return o.mean(o.mul(y, y), { axis: 0 });
  },
};

const folder = new URL("goldens/", import.meta.url);
const files = readdirSync(folder).map((file) => {
  const { cases } = JSON.parse(readFileSync(new URL(file, folder), "utf8")) as { cases: readonly Case[] };
  return { file, cases, known: cases.filter(({ op }) => op in adapters) };
});

describe.each(files)("$file", ({ known }) => {
  test.each([...known])("$name", (given) => {
    for (const createGraph of [false, true]) {
      const { inputs, outputs, grads } = firstOrder(given, createGraph);
      for (const name in given.expected)
        compare(given, name, outputs[name]!, given.expected[name]!, given.scales[name]!);
      for (const name in given.grads)
        compare(given, name, grads[name]!, given.grads[name]!, given.scales[`grad:${name}`]!);
      expect(Object.keys(inputs).length).toBeGreaterThan(0);
    }
    if (given.gradgrads) checkSecondOrder(given);
  });
});

test("so many cases are there, and all but one can be run", () => {
  const count = (of: "cases" | "known"): number => files.reduce((sum, file) => sum + file[of].length, 0);
  const left = files.flatMap(({ cases, known }) => cases.filter((given) => !known.includes(given)));
  expect([files.length, count("cases"), count("known")]).toEqual([53, 199, 198]);
  expect(left.map(({ op }) => op)).toEqual(["conv1d"]);
});

interface Result {
  readonly inputs: Inputs;
  readonly cotangent: Inputs;
  readonly outputs: Inputs;
  readonly grads: Inputs;
}

function firstOrder(given: Case, createGraph: boolean): Result {
  const differentiable = new Set(given.differentiable);
  const inputs = mapValues(given.inputs, (data, name) => tensorOf(data, differentiable.has(name)));
  const cotangent = mapValues(given.cotangent, (data) => tensorOf(data, createGraph));
  const result = adapters[given.op]!(inputs, given.options as never);
  const names = Object.keys(given.expected);
  const outputs = Object.fromEntries([result].flat().map((y, i) => [names[i]!, y]));
  const leaves = given.differentiable.map((name) => inputs[name]!);
  const grads: Record<string, Tensor> = {};
  for (const name of leaves.length > 0 ? names : []) {
    const part = grad(outputs[name]!, leaves, { cotangent: cotangent[name]!, createGraph, unreached: "zero" });
    given.differentiable.forEach((input, i) => {
      grads[input] = grads[input] ? o.add(grads[input], part[i]!) : part[i]!;
    });
  }
  return { inputs, cotangent, outputs, grads };
}

/** S = Σ ⟨tangents, grads⟩: its gradients in the inputs, and in the cotangent. */
function checkSecondOrder(given: Case): void {
  const { inputs, cotangent, grads } = firstOrder(given, true);
  const terms = given.differentiable.map((name) => o.sum(o.mul(grads[name]!, tensorOf(given.tangents![name]!, false))));
  const total = terms.reduce((sum, term) => o.add(sum, term));
  const leaves = given.differentiable.map((name) => inputs[name]!);
  const seconds = grad(total, [...leaves, cotangent.out!], { unreached: "zero" });
  given.differentiable.forEach((name, i) => {
    compare(given, name, seconds[i]!, given.gradgrads![name]!, given.scales[`gradgrad:${name}`]!);
  });
  compare(given, "cotangent", seconds.at(-1)!, given.gradCotangent!.out!, given.scales.grad_cotangent!);
}

function compare({ name, tags }: Case, what: string, got: Tensor, want: Data, scale: number): void {
  const tolerance = tags?.includes("extreme") || name.includes("big-offset") ? 1e-9 : 1e-10;
  expect(got.shape, what).toEqual(want.shape);
  const errors = want.data.map((value, i) => {
    const [p, q] = [got.data[i]!, Number(value)];
    return p === q || (Number.isNaN(p) && Number.isNaN(q)) ? 0 : Math.abs(p - q) / scale;
  });
  expect(
    errors.every((error) => error <= tolerance),
    `${what}: ${errors.join(", ")}`,
  ).toBe(true);
}

function tensorOf({ shape, data, dtype = "float64" }: Data, requiresGrad: boolean): Tensor {
  return tensor(data.map(Number), { shape, dtype, requiresGrad });
}

function mapValues<T, R>(named: Named<T>, f: (value: T, name: string) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(named).map(([name, value]) => [name, f(value, name)]));
}
