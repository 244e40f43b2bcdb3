import type { Random } from "@gradus/core";

const SALT = 0x6a7c_1e55;

/**
 * The checker's own stream of random numbers. It is salted, so that a caller who made the data from a generator and the same
 * seed does not meet the data again as directions: along x itself x/|x| does not change, and a wrong rule would pass.
 * @source splitmix32, after Steele, Lea & Flood 2014
 */
export function stream(seed: number): Random {
  let state = (Math.imul(seed ^ (seed / 2 ** 32), 0x9e37_79b9) ^ SALT) | 0;
  return {
    next: () => {
      state = (state + 0x9e37_79b9) | 0;
      let bits = Math.imul(state ^ (state >>> 16), 0x21f0_aaad);
      bits = Math.imul(bits ^ (bits >>> 15), 0x735a_2d97);
      return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
    },
  };
}

/** A number with 1/4 ≤ |n| < 1 and at most 16 bits: none is lost in float32, in sums and in halves. */
export function amount(random: Random): number {
  const size = 0.25 + (0.75 * Math.floor(random.next() * 2 ** 14)) / 2 ** 14;
  return random.next() < 0.5 ? -size : size;
}
