import { tensor, valueAndGrad, ValueError, type Tensor } from "@gradus/core";
import { sgd, type SgdState } from "@gradus/nn";
import { add, mul, square, sub, sum } from "@gradus/ops";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectClose, expectError, goldens, toTensor } from "./helpers.ts";
import { golden, runs, seed, sgdStep } from "./settings.ts";

describe("PyTorch's numbers", () => {
  const cases = goldens("optimizers.json").filter(({ op, options }) => op === "sgd" && options.mode === "problem");
  test("are three cases", () =>
    expect(cases.map(({ options }) => options.nesterov)).toEqual([undefined, undefined, true]));

  test.each(cases)("$name", ({ inputs, options, expected, scale }) => {
    const [a, c] = [toTensor(inputs.a!), toTensor(inputs.c!)];
    const quadraticQuartic = valueAndGrad((x: Tensor) =>
      add(mul(sum(mul(a, square(sub(x, c)))), 0.5), mul(sum(square(square(x))), 0.1)),
    );
    const { lr, momentum = 0, nesterov = false } = options as { lr: number; momentum?: number; nesterov?: boolean };
    const optimizer = sgd({ learningRate: lr, momentum, nesterov });
    const [trajectory, losses] = [toTensor(expected.trajectory!).data, toTensor(expected.losses!).data];
    let x = toTensor(inputs.params!);
    let state = optimizer.init(x);
    expect(losses.length).toBe(30);
    losses.forEach((loss, t) => {
      const { value, grads } = quadraticQuartic(x);
      ({ params: x, state } = optimizer.update(grads, state, x));
      expect(Math.abs(value.item() - loss)).toBeLessThan(golden * scale);
      expectClose(x, tensor(trajectory.subarray(3 * t, 3 * t + 3)), golden * scale, `step ${t + 1}`);
    });
  });
});

describe("sgd", () => {
  test.each(["float32", "float64"] as const)("is its formula, in %s", (dtype) => {
    const arbitrary = fc.record({
      gradients: fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 1, maxLength: 12 }),
      rate: fc.double({ min: 1e-4, max: 0.5, noNaN: true }),
      momentum: fc.constantFrom(0.25, 0.9),
      kind: fc.constantFrom("plain", "momentum", "nesterov"),
    });
    fc.assert(
      fc.property(arbitrary, ({ gradients, rate, momentum, kind }) => {
        const rounded = gradients.map(Math.fround);
        const options = kind === "plain" ? {} : { momentum, nesterov: kind === "nesterov" };
        const optimizer = sgd({ learningRate: 1e6, ...options });
        let params = { p: tensor([0.5], { dtype }) };
        let state = optimizer.init(params);
        let [p, m] = [0.5, 0];
        rounded.forEach((g, i) => {
          const learningRate = rate / (i + 1);
          ({ params, state } = optimizer.update({ p: tensor([g], { dtype }) }, state, params, { learningRate }));
          m = momentum * m + g;
          p -= learningRate * (kind === "plain" ? g : kind === "momentum" ? m : g + momentum * m);
        });
        const size = 1 + rounded.reduce((total, g) => total + Math.abs(g), 0);
        expectClose(params.p, tensor([p], { dtype }), sgdStep[dtype] * rounded.length * size);
      }),
      { seed, numRuns: runs },
    );
  });

  test("refuses options out of range, other trees, and the state of another optimizer", () => {
    expect(() => sgd({ learningRate: -1 })).toThrow(
      "sgd: no such learningRate; got learningRate -1; want a finite number from 0",
    );
    expect(() => sgd({ learningRate: 1, momentum: 1 })).toThrow(
      "sgd: no such momentum; got momentum 1; want 0 to below 1",
    );
    expectError(
      () => sgd({ learningRate: 1, nesterov: true }),
      ValueError,
      "sgd: nesterov without momentum; got momentum 0; want more than 0",
    );
    const [plain, heavy] = [sgd({ learningRate: 1 }), sgd({ learningRate: 1, momentum: 0.9 })];
    const params = { w: tensor([1, 2]) };
    const update =
      (optimizer: typeof plain, state: SgdState<typeof params>, grads: object, donate = false) =>
      () =>
        optimizer.update(grads as typeof params, state, params, { donate });
    expect(update(heavy, plain.init(params), params)).toThrow(
      "sgd.update: a state made with other options; got momentum 0.9",
    );
    expect(update(plain, heavy.init(params), params)).toThrow("want a state without it");
    expect(update(plain, {}, {})).toThrow(
      "sgd.update: no gradient of w; got w float32[2]; want one for each parameter",
    );
    expect(update(heavy, heavy.init(params), { w: tensor([1]) })).toThrow(
      "sgd.update: gradient of w unlike the parameter",
    );
    expect(update(plain, {}, params, true)).toThrow("sgd.update: the same tensor at params.w and grads.w");
    expect(() => plain.init({ ids: tensor([1], { dtype: "int32" }) })).toThrow("sgd.init: ids is no float");
    expect(() => update(plain, {}, { w: tensor([1, 1]) })().params.w.data).not.toThrow();
    expect(params.w.toArray()).toEqual([1, 2]);
  });
});
