import { broadcastShapes, zeros, type Nested } from "@gradus/core";
import { axesOf, axisOf, broadcastingShapes, indicesOf, shapes, stream, tensorOf, tensors } from "@gradus/gradcheck";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

const holds = <T>(arbitrary: fc.Arbitrary<T>, law: (value: T) => void): void =>
  fc.assert(fc.property(arbitrary, law), { seed: 1, numRuns: 200 });

test("shapes keep to their bounds, and reach them", () => {
  const seen = new Set<string>();
  holds(shapes({ minRank: 1, maxRank: 2, minLength: 0, maxLength: 2 }), (shape) => {
    seen.add(shape.join());
    expect(shape.length).toBeGreaterThanOrEqual(1);
    expect(shape.every((length) => length >= 0 && length <= 2)).toBe(true);
  });
  expect(seen.size).toBe(3 + 9);
});

test("broadcasting shapes broadcast, in one way or the other", () => {
  let unequal = 0;
  holds(broadcastingShapes(3), (parts) => {
    expect(parts.length).toBe(3);
    const tensors = Object.fromEntries(parts.map((shape, i) => [`x${i}`, zeros(shape)]));
    expect(() => broadcastShapes("test", tensors)).not.toThrow();
    if (parts.some((shape) => shape.join() !== parts[0]!.join())) unequal++;
  });
  expect(unequal).toBeGreaterThan(100);
});

test("axes are there, once, from either end", () => {
  const seen = new Set<number>();
  holds(axisOf(3), (axis) => seen.add(axis) && undefined);
  expect([...seen].sort((a, b) => a - b)).toEqual([-3, -2, -1, 0, 1, 2]);
  const counts = new Set<number>();
  holds(axesOf(3), (axes) => {
    counts.add(axes.length);
    const positive = axes.map((axis) => (axis + 3) % 3);
    expect(new Set(positive).size).toBe(axes.length);
    expect(axes.every((axis) => axis >= -3 && axis < 3)).toBe(true);
  });
  expect([...counts].sort((a, b) => a - b)).toEqual([0, 1, 2, 3]);
});

test("indices have their shape and range", () => {
  holds(indicesOf([2, 3], 4), (index) => {
    const flat = (index as number[][]).flat();
    expect((index as number[][]).map((row) => row.length)).toEqual([3, 3]);
    expect(flat.every((i) => Number.isInteger(i) && i >= 0 && i < 4)).toBe(true);
  });
  holds(indicesOf([], 4), (index) => {
    expect(typeof index).toBe("number");
  });
});

describe("tensors after a sketch", () => {
  test.each([
    ["any", (x: number) => Math.abs(x) <= 2],
    ["positive", (x: number) => x >= 0.5 && x <= 2],
    ["nonzero", (x: number) => Math.abs(x) >= 0.5 && Math.abs(x) <= 2],
    ["whole", (x: number) => Number.isInteger(x) && Math.abs(x) <= 4],
    ["distinct", (x: number) => Math.abs(x) < 4],
  ] as const)("lie in their domain: %s", (domain, inside) => {
    holds(tensors({ shape: [4, 5], domain }), (x) => {
      expect([x.dtype, x.shape]).toEqual(["float64", [4, 5]]);
      expect(Array.from<number>(x.data).every(inside)).toBe(true);
    });
  });

  test("are apart from each other where they should be distinct", () => {
    holds(tensors({ shape: [3, 7], domain: "distinct" }), (x) => {
      const sorted = Array.from<number>(x.data).sort((a, b) => a - b);
      expect(sorted.every((value, i) => i === 0 || value - sorted[i - 1]! > 0.1)).toBe(true);
    });
  });

  test("have their own dtype, or the one asked for", () => {
    const sketch = (dtype: "int32" | "bool"): Nested => tensorOf({ shape: [6], dtype }, stream(1), "float64").toArray();
    expect((sketch("int32") as number[]).every((value) => Number.isInteger(value))).toBe(true);
    expect((sketch("bool") as boolean[]).every((value) => typeof value === "boolean")).toBe(true);
    expect(tensorOf({ shape: [] }, stream(1), "float32").dtype).toBe("float32");
  });
});

test("streams are uniform, repeatable and unlike each other", () => {
  const take = (seed: number): number[] => {
    const random = stream(seed);
    return Array.from({ length: 1000 }, () => random.next());
  };
  const [a, b, c] = [take(0), take(0), take(1)];
  expect(b).toEqual(a);
  expect(c.filter((value, i) => Math.abs(value - a[i]!) < 1e-3).length).toBeLessThan(10);
  expect(a.every((value) => value >= 0 && value < 1)).toBe(true);
  expect(a.reduce((sum, value) => sum + value, 0) / 1000).toBeCloseTo(0.5, 1);
  expect(new Set(a).size).toBe(1000);
});
