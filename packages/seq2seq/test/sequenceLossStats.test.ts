import { add, grad, nameScope, observe, tensor, zeros, type GradusError, type Tensor } from "@gradus/core";
import { concat, divNoNan, mul, slice } from "@gradus/ops";
import { sequenceLoss, sequenceLossStats, type SequenceLossOptions, type SequenceLossStats } from "@gradus/seq2seq";
import fc from "fast-check";
import { describe, expect, expectTypeOf, test } from "vitest";
import { kinds, problem, stream } from "./arbitraries.ts";
import { evaluate, expectClose, expectSame, rows, settings } from "./helpers.ts";
import { crossEntropy, naive, type Flags, type Problem } from "./naive.ts";
import { runs, seed, tolerance } from "./settings.ts";

const dtype = "float64";
const accumulated = 1e-12;
const scale = (wanted: number): number => Math.max(1, Math.abs(wanted));
/** Weights whose sums stay away from 0, so that no division makes a rounding large. */
const positive = kinds.filter((kind) => kind !== "negative");

interface Leaves {
  readonly logits: Tensor;
  readonly targets: Tensor;
  readonly weights: Tensor;
}

const leaves = ({ B, T, V, logits, labels, soft, weights }: Problem): Leaves => ({
  logits: tensor([...logits], { shape: [B, T, V], dtype, requiresGrad: true }),
  targets: soft
    ? tensor([...soft], { shape: [B, T, V], dtype, requiresGrad: true })
    : tensor([...labels!], { shape: [B, T], dtype: "int32" }),
  weights: tensor([...weights], { shape: [B, T], dtype, requiresGrad: true }),
});

interface Setting {
  readonly p: Problem;
  readonly flags: string;
  readonly extra: number;
}

const setting = (weightKinds: readonly string[], flags = Object.keys(settings)): fc.Arbitrary<Setting> =>
  fc.record({
    p: fc
      .tuple(fc.constantFrom(...weightKinds), fc.boolean())
      .chain(([kind, soft]) => problem({ kind, soft, largest: 7 })),
    flags: fc.constantFrom(...flags),
    extra: fc.nat(),
  });

function law(name: string, settings: fc.Arbitrary<Setting>, check: (setting: Setting) => void): void {
  test(`law: ${name}`, () => fc.assert(fc.property(settings, check), { seed, numRuns: runs }));
}

/** The divisor that belongs to the flags. */
const divisorOf = ({ totalWeight, count }: SequenceLossStats, flags: string): Tensor =>
  flags.startsWith("average") ? totalWeight : count;

describe("the parts", () => {
  law("are those of the loss, which has the bits of sequenceLoss", setting(kinds), ({ p, flags }) => {
    const { logits, targets, weights } = leaves(p);
    const inputs = [logits, weights];
    const stats = sequenceLossStats(logits, targets, weights, settings[flags]);
    const loss = sequenceLoss(logits, targets, weights, settings[flags]);
    expectSame(stats.loss.data, loss.data, "loss");
    const [got, want] = [evaluate(stats.loss, inputs), evaluate(loss, inputs)];
    got.grads.forEach((g, i) => expectSame(g, want.grads[i]!, `gradient ${i}`));
    expectSame(stats.terms.data, sequenceLoss(logits, targets, weights, settings.none).data, "terms");
    if (flags === "none") expectSame(stats.numerator.data, loss.data, "numerator");
    else expectSame(divNoNan(stats.numerator, divisorOf(stats, flags)).data, loss.data, "quotient");
  });

  law("are what the table says", setting(kinds), ({ p, flags }) => {
    const { logits, targets, weights } = leaves(p);
    const stats = sequenceLossStats(logits, targets, weights, settings[flags]);
    const flagged = settings[flags] as Flags;
    const [overT, overB] = [
      flagged.averageAcrossTimesteps || flagged.sumOverTimesteps,
      flagged.averageAcrossBatch || flagged.sumOverBatch,
    ];
    const shape = [...(overB ? [] : [p.B]), ...(overT ? [] : [p.T])];
    const totals = (value: (i: number) => number): number[] => {
      const found = new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0);
      for (let i = 0; i < p.B * p.T; i++) {
        const [b, t] = [overB ? 0 : Math.floor(i / p.T), overT ? 0 : i % p.T];
        found[overT ? b : b * (overB ? 0 : p.T) + t]! += value(i);
      }
      return found;
    };
    const none = settings.none as Flags;
    const terms = naive(p, none, crossEntropy, []).value;
    for (const name of ["loss", "numerator", "totalWeight", "count"] as const) {
      expect(stats[name].shape, name).toEqual(shape);
    }
    expect(stats.terms.shape).toEqual([p.B, p.T]);
    expectClose(stats.terms.data, terms, tolerance, "terms", scale);
    expectClose(
      stats.numerator.data,
      totals((i) => terms[i]!),
      tolerance,
      "numerator",
      scale,
    );
    expectClose(
      stats.totalWeight.data,
      totals((i) => p.weights[i]!),
      accumulated,
      "totalWeight",
      scale,
    );
    expectClose(
      stats.count.data,
      totals((i) => (p.weights[i] === 0 ? 0 : 1)),
      0,
      "count",
    );
    expect(stats.count.requiresGrad).toBe(false);
    expect(stats.totalWeight.requiresGrad).toBe(true);
  });

  test("of a masked row with garbage are 0", () => {
    const stats = sequenceLossStats(tensor([rows([NaN, Infinity], [0, 0])]), [[-100, 1]], [[0, 2]]);
    expect(stats.terms.toArray()).toEqual([[0, expect.closeTo(2 * Math.LN2, 6)]]);
    expect([stats.totalWeight.item(), stats.count.item()]).toEqual([2, 1]);
    expect(sequenceLossStats(zeros([2, 3, 5]), zeros([2, 3], { dtype: "int32" }), zeros([2, 3])).loss.item()).toBe(0);
  });

  test("of one's own loss function", () => {
    const softmaxLossFunction = (): Tensor => tensor([10, NaN, 30]);
    const logits = zeros([1, 3, 2]);
    const stats = sequenceLossStats(logits, [[0, 0, 1]], [[1, 0, 0.5]], { softmaxLossFunction });
    expect(stats.terms.toArray()).toEqual([[10, 0, 15]]);
    expect(stats.numerator.item()).toBe(25);
    expect(stats.loss.item()).toBe(Math.fround(25 / 1.5));
  });
});

/** Where the parts of an axis of this length end: at random, with at least one part. */
function cuts(length: number, random: () => number): [start: number, end: number][] {
  const parts: [number, number][] = [];
  for (let start = 0; start < length;) {
    const end = Math.min(length, start + 1 + Math.floor(3 * random()));
    parts.push([start, end]);
    start = end;
  }
  return parts;
}

const part = (x: Tensor, axis: number, [start, end]: [number, number]): Tensor => slice(x, { axis, start, end });

describe("a batch in parts", () => {
  const [BATCH, TIME] = [0, 1];
  const axes: Readonly<Record<string, readonly number[]>> = {
    "average both": [BATCH, TIME],
    "sum both": [BATCH, TIME],
    "average batch": [BATCH],
    "sum batch": [BATCH],
    "average timesteps": [TIME],
    "sum timesteps": [TIME],
  };
  const reducing = setting(positive, Object.keys(axes));

  law("is the whole: Σ numerators / Σ divisors, and its gradients in everything", reducing, ({ p, flags, extra }) => {
    const { logits, targets, weights } = leaves(p);
    const random = stream(extra);
    const axis = axes[flags]![Math.floor(random() * axes[flags]!.length)]!;
    const inputs = [logits, weights, ...(p.soft ? [targets] : [])];
    const whole = evaluate(sequenceLoss(logits, targets, weights, settings[flags]), inputs);
    const parts = cuts(p.weights.length / (axis === BATCH ? p.T : p.B), random).map((cut) =>
      sequenceLossStats(part(logits, axis, cut), part(targets, axis, cut), part(weights, axis, cut), settings[flags]),
    );
    const total = (name: (stats: SequenceLossStats) => Tensor): Tensor => parts.map(name).reduce((a, b) => add(a, b));
    const loss = divNoNan(
      total((stats) => stats.numerator),
      total((stats) => divisorOf(stats, flags)),
    );
    const joined = evaluate(loss, inputs);
    expect(joined.shape).toEqual(whole.shape);
    expectClose(joined.value, Array.from(whole.value), accumulated, "value", scale);
    ["logits", "weights", "targets"].slice(0, inputs.length).forEach((name, i) => {
      expectClose(joined.grads[i]!, Array.from(whole.grads[i]!), accumulated, `gradient in ${name}`, scale);
    });
  });

  const overBatch = setting(positive, ["average both", "sum both", "average batch", "sum batch"]);
  law("has its parameters' gradient, one part at a time", overBatch, ({ p, flags, extra }) => {
    const { B, T, V } = p;
    const random = stream(extra);
    const gain = tensor(
      Array.from({ length: V }, () => random() - 0.5),
      { dtype, requiresGrad: true },
    );
    const { targets, weights } = leaves({ ...p, soft: null, labels: p.weights.map((_, i) => (3 * i) % V) });
    const features = tensor([...p.logits], { shape: [B, T, V], dtype });
    const u = Array.from({ length: flags.endsWith("both") ? 1 : T }, (_, t) => Math.cos(1 + 2 * t));
    const cotangent = tensor(u, { shape: flags.endsWith("both") ? [] : [T], dtype });
    const loss = sequenceLoss(mul(features, gain), targets, weights, settings[flags]);
    const [whole] = grad(loss, [gain], { cotangent });

    const batches = cuts(B, random);
    const at = (x: Tensor, cut: [number, number]): Tensor => part(x, BATCH, cut);
    const stats = (cut: [number, number]): SequenceLossStats =>
      sequenceLossStats(mul(at(features, cut), gain), at(targets, cut), at(weights, cut), settings[flags]);
    const divisor = batches.map((cut) => divisorOf(stats(cut), flags)).reduce((a, b) => add(a, b));
    const sums = new Array<number>(V).fill(0);
    const weighted = divNoNan(cotangent, divisor);
    for (const cut of batches) {
      const [g] = grad(stats(cut).numerator, [gain], {
        cotangent: tensor(weighted.data, { shape: loss.shape, dtype }),
      });
      g.data.forEach((value, v) => (sums[v]! += value));
    }
    expectClose(sums, Array.from(whole.data), accumulated, "gradient in gain", scale);
  });

  law("along the other axis stands side by side", setting(positive, ["average timesteps", "none"]), ({ p, flags }) => {
    const { logits, targets, weights } = leaves(p);
    const whole = sequenceLossStats(logits, targets, weights, settings[flags]);
    const parts = cuts(p.B, stream(p.B)).map((cut) => {
      const at = (x: Tensor): Tensor => part(x, BATCH, cut);
      return sequenceLossStats(at(logits), at(targets), at(weights), settings[flags]);
    });
    for (const name of ["loss", "numerator", "totalWeight", "count", "terms"] as const) {
      const joined = concat(
        parts.map((stats) => stats[name]),
        { axis: 0 },
      );
      expectSame(joined.data, whole[name].data, name);
    }
  });
});

describe("perplexity of many batches", () => {
  test("law: is exp of the mean of all their terms", () => {
    const batch = fc
      .tuple(fc.constantFrom("ones", "mask", "zero row"), fc.boolean())
      .chain(([kind, soft]) => problem({ kind, soft }));
    const check = (batches: Problem[]): void => {
      let [numerator, total, terms, weight] = [0, 0, 0, 0];
      for (const p of batches) {
        const { logits, targets, weights } = leaves(p);
        const stats = sequenceLossStats(logits, targets, weights);
        numerator += stats.numerator.item();
        total += stats.totalWeight.item();
        for (const term of naive(p, settings.none as Flags, crossEntropy, []).value) terms += term;
        for (const w of p.weights) weight += w;
      }
      if (weight === 0) return;
      const want = Math.exp(terms / weight);
      expectClose([Math.exp(numerator / total)], [want], accumulated, "perplexity", scale);
    };
    fc.assert(fc.property(fc.array(batch, { minLength: 1, maxLength: 5 }), check), { seed, numRuns: runs });
  });

  test("is not that of the mean of their losses", () => {
    const batch = (values: number[][], weights: number[]): SequenceLossStats =>
      sequenceLossStats(tensor([values]), [weights.map(() => 0)], [weights]);
    const batches = [batch(rows([0, 0], [0, 0], [0, 0]), [1, 1, 1]), batch(rows([Math.log(7), 0]), [1])];
    const mean = (of: (stats: SequenceLossStats) => number): number =>
      batches.reduce((sum, stats) => sum + of(stats), 0);
    const perplexity = Math.exp(mean((s) => s.numerator.item()) / mean((s) => s.totalWeight.item()));
    expect(perplexity).toBeCloseTo((2 ** 3 * (8 / 7)) ** (1 / 4), 6);
    expect(Math.exp(mean((s) => s.loss.item()) / 2)).toBeCloseTo((2 * (8 / 7)) ** (1 / 2), 6);
  });
});

describe("the call", () => {
  const logits = tensor([rows([2, 0, 1], [0, 1, 0])], { requiresGrad: true });

  test("throws what sequenceLoss throws, under its own name", () => {
    const thrown = (options: SequenceLossOptions, weights = [[1, 1]], targets = [[0, 1]]): string => {
      try {
        sequenceLossStats(logits, targets, weights, options);
      } catch (error) {
        expect((error as GradusError).op).toBe("sequenceLossStats");
        return String(error);
      }
      return expect.fail("nothing was thrown");
    };
    expect(thrown({ sumOverBatch: true } as never)).toMatchInlineSnapshot(
      `"ValueError: sequenceLossStats: an average and a sum over one axis; got averageAcrossBatch true (its default), sumOverBatch true; want one of them: averageAcrossBatch: false to sum"`,
    );
    expect(thrown({}, [[1, 1, 1]])).toMatchInlineSnapshot(
      `"ShapeError: sequenceLossStats: weights do not fit logits; got weights array[1,3], logits float32[1,2,3]; want [1,2]"`,
    );
    expect(thrown({}, [[1, 1]], [[0, 3]])).toMatchInlineSnapshot(
      `"IndexError: sequenceLossStats: label out of range; got targets[0][1] 3, logits float32[1,2,3]; want 0 to 2, as V is 3, or weight 0 there"`,
    );
    expect(thrown({ softmaxLossFunction: "mse" as never })).toMatchInlineSnapshot(
      `"ValueError: sequenceLossStats: not a function; got softmaxLossFunction mse; want ({ labels, logits }) => Tensor"`,
    );
  });

  test("puts all of it under one name", () => {
    const weights = tensor([[1, 2]], { requiresGrad: true });
    const { loss, numerator, totalWeight, terms } = nameScope("eval", () =>
      sequenceLossStats(logits, [[0, 1]], weights, { name: "parts" }),
    );
    const scopes = [loss, numerator, totalWeight, terms].map((x) => x.node?.scope);
    expect(scopes).toEqual(new Array(4).fill("eval/parts"));
  });

  test("sequenceLoss makes no sum that it does not need", () => {
    const sums = (call: () => unknown): number => {
      let found = 0;
      observe(call, { value: (op) => void (found += Number(op === "sumTo")) });
      return found;
    };
    const weights = tensor([[1, 2]]);
    expect(sums(() => sequenceLoss(logits, [[0, 1]], weights))).toBe(0);
    expect(sums(() => sequenceLoss(logits, [[0, 1]], weights, settings.none))).toBe(0);
    expect(sums(() => sequenceLossStats(logits, [[0, 1]], weights))).toBe(3);
  });

  test("has types", () => {
    expectTypeOf<ReturnType<typeof sequenceLossStats>>().toEqualTypeOf<SequenceLossStats>();
    expectTypeOf<Parameters<typeof sequenceLossStats>>().toEqualTypeOf<Parameters<typeof sequenceLoss>>();
  });
});
