import { full, grad, hvp, tensor, zeros, type Tensor } from "@gradus/core";
import { add, cast, exp, log, logSoftmax, mul, neg, oneHot, sum } from "@gradus/ops";
import { sequenceLoss, SequenceLoss, sequenceLossStats } from "@gradus/seq2seq";
import type { SequenceLossOptions, SoftmaxLossFunction } from "@gradus/seq2seq";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kinds, problem, stream } from "./arbitraries.ts";
import { evaluate, expectClose, expectSame, rows, settings, wave, type Evaluated } from "./helpers.ts";
import { naive, smoothedCrossEntropy, type Flags, type Problem } from "./naive.ts";
import { differences, runs, seed, tolerance } from "./settings.ts";

interface Strengths {
  readonly labelSmoothing: number;
  readonly zLoss: number;
}

const both: Strengths = { labelSmoothing: 0.3, zLoss: 0.5 };
const strengths: readonly Strengths[] = [{ labelSmoothing: 0.1, zLoss: 0 }, { labelSmoothing: 0, zLoss: 0.02 }, both];

/** Both in ops, as a loss function of one's own: Σ −y'·log p + zLoss·(log Σ exp x)². */
const composed =
  ({ labelSmoothing: e, zLoss }: Strengths): SoftmaxLossFunction =>
  ({ labels, logits }) => {
    const V = logits.shape[1]!;
    const y = labels.shape.length === 2 ? labels : cast(oneHot(labels, { depth: V }), logits.dtype);
    const ce = neg(sum(mul(add(mul(y, 1 - e), e / V), logSoftmax(logits)), { axis: 1 }));
    const z = log(sum(exp(logits), { axis: 1 }));
    return add(ce, mul(mul(z, z), zLoss));
  };

interface Setting {
  readonly p: Problem;
  readonly flags: string;
  readonly strength: Strengths;
  readonly extra: number;
}

const setting = (only: { largest?: number; kinds?: readonly string[] } = {}): fc.Arbitrary<Setting> =>
  fc.record({
    p: fc
      .tuple(fc.constantFrom(...(only.kinds ?? kinds)), fc.boolean())
      .chain(([kind, soft]) => problem({ kind, soft, largest: only.largest ?? 6 })),
    flags: fc.constantFrom(...Object.keys(settings)),
    strength: fc.constantFrom(...strengths),
    extra: fc.nat(),
  });

function law(name: string, settings: fc.Arbitrary<Setting>, check: (setting: Setting) => void): void {
  test(`law: ${name}`, () => fc.assert(fc.property(settings, check), { seed, numRuns: runs }));
}

const scale = (wanted: number): number => Math.max(1, Math.abs(wanted));

/** Value and gradients in logits, weights unless they are `fixed`, and soft targets. */
function run(
  p: Problem,
  options: SequenceLossOptions,
  { fixed = false, dtype = "float64" }: { fixed?: boolean; dtype?: "float32" | "float64" } = {},
): Evaluated {
  const logits = tensor([...p.logits], { shape: [p.B, p.T, p.V], dtype, requiresGrad: true });
  const targets = p.soft
    ? tensor([...p.soft], { shape: [p.B, p.T, p.V], dtype, requiresGrad: true })
    : tensor([...p.labels!], { shape: [p.B, p.T], dtype: "int32" });
  const weights = tensor([...p.weights], { shape: [p.B, p.T], dtype, requiresGrad: !fixed });
  const inputs = [logits, ...(fixed ? [] : [weights]), ...(p.soft ? [targets] : [])];
  return evaluate(sequenceLoss(logits, targets, weights, options), inputs);
}
function expectAlike(got: Evaluated, want: Evaluated, within: number): void {
  expect(got.shape).toEqual(want.shape);
  expectClose(got.value, Array.from(want.value), within, "value", scale);
  got.grads.forEach((g, i) => expectClose(g, Array.from(want.grads[i]!), within, `gradient ${i}`, scale));
}

describe("label smoothing and z-loss", () => {
  law("are what the formula says, with its gradients", setting(), ({ p, flags, strength }) => {
    const got = run(p, { ...settings[flags], ...strength });
    const want = naive(p, settings[flags] as Flags, smoothedCrossEntropy(strength), wave(got.value.length));
    expectClose(got.value, want.value, tolerance, "value", scale);
    expectClose(got.grads[0]!, want.logits, tolerance, "gradient in logits", scale);
    expectClose(got.grads[1]!, want.weights, tolerance, "gradient in weights", scale);
    if (p.soft) expectClose(got.grads[2]!, want.soft, tolerance, "gradient in soft targets", scale);
  });

  law("are their definition in ops", setting(), ({ p, flags, strength }) => {
    const want = run(p, { ...settings[flags], softmaxLossFunction: composed(strength) });
    expectAlike(run(p, { ...settings[flags], ...strength }), want, tolerance);
  });

  law(
    "have the slopes of their values as gradients",
    setting({ largest: 3, kinds: ["fractional", "ones"] }),
    ({ p, flags, strength }) => {
      const options = { ...settings[flags], ...strength };
      const step = 1e-5;
      const total = (q: Problem): number => {
        const { value } = run(q, options);
        const u = wave(value.length);
        return Array.from(value).reduce((sum, x, i) => sum + u[i]! * x, 0);
      };
      const slopes = (name: "logits" | "weights" | "soft"): number[] =>
        p[name]!.map((_, i) => {
          const moved = (by: number): Problem => ({ ...p, [name]: p[name]!.map((x, j) => (j === i ? x + by : x)) });
          return (total(moved(step)) - total(moved(-step))) / (2 * step);
        });
      const { grads } = run(p, options);
      expectClose(grads[0]!, slopes("logits"), differences, "gradient in logits", scale);
      expectClose(grads[1]!, slopes("weights"), differences, "gradient in weights", scale);
      if (p.soft) expectClose(grads[2]!, slopes("soft"), differences, "gradient in soft targets", scale);
    },
  );

  law("of strength 0 leave the bits as they are", setting(), ({ p, flags }) => {
    for (const dtype of ["float32", "float64"] as const) {
      const [plain, off] = [{}, { labelSmoothing: 0, zLoss: 0 }].map((o) =>
        run(p, { ...settings[flags], ...o }, { dtype }),
      );
      expectSame(off!.value, plain!.value, "value");
      off!.grads.forEach((g, i) => expectSame(g, plain!.grads[i]!, `gradient ${i}`));
    }
  });

  law("do not read what is masked", setting({ kinds: ["mask", "zero row", "zero column"] }), (s) => {
    const { p, flags, strength, extra } = s;
    const random = stream(extra);
    const kept = (i: number, width: number): boolean => p.weights[Math.floor(i / width)] !== 0;
    const garbage = (): number => [NaN, Infinity, -Infinity][Math.floor(3 * random())]!;
    const q: Problem = {
      ...p,
      logits: p.logits.map((x, i) => (kept(i, p.V) ? x : garbage())),
      labels: p.labels && p.labels.map((label, i) => (kept(i, 1) ? label : -100)),
      soft: p.soft && p.soft.map((y, i) => (kept(i, p.V) ? y : garbage())),
    };
    const options = { ...settings[flags], ...strength };
    const [dirty, clean] = [q, p].map((problem) => run(problem, options, { fixed: true }));
    expectSame(dirty!.value, clean!.value, "value");
    dirty!.grads.forEach((g, i) => expectSame(g, clean!.grads[i]!, `gradient ${i}`));
    dirty!.grads[0]!.forEach((g, i) => kept(i, p.V) || expect(Math.abs(g)).toBe(0));

    const learnt = run(q, options);
    expectClose(learnt.value, clean!.value, 1e-14, "value where weights are learnt", scale);
    expectClose(learnt.grads[0]!, clean!.grads[0]!, 1e-14, "gradient in logits where weights are learnt", scale);
    learnt.grads[1]!.forEach((g, i) => {
      if (!kept(i, 1)) expect(Math.abs(g), `gradient in weight ${i}`).toBe(0);
    });
  });

  law("of labels are those of their one-hot distributions", setting(), ({ p, flags, strength }) => {
    const labels = p.labels ?? p.weights.map((_, i) => i % p.V);
    const soft = labels.flatMap((label) => Array.from({ length: p.V }, (_, v) => (v === label ? 1 : 0)));
    const options = { ...settings[flags], ...strength };
    const sparse = run({ ...p, labels, soft: null }, options);
    const dense = run({ ...p, labels: null, soft }, options);
    expectAlike({ ...dense, grads: dense.grads.slice(0, 2) }, sparse, tolerance);
  });

  law("in float32 are about those in float64", setting({ kinds: ["ones", "fractional"] }), ({ p, flags, strength }) => {
    const narrow = (numbers: readonly number[]): number[] => numbers.map(Math.fround);
    const q = { ...p, logits: narrow(p.logits), weights: narrow(p.weights), soft: p.soft && narrow(p.soft) };
    const options = { ...settings[flags], ...strength };
    expectAlike(run(q, options, { dtype: "float32" }), run(q, options), 2e-5);
  });
});

describe("the second derivative", () => {
  law("along a direction is the closed form, the slope of the gradient and the composed one's", setting(), (s) => {
    const { p, flags, strength, extra } = s;
    const { B, T, V } = p;
    const random = stream(extra);
    const dtype = "float64";
    const shape = [B, T, V];
    const direction = Array.from(p.logits, () => 2 * random() - 1);
    const targets = p.soft
      ? tensor([...p.soft], { shape, dtype })
      : tensor([...p.labels!], { shape: [B, T], dtype: "int32" });
    const weights = tensor([...p.weights], { shape: [B, T], dtype });
    const options = { ...settings[flags], ...strength };
    const total =
      (of: SequenceLossOptions) =>
      (x: Tensor): Tensor => {
        const loss = sequenceLoss(x, targets, weights, of);
        return sum(mul(loss, tensor(wave(loss.size), { shape: loss.shape, dtype })));
      };
    const x = tensor([...p.logits], { shape, dtype });
    const v = tensor(direction, { shape, dtype });
    const product = hvp(total(options), x, v).data;

    const own = hvp(total({ ...settings[flags], softmaxLossFunction: composed(strength) }), x, v).data;
    expectClose(product, Array.from(own), tolerance, "composed", scale);

    const gradient = (by: number): ArrayLike<number> => {
      const at = tensor(
        p.logits.map((value, i) => value + by * direction[i]!),
        { shape, dtype, requiresGrad: true },
      );
      return grad(total(options)(at), [at])[0].data;
    };
    const [above, below] = [gradient(1e-5), gradient(-1e-5)];
    const slopes = Array.from(product, (_, i) => (above[i]! - below[i]!) / 2e-5);
    expectClose(product, slopes, differences, "slopes", scale);

    const closed = naive(p, settings[flags] as Flags, smoothedCrossEntropy(strength), wave(B * T), direction).product;
    expectClose(product, closed, tolerance, "closed form", scale);
  });
});

describe("extremes", () => {
  const double = (values: number[][], requiresGrad = true): Tensor =>
    tensor([values], { dtype: "float64", requiresGrad });
  const one = full([], 1, { dtype: "float64" });

  test("logits of ±10,000 do not overflow", () => {
    const logits = double(rows([1e4, -1e4]));
    const { value, grads } = evaluate(
      sequenceLoss(logits, [[0]], [[1]], { labelSmoothing: 0.5, zLoss: 1e-4 }),
      [logits],
      one,
    );
    expectClose(value, [5000 + 1e4], 1e-9, "value"); // a quarter of 20,000, and 1e-4·1e8
    expectClose(grads[0]!, [0.25 + 2, -0.25], 1e-12, "gradient");
  });

  test("a class that cannot be costs ∞ where it is smoothed, with a finite gradient, and nothing in z", () => {
    const x = (): Tensor => double(rows([0, -Infinity, 0]));
    const [a, b] = [x(), x()];
    const share = evaluate(sequenceLoss(a, [[0]], [[1]], { labelSmoothing: 0.3 }), [a], one);
    expect([...share.value]).toEqual([Infinity]);
    expectClose(share.grads[0]!, [0.5 - 0.8, -0.1, 0.5 - 0.1], 1e-15, "gradient");
    const z = evaluate(sequenceLoss(b, [[0]], [[1]], { zLoss: 2 }), [b], one);
    expectClose(z.value, [Math.LN2 + 2 * Math.LN2 ** 2], 1e-15, "value with z");
    expectClose(z.grads[0]!, [-0.5 + 2 * Math.LN2, 0, 0.5 + 2 * Math.LN2], 1e-15, "gradient with z");
  });

  test("logits of probabilities' logarithms have no z", () => {
    const logits = double(rows([Math.log(0.25), Math.log(0.75)]));
    expectClose(sequenceLoss(logits, [[1]], [[1]], { zLoss: 100 }).data, [-Math.log(0.75)], 1e-14, "value");
  });

  test("one class costs nothing however it is smoothed", () => {
    expect(Math.abs(sequenceLoss(double(rows([7])), [[0]], [[2]], { labelSmoothing: 0.9 }).item())).toBe(0);
  });
});

describe("the options", () => {
  const logits = tensor([rows([2, 0, 1], [0, 1, 0])]);
  const targets = [[0, 2]];

  test("reach the parts and the class", () => {
    const stats = sequenceLossStats(logits, targets, [[1, 0.5]], both);
    const want = sequenceLoss(logits, targets, [[1, 0.5]], both);
    expect(stats.loss.item()).toBeCloseTo(want.item(), 6);
    expect(stats.numerator.item()).toBeCloseTo(1.5 * want.item(), 6);
    expect(new SequenceLoss(both).call(targets, logits).item()).toBe(
      sequenceLoss(logits, targets, [[1, 1]], both).item(),
    );
  });

  test("add what each adds alone", () => {
    const loss = (o: SequenceLossOptions): number => sequenceLoss(logits, targets, [[1, 1]], o).item();
    const { labelSmoothing, zLoss } = both;
    expect(loss(both) - loss({ labelSmoothing })).toBeCloseTo(loss({ zLoss }) - loss({}), 6);
    expect(loss({ labelSmoothing })).toBeGreaterThan(loss({}) + 0.01);
    expect(loss({ zLoss })).toBeGreaterThan(loss({}) + 0.01);
  });

  const thrown = (call: () => unknown): string => {
    try {
      call();
    } catch (error) {
      return String(error);
    }
    return expect.fail("nothing was thrown");
  };
  const message = (options: object): string =>
    thrown(() => sequenceLoss(logits, targets, [[1, 1]], options as SequenceLossOptions));

  test("are checked", () => {
    expect(message({ labelSmoothing: 1 })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: no such labelSmoothing; got labelSmoothing 1; want a number from 0 to below 1"`,
    );
    expect(message({ labelSmoothing: -0.1 })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: no such labelSmoothing; got labelSmoothing -0.1; want a number from 0 to below 1"`,
    );
    expect(message({ labelSmoothing: NaN })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: no such labelSmoothing; got labelSmoothing NaN; want a number from 0 to below 1"`,
    );
    expect(message({ labelSmoothing: "0.1" })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: no such labelSmoothing; got labelSmoothing 0.1; want a number from 0 to below 1"`,
    );
    expect(message({ zLoss: -1 })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: no such zLoss; got zLoss -1; want a finite number from 0"`,
    );
    expect(message({ zLoss: Infinity })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: no such zLoss; got zLoss Infinity; want a finite number from 0"`,
    );
    expect(message({ zLoss: null })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: no such zLoss; got zLoss null; want a finite number from 0"`,
    );
    expect(thrown(() => new SequenceLoss({ zLoss: NaN }))).toMatchInlineSnapshot(
      `"ValueError: SequenceLoss: no such zLoss; got zLoss NaN; want a finite number from 0"`,
    );
  });

  test("do not go with a loss function of one's own", () => {
    const softmaxLossFunction = (): Tensor => zeros([2]);
    expect(message({ labelSmoothing: 0.1, softmaxLossFunction })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: labelSmoothing beside a loss function of one's own, which cannot heed it; got labelSmoothing 0.1, softmaxLossFunction function softmaxLossFunction; want one of them"`,
    );
    expect(message({ zLoss: 1e-4, softmaxLossFunction })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: zLoss beside a loss function of one's own, which cannot heed it; got zLoss 0.0001, softmaxLossFunction function softmaxLossFunction; want one of them"`,
    );
    expect(sequenceLoss(logits, targets, [[1, 1]], { labelSmoothing: 0, zLoss: 0, softmaxLossFunction }).item()).toBe(
      0,
    );
  });

  test("are checked after the flags and before the shapes", () => {
    const flags = { averageAcrossTimesteps: 1 as never, labelSmoothing: 2 };
    expect(thrown(() => sequenceLoss(logits, [[0]], [[1]], flags))).toContain("not a flag");
    expect(thrown(() => sequenceLoss(logits, [[0]], [[1]], { labelSmoothing: 2 }))).toContain("no such labelSmoothing");
  });
});
