import { step, tensor, type Tensor } from "@gradus/core";
import { cast, oneHot } from "@gradus/ops";
import { sequenceLoss, type SequenceLossOptions, type SoftmaxLossFunction } from "@gradus/seq2seq";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kinds, problem, stream } from "./arbitraries.ts";
import { evaluate, expectClose, expectSame, lossFunctions, settings, type Evaluated } from "./helpers.ts";
import type { Problem } from "./naive.ts";
import { runs, seed, tolerance } from "./settings.ts";

type Float = "float32" | "float64";

interface Setting {
  readonly p: Problem;
  readonly flags: string;
  readonly dtype: Float;
  readonly own: boolean;
  /** For what else a law needs at random. */
  readonly extra: number;
}

/** Any problem under any flags; V up to 9, so that vectors of 2 and 4 have tails of each length. */
function setting(
  only: { soft?: boolean; own?: boolean; kinds?: readonly string[]; dtype?: Float } = {},
): fc.Arbitrary<Setting> {
  const kind = fc.constantFrom(...(only.kinds ?? kinds));
  const soft = only.soft === undefined ? fc.boolean() : fc.constant(only.soft);
  return fc.record({
    p: fc.tuple(kind, soft).chain(([kind, soft]) => problem({ kind, soft, largest: 9 })),
    flags: fc.constantFrom(...Object.keys(settings)),
    dtype: only.dtype ? fc.constant(only.dtype) : fc.constantFrom("float32" as const, "float64" as const),
    own: only.own === undefined ? fc.boolean() : fc.constant(only.own),
    extra: fc.nat(),
  });
}

function law(name: string, settings: fc.Arbitrary<Setting>, check: (setting: Setting) => void): void {
  test(`law: ${name}`, () => fc.assert(fc.property(settings, check), { seed, numRuns: runs }));
}

const optionsOf = ({ flags, own }: Setting): SequenceLossOptions =>
  own ? { ...settings[flags], softmaxLossFunction: lossFunctions.squaredError() } : settings[flags]!;

interface Run extends Evaluated {
  readonly dlogits: Evaluated["value"];
  readonly dtargets: Evaluated["value"] | null;
  readonly dweights: Evaluated["value"] | null;
}

/** Value and gradients; in weights only where `weights` says so. */
function evaluateProblem(
  p: Problem,
  { dtype }: Setting,
  options: SequenceLossOptions,
  also: { weights?: boolean; cotangent?: ArrayLike<number> } = {},
): Run {
  const logits = tensor([...p.logits], { shape: [p.B, p.T, p.V], dtype, requiresGrad: true });
  const targets = p.soft
    ? tensor([...p.soft], { shape: [p.B, p.T, p.V], dtype, requiresGrad: true })
    : tensor([...p.labels!], { shape: [p.B, p.T], dtype: "int32" });
  const weights = tensor([...p.weights], { shape: [p.B, p.T], dtype, requiresGrad: also.weights ?? false });
  const out = sequenceLoss(logits, targets, weights, options);
  const inputs = [logits, ...(p.soft ? [targets] : []), ...(also.weights ? [weights] : [])];
  const u = also.cotangent && tensor(Array.from(also.cotangent), { shape: out.shape, dtype });
  const run = evaluate(out, inputs, u);
  return {
    ...run,
    dlogits: run.grads[0]!,
    dtargets: p.soft ? run.grads[1]! : null,
    dweights: also.weights ? run.grads.at(-1)! : null,
  };
}

function expectSameRun(got: Run, want: Run): void {
  expectSame(got.value, want.value, "value");
  expectSame(got.dlogits, want.dlogits, "gradient in logits");
  if (want.dtargets) expectSame(got.dtargets!, want.dtargets, "gradient in targets");
  if (want.dweights) expectSame(got.dweights!, want.dweights, "gradient in weights");
}

/** The problem in a larger one whose other places are what `fill` says, with weight 0. */
function padded(p: Problem, B: number, T: number, fill: () => number): Problem {
  const spread = (from: readonly number[], width: number, outside: () => number): number[] =>
    Array.from({ length: B * T * width }, (_, i) => {
      const [b, t, v] = [Math.floor(i / (T * width)), Math.floor(i / width) % T, i % width];
      return b < p.B && t < p.T ? from[(b * p.T + t) * width + v]! : outside();
    });
  return {
    ...p,
    B,
    T,
    logits: spread(p.logits, p.V, fill),
    labels: p.labels && spread(p.labels, 1, () => -100),
    soft: p.soft && spread(p.soft, p.V, fill),
    weights: spread(p.weights, 1, () => 0),
  };
}

/** The rows of a larger array [B, T, width] that are in the smaller one's [b, t, width], and those that are not. */
function split(
  data: ArrayLike<number>,
  big: Problem,
  small: Problem,
  width: number,
): { inside: number[]; outside: number[] } {
  const [inside, outside]: [number[], number[]] = [[], []];
  for (let i = 0; i < big.B * big.T * width; i++) {
    const [b, t] = [Math.floor(i / (big.T * width)), Math.floor(i / width) % big.T];
    (b < small.B && t < small.T ? inside : outside).push(data[i]!);
  }
  return { inside, outside };
}

const garbage =
  (random: () => number, choices = 5) =>
  (): number =>
    [NaN, Infinity, -Infinity, 1e30, -1e30][Math.floor(choices * random())]!;

describe("padding", () => {
  law("along both axes changes neither loss nor gradients, to the bit", setting(), (s) => {
    const { p, extra } = s;
    const random = stream(extra);
    const big = padded(p, p.B + Math.floor(3 * random()), p.T + 1 + Math.floor(3 * random()), garbage(random));
    const options = optionsOf(s);
    // The same cotangent for the elements that were there, any for the new ones.
    const u = (q: Problem): number[] => {
      const shape = shapeOf(q, options);
      return Array.from({ length: shape.B * shape.T }, (_, i) => 1 + Math.floor(i / shape.T) - 3 * (i % shape.T));
    };
    const small = evaluateProblem(p, s, options, { cotangent: u(p) });
    const large = evaluateProblem(big, s, options, { cotangent: u(big) });
    const [is, was] = [shapeOf(big, options), shapeOf(p, options)];
    const value = split(large.value, { ...big, ...is }, { ...p, ...was }, 1);
    expectClose(value.inside, Array.from(small.value), 0, "value");
    expectClose(
      value.outside,
      value.outside.map(() => 0),
      0,
      "value of padding",
    );
    for (const name of ["dlogits", "dtargets"] as const) {
      if (!small[name]) continue;
      const parts = split(large[name]!, big, p, p.V);
      expectClose(parts.inside, Array.from(small[name]), 0, name);
      expectClose(
        parts.outside,
        parts.outside.map(() => 0),
        0,
        `${name} of padding`,
      );
    }
  });

  /** B and T of the result, 1 where reduced. */
  function shapeOf(p: Problem, options: SequenceLossOptions): { B: number; T: number } {
    const time = options.averageAcrossTimesteps || options.sumOverTimesteps;
    const batch = options.averageAcrossBatch || options.sumOverBatch;
    return { B: batch ? 1 : p.B, T: time ? 1 : p.T };
  }

  law("changes nothing where weights take gradients, and gets none itself", setting(), (s) => {
    const { p, extra } = s;
    const big = padded(p, p.B + 1, p.T + 2, garbage(stream(extra), 3)); // what is finite would be readable
    const flags = {
      averageAcrossTimesteps: false,
      averageAcrossBatch: false,
      sumOverTimesteps: true,
      sumOverBatch: true,
    };
    const { softmaxLossFunction } = optionsOf(s);
    for (const reduced of [{}, flags]) {
      const options = softmaxLossFunction ? { ...reduced, softmaxLossFunction } : reduced;
      const small = evaluateProblem(p, s, options, { weights: true, cotangent: [-0.7] });
      const large = evaluateProblem(big, s, options, { weights: true, cotangent: [-0.7] });
      expectSame(large.value, small.value, "value");
      const parts = split(large.dlogits, big, p, p.V);
      expectClose(parts.inside, Array.from(small.dlogits), 0, "dlogits");
      const dweights = split(large.dweights!, big, p, 1);
      expectClose(dweights.inside, Array.from(small.dweights!), 0, "dweights");
      expectClose(
        dweights.outside,
        dweights.outside.map(() => 0),
        0,
        "dweights of padding",
      );
    }
  });
});

describe("what is masked is not read", () => {
  const masking = { kinds: ["mask", "zero row", "zero column", "all zero"] };
  /** The problem with garbage at every place of weight 0. */
  function spoiled(p: Problem, random: () => number): Problem {
    const fill = garbage(random);
    const kept = (i: number, width: number): boolean => p.weights[Math.floor(i / width)] !== 0;
    return {
      ...p,
      logits: p.logits.map((x, i) => (kept(i, p.V) ? x : random() < 0.7 ? fill() : x)),
      labels: p.labels && p.labels.map((label, i) => (kept(i, 1) ? label : [-100, -1, p.V, 2 ** 31 - 1][i % 4]!)),
      soft: p.soft && p.soft.map((y, i) => (kept(i, p.V) ? y : random() < 0.5 ? fill() : y)),
    };
  }

  law("garbage changes nothing", setting(masking), (s) => {
    const clean = evaluateProblem(s.p, s, optionsOf(s));
    const dirty = evaluateProblem(spoiled(s.p, stream(s.extra)), s, optionsOf(s));
    expectSameRun(dirty, clean);
  });

  law("nor where weights take gradients; the unreadable rows' are 0", setting(masking), (s) => {
    const q = spoiled(s.p, stream(s.extra));
    const clean = evaluateProblem(s.p, s, optionsOf(s), { weights: true });
    const dirty = evaluateProblem(q, s, optionsOf(s), { weights: true });
    const finite = (numbers: readonly number[] | null, i: number): boolean =>
      numbers === null || numbers.slice(i * q.V, (i + 1) * q.V).every((x) => Number.isFinite(Math.fround(x)));
    const readable = q.weights.map(
      (w, i) =>
        w !== 0 ||
        (finite(q.logits, i) && finite(q.soft, i) && (!q.labels || (q.labels[i]! >= 0 && q.labels[i]! < q.V))),
    );
    const same = q.logits.every((x, i) => readable[Math.floor(i / q.V)] === false || x === s.p.logits[i]);
    expectSame(dirty.value, clean.value, "value");
    expectSame(dirty.dlogits, clean.dlogits, "dlogits");
    if (clean.dtargets) expectSame(dirty.dtargets!, clean.dtargets, "dtargets");
    dirty.dweights!.forEach((dw, i) => {
      if (!readable[i]) expect(dw, `dweights of unreadable row ${i}`).toBeCloseTo(0, 300);
      else if (same && s.p.weights[i] !== 0) expect(dw, `dweights of row ${i}`).toBe(clean.dweights![i]);
    });
  });

  law("a loss function sees zeros and class 0 there", setting(masking), (s) => {
    const q = spoiled(s.p, stream(s.extra));
    let seen = 0;
    const spy: SoftmaxLossFunction = ({ labels, logits }) => {
      const [x, y] = [logits.data, labels.data];
      q.weights.forEach((w, i) => {
        if (w !== 0) return;
        seen++;
        expect([...x.subarray(i * q.V, (i + 1) * q.V)]).toEqual(new Array(q.V).fill(0));
        const label = q.soft ? [...y.subarray(i * q.V, (i + 1) * q.V)] : y[i];
        expect(label).toEqual(q.soft ? Array.from({ length: q.V }, (_, v) => (v === 0 ? 1 : 0)) : 0);
      });
      return lossFunctions.squaredError()({ labels, logits });
    };
    evaluateProblem(q, s, { ...settings[s.flags], softmaxLossFunction: spy });
    expect(seen).toBe(q.weights.filter((w) => w === 0).length);
  });
});

describe("gradients", () => {
  law("in a row of logits add up to 0", setting({ soft: false, own: false, dtype: "float64" }), (s) => {
    const { dlogits } = evaluateProblem(s.p, s, optionsOf(s));
    for (let i = 0; i < s.p.B * s.p.T; i++) {
      const row = [...dlogits.subarray(i * s.p.V, (i + 1) * s.p.V)];
      const largest = Math.max(...row.map(Math.abs), 1e-300);
      expect(Math.abs(row.reduce((a, g) => a + g)) / largest).toBeLessThan(1e-13);
    }
  });

  law("in logits are (p − y)·w/Σw", setting({ soft: false, own: false, dtype: "float64" }), ({ p, ...s }) => {
    const { dlogits } = evaluateProblem(p, { p, ...s }, {}, { cotangent: [1] });
    const total = p.weights.reduce((a, w) => a + w, 0);
    const wanted = p.logits.map((x, i) => {
      const place = Math.floor(i / p.V);
      const row = p.logits.slice(place * p.V, (place + 1) * p.V);
      const share = Math.exp(x) / row.reduce((sum, value) => sum + Math.exp(value), 0);
      return total === 0 ? 0 : ((share - Number(p.labels![place] === i % p.V)) * p.weights[place]!) / total;
    });
    expectClose(dlogits, wanted, tolerance, "dlogits", (want) => Math.max(1, Math.abs(want)));
  });

  law(
    "do not depend on 10,000 added to all logits in float32, nor does the loss",
    setting({ own: false, dtype: "float32", kinds: ["ones", "mask", "fractional"] }),
    (s) => {
      const coarse = s.p.logits.map((x) => Math.round(64 * x) / 64); // which float32 holds beside 10,000
      const [near, far] = [0, 1e4].map((by) =>
        evaluateProblem({ ...s.p, logits: coarse.map((x) => x + by) }, s, optionsOf(s)),
      );
      const scale = (want: number): number => Math.max(1, Math.abs(want));
      expectClose(far!.value, Array.from(near!.value), 1e-6, "value", scale);
      expectClose(far!.dlogits, Array.from(near!.dlogits), 1e-6, "dlogits", scale);
    },
  );

  law(
    "do not depend on a constant added to a row of logits, nor does the loss",
    setting({ own: false, dtype: "float64" }),
    (s) => {
      const random = stream(s.extra);
      const shifts = s.p.weights.map(() => 200 * random() - 100);
      const moved = { ...s.p, logits: s.p.logits.map((x, i) => x + shifts[Math.floor(i / s.p.V)]!) };
      const [was, is] = [evaluateProblem(s.p, s, optionsOf(s)), evaluateProblem(moved, s, optionsOf(s))];
      const scale = (want: number): number => Math.max(1, Math.abs(want)) * 10;
      expectClose(is.value, Array.from(was.value), tolerance, "value", scale);
      expectClose(is.dlogits, Array.from(was.dlogits), tolerance, "dlogits", scale);
    },
  );

  law(
    "in weights are the same for what is masked by a readable row as for any other",
    setting({ own: false, kinds: ["mask"], dtype: "float64" }),
    (s) => {
      const sums = { ...settings["sum both"] };
      const { dweights } = evaluateProblem(s.p, s, sums, { weights: true, cotangent: [1] });
      const count = s.p.weights.filter((w) => w !== 0).length;
      const terms = evaluateProblem({ ...s.p, weights: s.p.weights.map(() => 1) }, s, settings.none!).value;
      expectClose(
        dweights!,
        Array.from(terms, (ce) => (count ? ce / count : 0)),
        tolerance,
        "dweights",
        (w) => Math.max(1, w),
      );
    },
  );
});

describe("the loss", () => {
  law("of logits that are all alike is ln V", setting({ soft: false, own: false }), (s) => {
    const flat = { ...s.p, logits: s.p.logits.map(() => 0.75), weights: s.p.weights.map((_, i) => 1 + (i % 3)) };
    for (const options of [{}, settings["average batch"]!, settings["average timesteps"]!]) {
      const { value } = evaluateProblem(flat, s, options);
      expectClose(
        value,
        Array.from(value, () => Math.log(s.p.V)),
        s.dtype === "float32" ? 1e-6 : 1e-14,
        "ln V",
      );
    }
  });

  law("of an untrained model is about ln V", setting({ soft: false, own: false, dtype: "float32" }), (s) => {
    const random = stream(s.extra);
    const V = 2 + Math.floor(200 * random());
    const small = Array.from({ length: s.p.B * s.p.T * V }, () => 0.02 * random() - 0.01);
    const labels = s.p.labels!.map(() => Math.floor(V * random()));
    const p = { ...s.p, V, logits: small, labels, weights: s.p.weights.map(() => 0.5 + random()) };
    expect(Math.abs(evaluateProblem(p, s, {}).value[0]! - Math.log(V))).toBeLessThan(0.02);
  });

  law(
    "is not changed by a class that cannot be: a logit of −∞, or one far below",
    setting({ own: false, kinds: ["ones", "mask", "fractional"] }),
    (s) => {
      const { p } = s;
      const without = evaluateProblem(p, s, optionsOf(s), { weights: true });
      for (const low of [-Infinity, -1e4]) {
        const beside = (from: readonly number[], more: number): number[] =>
          p.weights.flatMap((_, i) => [...from.slice(i * p.V, (i + 1) * p.V), more]);
        const wider = { ...p, V: p.V + 1, logits: beside(p.logits, low), soft: p.soft && beside(p.soft, 0) };
        const w = p.weights.includes(0) && low === -Infinity; // a row of weight 0 that has −∞ would not be read
        const got = evaluateProblem(wider, s, optionsOf(s), { weights: !w });
        const close = s.dtype === "float32" ? 2e-6 : tolerance;
        const scale = (want: number): number => Math.max(1, Math.abs(want));
        expectClose(got.value, Array.from(without.value), close, "value", scale);
        expectClose(got.dlogits, beside(Array.from(without.dlogits), 0), close, "dlogits", scale);
        if (!w) expectClose(got.dweights!, Array.from(without.dweights!), close, "dweights", scale);
      }
    },
  );

  law(
    "does not depend on the order of the batch",
    setting({ dtype: "float64", kinds: ["ones", "mask", "fractional"] }),
    (s) => {
      const { p } = s;
      const random = stream(s.extra);
      const order = Array.from({ length: p.B }, (_, b) => [random(), b] as const)
        .sort(([a], [b]) => a - b)
        .map(([, b]) => b);
      const reordered = <X>(from: readonly X[], width: number): X[] =>
        order.flatMap((b) => from.slice(b * width, (b + 1) * width));
      const q: Problem = {
        ...p,
        logits: reordered(p.logits, p.T * p.V),
        labels: p.labels && reordered(p.labels, p.T),
        soft: p.soft && reordered(p.soft, p.T * p.V),
        weights: reordered(p.weights, p.T),
      };
      const options = optionsOf(s);
      const keepsBatch = !options.averageAcrossBatch && !options.sumOverBatch;
      const size = evaluateProblem(p, s, options).value.length;
      const u = Array.from({ length: size }, (_, i) => Math.sin(3 * i + 1));
      const moves = <X>(from: readonly X[]): X[] => (keepsBatch ? reordered(from, from.length / p.B) : [...from]);
      const was = evaluateProblem(p, s, options, { cotangent: u });
      const is = evaluateProblem(q, s, options, { cotangent: moves(u) });
      const scale = (want: number): number => Math.max(1, Math.abs(want));
      expectClose(is.value, moves(Array.from(was.value)), tolerance, "value", scale);
      expectClose(is.dlogits, reordered(Array.from(was.dlogits), p.T * p.V), tolerance, "dlogits", scale);
    },
  );

  law("that averages does not depend on the scale of the weights", setting({ kinds: ["mask", "fractional"] }), (s) => {
    const scaled = (by: number): Problem => ({ ...s.p, weights: s.p.weights.map((w) => by * w) });
    for (const flags of ["average both", "average batch", "average timesteps"]) {
      const options = optionsOf({ ...s, flags });
      const was = evaluateProblem(s.p, s, options);
      expectSameRun(evaluateProblem(scaled(8), s, options), was); // a power of 2 rounds nothing
      const is = evaluateProblem(scaled(7.3), s, options);
      const close = s.dtype === "float32" ? 3e-5 : tolerance;
      expectClose(is.value, Array.from(was.value), close, "value", (want) => Math.max(1, want));
      expectClose(is.dlogits, Array.from(was.dlogits), close, "dlogits", (want) => Math.max(1, Math.abs(want)));
    }
  });

  law("of labels is that of their one-hot distributions", setting({ soft: false, dtype: "float64" }), (s) => {
    const { p } = s;
    const labels = tensor([...p.labels!], { shape: [p.B, p.T], dtype: "int32" });
    const soft = Array.from(cast(oneHot(labels, { depth: p.V }), "float64").data);
    const [sparse, dense] = [p, { ...p, labels: null, soft }].map((q) =>
      evaluateProblem(q, s, optionsOf(s), { weights: true }),
    );
    const scale = (want: number): number => Math.max(1, Math.abs(want));
    expectClose(dense!.value, Array.from(sparse!.value), tolerance, "value", scale);
    expectClose(dense!.dlogits, Array.from(sparse!.dlogits), tolerance, "dlogits", scale);
    expectClose(dense!.dweights!, Array.from(sparse!.dweights!), tolerance, "dweights", scale);
  });

  law(
    "in float32 is about that in float64",
    setting({ dtype: "float32", kinds: ["ones", "mask", "fractional"] }),
    (s) => {
      const narrow = (numbers: readonly number[]): number[] => numbers.map(Math.fround);
      const { p } = s;
      const q = { ...p, logits: narrow(p.logits), weights: narrow(p.weights), soft: p.soft && narrow(p.soft) };
      const [single, double] = (["float32", "float64"] as const).map((dtype) =>
        evaluateProblem(q, { ...s, dtype }, optionsOf(s)),
      );
      const scale = (want: number): number => Math.max(1, Math.abs(want));
      expectClose(single!.value, Array.from(double!.value), 1e-5, "value", scale);
      expectClose(single!.dlogits, Array.from(double!.dlogits), 1e-5, "dlogits", scale);
    },
  );

  law("and its gradients have the same bits inside a step as outside", setting(), (s) => {
    for (const weights of [false, true]) {
      const outside = evaluateProblem(s.p, s, optionsOf(s), { weights });
      let inside: Run | null = null;
      step(() => {
        inside = evaluateProblem(s.p, s, optionsOf(s), { weights });
      });
      expectSameRun(inside!, outside);
    }
  });

  law("comes out of a step as it was inside", setting({ own: false }), (s) => {
    const { p, dtype } = s;
    const logits = tensor([...p.logits], { shape: [p.B, p.T, p.V], dtype });
    const targets = tensor([...(p.soft ?? p.labels!)], {
      shape: p.soft ? [p.B, p.T, p.V] : [p.B, p.T],
      dtype: p.soft ? dtype : "int32",
    });
    const weights = tensor([...p.weights], { shape: [p.B, p.T], dtype });
    const loss = (): Tensor => sequenceLoss(logits, targets, weights, settings[s.flags]);
    expectSame(step(loss).data, loss().data, "value");
  });
});
