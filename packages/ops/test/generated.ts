import { axesOf, axisOf, broadcastingShapes, indicesOf, shapes, type ShapeConstraints } from "@gradus/gradcheck";
import type { OpName, Sketch } from "@gradus/ops/table";
import * as fc from "fast-check";
import type { ArgumentsOf } from "./calls.ts";

type Domain = NonNullable<Sketch["domain"]>;
const small = { maxLength: 3 };

const unary = (domain: Domain): fc.Arbitrary<[Sketch]> => shapes(small).map((shape) => [{ shape, domain }]);

const binary = (domain: Domain): fc.Arbitrary<[Sketch, Sketch]> =>
  broadcastingShapes(2, small).map(([a, b]) => [
    { shape: a!, domain },
    { shape: b!, domain },
  ]);

const logical: fc.Arbitrary<[Sketch, Sketch]> = broadcastingShapes(2, small).map(([a, b]) => [
  { shape: a!, dtype: "bool" },
  { shape: b!, dtype: "int32" },
]);

/** A shape and an axis of it. */
const along = (constraints: ShapeConstraints = {}): fc.Arbitrary<{ shape: number[]; axis: number }> =>
  shapes({ ...small, ...constraints, minRank: 1 }).chain((shape) =>
    axisOf(shape.length).map((axis) => ({ shape, axis })),
  );

const lengthAt = (shape: readonly number[], axis: number): number => shape.at(axis)!;
const withLength = (shape: readonly number[], axis: number, length: number): number[] =>
  shape.map((l, i) => (i === (axis + shape.length) % shape.length ? length : l));

const maskFor = (shape: readonly number[]): fc.Arbitrary<Sketch | undefined> =>
  fc.option(
    fc.nat({ max: shape.length }).map((from): Sketch => ({ shape: shape.slice(from), dtype: "bool" })),
    { nil: undefined },
  );

const softmaxes: fc.Arbitrary<[Sketch, { axis: number; mask?: Sketch }]> = along({ minLength: 2 }).chain(
  ({ shape, axis }) => maskFor(shape).map((mask) => [{ shape }, mask ? { axis, mask } : { axis }]),
);

const reductions = (domain: Domain): fc.Arbitrary<[Sketch, { axis?: number[]; keepDims: boolean }]> =>
  shapes(small).chain((shape) =>
    fc
      .tuple(fc.option(axesOf(shape.length), { nil: undefined }), fc.boolean())
      .map(([axis, keepDims]) => [{ shape, domain }, axis ? { axis, keepDims } : { keepDims }]),
  );

const spreads: fc.Arbitrary<[Sketch, { axis?: number[]; keepDims: boolean; correction: number }]> = fc
  .tuple(reductions("any"), fc.constantFrom(0, 0.5))
  .map(([[x, options], correction]) => [x, { ...options, correction }]);

const scans = (domain: Domain): fc.Arbitrary<[Sketch, { axis: number; exclusive: boolean; reverse: boolean }]> =>
  fc.tuple(along({ maxLength: 5 }), fc.boolean(), fc.boolean()).map(([{ shape, axis }, exclusive, reverse]) => [
    { shape, domain },
    { axis, exclusive, reverse },
  ]);

const index = fc.integer({ min: -5, max: 5 });

/**
 * Arguments that nobody wrote down: shapes, axes, broadcasts, masks and indices. An op that is missing here is tested on
 * its samples alone.
 */
export const generated: { readonly [K in OpName]?: fc.Arbitrary<ArgumentsOf<K>> } = {
  abs: unary("nonzero"),
  add: binary("any"),
  all: reductions("whole"),
  any: reductions("whole"),
  argMax: along().chain(({ shape, axis }) =>
    fc.boolean().map((keepDims): ArgumentsOf<"argMax"> => [
      { shape, domain: "whole" },
      { axis, keepDims },
    ]),
  ),
  argMin: along().chain(({ shape, axis }) =>
    fc.boolean().map((keepDims): ArgumentsOf<"argMin"> => [
      { shape, domain: "whole" },
      { axis, keepDims },
    ]),
  ),
  broadcastTo: broadcastingShapes(1, small).chain(([from]) =>
    broadcastingShapes(1, small).map(([front]): ArgumentsOf<"broadcastTo"> => {
      const to = from!.map((length) => (length === 1 ? 2 : length));
      return [{ shape: from! }, [...front!.slice(0, 2), ...to]];
    }),
  ),
  cast: fc
    .tuple(shapes(small), fc.constantFrom("float32" as const, "float64" as const))
    .map(([shape, dtype]) => [{ shape, domain: "whole" }, dtype]),
  clip: fc
    .tuple(
      shapes(small),
      fc.record({ min: fc.constantFrom(-1.5, -0.5), max: fc.constantFrom(0.25, 1) }, { requiredKeys: [] }),
    )
    .map(([shape, bounds]): ArgumentsOf<"clip"> => [{ shape }, bounds]),
  concat: along().chain(({ shape, axis }) =>
    fc
      .array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3 })
      .map((lengths): ArgumentsOf<"concat"> => [
        [shape, ...lengths.map((length) => withLength(shape, axis, length))].map((shape) => ({ shape })),
        { axis },
      ]),
  ),
  cos: unary("any"),
  cumprod: scans("whole"),
  cumsum: scans("any"),
  div: binary("nonzero"),
  divNoNan: binary("nonzero"),
  dropout: fc
    .tuple(shapes(small), fc.constantFrom(0, 0.25, 0.5), fc.nat())
    .map(([shape, rate, seed]) => [{ shape }, { rate, random: { seed } }]),
  einsum: fc
    .tuple(
      fc.subarray(["a", "b", "c"]),
      fc.subarray(["a", "b", "c"]),
      fc.subarray(["a", "b", "c"]),
      fc.record({ a: fc.nat({ max: 3 }), b: fc.nat({ max: 3 }), c: fc.nat({ max: 3 }) }),
    )
    .chain(([left, right, kept, lengths]) =>
      fc
        .tuple(fc.shuffledSubarray(left, { minLength: left.length }), fc.constant(right), fc.constant(lengths))
        .map(([left, right, lengths]): ArgumentsOf<"einsum"> => {
          const output = kept.filter((letter) => left.includes(letter) || right.includes(letter)).reverse();
          const sketch = (letters: readonly string[]): Sketch => ({
            shape: letters.map((letter) => lengths[letter as "a"]),
          });
          return [`${left.join("")},${right.join("")}->${output.join("")}`, sketch(left), sketch(right)];
        }),
    ),
  equal: binary("whole"),
  erf: unary("any"),
  exp: unary("any"),
  expandDims: shapes(small).chain((shape) =>
    axisOf(shape.length + 1).map((axis): ArgumentsOf<"expandDims"> => [{ shape }, { axis }]),
  ),
  expm1: unary("any"),
  flip: shapes(small).chain((shape) =>
    fc
      .option(axesOf(shape.length), { nil: undefined })
      .map((axis): ArgumentsOf<"flip"> => [{ shape }, axis ? { axis } : {}]),
  ),
  gather: along().chain(({ shape, axis }) =>
    fc.tuple(...shape.map((length) => fc.integer({ min: 1, max: length }))).chain((cut) =>
      fc
        .integer({ min: 1, max: 4 })
        .chain((picks) => indicesOf(withLength(cut, axis, picks), lengthAt(shape, axis)))
        .map((at): ArgumentsOf<"gather"> => [{ shape }, at, { axis }]),
    ),
  ),
  gelu: fc
    .tuple(shapes(small), fc.constantFrom("none" as const, "tanh" as const))
    .map(([shape, approximate]): ArgumentsOf<"gelu"> => [{ shape }, { approximate }]),
  greater: binary("whole"),
  greaterEqual: binary("whole"),
  layerNorm: along({ minLength: 2 }).chain(({ shape, axis }) =>
    fc.tuple(fc.boolean(), fc.boolean()).map(([scale, shift]): ArgumentsOf<"layerNorm"> => {
      const weight = { shape: [lengthAt(shape, axis)] };
      return [{ shape }, { axis, epsilon: 0.1, ...(scale && { gamma: weight }), ...(shift && { beta: weight }) }];
    }),
  ),
  leakyRelu: fc
    .tuple(shapes(small), fc.constantFrom(0.01, 0.3, -1.5))
    .map(([shape, negativeSlope]): ArgumentsOf<"leakyRelu"> => [{ shape, domain: "nonzero" }, { negativeSlope }]),
  less: binary("whole"),
  lessEqual: binary("whole"),
  linearCrossEntropy: fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2, max: 4 }), fc.boolean())
    .chain(([N, H, V, biased]) =>
      fc.tuple(indicesOf([N], V), maskFor([N, 1])).map(([labels, mask]): ArgumentsOf<"linearCrossEntropy"> => {
        const options = { ...(biased && { bias: { shape: [V] } }), ...(mask && { mask }) };
        return [{ shape: [N, H] }, { shape: [V, H] }, labels, options];
      }),
    ),
  log: unary("positive"),
  log1p: unary("positive"),
  logSoftmax: softmaxes,
  logSumExp: reductions("any").chain(([x, options]) =>
    maskFor(x.shape).map((mask): ArgumentsOf<"logSumExp"> => [x, mask ? { ...options, mask } : options]),
  ),
  logicalAnd: logical,
  logicalNot: shapes(small).map((shape): ArgumentsOf<"logicalNot"> => [{ shape, dtype: "bool" }]),
  logicalOr: logical,
  matmul: fc
    .tuple(
      broadcastingShapes(2, { maxRank: 2, maxLength: 2 }),
      fc.tuple(fc.nat({ max: 3 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 })),
      fc.boolean(),
      fc.boolean(),
    )
    .map(([[a, b], [m, k, n], transposeA, transposeB]): ArgumentsOf<"matmul"> => [
      { shape: [...a!, ...(transposeA ? [k, m] : [m, k])] },
      { shape: [...b!, ...(transposeB ? [n, k] : [k, n])] },
      { transposeA, transposeB },
    ]),
  max: reductions("distinct"),
  maximum: binary("any"),
  mean: reductions("any"),
  min: reductions("distinct"),
  minimum: binary("any"),
  mul: binary("any"),
  mulNoNan: binary("nonzero"),
  neg: unary("any"),
  norm: reductions("nonzero"),
  notEqual: binary("whole"),
  oneHot: shapes(small).chain((shape) =>
    indicesOf(shape, 3).map((index): ArgumentsOf<"oneHot"> => [index, { depth: 3, onValue: 0.75, offValue: -1 }]),
  ),
  outer: fc
    .tuple(fc.nat({ max: 4 }), fc.nat({ max: 4 }))
    .map(([m, n]): ArgumentsOf<"outer"> => [{ shape: [m] }, { shape: [n] }]),
  pad: shapes(small).chain((shape) =>
    fc
      .array(fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })), { minLength: shape.length, maxLength: shape.length })
      .map((paddings): ArgumentsOf<"pad"> => [{ shape }, { paddings, value: 0.5 }]),
  ),
  pow: binary("positive"),
  prod: reductions("any"),
  reciprocal: unary("nonzero"),
  relu: unary("nonzero"),
  reshape: shapes(small).chain((shape) =>
    fc
      .shuffledSubarray(shape, { minLength: shape.length })
      .map((mixed): ArgumentsOf<"reshape"> => [{ shape }, [...mixed.slice(1), -1]]),
  ),
  reverseSequence: shapes({ ...small, minRank: 2 }).chain((shape) =>
    fc
      .array(fc.nat({ max: shape[1]! }), { minLength: shape[0]!, maxLength: shape[0]! })
      .map((lengths): ArgumentsOf<"reverseSequence"> => [{ shape }, Int32Array.from(lengths)]),
  ),
  rmsNorm: along().chain(({ shape, axis }) =>
    fc
      .boolean()
      .map((scale): ArgumentsOf<"rmsNorm"> => [
        { shape },
        { axis, epsilon: 0.1, ...(scale && { gamma: { shape: [lengthAt(shape, axis)] } }) },
      ]),
  ),
  rsqrt: unary("positive"),
  scatterAdd: along().chain(({ shape, axis }) =>
    fc
      .integer({ min: 1, max: 4 })
      .chain((size) => indicesOf(shape, size).map((at): ArgumentsOf<"scatterAdd"> => [{ shape }, at, { axis, size }])),
  ),
  sigmoid: unary("any"),
  sign: unary("whole"),
  silu: unary("any"),
  sin: unary("any"),
  slice: fc
    .tuple(along({ maxLength: 5 }), fc.record({ start: index, end: index, step: index }, { requiredKeys: [] }))
    .map(([{ shape, axis }, { step, ...bounds }]): ArgumentsOf<"slice"> => {
      return [{ shape }, step ? { axis, step, ...bounds } : { axis, ...bounds }];
    }),
  softmax: softmaxes,
  softmaxCrossEntropy: shapes({ ...small, minRank: 1, minLength: 2 }).chain((shape) => {
    const rows = shape.slice(0, -1);
    const rates = fc.record({ labelSmoothing: fc.constantFrom(0, 0.2), zLoss: fc.constantFrom(0, 0.3) });
    const sparse = fc.tuple(indicesOf(rows, shape.at(-1)!), rates, maskFor([...rows, 1]));
    const soft = fc.tuple(fc.constant({ shape }), rates, maskFor(shape));
    return fc.oneof(sparse, soft).map(([labels, rates, mask]): ArgumentsOf<"softmaxCrossEntropy"> => {
      return [{ shape }, labels, mask ? { ...rates, mask } : rates];
    });
  }),
  softmaxCrossEntropySum: shapes({ ...small, minRank: 1, minLength: 2 }).chain((shape) => {
    const rows = shape.slice(0, -1);
    const rates = fc.record({ labelSmoothing: fc.constantFrom(0, 0.2), zLoss: fc.constantFrom(0, 0.3) });
    return fc
      .tuple(indicesOf(rows, shape.at(-1)!), indicesOf(rows, 3), rates)
      .map((rest): ArgumentsOf<"softmaxCrossEntropySum"> => [{ shape }, ...rest]);
  }),
  softplus: unary("any"),
  split: along().chain(({ shape, axis }) =>
    fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 4 }).map((sizes): ArgumentsOf<"split"> => [
      {
        shape: withLength(
          shape,
          axis,
          sizes.reduce((sum, size) => sum + size, 0),
        ),
      },
      { axis, sizes },
    ]),
  ),
  sqrt: unary("positive"),
  square: unary("any"),
  squeeze: broadcastingShapes(1, small).chain(([shape]) => {
    const ones = shape!.flatMap((length, axis) => (length === 1 ? [axis] : []));
    return fc
      .option(fc.subarray(ones), { nil: undefined })
      .map((axis): ArgumentsOf<"squeeze"> => [{ shape: shape! }, axis ? { axis } : {}]);
  }),
  stack: shapes({ ...small, maxRank: 2 }).chain((shape) =>
    fc
      .tuple(axisOf(shape.length + 1), fc.integer({ min: 1, max: 3 }))
      .map(([axis, count]): ArgumentsOf<"stack"> => [Array.from({ length: count }, () => ({ shape })), { axis }]),
  ),
  std: spreads,
  sub: binary("any"),
  sum: reductions("any"),
  sumTo: broadcastingShapes(1, small).chain(([to]) =>
    shapes({ ...small, maxRank: 1 }).map((front): ArgumentsOf<"sumTo"> => {
      return [{ shape: [...front, ...to!.map((length) => (length === 1 ? 2 : length))] }, to!];
    }),
  ),
  take: fc
    .tuple(along(), shapes({ ...small, maxRank: 2 }))
    .chain(([{ shape, axis }, picks]) =>
      indicesOf(picks, lengthAt(shape, axis)).map((at): ArgumentsOf<"take"> => [{ shape }, at, { axis }]),
    ),
  tanh: unary("any"),
  tile: shapes(small).chain((shape) =>
    fc
      .array(fc.nat({ max: 3 }), { minLength: shape.length, maxLength: shape.length })
      .map((repeats): ArgumentsOf<"tile"> => [{ shape }, repeats]),
  ),
  topK: along({ maxLength: 5 }).chain(({ shape, axis }) =>
    fc.nat({ max: lengthAt(shape, axis) }).map((k): ArgumentsOf<"topK"> => [
      { shape, domain: "distinct" },
      { k, axis },
    ]),
  ),
  transpose: shapes(small).chain((shape) =>
    fc
      .tuple(
        fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }),
        fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }),
      )
      .map(([order, back]): ArgumentsOf<"transpose"> => {
        return [{ shape }, { axes: order.map((axis, i) => (back[i] ? axis - shape.length : axis)) }];
      }),
  ),
  unstack: along({ minLength: 1 }).map(({ shape, axis }): ArgumentsOf<"unstack"> => [{ shape }, { axis }]),
  variance: spreads,
  where: broadcastingShapes(3, small).map(([c, a, b]) => [{ shape: c!, dtype: "bool" }, { shape: a! }, { shape: b! }]),
};
