import { isTensor, type DType, type Nested, type Random, type Shape, type Tensor } from "@gradus/core";
import type { TensorLike, TypedArray } from "@gradus/core";
import type { OpName, Ops } from "@gradus/ops/table";
import { mapArguments, type Call } from "./calls.ts";

/** A tensor without its library. */
export interface Dense {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Row-major. */
  readonly data: readonly number[];
}

/** A type with dense arrays in place of tensors. */
type Plain<T> = T extends Tensor
  ? Dense
  : T extends Random | Nested | TypedArray
    ? T
    : T extends object
      ? { readonly [K in keyof T]: Plain<T[K]> }
      : T;

type Reference<F extends (...args: never) => unknown> = (
  ...args: Extract<Plain<Parameters<F>>, readonly unknown[]>
) => Plain<ReturnType<F>>;

type Index = readonly number[];

const sizeOf = (shape: Shape): number => shape.reduce((size, length) => size * length, 1);

function indicesIn(shape: Shape): number[][] {
  return shape.reduce<number[][]>(
    (all, length) => all.flatMap((index) => [...Array(length).keys()].map((i) => [...index, i])),
    [[]],
  );
}

function build(shape: Shape, dtype: DType, value: (index: Index) => number): Dense {
  return { shape, dtype, data: indicesIn(shape).map((index) => value(index)) };
}

/** The element at an index of what x broadcasts to. */
function at(x: Dense, index: Index): number {
  const own = index.slice(index.length - x.shape.length).map((i, axis) => (x.shape[axis] === 1 ? 0 : i));
  return x.data[own.reduce((flat, i, axis) => flat * x.shape[axis]! + i, 0)]!;
}

function jointShape(...shapes: Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const lengths = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    return lengths.find((length) => length !== 1) ?? 1;
  });
}

function dense(value: Plain<TensorLike>, dtype: DType): Dense {
  if (typeof value === "object" && "shape" in value) return value;
  if (ArrayBuffer.isView(value)) return { shape: [value.length], dtype, data: Array.from(value) };
  const shape: number[] = [];
  for (let level: Nested = value; Array.isArray(level); level = level[0] as Nested) shape.push(level.length);
  return { shape, dtype, data: ([value] as unknown[]).flat(10).map(Number) };
}

const from = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const replaced = (index: Index, axis: number, i: number): number[] => index.map((old, a) => (a === axis ? i : old));
const without = <T>(items: readonly T[], axes: readonly number[]): T[] => items.filter((_, a) => !axes.includes(a));

const unary =
  (f: (x: number) => number) =>
  (x: Dense): Dense => ({ ...x, data: x.data.map(f) });

const binary =
  (f: (a: number, b: number) => number, result?: DType) =>
  (a: Dense | number, b: Dense | number): Dense => {
    const dtype = typeof a === "object" ? a.dtype : typeof b === "object" ? b.dtype : "float32";
    const [p, q] = [a, b].map((x) => (typeof x === "number" ? dense(x, dtype) : x)) as [Dense, Dense];
    return build(jointShape(p.shape, q.shape), result ?? dtype, (index) => f(at(p, index), at(q, index)));
  };

interface Reduced {
  readonly axis?: number | readonly number[];
  readonly keepDims?: boolean;
}

/** The places of x that make up each element of a reduction. */
const reduction =
  (f: (places: readonly Index[], x: Dense) => number, dtype?: DType) =>
  (x: Dense, { axis, keepDims = false }: Reduced = {}): Dense => {
    const rank = x.shape.length;
    const axes = axis === undefined ? [...x.shape.keys()] : [axis].flat().map((a) => from(a, rank));
    const kept = x.shape.map((length, a) => (axes.includes(a) ? 1 : length));
    const all = indicesIn(x.shape);
    const y = build(kept, dtype ?? x.dtype, (index) => {
      return f(
        all.filter((place) => place.every((i, a) => axes.includes(a) || i === index[a])),
        x,
      );
    });
    return keepDims ? y : { ...y, shape: without(kept, axes) };
  };

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const valuesOf = (places: readonly Index[], x: Dense): number[] => places.map((place) => at(x, place));
const largest = (values: readonly number[]): number => values.reduce((a, b) => (Number.isNaN(a) || a > b ? a : b));
const smallest = (values: readonly number[]): number => -largest(values.map((value) => -value));
const product = (values: readonly number[]): number => values.reduce((all, value) => all * value, 1);

function varianceOf(values: readonly number[], correction: number): number {
  const mean = total(values) / values.length;
  return total(values.map((value) => (value - mean) ** 2)) / (values.length - correction);
}

function logSumExp(values: readonly number[]): number {
  if (values.length === 0) return -Infinity;
  const top = largest(values);
  return Number.isFinite(top) ? top + Math.log(total(values.map((value) => Math.exp(value - top)))) : top;
}

type MaskOption = Plain<TensorLike> | undefined;
const counts = (mask: MaskOption, place: Index): boolean => mask === undefined || at(dense(mask, "bool"), place) !== 0;

const softmaxLike =
  (f: (value: number, sum: number, counted: boolean) => number) =>
  (x: Dense, { axis = -1, mask }: { readonly axis?: number; readonly mask?: MaskOption } = {}): Dense => {
    const along = from(axis, x.shape.length);
    return build(x.shape, x.dtype, (index) => {
      const row = Array.from({ length: x.shape[along]! }, (_, i) => replaced(index, along, i));
      const counted = row.filter((place) => counts(mask, place));
      return f(at(x, index), logSumExp(valuesOf(counted, x)), counts(mask, index));
    });
  };

interface Scanned {
  readonly axis?: number;
  readonly exclusive?: boolean;
  readonly reverse?: boolean;
}

const scan =
  (f: (values: readonly number[]) => number) =>
  (x: Dense, { axis = -1, exclusive = false, reverse = false }: Scanned = {}): Dense => {
    const along = from(axis, x.shape.length);
    return build(x.shape, x.dtype, (index) => {
      const own = index[along]!;
      const places = Array.from({ length: x.shape[along]! }, (_, i) => i).filter((i) => (reverse ? i > own : i < own));
      return f((exclusive ? places : [...places, own]).map((i) => at(x, replaced(index, along, i))));
    });
  };

/** Each element of x by its row over the axes and by the weights in its place. */
function normalised(
  x: Dense,
  axis: number | readonly number[],
  f: (row: readonly number[], value: number, weight: (w: Dense) => number) => number,
): Dense {
  const axes = [axis].flat().map((a) => from(a, x.shape.length));
  const sorted = axes.sort((a, b) => a - b);
  return build(x.shape, x.dtype, (index) => {
    const row = indicesIn(x.shape).filter((place) => place.every((i, a) => axes.includes(a) || i === index[a]));
    return f(valuesOf(row, x), at(x, index), (w) =>
      at(
        w,
        sorted.map((a) => index[a]!),
      ),
    );
  });
}

const concat = (xs: readonly Dense[], { axis = 0 }: { readonly axis?: number } = {}): Dense => {
  const along = from(axis, xs[0]!.shape.length);
  const length = total(xs.map((x) => x.shape[along]!));
  return build(replaced(xs[0]!.shape, along, length), xs[0]!.dtype, (index) => {
    let i = index[along]!;
    const x = xs.find(({ shape }) => i < shape[along]! || ((i -= shape[along]!), false))!;
    return at(x, replaced(index, along, i));
  });
};

const expandDims = (x: Dense, { axis }: { readonly axis: number }): Dense => {
  const at = from(axis, x.shape.length + 1);
  return { ...x, shape: [...x.shape.slice(0, at), 1, ...x.shape.slice(at)] };
};

const bool = (f: (a: number, b: number) => boolean): ((a: Dense | number, b: Dense | number) => Dense) =>
  binary((a, b) => Number(f(a, b)), "bool");

const sum = reduction((places, x) => total(valuesOf(places, x)));

/** erf x = (2/√π)·exp(−x²)·Σₙ 2ⁿx²ⁿ⁺¹/(1·3·…·(2n + 1)): all terms have one sign. */
function erf(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) sum += term *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const crossEntropy: Reference<Ops["softmaxCrossEntropy"]> = (
  x,
  labels,
  { mask, labelSmoothing = 0, zLoss = 0 } = {},
) => {
  const [V, shape] = [x.shape.at(-1)!, x.shape.slice(0, -1)];
  const given = dense(labels, x.dtype);
  const target = given.shape.length === x.shape.length ? given : { ...dense(labels, "int32"), shape };
  return build(shape, x.dtype, (row) => {
    const places = [...Array(V).keys()].filter((v) => counts(mask, [...row, v]));
    if (places.length === 0) return 0;
    const z = logSumExp(places.map((v) => at(x, [...row, v])));
    const y = (v: number): number => (target.shape === shape ? Number(at(target, row) === v) : at(target, [...row, v]));
    const smoothed = (v: number): number => (1 - labelSmoothing) * y(v) + labelSmoothing / places.length;
    return total(places.map((v) => smoothed(v) * (z - at(x, [...row, v])))) + zLoss * z * z;
  });
};

/** The value of each op, by its definition and without haste, on arrays that know nothing of gradus. */
export const references: { readonly [K in OpName]: Reference<Ops[K]> } = {
  abs: unary((x) => (x < 0 ? -x : x)),
  add: binary((a, b) => a + b),
  all: reduction((places, x) => Number(valuesOf(places, x).every(Boolean)), "bool"),
  any: reduction((places, x) => Number(valuesOf(places, x).some(Boolean)), "bool"),
  argMax: (x, { axis = -1, keepDims = false } = {}) =>
    reduction((places, x) => {
      const values = valuesOf(places, x);
      const top = largest(values);
      return values.findIndex((value) => Object.is(value, top) || value === top);
    }, "int32")(x, { axis, keepDims }),
  argMin: (x, { axis = -1, keepDims = false } = {}) =>
    reduction((places, x) => {
      const values = valuesOf(places, x);
      return values.indexOf(smallest(values));
    }, "int32")(x, { axis, keepDims }),
  broadcastTo: (x, shape) => build(shape, x.dtype, (index) => at(x, index)),
  cast: (x, dtype) => {
    const convert: Record<DType, (value: number) => number> = {
      float32: Math.fround,
      float64: (value) => value,
      int32: Math.trunc,
      bool: (value) => Number(value !== 0),
    };
    return { ...x, dtype, data: x.data.map(convert[dtype]) };
  },
  clip: (x, { min = -Infinity, max = Infinity } = {}) => unary((value) => Math.min(Math.max(value, min), max))(x),
  concat,
  cos: unary(Math.cos),
  cumprod: scan(product),
  cumsum: scan(total),
  div: binary((a, b) => a / b),
  divNoNan: binary((a, b) => (b === 0 ? 0 : a / b)),
  dropout: (x, { rate, random }) => ({
    ...x,
    data: x.data.map((value) => (rate === 0 ? value : random.next() >= rate ? value / (1 - rate) : 0)),
  }),
  einsum: (equation, ...xs) => {
    const [left, right] = equation.replaceAll(" ", "").split("->");
    const terms = left!.split(",");
    const all = [...new Set(terms.join(""))];
    const once = all.filter((letter) => terms.join("").split(letter).length === 2).sort();
    const output = right === undefined ? once : [...right];
    const lengthOf = (letter: string): number => {
      const i = terms.findIndex((term) => term.includes(letter));
      return xs[i]!.shape[terms[i]!.indexOf(letter)]!;
    };
    const others = all.filter((letter) => !output.includes(letter));
    const inner = indicesIn(others.map(lengthOf));
    return build(output.map(lengthOf), xs[0]!.dtype, (index) =>
      total(
        inner.map((rest) => {
          const valueOf = (letter: string): number =>
            output.includes(letter) ? index[output.indexOf(letter)]! : rest[others.indexOf(letter)]!;
          return product(terms.map((term, i) => at(xs[i]!, [...term].map(valueOf))));
        }),
      ),
    );
  },
  equal: bool((a, b) => a === b),
  erf: unary(erf),
  exp: unary(Math.exp),
  expandDims,
  expm1: unary((x) => Math.exp(x) - 1),
  flip: (x, { axis } = {}) => {
    const axes = axis === undefined ? [...x.shape.keys()] : [axis].flat().map((a) => from(a, x.shape.length));
    return build(x.shape, x.dtype, (index) =>
      at(
        x,
        index.map((i, a) => (axes.includes(a) ? x.shape[a]! - 1 - i : i)),
      ),
    );
  },
  gather: (x, index, { axis = -1 } = {}) => {
    const [along, places] = [from(axis, x.shape.length), dense(index, "int32")];
    return build(places.shape, x.dtype, (i) => at(x, replaced(i, along, at(places, i))));
  },
  gelu: (x, { approximate = "none" } = {}) =>
    unary((value) => {
      const u = Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3);
      return (value / 2) * (1 + (approximate === "tanh" ? Math.tanh(u) : erf(value / Math.SQRT2)));
    })(x),
  greater: bool((a, b) => a > b),
  greaterEqual: bool((a, b) => a >= b),
  layerNorm: (x, { gamma, beta, axis = -1, epsilon = 1e-5 } = {}) =>
    normalised(x, axis, (values, value, weight) => {
      const mean = total(values) / values.length;
      const root = Math.sqrt(varianceOf(values, 0) + epsilon);
      return ((value - mean) / root) * (gamma ? weight(gamma) : 1) + (beta ? weight(beta) : 0);
    }),
  leakyRelu: (x, { negativeSlope = 0.01 } = {}) =>
    unary((value) => Math.max(value, 0) + negativeSlope * Math.min(value, 0))(x),
  less: bool((a, b) => a < b),
  lessEqual: bool((a, b) => a <= b),
  linearCrossEntropy: (hidden, weight, labels, { bias, mask, ...rates } = {}) => {
    const [V, H] = weight.shape as readonly [number, number];
    const shape = [...hidden.shape.slice(0, -1), V];
    const logits = build(shape, hidden.dtype, (index) => {
      const [row, v] = [index.slice(0, -1), index.at(-1)!];
      const products = [...Array(H).keys()].map((i) => at(hidden, [...row, i]) * at(weight, [v, i]));
      return total(products) + (bias ? at(bias, [v]) : 0);
    });
    return crossEntropy(logits, labels, mask === undefined ? rates : { ...rates, mask });
  },
  log: unary(Math.log),
  log1p: unary((x) => Math.log(1 + x)),
  logSoftmax: softmaxLike((value, sum, counted) => (counted ? value - sum : -Infinity)),
  logSumExp: (x, { mask, ...reduced } = {}) =>
    reduction((places, x) =>
      logSumExp(
        valuesOf(
          places.filter((place) => counts(mask, place)),
          x,
        ),
      ),
    )(x, reduced),
  logicalAnd: (a, b) => bool((p, q) => p !== 0 && q !== 0)(dense(a, "bool"), dense(b, "bool")),
  logicalNot: (x) => {
    const given = dense(x, "bool");
    return { ...given, dtype: "bool", data: given.data.map((value) => Number(value === 0)) };
  },
  logicalOr: (a, b) => bool((p, q) => p !== 0 || q !== 0)(dense(a, "bool"), dense(b, "bool")),
  matmul: (p, q, { transposeA: ta = false, transposeB: tb = false } = {}) => {
    const [row, column] = [p.shape.length === 1, q.shape.length === 1];
    const [transposeA, transposeB] = [ta && !row, tb && !column];
    const [a, b] = [row ? expandDims(p, { axis: 0 }) : p, column ? expandDims(q, { axis: 1 }) : q];
    const [A, B] = [a.shape.slice(-2), b.shape.slice(-2)];
    const [m, inner, n] = [A[transposeA ? 1 : 0]!, A[transposeA ? 0 : 1]!, B[transposeB ? 0 : 1]!];
    const batch = jointShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
    const y = build([...batch, m, n], a.dtype, (index) => {
      const [before, i, j] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
      const left = (k: number): number => element(a, before, transposeA ? [k, i] : [i, k]);
      const right = (k: number): number => element(b, before, transposeB ? [j, k] : [k, j]);
      return total(Array.from({ length: inner }, (_, k) => left(k) * right(k)));
    });
    return { ...y, shape: [...batch, ...(row ? [] : [m]), ...(column ? [] : [n])] };
  },
  max: reduction((places, x) => largest(valuesOf(places, x))),
  maximum: binary((a, b) => (a > b ? a : b)),
  mean: reduction((places, x) => total(valuesOf(places, x)) / places.length),
  min: reduction((places, x) => smallest(valuesOf(places, x))),
  minimum: binary((a, b) => (a < b ? a : b)),
  mul: binary((a, b) => a * b),
  mulNoNan: binary((a, b) => (b === 0 ? 0 : a * b)),
  neg: unary((x) => -x),
  norm: reduction((places, x) => Math.hypot(...valuesOf(places, x))),
  notEqual: bool((a, b) => a !== b),
  oneHot: (index, { depth, onValue = 1, offValue = 0, dtype = "float32" }) => {
    const hot = dense(index, "int32");
    return build([...hot.shape, depth], dtype, (i) => (at(hot, i.slice(0, -1)) === i.at(-1) ? onValue : offValue));
  },
  outer: (a, b) => build([...a.shape, ...b.shape], a.dtype, ([i, j]) => a.data[i!]! * b.data[j!]!),
  pad: (x, { paddings, value = 0 }) => {
    const shape = x.shape.map((length, axis) => paddings[axis]![0] + length + paddings[axis]![1]);
    return build(shape, x.dtype, (index) => {
      const inside = index.map((i, axis) => i - paddings[axis]![0]);
      return inside.every((i, axis) => i >= 0 && i < x.shape[axis]!) ? at(x, inside) : value;
    });
  },
  pow: binary((a, b) => a ** b),
  prod: reduction((places, x) => product(valuesOf(places, x))),
  reciprocal: unary((x) => x ** -1),
  relu: unary((x) => Math.max(x, 0)),
  reshape: (x, shape) => {
    const known = sizeOf(shape.filter((length) => length !== -1));
    return { ...x, shape: shape.map((length) => (length === -1 ? sizeOf(x.shape) / known : length)) };
  },
  reverseSequence: (x, lengths) => {
    const ends = dense(lengths, "int32");
    return build(x.shape, x.dtype, ([row, step, ...rest]) => {
      const end = at(ends, [row!]);
      return at(x, [row!, step! < end ? end - 1 - step! : step!, ...rest]);
    });
  },
  rmsNorm: (x, { gamma, axis = -1, epsilon = 1e-5 } = {}) =>
    normalised(x, axis, (values, value, weight) => {
      const root = Math.sqrt(total(values.map((v) => v * v)) / values.length + epsilon);
      return (value / root) * (gamma ? weight(gamma) : 1);
    }),
  rsqrt: unary((x) => x ** -0.5),
  scatterAdd: (x, index, { axis = -1, size }) => {
    const [along, places] = [from(axis, x.shape.length), dense(index, "int32")];
    const all = indicesIn(x.shape);
    return build(replaced(x.shape, along, size), x.dtype, (target) => {
      const sources = all.filter((i) => replaced(i, along, at(places, i)).every((j, a) => j === target[a]));
      return total(valuesOf(sources, x));
    });
  },
  sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  sign: unary((x) => (x === 0 ? 0 : x / Math.abs(x))),
  silu: unary((x) => x / (1 + Math.exp(-x))),
  sin: unary(Math.sin),
  slice: (x, { axis = 0, start, end, step = 1 } = {}) => {
    const along = from(axis, x.shape.length);
    const length = x.shape[along]!;
    const bound = (i: number): number => (i < 0 ? i + length : i);
    const places: number[] = [];
    let i = start === undefined ? (step > 0 ? 0 : length - 1) : bound(start);
    i = step > 0 ? Math.max(0, i) : Math.min(length - 1, i);
    const stop = end === undefined ? (step > 0 ? length : -1) : bound(end);
    for (; step > 0 ? i < Math.min(stop, length) : i > Math.max(stop, -1); i += step) places.push(i);
    return build(replaced(x.shape, along, places.length), x.dtype, (index) =>
      at(x, replaced(index, along, places[index[along]!]!)),
    );
  },
  softmax: softmaxLike((value, sum, counted) => (counted ? Math.exp(value - sum) : 0)),
  softmaxCrossEntropy: crossEntropy,
  softmaxCrossEntropySum: (x, labels, weights, rates = {}) => {
    const w = { ...dense(weights, x.dtype), shape: x.shape.slice(0, -1) };
    const losses = crossEntropy(x, labels, rates);
    const weighted = build(w.shape, x.dtype, (row) => (at(w, row) === 0 ? 0 : at(w, row) * at(losses, row)));
    return build([], x.dtype, () => total([...weighted.data]));
  },
  softplus: unary((x) => Math.log(1 + Math.exp(x))),
  split: (x, { axis = 0, sizes, parts = 1 }) => {
    const along = from(axis, x.shape.length);
    const pieces = sizes ?? Array<number>(parts).fill(x.shape[along]! / parts);
    return pieces.map((size, n) => {
      const start = total(pieces.slice(0, n));
      return build(replaced(x.shape, along, size), x.dtype, (i) => at(x, replaced(i, along, start + i[along]!)));
    });
  },
  sqrt: unary(Math.sqrt),
  square: unary((x) => x ** 2),
  squeeze: (x, { axis } = {}) => {
    const axes = axis === undefined ? [...x.shape.keys()] : [axis].flat().map((a) => from(a, x.shape.length));
    return { ...x, shape: x.shape.filter((length, a) => length !== 1 || !axes.includes(a)) };
  },
  stack: (xs, { axis = 0 } = {}) => {
    const rows = xs.map((x) => expandDims(x, { axis }));
    return concat(rows, { axis });
  },
  std: (x, { correction = 0, ...options } = {}) =>
    reduction((places, x) => Math.sqrt(varianceOf(valuesOf(places, x), correction)))(x, options),
  sub: binary((a, b) => a - b),
  sum: (x, options) => ({ ...sum(x, options), dtype: x.dtype === "bool" ? "int32" : x.dtype }),
  sumTo: (x, shape) => {
    const all = indicesIn(x.shape);
    const lands = (place: Index): Index =>
      place.slice(place.length - shape.length).map((i, axis) => (shape[axis] === 1 ? 0 : i));
    return build(shape, x.dtype, (target) => {
      return total(
        valuesOf(
          all.filter((place) => lands(place).every((i, axis) => i === target[axis])),
          x,
        ),
      );
    });
  },
  take: (x, index, { axis = 0 } = {}) => {
    const [along, places] = [from(axis, x.shape.length), dense(index, "int32")];
    const [before, after] = [x.shape.slice(0, along), x.shape.slice(along + 1)];
    return build([...before, ...places.shape, ...after], x.dtype, (i) => {
      const middle = i.slice(along, along + places.shape.length);
      return at(x, [...i.slice(0, along), at(places, middle), ...i.slice(along + places.shape.length)]);
    });
  },
  tanh: unary(Math.tanh),
  tile: (x, repeats) => {
    const shape = x.shape.map((length, axis) => length * repeats[axis]!);
    return build(shape, x.dtype, (index) =>
      at(
        x,
        index.map((i, axis) => i % x.shape[axis]!),
      ),
    );
  },
  topK: (x, { k, axis = -1 }) => {
    const along = from(axis, x.shape.length);
    const shape = replaced(x.shape, along, k);
    /** Where the element of rank n of a row is: that which n others are before. */
    const placeOf = (index: Index): number => {
      const row = Array.from({ length: x.shape[along]! }, (_, i) => at(x, replaced(index, along, i)));
      const before = (i: number, j: number): boolean => row[i]! > row[j]! || (row[i] === row[j] && i < j);
      return row.findIndex((_, j) => row.filter((_, i) => before(i, j)).length === index[along]);
    };
    return {
      values: build(shape, x.dtype, (index) => at(x, replaced(index, along, placeOf(index)))),
      indices: build(shape, "int32", placeOf),
    };
  },
  transpose: (x, { axes } = {}) => {
    const order = (axes ?? [...x.shape.keys()].reverse()).map((axis) => from(axis, x.shape.length));
    const shape = order.map((axis) => x.shape[axis]!);
    return build(shape, x.dtype, (index) =>
      at(
        x,
        x.shape.map((_, axis) => index[order.indexOf(axis)]!),
      ),
    );
  },
  unstack: (x, { axis = 0 } = {}) => {
    const along = from(axis, x.shape.length);
    return Array.from({ length: x.shape[along]! }, (_, n) =>
      build(without(x.shape, [along]), x.dtype, (i) => at(x, [...i.slice(0, along), n, ...i.slice(along)])),
    );
  },
  variance: (x, { correction = 0, ...options } = {}) =>
    reduction((places, x) => varianceOf(valuesOf(places, x), correction))(x, options),
  where: (condition, x, otherwise) => {
    const c = dense(condition, "bool");
    const dtype = typeof x === "object" ? x.dtype : typeof otherwise === "object" ? otherwise.dtype : "float32";
    const [p, q] = [x, otherwise].map((value) => (typeof value === "number" ? dense(value, dtype) : value));
    const shape = jointShape(c.shape, p!.shape, q!.shape);
    return build(shape, dtype, (index) => at(at(c, index) !== 0 ? p! : q!, index));
  },
};

/** The element of a matrix of a batch that broadcasts. */
function element(x: Dense, batch: Index, [i, j]: readonly [number, number]): number {
  const [rows, columns] = x.shape.slice(-2);
  const matrices = { ...x, shape: x.shape.slice(0, -2) };
  const own = batch
    .slice(batch.length - matrices.shape.length)
    .map((b, axis) => (matrices.shape[axis] === 1 ? 0 : b))
    .reduce((flat, b, axis) => flat * matrices.shape[axis]! + b, 0);
  return x.data[(own * rows! + i) * columns! + j]!;
}

/** What the reference says of a call: all its outputs. */
export function referenceOf(name: OpName, call: Call): Dense[] {
  const args = mapArguments(call.args(call.inputs), (x) =>
    isTensor(x) ? { shape: x.shape, dtype: x.dtype, data: Array.from<number>(x.data) } : x,
  );
  const result = (references[name] as (...args: readonly unknown[]) => Dense | Record<string, Dense>)(...args);
  return "data" in result && "dtype" in result ? [result as Dense] : Object.values(result);
}

/** The largest |got − want| / max(1, |want|); 0 for equal infinities and NaNs. */
export function furthest(got: Tensor, want: Dense): number {
  const errors = Array.from<number>(got.data).map((value, i) => {
    const right = want.data[i]!;
    return Object.is(value + 0, right + 0) ? 0 : Math.abs(value - right) / Math.max(1, Math.abs(right));
  });
  return errors.reduce((most, error) => (error <= most ? most : error), 0); // NaN stays
}
