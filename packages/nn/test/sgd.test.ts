import { step, tensor, valueAndGrad, ValueError, type Tensor } from "@gradus/core";
import { decodeSafetensors, encodeSafetensors, loadParams, sgd, type SgdState } from "@gradus/nn";
import { add, mul, square, sub, sum } from "@gradus/ops";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectClose, expectError, expectSame, goldens, random, toTensor } from "./helpers.ts";
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

type Params = { readonly layers: readonly { readonly w: Tensor }[]; readonly scale: Tensor };
const make = (seed: number, dtype: "float32" | "float64" = "float64"): Params => ({
  layers: [{ w: random(seed, [2, 3], dtype) }, { w: random(seed + 1, [4], dtype) }],
  scale: random(seed + 2, [], dtype),
});
const all = ({ layers, scale }: Params): Tensor[] => [...layers.map(({ w }) => w), scale];
const everything = (params: Params, { momentumBuffer }: SgdState<Params>): Tensor[] => [
  ...all(params),
  ...(momentumBuffer ? all(momentumBuffer) : []),
];
const kinds = [
  { learningRate: 0.1 },
  { learningRate: 0.1, momentum: 0.9 },
  { learningRate: 0.1, momentum: 0.9, nesterov: true },
];

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

  describe.each(kinds)("%o", (options) => {
    const optimizer = sgd(options);

    test("changes nothing that it was given", () => {
      const [params, grads] = [make(1), make(5)];
      const first = optimizer.update(grads, optimizer.init(params), params);
      const seen = (): unknown[] =>
        [...all(params), ...all(grads), ...everything(first.params, first.state)].map((x) => x.data);
      const before = seen();
      const second = optimizer.update(grads, first.state, first.params);
      expect(seen()).toEqual(before);
      expect(all(second.params).some((x, i) => x.data[0] !== all(first.params)[i]!.data[0])).toBe(true);
    });

    test.each(["float32", "float64"] as const)("gives the same bits in step() and where it writes over %s", (dtype) => {
      const start = (): { params: Params; state: SgdState<Params> } => ({
        params: make(1, dtype),
        state: optimizer.init(make(1, dtype)),
      });
      let [wanted, inside, over] = [start(), start(), start()];
      const first = over;
      for (let t = 0; t < 3; t++) {
        const grads = make(10 + t, dtype);
        wanted = optimizer.update(grads, wanted.state, wanted.params);
        const model = inside;
        inside = step(() => optimizer.update(grads, model.state, model.params));
        over = optimizer.update(grads, over.state, over.params, { donate: true });
      }
      for (const got of [inside, over]) {
        const want = everything(wanted.params, wanted.state);
        everything(got.params, got.state).forEach((x, i) => expectSame(x, want[i]!));
      }
      for (const x of everything(first.params, first.state)) {
        expect(() => x.data).toThrow("was given up to an optimizer, which wrote the new values over it");
      }
    });

    test("goes on from a checkpoint to the bit", () => {
      const start = make(1, "float32");
      const saved = optimizer.update(make(5, "float32"), optimizer.init(start), start);
      const { tensors } = decodeSafetensors(encodeSafetensors(saved));
      const loaded = loadParams({ params: start, state: optimizer.init(start) }, tensors);
      const wanted = optimizer.update(make(7, "float32"), saved.state, saved.params);
      const got = optimizer.update(make(7, "float32"), loaded.state, loaded.params);
      all(got.params).forEach((x, i) => expectSame(x, all(wanted.params)[i]!));
    });
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
