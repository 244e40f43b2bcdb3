import { isTensor, tensor, type Tensor } from "@gradus/core";
import { settings, stream, tensorOf } from "@gradus/gradcheck";
import * as ops from "@gradus/ops";
import { opTable, type OpName, type OpResult, type Ops, type Sketch, type Sketched } from "@gradus/ops/table";
import * as fc from "fast-check";
import { generated } from "./generated.ts";

export const names = Object.keys(opTable) as OpName[];

/** Arguments of an op as they stand in the table. */
export type ArgumentsOf<K extends OpName> = Sketched<Parameters<Ops[K]>>;

/** An op as all ops look from here: the types of its arguments were checked where they were written. */
export const opOf = (name: OpName): ((...args: readonly unknown[]) => OpResult) => all[name] as never;
const all: Readonly<Record<OpName, unknown>> = ops;

/** A call after a sample: a function of the floats that the sample leaves open, and values for them. */
export interface Call {
  readonly inputs: readonly Tensor[];
  /** The arguments, with tensors in the inputs' places, and with fresh streams of random numbers. */
  readonly args: (inputs: readonly Tensor[]) => readonly unknown[];
  /** All that the op gives. */
  readonly outputs: (...inputs: readonly Tensor[]) => readonly Tensor[];
  /** The same as one tensor: those of the first one's dtype, flat, one after the other. */
  readonly run: (...inputs: readonly Tensor[]) => Tensor;
}

export type AnyArguments = { readonly [K in OpName]: ArgumentsOf<K> }[OpName];

/** Of generated arguments; SEED=… draws others. */
export const seed: number = Number(process.env.SEED ?? 1);

/** Runs a check over an op's samples and over generated arguments. A failure prints fast-check's seed and path. */
export function forAll(name: OpName, check: (sample: AnyArguments, seed: number) => void): void {
  opTable[name].samples.forEach((sample, i) => check(sample, i));
  const drawn: fc.Arbitrary<AnyArguments> | undefined = generated[name];
  if (drawn) fc.assert(fc.property(drawn, fc.nat(), check), { numRuns: settings.runs, seed });
}

/** Tensors whose dtype the sample does not fix are inputs, of the dtype given; all others are constants. */
export function callOf(name: OpName, sample: AnyArguments, dtype: "float32" | "float64" = "float64", seed = 1): Call {
  const random = stream(seed);
  const inputs: Tensor[] = [];
  const drawn = mapArguments(sample, (sketch) => {
    const x = tensorOf(sketch, random, dtype);
    if (!sketch.dtype) inputs.push(x);
    return x;
  });
  const args = (given: readonly Tensor[]): readonly unknown[] =>
    mapArguments(
      drawn,
      (x) => given[inputs.indexOf(x as Tensor)] ?? x,
      ({ seed }) => stream(seed),
    );
  const outputs = (...given: readonly Tensor[]): readonly Tensor[] => {
    const result = opOf(name)(...args(given));
    return isTensor(result) ? [result] : Object.values(result);
  };
  return { inputs, args, outputs, run: (...given) => joined(outputs(...given)) };
}

function joined(outputs: readonly Tensor[]): Tensor {
  const alike = outputs.filter(({ dtype }) => dtype === outputs[0]!.dtype);
  return alike.length === 1 ? alike[0]! : ops.concat(alike.map((y) => ops.reshape(y, [-1])));
}

/** Whether a call has nothing that a gradient could be of, or come from. */
export function isEmpty({ inputs, run }: Call): boolean {
  return inputs.every((x) => x.size === 0) || run(...inputs).size === 0;
}

/** Whether a call has a gradient at all. */
export function isDifferentiable({ inputs, run }: Call): boolean {
  return inputs.length > 0 && ["float32", "float64"].includes(run(...inputs).dtype);
}

export function leavesOf(inputs: readonly Tensor[]): Tensor[] {
  return inputs.map((x) => tensor(x.data, { shape: x.shape, dtype: x.dtype, requiresGrad: true }));
}

/** Replaces whatever has a shape, and what has a seed, in lists and options. */
export function mapArguments(
  args: readonly unknown[],
  withShape: (x: Sketch) => unknown,
  withSeed: (x: { readonly seed: number }) => unknown = (x) => x,
): readonly unknown[] {
  const visit = (part: unknown): unknown => {
    if (typeof part !== "object" || part === null || ArrayBuffer.isView(part)) return part;
    if (isTensor(part) || "shape" in part) return withShape(part as Sketch);
    if ("seed" in part) return withSeed(part as { seed: number });
    if (Array.isArray(part)) return part.map(visit);
    return Object.fromEntries(Object.entries(part).map(([key, item]) => [key, visit(item)]));
  };
  return args.map(visit);
}
