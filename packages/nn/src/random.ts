import { ValueError, type Random } from "@gradus/core";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";

/**
 * A stream of random numbers, uniform in [0, 1) with 53 bits: the same for the same seed, everywhere.
 * @throws ValueError for a seed that is no whole number.
 * @source xoroshiro128+ (Blackman & Vigna 2018), as in `pure-rand`
 * @example
 * const random = createRandom(1);
 * console.log(random.next(), random.next()); // => 0.7960410664442323 0.7196715557991258
 */
export function createRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed)) {
    throw new ValueError("createRandom", "not a seed", { seed }, "a whole number");
  }
  const generator = xoroshiro128plusFromState(stateOf(seed));
  return { next: () => uniformFloat64(generator) };
}

/** Four words from a seed, by a splitmix: neighbouring seeds start far apart. */
function stateOf(seed: number): number[] {
  const mix = (x: number): number => {
    const y = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    const z = Math.imul(y ^ (y >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  const start = mix(seed | 0) ^ Math.floor(seed / 2 ** 32);
  return [1, 2, 3, 4].map((i) => mix((start + Math.imul(i, 0x9e3779b9)) | 0));
}

/**
 * A random whole number from 0 to `below` − 1, each as likely.
 * @throws ValueError for a limit that is no whole number from 1.
 * @example
 * console.log(integer({ next: () => 0.5 }, 7)); // => 3
 */
export function integer(random: Random, below: number): number {
  if (!Number.isSafeInteger(below) || below < 1) {
    throw new ValueError("integer", "no such limit", { below }, "a whole number from 1");
  }
  return Math.floor(random.next() * below);
}

/**
 * The items in random order, as a new list; every order is as likely.
 * @source Fisher & Yates 1938, in Durstenfeld's form
 * @example
 * console.log(shuffle(["a", "b", "c"], { next: () => 0 })); // => [ 'b', 'c', 'a' ]
 */
export function shuffle<T>(list: readonly T[], random: Random): T[] {
  const shuffled = [...list];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = integer(random, i + 1);
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled;
}
