import { DTypeError, isTensor, ShapeError, tensor, valueAndGrad, ValueError, type Tensor } from "@gradus/core";
import { adam } from "@gradus/nn";
import { add, exp, log, matmul, mean, mul, neg } from "@gradus/ops";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectClose, expectError, goldens, toTensor } from "./helpers.ts";
import { adamStep, golden, runs, seed } from "./settings.ts";

describe("PyTorch's numbers", () => {
  const cases = goldens("optimizers.json").filter(({ op }) => op === "adam");
  test("are one case", () => expect(cases.map(({ options }) => options.problem)).toEqual(["logistic"]));

  test.each(cases)("$name", ({ inputs, options, expected, scale }) => {
    const column = (x: Tensor): Tensor => tensor(x.data, { shape: [x.size, 1] });
    const [X, y] = [toTensor(inputs.X!), column(toTensor(inputs.y!))];
    const logistic = valueAndGrad((w: Tensor) => mean(log(add(exp(neg(mul(y, matmul(X, w)))), 1))));
    const [beta1, beta2] = options.betas as [number, number];
    const optimizer = adam({ learningRate: options.lr as number, beta1, beta2, epsilon: options.epsilon as number });
    const [trajectory, losses] = [toTensor(expected.trajectory!).data, toTensor(expected.losses!).data];
    let w = column(toTensor(inputs.params!));
    let state = optimizer.init(w);
    expect(losses.length).toBe(30);
    losses.forEach((loss, t) => {
      const { value, grads } = logistic(w);
      ({ params: w, state } = optimizer.update(grads, state, w));
      expect(Math.abs(value.item() - loss)).toBeLessThan(golden * scale);
      const wanted = tensor(trajectory.subarray(3 * t, 3 * t + 3), { shape: [3, 1] });
      expectClose(w, wanted, golden * scale, `step ${t + 1}`);
    });
  });
});

/** The paper's algorithm, number by number. */
function reference(
  p: number,
  gradients: readonly number[],
  rates: readonly number[],
  options: Record<string, number>,
): number {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  let [m, v] = [0, 0];
  gradients.forEach((g, i) => {
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const [mHat, vHat] = [m / (1 - beta1 ** (i + 1)), v / (1 - beta2 ** (i + 1))];
    p -= (rates[i]! * mHat) / (Math.sqrt(vHat) + epsilon);
  });
  return p;
}

describe("adam", () => {
  test.each(["float32", "float64"] as const)("is the paper's algorithm, in %s", (dtype) => {
    const gradient = fc.oneof(fc.double({ min: -3, max: 3, noNaN: true }), fc.constant(0));
    const arbitrary = fc.record({
      gradients: fc.array(gradient, { minLength: 1, maxLength: 12 }),
      rate: fc.double({ min: 1e-4, max: 0.5, noNaN: true }),
      beta1: fc.constantFrom(0, 0.5, 0.9),
      beta2: fc.constantFrom(0.5, 0.9, 0.999),
      epsilon: fc.constantFrom(1e-8, 1e-3),
    });
    fc.assert(
      fc.property(arbitrary, ({ gradients, rate, ...options }) => {
        const rounded = gradients.map((g) => (Math.abs(g) < 1e-6 ? 0 : Math.fround(g)));
        const rates = gradients.map((_, i) => rate / (i + 1));
        const optimizer = adam({ learningRate: 1e6, ...options });
        let params = { p: tensor([0.5], { dtype }) };
        let state = optimizer.init(params);
        rounded.forEach((g, i) => {
          const grads = { p: tensor([g], { dtype }) };
          ({ params, state } = optimizer.update(grads, state, params, { learningRate: rates[i]! }));
        });
        const wanted = tensor([reference(0.5, rounded, rates, options)], { dtype });
        expectClose(params.p, wanted, adamStep[dtype] * rounded.length * Math.max(1, Math.abs(wanted.item())));
      }),
      { seed, numRuns: runs },
    );
  });

  test("refuses what was donated before, or stands twice among what is donated, and changes nothing", () => {
    const optimizer = adam({ learningRate: 0.1 });
    const params = { w: tensor([1, 2]) };
    const [grads, state] = [{ w: tensor([3, 4]) }, optimizer.init(params)];
    const twice = (given: typeof params, its: typeof state) => () =>
      optimizer.update(given, its, params, { donate: true });
    expect(twice(params, state)).toThrow("adam.update: the same tensor at params.w and grads.w");
    const tied = { ...state, expAvgSq: state.expAvg };
    expect(twice(grads, tied)).toThrow("adam.update: the same tensor at expAvg.w and expAvgSq.w");
    const next = optimizer.update(grads, state, { w: tensor([1, 2]) }, { donate: true });
    expectError(
      () => optimizer.update(grads, state, params, { donate: true }),
      ValueError,
      "adam.update: expAvg of w [2] was given up to an optimizer, which wrote the new values over it",
    );
    expect(params.w.toArray()).toEqual([1, 2]);
    expect(next.params.w.data[0]).toBeCloseTo(0.9);
  });

  test("keeps the structure, whatever the order of keys, and gives constants", () => {
    const optimizer = adam({ learningRate: 0.1 });
    const params = { a: tensor([1], { requiresGrad: true }), b: [tensor([2]), tensor([3])] } as const;
    const grads = { b: [tensor([-1]), tensor([0])] as const, a: tensor([1]) };
    const { params: next, state } = optimizer.update(grads, optimizer.init(params), params);
    expect(Object.keys(next)).toEqual(["a", "b"]);
    expect(Array.isArray(next.b)).toBe(true);
    expect([next.a, ...next.b].map((x) => x.data[0]!.toFixed(5))).toEqual(["0.90000", "2.10000", "3.00000"]);
    expect([next.a, state.expAvg.a, state.beta1Power].every((x) => isTensor(x) && !x.requiresGrad)).toBe(true);
  });

  test("a gradient of 0 from the start moves nothing", () => {
    const [optimizer, params] = [adam({ learningRate: 0.1 }), { p: tensor([1, 2]) }];
    expect(optimizer.update({ p: tensor([0, 0]) }, optimizer.init(params), params).params.p.toArray()).toEqual([1, 2]);
  });

  test("refuses gradients of another structure, by path", () => {
    const optimizer = adam({ learningRate: 0.1 });
    const params = { layers: [{ w: tensor([1, 2]) }], b: tensor([3]) };
    const state = optimizer.init(params);
    const update = (grads: object) => () => optimizer.update(grads as typeof params, state, params);
    expectError(
      update({ layers: [{}], b: tensor([3]) }),
      ValueError,
      "adam.update: no gradient of layers[0].w; got layers[0].w float32[2]; want one for each parameter",
    );
    expectError(
      update({ layers: [{ w: tensor([1, 2]), v: tensor(1) }], b: tensor([3]) }),
      ValueError,
      "adam.update: gradient of layers[0].v, which is no parameter; got layers[0].v float32[]; want the parameters' keys",
    );
    expectError(
      update({ layers: [{ w: tensor([1, 2]) }], b: tensor(3) }),
      ShapeError,
      "adam.update: gradient of b unlike the parameter; got gradient float32[], b float32[1]; want [1]",
    );
    expectError(
      update({ layers: [{ w: tensor([1, 2], { dtype: "float64" }) }], b: tensor([3]) }),
      DTypeError,
      "adam.update: gradient of layers[0].w unlike the parameter; " +
        "got gradient float64[2], layers[0].w float32[2]; want float32",
    );
    expectError(
      update({ layers: [{ w: null }], b: tensor([3]) }),
      ValueError,
      "adam.update: not a tensor; got layers[0].w null; want tensors in records and arrays",
    );
    const other = optimizer.init({ ...params, c: tensor(1) });
    expect(() => optimizer.update(params, other as never, { ...params })).toThrow("expAvg of c, which is no parameter");
  });

  test("refuses a tensor at two places, by both (torch/torch7 issue 716)", () => {
    const w = tensor([3, 4]);
    expectError(
      () => adam({ learningRate: 0.1 }).init({ embed: { weight: w }, out: [w] }),
      ValueError,
      "adam.init: the same tensor at embed.weight and out[0]; got out[0] float32[2]; want one place, which the model uses twice",
    );
    const optimizer = adam({ learningRate: 0.1 });
    const untied = { embed: tensor([1, 2]), out: tensor([3, 4]) };
    const tied = { embed: w, out: w };
    expect(() => optimizer.update(untied, optimizer.init(untied), tied)).toThrow("the same tensor at embed and out");
  });

  test("refuses two tensors of one name, parameters that are no floats, and options out of range", () => {
    const optimizer = adam({ learningRate: 0.1 });
    expect(() => optimizer.init({ "a.b": tensor(1), a: { b: tensor(2) } })).toThrow(
      "adam.init: two tensors by the name a.b",
    );
    expect(() => optimizer.init({ ids: tensor([1], { dtype: "int32" }) })).toThrow("adam.init: ids is no float");
    expect(() => adam({ learningRate: NaN })).toThrow("adam: no such learningRate; got learningRate NaN");
    expect(() => adam({ learningRate: 1, beta1: 1 })).toThrow("adam: no such beta1; got beta1 1; want 0 to below 1");
    expect(() => adam({ learningRate: 1, beta2: -0.1 })).toThrow("adam: no such beta2");
    expect(() => adam({ learningRate: 1, epsilon: -1 })).toThrow("adam: no such epsilon");
    const params = { p: tensor([1]) };
    const update = (): unknown =>
      adam({ learningRate: 1 }).update(params, optimizer.init(params), params, { learningRate: Infinity });
    expect(update).toThrow("adam: no such learningRate; got learningRate Infinity");
  });
});
