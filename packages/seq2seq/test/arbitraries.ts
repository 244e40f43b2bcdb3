import fc from "fast-check";
import type { Problem } from "./naive.ts";

/** What weights may look like; each for B·T places, from a stream of numbers in [0, 1). */
export const weightKinds: Readonly<Record<string, (b: number, t: number, random: () => number) => number>> = {
  ones: () => 1,
  mask: (_b, _t, random) => (random() < 0.6 ? 1 : 0),
  fractional: (_b, _t, random) => 0.1 + random(),
  negative: (_b, _t, random) => (random() < 0.5 ? -0.3 : 1) * (0.5 + random()), // sums that stay away from 0, mostly
  "all zero": () => 0,
  "zero row": (b, _t, random) => (b === 0 ? 0 : 0.1 + random()),
  "zero column": (_b, t, random) => (t === 0 ? 0 : 0.1 + random()),
};

/** A generator of numbers in [0, 1) from a seed, so that a case is one number. */
export function stream(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

export const kinds: readonly string[] = Object.keys(weightKinds);

export function problem(options: { kind: string; soft: boolean; largest?: number }): fc.Arbitrary<Problem> {
  const { kind, soft, largest = 5 } = options;
  const length = fc.integer({ min: 1, max: largest });
  return fc.record({ B: length, T: length, V: length, seed: fc.nat() }).map(({ B, T, V, seed }) => {
    const random = stream(seed);
    const many = <X>(size: number, next: (i: number) => X): X[] => Array.from({ length: size }, (_, i) => next(i));
    return {
      B,
      T,
      V,
      logits: many(B * T * V, () => 6 * random() - 3),
      labels: soft ? null : many(B * T, () => Math.floor(V * random())),
      soft: soft ? many(B * T * V, () => (random() < 0.3 ? 0 : random())) : null, // rows need not sum to 1
      weights: many(B * T, (i) => weightKinds[kind]!(Math.floor(i / T), i % T, random)),
    };
  });
}
