import { ValueError } from "@gradus/core";
import { createRandom, integer, shuffle } from "@gradus/nn";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectError } from "./helpers.ts";
import { runs, seed } from "./settings.ts";

const take = (count: number, seed: number): number[] => {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => random.next());
};

describe("createRandom", () => {
  test("gives the same numbers today as yesterday", () => {
    expect(take(3, 1)).toEqual([0.7960410664442323, 0.7196715557991258, 0.3633823641629138]);
    expect(take(1, -1)).toEqual([0.8103869756570421]);
    expect(take(1, 2 ** 40)).toEqual([0.7323551398673336]);
  });

  test("gives multiples of 2⁻⁵³ below 1, of which the last bit moves", () => {
    const scaled = take(2000, 7).map((value) => value * 2 ** 53);
    expect(scaled.every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 53)).toBe(true);
    const odd = scaled.filter((value) => value % 2 === 1).length;
    expect(odd).toBeGreaterThan(900);
    expect(odd).toBeLessThan(1100);
  });

  test("starts far apart for neighbouring seeds", () => {
    const firsts = Array.from({ length: 2000 }, (_, seed) => createRandom(seed).next());
    const mean = firsts.reduce((sum, value) => sum + value, 0) / firsts.length;
    const products = firsts.slice(1).map((value, i) => (value - 0.5) * (firsts[i]! - 0.5));
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
    expect(Math.abs(products.reduce((sum, value) => sum + value, 0) / products.length)).toBeLessThan(0.01);
    expect(new Set(firsts).size).toBe(2000);
  });

  test("has a stream of its own at each call", () => {
    const [a, b] = [createRandom(3), createRandom(3)];
    a.next();
    expect(b.next()).toBe(take(1, 3)[0]);
  });

  test("refuses what is no seed", () => {
    expectError(() => createRandom(0.5), ValueError, "createRandom: not a seed; got seed 0.5; want a whole number");
    expect(() => createRandom(NaN)).toThrow(ValueError);
  });
});

describe("integer", () => {
  test("covers its range evenly", () => {
    const random = createRandom(5);
    const counts = [0, 0, 0];
    for (let i = 0; i < 3000; i++) counts[integer(random, 3)]!++;
    expect(counts.every((count) => count > 900 && count < 1100)).toBe(true);
  });

  test("refuses a range without numbers", () => {
    const random = createRandom(0);
    expectError(
      () => integer(random, 0),
      ValueError,
      "integer: no such limit; got below 0; want a whole number from 1",
    );
  });
});

describe("shuffle", () => {
  test("keeps the items, and the list given", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (list, seed) => {
        const before = [...list];
        const shuffled = shuffle(list, createRandom(seed));
        expect(list).toEqual(before);
        const ascending = (items: number[]): number[] => [...items].sort((a, b) => a - b);
        expect(ascending(shuffled)).toEqual(ascending(list));
      }),
      { seed, numRuns: runs },
    );
  });

  test("gives every order, each as often", () => {
    const random = createRandom(11);
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = shuffle(["a", "b", "c"], random).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    expect([...counts.values()].every((count) => count > 850 && count < 1150)).toBe(true);
  });
});
