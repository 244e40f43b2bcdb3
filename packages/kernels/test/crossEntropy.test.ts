import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CrossEntropy, DType, NdArray } from "../src/index.ts";
import {
  expectClose,
  expectSame,
  filled,
  generator,
  type Kernels,
  outcome,
  type Place,
  randoms,
  seed,
  simd,
  twin,
} from "./support.ts";

const floats = ["float32", "float64"] as const;
type Float = (typeof floats)[number];
const suffix = { float32: "f32", float64: "f64" } as const;

interface Drawn {
  readonly rows: number;
  readonly n: number;
  readonly soft: boolean;
  readonly live: boolean;
  readonly classes: boolean;
  readonly smoothing: number;
  readonly zLoss: number;
  readonly beta: 0 | 1;
}
const drawn: fc.Arbitrary<Drawn> = fc.record({
  rows: fc.nat({ max: 5 }),
  n: fc.integer({ min: 1, max: 40 }),
  soft: fc.boolean(),
  live: fc.boolean(),
  classes: fc.boolean(),
  smoothing: fc.constantFrom(0, 0.1),
  zLoss: fc.constantFrom(0, 0.2),
  beta: fc.constantFrom(0 as const, 1 as const),
});

/** Rows of random logits and targets; what does not count is NaN, or a label out of range. */
function arraysOf(
  { rows, n, soft, ...drawn }: Drawn,
  dtype: Float,
  place: Place,
): CrossEntropy & { dy: NdArray; into: NdArray } {
  const random = generator(seed + rows * n);
  const values = (count: number, type: DType, scale?: number): number[] => randoms(count, type, random, scale);
  const live = drawn.live ? values(rows, "bool") : Array.from({ length: rows }, () => 1);
  const labels = Array.from({ length: rows }, () => Math.floor(random() * n));
  const classes = drawn.classes ? values(rows * n, "bool") : Array.from({ length: rows * n }, () => 1);
  labels.forEach((label, r) => (classes[r * n + label] = 1)); // a row of which nothing counts is not live
  const counts = (i: number): boolean => live[Math.floor(i / n)] !== 0 && classes[i] !== 0;
  const masked = (all: number[]): number[] => all.map((value, i) => (counts(i) ? value : NaN));
  const distributions = values(rows * n, dtype).map((value, i) => (i % 3 === 0 ? 0 : value));
  const optional = (wanted: boolean, all: number[], shape: number[]): NdArray | null =>
    wanted ? place(all, shape, "bool") : null;
  return {
    logits: place(masked(values(rows * n, dtype, 20)), [rows, n], dtype),
    labels: soft
      ? place(masked(distributions), [rows, n], dtype)
      : place(
          labels.map((label, r) => (live[r] ? label : -100)),
          [rows],
          "int32",
        ),
    live: optional(drawn.live, live, [rows]),
    classes: optional(drawn.classes, classes, [rows, n]),
    smoothing: drawn.smoothing,
    zLoss: drawn.zLoss,
    dy: place(
      values(rows, dtype).map((value, r) => (r === 1 ? 0 : value)),
      [rows],
      dtype,
    ),
    into: place(values(rows * n, dtype), [rows, n], dtype),
  };
}

/** Loss, gradient, and, where targets are distributions, theirs. */
const run =
  (drawn: Drawn, dtype: Float) =>
  (k: Kernels, place: Place): NdArray[] => {
    const { dy, into, ...given } = arraysOf(drawn, dtype, place);
    const { loss, stats } = k.crossEntropy(given);
    const [dx, targets] = [k.copy(into), k.copy(into)];
    k.crossEntropyGrad(dx, drawn.beta, given, stats, dy);
    if (!drawn.soft) return [loss, dx];
    k.crossEntropyTargetGrad(targets, drawn.beta, given, stats, dy);
    return [loss, dx, targets];
  };

describe.each(floats)(`crossEntropy, %s, seed ${seed}`, (dtype) => {
  const precision = dtype === "float32" ? 1e-5 : 1e-13;

  it("agrees with its twin, in and out of a step, and does not read what does not count", () => {
    fc.assert(
      fc.property(drawn, (drawn) => {
        const want = outcome(twin, false, run(drawn, dtype));
        for (const inStep of [false, true]) {
          const got = outcome(simd, inStep, run(drawn, dtype));
          expect(got.forms).toContain(`crossEntropyBlock_${suffix[dtype]}`);
          expect(got.forms).toContain(`crossEntropyGrad_${suffix[dtype]}`);
          got.values.forEach((values, i) => {
            expect(values.every(Number.isFinite)).toBe(true);
            expectClose(values, want.values[i]!, (j) => precision * Math.max(20, Math.abs(want.values[i]![j]!)));
          });
        }
      }),
      { numRuns: 150 },
    );
  });

  it("gives the same for columns in blocks, also where its gradient takes the logits' place", () => {
    fc.assert(
      fc.property(drawn, fc.integer({ min: 1, max: 15 }), (drawn, width) => {
        const all = { ...drawn, live: false, classes: false, beta: 0 as const };
        const inBlocks = (k: Kernels, place: Place): NdArray[] => {
          const { dy, ...given } = arraysOf(all, dtype, place);
          const cut = (x: NdArray, from: number, size: number): NdArray =>
            k.slice(x, k.boxAlong(x.shape, 1, from), [all.rows, size]);
          const states = k.crossEntropyStates(all.rows);
          const blocks: { rows: CrossEntropy; from: number }[] = [];
          for (let from = 0; from < all.n; from += width) {
            const size = Math.min(width, all.n - from);
            const labels = all.soft ? cut(given.labels, from, size) : given.labels;
            blocks.push({ from, rows: { ...given, labels, logits: cut(given.logits, from, size) } });
          }
          for (const { rows, from } of blocks) k.crossEntropyBlock(states, rows, from);
          const { loss, stats } = k.crossEntropyFinish(states, given, dtype);
          for (const { rows, from } of blocks) k.crossEntropyGrad(rows.logits, 0, rows, stats, dy, from);
          return [
            loss,
            k.concat(
              blocks.map(({ rows }) => rows.logits),
              1,
            ),
          ];
        };
        const want = outcome(twin, false, run(all, dtype));
        for (const [k, inStep] of [
          [twin, true],
          [simd, false],
          [simd, true],
        ] as const) {
          outcome(k, inStep, inBlocks).values.forEach((values, i) => {
            expectClose(values, want.values[i]!, (j) => precision * Math.max(20, Math.abs(want.values[i]![j]!)));
          });
        }
      }),
      { numRuns: 60 },
    );
  });

  it("summed agrees with its twin, has equal bits in and out of a step, and does not read rows of weight 0", () => {
    fc.assert(
      fc.property(drawn, fc.nat({ max: 30 }), (drawn, rows) => {
        const all = { ...drawn, rows, live: true, classes: false }; // several batches
        const sum = (k: Kernels, place: Place): NdArray[] => {
          const { live, dy, ...given } = arraysOf(all, dtype, place);
          const weights = k.mulNoNan(dy, k.cast(live!, dtype));
          const { sum, slope } = k.crossEntropySum(given, weights, true);
          const alone = k.crossEntropySum(given, weights, false);
          expect(alone.slope).toBeNull();
          return [sum, slope!, alone.sum];
        };
        const want = outcome(twin, false, sum);
        const [inside, outside] = [true, false].map((inStep) => outcome(simd, inStep, sum));
        expect(inside!.forms).toContain(`crossEntropySum_${suffix[dtype]}`);
        inside!.values.forEach((values, i) => {
          expect(values.every(Number.isFinite)).toBe(true);
          expectSame(outside!.values[i]!, values);
          expectClose(values, want.values[i]!, (j) => 5 * precision * Math.max(20, Math.abs(want.values[i]![j]!)));
        });
        expectSame(inside!.values[2]!, inside!.values[0]!);
      }),
      { numRuns: 150 },
    );
  });

  it("is honest about infinities", () => {
    const rows = [
      [-Infinity, -Infinity, -Infinity],
      [Infinity, 0, 1],
      [NaN, 0, 1],
      [0, -Infinity, 1],
      [-Infinity, 0, 1],
      [1e4, -1e4, 0],
    ];
    for (const k of [twin, simd]) {
      const { values } = outcome(k, true, (k, place) => {
        const logits = place(rows.flat(), [6, 3], dtype);
        const labels = place([0, 0, 0, 0, 0, 0], [6], "int32");
        const given = { logits, labels, live: null, classes: null, smoothing: 0, zLoss: 0 };
        const { loss, stats } = k.crossEntropy(given);
        const into = filled(k, [6, 3], 0, dtype);
        const ones = filled(k, [6], 1, dtype);
        k.crossEntropyGrad(into, 0, given, stats, ones);
        return [loss, into, k.crossEntropySum(given, ones, true).slope!];
      });
      const softplus1 = Math.log(1 + Math.E);
      expectClose(values[0]!, [NaN, NaN, NaN, softplus1, Infinity, 0], () => precision);
      const p = 1 / (1 + Math.E);
      for (const gradient of [values[1]!, values[2]!]) {
        expectSame(gradient.slice(15), [0, 0, 0]);
        expectClose(gradient.slice(9, 15), [p - 1, 0, 1 - p, -1, p, 1 - p], () => precision);
        expect(gradient.subarray(0, 9).every(Number.isNaN)).toBe(true);
      }
    }
  });
});
