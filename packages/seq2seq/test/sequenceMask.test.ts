import { step, tensor, type DType } from "@gradus/core";
import { sequenceLoss, sequenceMask, type SequenceMaskOptions } from "@gradus/seq2seq";
import fc from "fast-check";
import { describe, expect, expectTypeOf, test } from "vitest";
import { runs, seed } from "./settings.ts";

describe("sequenceMask", () => {
  test("is true at the first `length` places", () => {
    expect(String(sequenceMask([1, 3, 2], { maxLength: 5 }))).toBe(
      "bool[3,5] [[true, false, false, false, false], [true, true, true, false, false], [true, true, false, false, false]]",
    );
    expect(String(sequenceMask([[0, 2]]))).toBe("bool[1,2,2] [[[false, false], [true, true]]]");
  });

  test("has a last axis as long as the largest length, and no negative one", () => {
    expect(sequenceMask([0, 1, 4]).shape).toEqual([3, 4]);
    expect(sequenceMask([0, 0]).shape).toEqual([2, 0]);
    expect(sequenceMask([-3, -1]).shape).toEqual([2, 0]);
    expect(sequenceMask([]).shape).toEqual([0, 0]);
    expect(sequenceMask([[], []]).shape).toEqual([2, 0, 0]);
    expect(sequenceMask([], { maxLength: 3 }).shape).toEqual([0, 3]);
    expect(sequenceMask([2], { maxLength: 0 }).shape).toEqual([1, 0]);
  });

  test("clips lengths at both ends", () => {
    expect(sequenceMask([-1, 0, 9], { maxLength: 2, dtype: "int32" }).toArray()).toEqual([
      [0, 0],
      [0, 0],
      [1, 1],
    ]);
  });

  test("takes nested arrays, typed arrays, int32 tensors, and a number", () => {
    const want = String(sequenceMask([2, 0]));
    expect(String(sequenceMask(Int32Array.of(2, 0)))).toBe(want);
    expect(String(sequenceMask(tensor([2, 0], { dtype: "int32" })))).toBe(want);
    expect(String(step(() => sequenceMask([2, 0])))).toBe(want);
    expect(sequenceMask(2, { maxLength: 3 }).toArray()).toEqual([true, true, false]);
  });

  test.each<DType>(["bool", "int32", "float32", "float64"])("comes as %s", (dtype) => {
    const mask = sequenceMask([1, 2], { dtype });
    expect([mask.dtype, ...mask.data]).toEqual([dtype, 1, 0, 1, 1]);
    expect(mask.requiresGrad).toBe(false);
  });

  test("is what a naive loop says", () => {
    const lengths = fc.array(fc.array(fc.integer({ min: -2, max: 7 }), { minLength: 3, maxLength: 3 }), {
      minLength: 1,
    });
    const check = (rows: number[][], maxLength: number | undefined): void => {
      const T = maxLength ?? Math.max(0, ...rows.flat());
      const want = rows.map((row) => row.map((length) => Array.from({ length: T }, (_, t) => t < length)));
      expect(sequenceMask(rows, maxLength === undefined ? {} : { maxLength }).toArray()).toEqual(want);
    };
    const max = fc.option(fc.nat(9), { nil: undefined });
    fc.assert(fc.property(lengths, max, check), { seed, numRuns: runs });
  });

  test("is what weights want", () => {
    const logits = tensor([
      [
        [2, 0],
        [0, 1],
      ],
      [
        [0, 1],
        [NaN, 0],
      ],
    ]);
    const targets = [
      [0, 1],
      [1, -1],
    ];
    expect(sequenceLoss(logits, targets, sequenceMask([2, 1])).item()).toBe(
      sequenceLoss(logits, targets, [
        [1, 1],
        [1, 0],
      ]).item(),
    );
  });

  test("refuses what is no length", () => {
    const any = (value: unknown): never => value as never;
    expect(() => sequenceMask([1.5])).toThrowErrorMatchingInlineSnapshot(
      `[ValueError: sequenceMask: not a value of dtype int32; got lengths[0] 1.5; want 32-bit integers]`,
    );
    expect(() => sequenceMask(tensor([1, 2]))).toThrowErrorMatchingInlineSnapshot(
      `[DTypeError: sequenceMask: wrong dtype; got lengths float32[2]; want int32]`,
    );
    expect(() => sequenceMask(any("two"))).toThrowErrorMatchingInlineSnapshot(
      `[ValueError: sequenceMask: not a number; got lengths two; want numbers in nested arrays]`,
    );
    expect(() => sequenceMask([1], { maxLength: 1.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ValueError: sequenceMask: no such length; got maxLength 1.5; want a whole number from 0]`,
    );
    expect(() => sequenceMask([1], { maxLength: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ValueError: sequenceMask: no such length; got maxLength -1; want a whole number from 0]`,
    );
    expect(() => sequenceMask([1], { maxLength: any([10, 20]) })).toThrowErrorMatchingInlineSnapshot(
      `[ValueError: sequenceMask: no such length; got maxLength [10,20]; want a whole number from 0]`,
    );
    expect(() => sequenceMask([1], { dtype: any("int64") })).toThrowErrorMatchingInlineSnapshot(
      `[ValueError: cast: no such dtype; got dtype int64; want float32, float64, int32, bool]`,
    );
  });

  test("has typed options", () => {
    expectTypeOf<SequenceMaskOptions>().toEqualTypeOf<{ readonly maxLength?: number; readonly dtype?: DType }>();
    // @ts-expect-error not a dtype
    expect(() => sequenceMask([1], { dtype: "int64" })).toThrow("no such dtype");
  });
});
