// Kernels that only move elements, against index arithmetic by the definition.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Box, DType, Shape } from "../src/index.ts";
import { expectSame, filled, outcome, type Run, seed, simd, twin } from "./support.ts";

const dtypes: readonly DType[] = ["float32", "float64", "int32", "bool"];
const { sizeOf, stridesOf } = simd;

/** Different numbers at different places, as far as the dtype can tell them apart. */
const numbers = (shape: Shape, dtype: DType): number[] =>
  Array.from({ length: sizeOf(shape) }, (_, i) => (dtype === "bool" ? (i * 7) % 2 : i + 1));

/** The elements of an array of that shape, given by index. */
function byIndex(shape: Shape, element: (index: readonly number[]) => number): number[] {
  const strides = stridesOf(shape);
  return Array.from({ length: sizeOf(shape) }, (_, i) =>
    element(shape.map((length, axis) => Math.floor(i / strides[axis]!) % length)),
  );
}

const at = (shape: Shape, index: readonly number[]): number =>
  stridesOf(shape).reduce((sum, stride, axis) => sum + stride * index[axis]!, 0);

/** Runs in both copies, in and out of a step, and compares with the definition. */
function expectAll(run: Run, shape: Shape, want: readonly number[]): void {
  for (const k of [simd, twin]) {
    for (const inStep of [false, true]) {
      const { values, shapes } = outcome(k, inStep, run);
      expect(shapes[0]).toEqual(shape);
      expectSame(values[0]!, want);
    }
  }
}

const anyDtype = fc.constantFrom(...dtypes);
const anyShape = (maxRank: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 0, maxLength: maxRank });

/** A shape and a box in it: for each axis where it starts, how far it steps, either way, and how often. */
const shapeAndBox = fc
  .array(
    fc.integer({ min: 1, max: 6 }).chain((length) =>
      fc.integer({ min: 0, max: length - 1 }).chain((start) =>
        fc.constantFrom(1, 2, 3, -1, -2).chain((step) =>
          fc
            .integer({
              min: 0,
              max: step > 0 ? Math.ceil((length - start) / step) : Math.ceil((start + 1) / -step),
            })
            .map((count) => ({ length, start, step, count })),
        ),
      ),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((axes) => ({
    whole: axes.map(({ length }) => length),
    part: axes.map(({ count }) => count),
    box: { start: axes.map(({ start }) => start), step: axes.map(({ step }) => step) },
  }));

const inBox = ({ start, step }: Box, index: readonly number[]): number[] =>
  index.map((i, axis) => start[axis]! + i * step[axis]!);

describe(`layout kernels against index arithmetic, seed ${seed}`, () => {
  it("broadcast repeats along axes that are new or of length 1", () => {
    const arbitrary = fc.record({
      dtype: anyDtype,
      axes: fc.array(
        fc.record({ length: fc.integer({ min: 0, max: 5 }), from: fc.constantFrom("own", "one", "new") }),
        { maxLength: 4 },
      ),
    });
    fc.assert(
      fc.property(arbitrary, ({ dtype, axes }) => {
        const lastNew = axes.map(({ from }) => from).lastIndexOf("new"); // new axes stand in front
        const kept = axes.slice(lastNew + 1);
        const [shape, own] = [
          axes.map(({ length }) => length),
          kept.map((axis) => (axis.from === "one" ? 1 : axis.length)),
        ];
        const x = numbers(own, dtype);
        const want = byIndex(shape, (index) => {
          const place = index.slice(shape.length - own.length);
          return x[
            at(
              own,
              place.map((i, axis) => (own[axis] === 1 ? 0 : i)),
            )
          ]!;
        });
        expectAll((k, place) => k.broadcast(place(x, own, dtype), shape), shape, want);
      }),
    );
  });

  it("transpose puts axis axes[i] of x at place i", () => {
    const arbitrary = anyShape(5).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        dtype: anyDtype,
        axes: fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }),
      }),
    );
    fc.assert(
      fc.property(arbitrary, ({ shape, dtype, axes }) => {
        const x = numbers(shape, dtype);
        const turned = axes.map((axis) => shape[axis]!);
        const want = byIndex(
          turned,
          (index) =>
            x[
              at(
                shape,
                shape.map((_, axis) => index[axes.indexOf(axis)]!),
              )
            ]!,
        );
        expectAll((k, place) => k.transpose(place(x, shape, dtype), axes), turned, want);
      }),
    );
  });

  it("slice takes a box, forwards or backwards", () => {
    fc.assert(
      fc.property(shapeAndBox, anyDtype, ({ whole, part, box }, dtype) => {
        const x = numbers(whole, dtype);
        const want = byIndex(part, (index) => x[at(whole, inBox(box, index))]!);
        expectAll((k, place) => k.slice(place(x, whole, dtype), box, part), part, want);
      }),
    );
  });

  it("pad puts x into a box of a larger array, and sliceGrad adds to one", () => {
    fc.assert(
      fc.property(shapeAndBox, anyDtype, fc.constantFrom(0, 1), ({ whole, part, box }, dtype, value) => {
        const x = numbers(part, dtype);
        const want = byIndex(whole, () => value);
        byIndex(part, (index) => (want[at(whole, inBox(box, index))] = x[at(part, index)]!));
        expectAll((k, place) => k.pad(place(x, part, dtype), box, whole, value), whole, want);

        if (dtype === "bool") return;
        for (const beta of [0, 1] as const) {
          const sum = byIndex(whole, () => 100 * beta);
          byIndex(part, (index) => (sum[at(whole, inBox(box, index))]! += x[at(part, index)]!));
          const run: Run = (k, place) => {
            const into = filled(k, whole, 100, dtype);
            k.sliceGrad(into, beta, place(x, part, dtype), box);
            return into;
          };
          expectAll(run, whole, sum);
        }
      }),
    );
  });

  it("readBox copies or adds a box, and copyInto a whole array", () => {
    fc.assert(
      fc.property(shapeAndBox, fc.constantFrom<DType>("float32", "float64", "int32"), ({ whole, part, box }, dtype) => {
        const x = numbers(whole, dtype);
        for (const beta of [0, 1] as const) {
          const want = byIndex(part, (index) => x[at(whole, inBox(box, index))]! + 100 * beta);
          const run: Run = (k, place) => {
            const into = filled(k, part, 100, dtype);
            k.readBox(into, beta, place(x, whole, dtype), box);
            return into;
          };
          expectAll(run, part, want);
          const copied: Run = (k, place) => {
            const into = filled(k, [x.length], 100, dtype);
            k.copyInto(into, beta, place(x, whole, dtype));
            return into;
          };
          expectAll(
            copied,
            [x.length],
            x.map((value) => value + 100 * beta),
          );
        }
      }),
    );
  });

  it("concat puts arrays one after the other along any axis", () => {
    const arbitrary = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        axis: fc.integer({ min: 0, max: shape.length - 1 }),
        lengths: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 }),
        dtype: anyDtype,
      }),
    );
    fc.assert(
      fc.property(arbitrary, ({ shape, axis, lengths, dtype }) => {
        const parts = lengths.map((length, p) => {
          const own = shape.map((l, i) => (i === axis ? length : l));
          return { own, x: numbers(own, dtype).map((value) => (dtype === "bool" ? value : value + 1000 * p)) };
        });
        const total = lengths.reduce((sum, length) => sum + length, 0);
        const whole = shape.map((l, i) => (i === axis ? total : l));
        const want = byIndex(whole, (index) => {
          let [p, i] = [0, index[axis]!];
          while (i >= lengths[p]!) i -= lengths[p++]!;
          return parts[p]!.x[at(parts[p]!.own, Object.assign([...index], { [axis]: i }))]!;
        });
        const run: Run = (k, place) =>
          k.concat(
            parts.map(({ own, x }) => place(x, own, dtype)),
            axis,
          );
        expectAll(run, whole, want);
      }),
    );
  });

  it("sum over any axes is the sum over those indices", () => {
    const arbitrary = anyShape(5).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        axes: fc.subarray([...shape.keys()]),
        dtype: fc.constantFrom<DType>("float64", "int32"),
      }),
    );
    fc.assert(
      fc.property(arbitrary, ({ shape, axes, dtype }) => {
        const x = numbers(shape, dtype);
        const left = shape.flatMap((length, axis) => (axes.includes(axis) ? [] : [length]));
        const want = byIndex(left, () => 0);
        byIndex(
          shape,
          (index) =>
            (want[
              at(
                left,
                index.filter((_, axis) => !axes.includes(axis)),
              )
            ]! += x[at(shape, index)]!),
        );
        expectAll((k, place) => k.sum(place(x, shape, dtype), axes), left, want);
      }),
    );
  });
});

describe("which form moves elements", () => {
  const shape = [3, 4, 5];
  const turn: Run = (k, place) => k.transpose(place(numbers(shape, "float32"), shape, "float32"), [2, 0, 1]);

  it.each([
    ["float32", "copyStrided_u32"],
    ["float64", "copyStrided_u64"],
    ["int32", "copyStrided_u32"],
    ["bool", "copyStrided_u8"],
  ] as const)("in a step, %s goes through %s", (dtype, form) => {
    const run: Run = (k, place) => k.transpose(place(numbers(shape, dtype), shape, dtype), [1, 0, 2]);
    expect(outcome(simd, true, run).forms).toContain(form);
  });

  it("the twin moves ordinary arrays, and everything where there is no WebAssembly", () => {
    for (const [k, inStep] of [
      [simd, false],
      [twin, false],
      [twin, true],
    ] as const) {
      expect(outcome(k, inStep, turn).forms.filter((form) => form.includes("_u"))).toEqual([]);
    }
  });

  it("what is walked in one go counts as one axis, so that only tangles of more than 8 axes go to the twin", () => {
    const long = [2, 1, 2, 2, 1, 2, 2, 2, 1, 2, 2]; // 8 axes longer than 1
    const swap: Run = (k, place) =>
      k.transpose(place(numbers(long, "float32"), long, "float32"), [...long.keys()].reverse());
    expect(outcome(simd, true, swap).forms).toContain("copyStrided_u32");

    const whole: Run = (k, place) =>
      k.copy(place(numbers(new Array<number>(12).fill(2), "int32"), new Array<number>(12).fill(2), "int32"));
    expect(outcome(simd, true, whole).forms).toContain("copyStrided_u32");

    const nine = new Array<number>(9).fill(2);
    const x = numbers(nine, "float32");
    const want = byIndex(nine, (index) => x[at(nine, [...index].reverse())]!);
    const reverse: Run = (k, place) => k.transpose(place(x, nine, "float32"), [8, 7, 6, 5, 4, 3, 2, 1, 0]);
    expectAll(reverse, nine, want);
    const placed = outcome(simd, true, (_, place) => place(x, nine, "float32")).forms;
    expect(outcome(simd, true, reverse).forms).toEqual(placed);
  });

  it("more than 64 elements in a row are moved as one piece, with the same result", () => {
    for (const n of [63, 64, 65, 200]) {
      const x = numbers([3, n], "float64");
      const box = { start: [2, 1], step: [-1, 1] };
      const want = byIndex([3, n - 1], (index) => x[at([3, n], inBox(box, index))]!);
      expectAll((k, place) => k.slice(place(x, [3, n], "float64"), box, [3, n - 1]), [3, n - 1], want);
    }
  });
});
