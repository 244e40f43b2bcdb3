import { tensor, type DType, type Random, type Shape, type Tensor } from "@gradus/core";

/** Where the values of a tensor lie. Ints and bools are small whatever the domain. */
export type Domain =
  /** Between −2 and 2. */
  | "any"
  /** Between ½ and 2. */
  | "positive"
  /** Between ½ and 2, or their negatives. */
  | "nonzero"
  /** Apart from each other by a step that differences do not bridge. */
  | "distinct"
  /** Whole numbers from −4 to 4. */
  | "whole";

/** A tensor to be: what matters about it. */
export interface Sketch {
  readonly shape: Shape;
  /** Default: as asked for. */
  readonly dtype?: DType;
  /** Default: "any". */
  readonly domain?: Domain;
}

/**
 * A tensor after a sketch, filled from a stream of random numbers; its dtype is `dtype` where the sketch has none.
 * @example
 * console.log(tensorOf({ shape: [2], domain: "positive" }, { next: () => 0.5 }, "float32")); // => float32[2] [1.25, 1.25]
 */
export function tensorOf(sketch: Sketch, random: Random, dtype: DType): Tensor {
  const { shape, domain = "any" } = sketch;
  const size = shape.reduce((product, length) => product * length, 1);
  const wanted = sketch.dtype ?? dtype;
  return tensor(values(wanted === "bool" ? "bool" : wanted === "int32" ? "whole" : domain, size, random), {
    shape,
    dtype: wanted,
  });
}

function values(domain: Domain | "bool", size: number, random: Random): Float64Array {
  const draw: () => number = {
    any: () => 4 * random.next() - 2,
    positive: () => 0.5 + 1.5 * random.next(),
    nonzero: () => (random.next() < 0.5 ? -1 : 1) * (0.5 + 1.5 * random.next()),
    distinct: () => 0.5 * random.next(),
    whole: () => Math.floor(9 * random.next()) - 4,
    bool: () => (random.next() < 0.5 ? 0 : 1),
  }[domain];
  const drawn = new Float64Array(size).map(draw);
  return domain === "distinct" ? apart(drawn, random) : drawn;
}

/** A shuffled grid around 0, each value moved by less than half of its mesh. */
function apart(offsets: Float64Array, random: Random): Float64Array {
  const order = [...offsets.keys()];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return offsets.map((offset, i) => (order[i]! + offset - offsets.length / 2) / 4);
}
