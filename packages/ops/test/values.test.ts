import { sameInsideStep } from "@gradus/gradcheck";
import type { OpName } from "@gradus/ops/table";
import { describe, expect, test } from "vitest";
import { callOf, forAll, names, type ArgumentsOf } from "./calls.ts";
import { furthest, referenceOf } from "./references.ts";

const tolerances = { float64: 1e-12, float32: 2e-6, int32: 0, bool: 0 };

describe.each(names)("%s", (name) => {
  test.each(["float64", "float32"] as const)("is what its reference says, in %s", (dtype) => {
    forAll(name, (sample, seed) => {
      const call = callOf(name, sample, dtype, seed);
      const [outputs, wanted] = [call.outputs(...call.inputs), referenceOf(name, call)];
      expect(outputs.map(({ dtype, shape }) => ({ dtype, shape }))).toEqual(
        wanted.map(({ dtype, shape }) => ({ dtype, shape })),
      );
      outputs.forEach((got, i) => expect(furthest(got, wanted[i]!)).toBeLessThanOrEqual(tolerances[got.dtype]));
    });
  });
});

// Outside a step kernels copy few elements in and out whole, many in blocks of rows; both must give the same bits.
const x = { shape: [3, 1100] };
const large: { readonly [K in OpName]?: ArgumentsOf<K> } = {
  add: [x, { shape: [1100] }],
  cumprod: [{ ...x, domain: "positive" }, { axis: 0 }],
  cumsum: [x],
  clip: [x, { min: -1, max: 0.5 }],
  div: [x, { shape: [3, 1], domain: "nonzero" }],
  einsum: ["ij,kj->ki", { shape: [41, 67] }, { shape: [53, 67] }],
  erf: [x],
  exp: [x],
  layerNorm: [x],
  log: [{ ...x, domain: "positive" }],
  logSoftmax: [x],
  logSumExp: [x, { axis: 1 }],
  matmul: [{ shape: [41, 67] }, { shape: [67, 53] }],
  max: [{ ...x, domain: "distinct" }, { axis: -1 }],
  min: [{ ...x, domain: "distinct" }, { axis: 0 }],
  maximum: [x, x],
  mul: [x, x],
  mulNoNan: [x, x],
  neg: [x],
  pow: [{ ...x, domain: "positive" }, x],
  relu: [x],
  sigmoid: [x],
  softmax: [{ shape: [1100, 3] }, { axis: 0 }],
  sqrt: [{ ...x, domain: "positive" }],
  sub: [x, x],
  sum: [x, { axis: 0 }],
  take: [{ shape: [40, 60] }, Array.from({ length: 30 }, (_, i) => (i * 7) % 40)],
  tanh: [x],
  transpose: [{ shape: [41, 2, 53] }],
  variance: [x, { axis: 1 }],
  where: [{ ...x, dtype: "bool" }, x, 0.5],
};

describe.each(Object.keys(large) as OpName[])("%s of large tensors", (name) => {
  test.each(["float64", "float32"] as const)(
    "is what its reference says, inside a step and outside, in %s",
    (dtype) => {
      const call = callOf(name, large[name]!, dtype);
      const got = call.run(...call.inputs);
      const want = referenceOf(name, call)[0]!;
      expect(got.shape).toEqual(want.shape);
      expect(furthest(got, want)).toBeLessThanOrEqual(10 * tolerances[got.dtype]);
      expect(() => sameInsideStep(call.run, call.inputs)).not.toThrow();
    },
  );
});
