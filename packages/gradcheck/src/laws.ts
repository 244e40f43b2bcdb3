import { step, tensor, type DType, type Tensor } from "@gradus/core";
import { CheckError } from "./CheckError.ts";
import { copyOf, flat, placeOf, pullBack, unflat } from "./differentiable.ts";
import { amount, stream } from "./random.ts";
import { settings } from "./settings.ts";

/** A law: throws a CheckError where `fn` breaks it at `inputs`. */
export type Law = (fn: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[], seed?: number) => void;

/** The gradient is the same with `createGraph`, from `vjp`, and without, from `backward` where there is one. */
export const backwardEqualsVjp: Law = (fn, inputs, seed = 0) => {
  const tolerance = inputs.some((x) => x.dtype === "float32") ? settings.float32 : settings.paths;
  const check = agreement("backwardEqualsVjp", seed, tolerance);
  const [fast, defined] = [run(fn, inputs, seed, false), run(fn, inputs, seed, true)];
  check("inputs", inputs, { backward: fast.gradient, vjp: defined.gradient });
};

/** In float32, values and gradients are those of float64, to about five digits. */
export const float32NearFloat64: Law = (fn, inputs, seed = 0) => {
  const check = agreement("float32NearFloat64", seed, settings.float32);
  const single = inputs.map((x) => cast(x, "float32")); // first, so that both begin with the same numbers
  const double = single.map((x) => cast(x, "float64"));
  const [near, exact] = [run(fn, single, seed, false), run(fn, double, seed, false)];
  check("outputs", [exact.output], { float32: near.value, float64: exact.value });
  check("inputs", inputs, { float32: near.gradient, float64: exact.gradient });
};

/** Inside a `step`, where tensors lie in linear memory, values and gradients have the same bits. */
export const sameInsideStep: Law = (fn, inputs, seed = 0) => {
  const check = agreement("sameInsideStep", seed, "bits");
  for (const createGraph of [false, true]) {
    const outside = run(fn, inputs, seed, createGraph);
    const inside = step(() => run(fn, inputs, seed, createGraph));
    check("outputs", [outside.output], { inside: inside.value, outside: outside.value });
    check("inputs", inputs, { inside: inside.gradient, outside: outside.gradient });
  }
};

/** f((x + z)/2) = (f(x) + f(z))/2, as for every function of degree ≤ 1. */
export const affine: Law = (fn, inputs, seed = 0) => {
  const random = stream(seed);
  const x = flat(inputs);
  const z = x.map(() => amount(random));
  const output = fn(...unflat(x, inputs));
  const at = (values: Float64Array): Float64Array => flat([fn(...unflat(values, inputs))]);
  const ends = [at(x), at(z)] as const;
  const sides = {
    middle: at(x.map((value, i) => (value + z[i]!) / 2)),
    mean: ends[0].map((value, j) => (value + ends[1][j]!) / 2),
  };
  agreement("affine", seed, settings.exact)("outputs", [output], sides);
};

/** A cotangent of exactly 0 is pulled back to exactly 0, whatever the slope: it says that the value does not matter. */
export const zeroStaysZero: Law = (fn, inputs, seed = 0) => {
  for (const createGraph of [false, true]) {
    const { gradient } = run(fn, inputs, seed, createGraph, 0);
    agreement("zeroStaysZero", seed, 0)("inputs", inputs, { gradient, zero: gradient.map(() => 0) });
  }
};

/** Whatever stands where `excluded` is true, NaN and ±∞ too, changes nothing, and its gradient is 0. */
export function excludedIsNotRead(fn: (x: Tensor) => Tensor, x: Tensor, excluded: readonly boolean[], seed = 0): void {
  const check = agreement("excludedIsNotRead", seed, 0);
  const put = (values: Float64Array, other: number): Float64Array => values.map((v, i) => (excluded[i] ? other : v));
  for (const createGraph of [false, true]) {
    const before = run(fn, [x], seed, createGraph);
    for (const other of [NaN, Infinity, -Infinity]) {
      const after = run(fn, unflat(put(flat([x]), other), [x]), seed, createGraph);
      check("outputs", [before.output], { after: after.value, before: before.value });
      check("inputs", [x], { after: after.gradient, before: put(before.gradient, 0) });
    }
  }
}

interface Run {
  readonly output: Tensor;
  readonly value: Float64Array;
  readonly gradient: Float64Array;
}

/** The value, and the gradient for a random cotangent, or for one of a number. */
function run(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  seed: number,
  createGraph: boolean,
  cotangent?: number,
): Run {
  const random = stream(seed);
  const leaves = inputs.map((x) => copyOf(x, true));
  const output = fn(...leaves);
  const value = flat([output]);
  if (!output.requiresGrad) return { output, value, gradient: flat(inputs).fill(0) };
  const drawn = value.map(() => cotangent ?? amount(random));
  return { output, value, gradient: pullBack([output], leaves, unflat(drawn, [output]), createGraph) };
}

function cast(x: Tensor, dtype: DType): Tensor {
  return tensor(x.data, { shape: x.shape, dtype, name: x.name });
}

/** A check of two lists of numbers: apart by no more than `tolerance`·max(1, both), or the same to the bit. */
function agreement(law: string, seed: number, tolerance: number | "bits") {
  return (label: "inputs" | "outputs", tensors: readonly Tensor[], sides: Readonly<Record<string, Float64Array>>) => {
    const [[left, a], [right, b]] = Object.entries(sides) as [[string, Float64Array], [string, Float64Array]];
    const apart = a.findIndex((p, i) => {
      const q = b[i]!;
      if (Object.is(p, q)) return false;
      return tolerance === "bits" || !(p === q || Math.abs(p - q) <= tolerance * Math.max(1, Math.abs(p), Math.abs(q)));
    });
    if (apart < 0) return;
    const want = typeof tolerance === "number" && tolerance > 0 ? `agreement to ${tolerance}` : "equal numbers";
    const fault = { finding: "law", problem: `${left} and ${right} differ`, want } as const;
    const numbers = { [left]: a[apart]!, [right]: b[apart]! };
    throw new CheckError(law, fault, placeOf(apart, tensors, label), numbers, seed);
  };
}
