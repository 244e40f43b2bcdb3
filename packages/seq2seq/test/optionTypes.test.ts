import { zeros, type Tensor } from "@gradus/core";
import {
  SequenceLoss,
  sequenceLoss,
  sequenceLossStats,
  type ComputedFlags,
  type SequenceLossClassOptions,
  type SequenceLossOptions,
} from "@gradus/seq2seq";
import { describe, expect, expectTypeOf, test } from "vitest";

const [B, T] = [2, 3];
const logits = zeros([B, T, 4]);
const targets = zeros([B, T], { dtype: "int32" });
const weights = zeros([B, T]);
const shapes = { both: [], timesteps: [B], batch: [T], none: [B, T] };

describe("pairs that contradict each other are refused by the compiler and at run time", () => {
  const refused: Readonly<Record<string, (() => unknown)[]>> = {
    "an average and a sum over the timesteps": [
      // @ts-expect-error
      () => sequenceLoss(logits, targets, weights, { averageAcrossTimesteps: true, sumOverTimesteps: true }),
      // @ts-expect-error
      () => sequenceLossStats(logits, targets, weights, { averageAcrossTimesteps: true, sumOverTimesteps: true }),
    ],
    "an average and a sum over the batch": [
      // @ts-expect-error
      () => sequenceLoss(logits, targets, weights, { averageAcrossBatch: true, sumOverBatch: true }),
      // @ts-expect-error
      () => sequenceLossStats(logits, targets, weights, { averageAcrossBatch: true, sumOverBatch: true }),
    ],
    "an average over the timesteps and a sum over the batch": [
      // @ts-expect-error
      () => sequenceLoss(logits, targets, weights, { averageAcrossBatch: false, sumOverBatch: true }),
      () =>
        sequenceLoss(logits, targets, weights, {
          averageAcrossTimesteps: true,
          averageAcrossBatch: false,
          // @ts-expect-error
          sumOverBatch: true,
        }),
    ],
    "an average over the batch and a sum over the timesteps": [
      // @ts-expect-error
      () => sequenceLoss(logits, targets, weights, { averageAcrossTimesteps: false, sumOverTimesteps: true }),
      () =>
        sequenceLoss(logits, targets, weights, {
          averageAcrossTimesteps: false,
          averageAcrossBatch: true,
          // @ts-expect-error
          sumOverTimesteps: true,
        }),
    ],
    "a sum whose average keeps its default": [
      // @ts-expect-error
      () => sequenceLoss(logits, targets, weights, { sumOverTimesteps: true }),
      // @ts-expect-error
      () => sequenceLoss(logits, targets, weights, { sumOverBatch: true }),
      // @ts-expect-error
      () => sequenceLoss(logits, targets, weights, { sumOverTimesteps: true, sumOverBatch: true }),
      // @ts-expect-error
      () => sequenceLossStats(logits, targets, weights, { sumOverTimesteps: true, sumOverBatch: true }),
    ],
    "the same with all four flags given": [
      () =>
        sequenceLoss(logits, targets, weights, {
          averageAcrossTimesteps: true,
          averageAcrossBatch: false,
          // @ts-expect-error
          sumOverTimesteps: true,
          sumOverBatch: false,
        }),
      () =>
        sequenceLoss(logits, targets, weights, {
          averageAcrossTimesteps: false,
          averageAcrossBatch: true,
          sumOverTimesteps: false,
          // @ts-expect-error
          sumOverBatch: true,
        }),
      () =>
        sequenceLoss(logits, targets, weights, {
          averageAcrossTimesteps: true,
          averageAcrossBatch: false,
          sumOverTimesteps: false,
          // @ts-expect-error
          sumOverBatch: true,
        }),
      () =>
        sequenceLossStats(logits, targets, weights, {
          averageAcrossTimesteps: false,
          averageAcrossBatch: true,
          // @ts-expect-error
          sumOverTimesteps: true,
          sumOverBatch: false,
        }),
    ],
    "in a variable": [
      () => {
        // @ts-expect-error
        const options: SequenceLossOptions = { averageAcrossTimesteps: true, sumOverTimesteps: true };
        return sequenceLoss(logits, targets, weights, options);
      },
    ],
    "of the class, whose sums are the default": [
      // @ts-expect-error
      () => new SequenceLoss({ averageAcrossTimesteps: true }),
      // @ts-expect-error
      () => new SequenceLoss({ averageAcrossBatch: true, sumOverBatch: false }),
      // @ts-expect-error
      () => new SequenceLoss({ averageAcrossTimesteps: true, sumOverBatch: true }),
      () => {
        // @ts-expect-error
        const options: SequenceLossClassOptions = { averageAcrossBatch: true, sumOverTimesteps: true };
        return new SequenceLoss(options);
      },
    ],
  };
  test.each(Object.keys(refused))("%s", (name) => {
    for (const call of refused[name]!) expect(call).toThrow(/^[sS]equenceLoss(Stats)?: an average .* sum over/);
  });
});

describe("what agrees is accepted", () => {
  const loss = (options: SequenceLossOptions): Tensor => sequenceLoss(logits, targets, weights, options);
  const accepted: Readonly<Record<keyof typeof shapes, SequenceLossOptions[]>> = {
    both: [
      {},
      { averageAcrossTimesteps: true },
      { averageAcrossTimesteps: true, averageAcrossBatch: true, sumOverTimesteps: false, sumOverBatch: false },
      { averageAcrossTimesteps: false, averageAcrossBatch: false, sumOverTimesteps: true, sumOverBatch: true },
    ],
    timesteps: [
      { averageAcrossBatch: false },
      { averageAcrossBatch: false, sumOverBatch: false },
      { averageAcrossTimesteps: false, averageAcrossBatch: false, sumOverTimesteps: true },
    ],
    batch: [
      { averageAcrossTimesteps: false },
      { averageAcrossTimesteps: false, averageAcrossBatch: true, sumOverTimesteps: false },
      { averageAcrossTimesteps: false, averageAcrossBatch: false, sumOverBatch: true },
    ],
    none: [
      { averageAcrossTimesteps: false, averageAcrossBatch: false },
      { averageAcrossTimesteps: false, averageAcrossBatch: false, sumOverTimesteps: false, sumOverBatch: false },
    ],
  };
  test.each(Object.keys(shapes) as (keyof typeof shapes)[])("%s", (name) => {
    for (const options of accepted[name]) expect(loss(options).shape).toEqual(shapes[name]);
  });

  test("one computed flag of a kind", () => {
    const shapesOf = (flag: boolean): (readonly number[])[] => [
      sequenceLoss(logits, targets, weights, { averageAcrossTimesteps: flag }).shape,
      sequenceLoss(logits, targets, weights, { averageAcrossBatch: flag, averageAcrossTimesteps: !flag }).shape,
      loss({ averageAcrossTimesteps: false, averageAcrossBatch: false, sumOverBatch: flag }).shape,
    ];
    expect(shapesOf(true)).toEqual([[], [T], [T]]);
    expect(shapesOf(false)).toEqual([[T], [B], [B, T]]);
  });

  test("the literals of the class", () => {
    const made: SequenceLossClassOptions[] = [
      {},
      { averageAcrossTimesteps: false, sumOverBatch: true },
      { sumOverBatch: false },
      { sumOverTimesteps: false, sumOverBatch: false },
      { averageAcrossBatch: true, sumOverTimesteps: false, sumOverBatch: false },
    ];
    const found = made.map((options) => new SequenceLoss(options).call(targets, logits).shape);
    expect(found).toEqual([[], [], [B], [B, T], [T]]);
  });
});

describe("four computed flags", () => {
  const flags = (average: boolean, sum: boolean): ComputedFlags => ({
    averageAcrossTimesteps: average,
    averageAcrossBatch: average,
    sumOverTimesteps: sum,
    sumOverBatch: sum,
  });

  test("are accepted, and refused at run time where they contradict each other", () => {
    for (const call of [
      (f: ComputedFlags) => sequenceLoss(logits, targets, weights, f).shape,
      (f: ComputedFlags) => sequenceLoss(logits, targets, weights, { ...f, name: "loss" }).shape,
      (f: ComputedFlags) => sequenceLossStats(logits, targets, weights, f).loss.shape,
      (f: ComputedFlags) => new SequenceLoss(f).call(targets, logits).shape,
    ]) {
      expect(call(flags(true, false))).toEqual([]);
      expect(call(flags(false, true))).toEqual([]);
      expect(call(flags(false, false))).toEqual([B, T]);
      expect(() => call(flags(true, true))).toThrow("an average and a sum over one axis");
    }
  });

  test("may be literal in part", () => {
    const loss = (flag: boolean): Tensor =>
      sequenceLoss(logits, targets, weights, {
        averageAcrossTimesteps: flag,
        averageAcrossBatch: true,
        sumOverTimesteps: !flag,
        sumOverBatch: false,
      });
    expect(loss(true).shape).toEqual([]);
    expect(() => loss(false)).toThrow("an average over one axis and a sum over the other");
  });

  test("have types", () => {
    const four = flags(true, false);
    expectTypeOf(sequenceLoss(logits, targets, weights, four)).toEqualTypeOf<Tensor>();
    // @ts-expect-error three of four may leave an average at its default beside a sum
    const three = (flag: boolean): Tensor => sequenceLoss(logits, targets, weights, { sumOverTimesteps: flag });
    expect(three(false).shape).toEqual([]);
    // @ts-expect-error no such option
    sequenceLoss(logits, targets, weights, { ...four, averageAcrossTime: true });
  });
});
