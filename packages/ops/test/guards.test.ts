import { grad, step, tensor, type Tensor } from "@gradus/core";
import { settings } from "@gradus/gradcheck";
import { concat, mul, reshape, sum, where } from "@gradus/ops";
import { opTable, type OpName } from "@gradus/ops/table";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  callOf,
  isDifferentiable,
  leavesOf,
  mapArguments,
  names,
  seed,
  type AnyArguments,
  type Call,
} from "./calls.ts";

// A cotangent of exactly 0 says that a value does not matter: it comes back as 0, whatever the op and its slope are there.

/** Where ops have poles, kinks, edges, no limits, or overflow. */
const wild = [0, -0, 1, -1, 0.5, -2, 1e-40, -1e-310, 1e30, -1e300, 710, -800, Infinity, -Infinity, NaN];

const differentiable = names
  .filter((name) => !opTable[name].noGradient)
  .flatMap((name) => opTable[name].samples.map((sample, i) => ({ name, sample, i })))
  .filter(({ name, sample }) => isDifferentiable(callOf(name, sample)));

/** A sample with lists of one length in place of all its tensors. */
function listed(sample: AnyArguments, length: number): AnyArguments {
  return mapArguments(sample, (sketch) => ({ ...sketch, shape: [length] })) as AnyArguments;
}

/** Whether an op takes lists, and each element of its output depends on the elements beside it alone. */
function isElementwise(name: OpName, sample: AnyArguments): boolean {
  const length = 4;
  try {
    const { inputs, outputs } = callOf(name, listed(sample, length));
    const [y, ...others] = outputs(...inputs);
    if (others.length > 0 || y!.shape.join() !== String(length)) return false;
    return inputs.every((_, i) =>
      Array.from(y!.data).every((_, place) => {
        const moved = inputs.map((x, j) =>
          i === j ? changed(x, (value, at) => (at === place ? 2 * value : value)) : x,
        );
        return outputs(...moved)[0]!.data.every((value, at) => at === place || Object.is(value, y!.data[at]));
      }),
    );
  } catch {
    return false; // it takes no lists
  }
}

function changed({ data, shape, dtype }: Tensor, change: (value: number, i: number) => number): Tensor {
  return tensor(Array.from(data, change), { shape, dtype });
}

/** The gradients of ⟨dy, y⟩ in the inputs; under createGraph those of their sum as well. */
function gradientsOf(
  fn: (...xs: Tensor[]) => Tensor,
  xs: readonly Tensor[],
  createGraph: boolean,
  cotangent: (i: number) => number,
): Tensor[] {
  const leaves = leavesOf(xs);
  const y = fn(...leaves);
  const dy = tensor(
    Array.from(y.data, (_, i) => cotangent(i)),
    { shape: y.shape, dtype: y.dtype },
  );
  const gradients = grad(y, leaves, { cotangent: dy, createGraph, unreached: "zero" });
  if (!createGraph) return gradients;
  const total = sum(mul(concat(gradients.map((dx) => reshape(dx, [-1]))), 0.75));
  return [...gradients, ...(total.requiresGrad ? grad(total, leaves, { unreached: "zero" }) : [])];
}

const elementwise = differentiable.filter(({ name, sample }) => isElementwise(name, sample));

test("elementwise ops are recognised", () => {
  const some = "abs add clip cos div divNoNan dropout erf exp gelu log log1p maximum mul pow rsqrt sqrt sub tanh where";
  expect(elementwise.map(({ name }) => name)).toEqual(expect.arrayContaining(some.split(" ")));
  expect(elementwise.map(({ name }) => name)).not.toContain("softmax");
});

describe.each(["float64", "float32"] as const)("in %s, where(condition, f(x), 0) guards", (dtype) => {
  interface Guarded {
    readonly places: readonly { readonly on: boolean; readonly at: readonly number[] }[];
    readonly seed: number;
    readonly createGraph: boolean;
    readonly inside: boolean;
  }
  const place = fc.record({ on: fc.boolean(), at: fc.array(fc.constantFrom(...wild), { minLength: 3, maxLength: 3 }) });
  const guarded: fc.Arbitrary<Guarded> = fc.record({
    places: fc.array(place, { minLength: 1, maxLength: 24 }),
    seed: fc.nat(),
    createGraph: fc.boolean(),
    inside: fc.boolean(),
  });

  test.each(elementwise)("$name, sample $i", ({ name, sample }) => {
    const check = ({ places, seed, createGraph, inside }: Guarded): void => {
      const call = callOf(name, listed(sample, places.length), dtype, seed);
      const spoiled = call.inputs.map((x, i) =>
        changed(x, (value, j) => (places[j]!.on ? value : places[j]!.at[i % 3]!)),
      );
      const guard = (...xs: Tensor[]): Tensor =>
        where(
          places.map(({ on }) => on),
          call.run(...xs),
          0,
        );
      const run = (xs: readonly Tensor[]): Tensor[] => gradientsOf(guard, xs, createGraph, Math.cos);
      const want = run(call.inputs);
      const got = inside ? step(() => run(spoiled)) : run(spoiled);
      got.forEach((dx, i) =>
        dx.data.forEach((value, j) => {
          const wanted = places[j]!.on ? want[i]!.data[j]! : 0;
          if (Object.is(value + 0, wanted + 0)) return;
          expect.fail(`gradient ${i} at ${spoiled.map((x) => x.data[j]).join(", ")}: ${value}, not ${wanted}`);
        }),
      );
    };
    fc.assert(fc.property(guarded, check), { numRuns: settings.runs, seed });
  });
});

/** Sums of products multiply as IEEE does: 0·∞ is NaN in them, in either direction. */
const contractions = new Set<OpName>(["cumprod", "einsum", "linearCrossEntropy", "matmul"]);

describe.each([false, true])("cotangents of 0 come back as 0 from anything, with createGraph %s:", (createGraph) => {
  test.each(differentiable.filter(({ name }) => !contractions.has(name)))("$name, sample $i", ({ name, sample, i }) => {
    const check = (values: readonly number[], dtype: "float64" | "float32"): void => {
      const call: Call = callOf(name, sample, dtype, i);
      const xs = call.inputs.map((x, n) => changed(x, (_, j) => values[(n + j) % values.length]!));
      const first = gradientsOf(call.run, xs, createGraph, () => 0).slice(0, xs.length);
      for (const dx of first) expect(dx.data.every((value) => value === 0)).toBe(true);
    };
    const values = fc.array(fc.constantFrom(...wild), { minLength: 1, maxLength: 5 });
    fc.assert(fc.property(values, fc.constantFrom("float64", "float32"), check), { numRuns: settings.runs, seed });
  });
});
