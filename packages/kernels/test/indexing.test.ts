import { describe, expect, it } from "vitest";
import type { DType } from "../src/index.ts";
import { expectSame, filled, generator, outcome, randoms, type Run, seed, simd, twin } from "./support.ts";

/** Runs in both copies, in and out of a step; all four must give `want`. */
function expectAll(run: Run, want: readonly (readonly number[])[]): void {
  for (const k of [simd, twin]) {
    for (const inStep of [false, true]) {
      outcome(k, inStep, run).values.forEach((values, i) => expectSame(values, want[i]!));
    }
  }
}

const floats = ["float32", "float64"] as const;

describe("gather and scatterAdd", () => {
  const x = [1, 2, 3, 4, 5, 6]; // [2, 3]

  it("gather takes one element for each index along an axis", () => {
    const run: Run = (k, place) => {
      const a = place(x, [2, 3], "float32");
      return [k.gather(a, place([2, 0, 0, 1], [2, 2], "int32"), 1), k.gather(a, place([1, 0, 1], [1, 3], "int32"), 0)];
    };
    expectAll(run, [
      [3, 1, 4, 5],
      [4, 2, 6],
    ]);
  });

  it("scatterAdd brings each back, adding those that meet", () => {
    const run: Run = (k, place) => {
      const index = place([2, 0, 0, 0], [2, 2], "int32");
      const dy = place([10, 20, 30, 40], [2, 2], "float32");
      const into = filled(k, [2, 3], 1, "float32");
      k.scatterAddInto(into, 1, dy, index, 1);
      return [k.scatterAdd(dy, index, 1, 3), into];
    };
    expectAll(run, [
      [20, 0, 10, 70, 0, 0],
      [21, 1, 11, 71, 1, 1],
    ]);
  });

  it("they work on int32 and bool as well", () => {
    const run: Run = (k, place) => [
      k.gather(place([1, 0, 1], [3], "bool"), place([2, 2, 1], [3], "int32"), 0),
      k.scatterAdd(place([5, 6], [2], "int32"), place([1, 1], [2], "int32"), 0, 3),
    ];
    expectAll(run, [
      [1, 1, 0],
      [0, 11, 0],
    ]);
  });
});

describe(`take and its pull-back, seed ${seed}`, () => {
  const shapes = [
    [0, [5, 3], [2, 2]],
    [1, [2, 5, 3], [4]],
    [1, [3, 5], [2, 3]],
    [0, [5], [0]],
    [0, [5, 70], [40]],
  ] as const;
  const count = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

  it.each(shapes)("axis %i of %j by an index of shape %j", (axis, shape, index) => {
    const random = generator(seed);
    const places = Array.from({ length: count(index) }, () => Math.floor(random() * 5));
    const [outer, width] = [count(shape.slice(0, axis)), count(shape.slice(axis + 1))];
    const full = [...shape.slice(0, axis), ...index, ...shape.slice(axis + 1)];
    for (const dtype of [...floats, "int32"] as const) {
      const [x, dy] = [randoms(count(shape), dtype, random), randoms(count(full), dtype, random)];
      if (dtype === "float32") [x, dy].forEach((list) => list.forEach((value, i) => (list[i] = Math.fround(value))));
      const taken: number[] = [];
      const added = new Array<number>(count(shape)).fill(0);
      const round = dtype === "float32" ? Math.fround : (value: number) => value;
      for (let o = 0; o < outer; o++) {
        for (const [i, place] of places.entries()) {
          for (let j = 0; j < width; j++) {
            const at = (o * 5 + place) * width + j;
            taken.push(x[at]!);
            added[at] = round(added[at]! + dy[(o * places.length + i) * width + j]!);
          }
        }
      }
      const run: Run = (k, place) => {
        const [a, indices] = [place(x, shape, dtype), place(places, index, "int32")];
        return [k.take(a, indices, axis), k.put(place(dy, full, dtype), indices, axis, 5)];
      };
      expectAll(run, [taken, added]);
      for (const inStep of [false, true]) {
        const form = !inStep || dtype === "int32" ? "twin" : dtype === "float32" ? "f32" : "f64";
        const { forms } = outcome(simd, inStep, run);
        expect(forms).toEqual(expect.arrayContaining([`takeRows_${form}`, `scatterAddRows_${form}`]));
      }
      const into: Run = (k, place) => {
        const target = k.copy(place(added, shape, dtype));
        k.takeGrad(target, 0, place(dy, full, dtype), place(places, index, "int32"), axis);
        return target;
      };
      expectAll(into, [added]);
    }
  });

  it("the pull-back adds to what is there when told to", () => {
    const run: Run = (k, place) => {
      const into = filled(k, [3, 2], 100, "float64");
      k.takeGrad(into, 1, place([1, 2, 3, 4], [2, 2], "float64"), place([2, 2], [2], "int32"), 0);
      return into;
    };
    expectAll(run, [[100, 100, 100, 100, 104, 106]]);
  });
});

it("oneHot puts `on` at each index and `off` elsewhere, in any dtype", () => {
  for (const dtype of ["float32", "float64", "int32", "bool"] as const satisfies readonly DType[]) {
    expectAll((k, place) => k.oneHot(place([2, 0], [2], "int32"), 3, 1, 0, dtype), [[0, 0, 1, 1, 0, 0]]);
  }
  expectAll((k, place) => k.oneHot(place([0], [1, 1], "int32"), 2, 0.5, 0.25, "float64"), [[0.5, 0.25]]);
});
