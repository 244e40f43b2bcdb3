import { DTypeError, grad, IndexError, observe, ones, ShapeError, tensor, zeros, type Tensor } from "@gradus/core";
import { checkGrads } from "@gradus/gradcheck";
import { createGru, createRandom, embedding, gru, gruCell, type GruParams } from "@gradus/nn";
import { add, concat, mul, reshape, slice, squeeze, stack, sum, take, where } from "@gradus/ops";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { composedGru } from "../src/gru.ts";
import {
  batchOfLengths,
  expectClose,
  expectError,
  expectSame,
  expectSameInStep,
  goldens,
  random,
  toTensor,
  type Golden,
} from "./helpers.ts";
import { golden, runsOfSequences, sameGradient, sameValue, seed } from "./settings.ts";

type Rnn = { readonly outputs: Tensor; readonly last: Tensor };

/** Each row's first `lengths[b]` steps backwards, the rest where it is. */
function reversed(xs: Tensor, lengths: readonly number[]): Tensor {
  const [B, T, width] = xs.shape as [number, number, number];
  const rows = lengths.map((length, b) =>
    Array.from({ length: T }, (_, t) => b * T + (t < length ? length - 1 - t : t)),
  );
  return take(reshape(xs, [B * T, width]), rows);
}

function runGolden({ inputs, options, differentiable }: Golden): { x: Record<string, Tensor>; directions: Rnn[] } {
  const entries = Object.entries(inputs).map(([name, x]) => [name, toTensor(x, differentiable.includes(name))]);
  const x = Object.fromEntries(entries) as Record<string, Tensor>;
  const lengths = options.lengths as number[];
  const direction = (i: number, suffix: string, xs: Tensor): Rnn => {
    const [weightIh, weightHh, biasIh, biasHh] = ["wIh", "wHh", "bIh", "bHh"].map((name) => x[name + suffix]!);
    const params = { weightIh, weightHh, biasIh, biasHh } as GruParams;
    return gru(params, xs, squeeze(slice(x.h0!, { start: i, end: i + 1 }), { axis: 0 }), { lengths });
  };
  const forward = direction(0, "", x.x!);
  if (!options.bidirectional) return { x, directions: [forward] };
  const { outputs, last } = direction(1, "Reverse", reversed(x.x!, lengths));
  return { x, directions: [forward, { outputs: reversed(outputs, lengths), last }] };
}

describe("PyTorch's numbers", () => {
  const cases = goldens("rnn.json").filter(({ op }) => op === "gru");
  test("are one case a direction", () => expect(cases.length).toBe(2));

  test.each(cases)("$name", (given) => {
    const { x, directions } = runGolden(given);
    const out = concat(
      directions.map(({ outputs }) => outputs),
      { axis: -1 },
    );
    const hN = stack(directions.map(({ last }) => last));
    const { cotangent, expected, grads, scales } = given;
    expectClose(out, toTensor(expected.out!), golden * scales.out!, "outputs");
    expectClose(hN, toTensor(expected.hN!), golden * scales.hN!, "last");
    const loss = add(sum(mul(out, toTensor(cotangent.out!))), sum(mul(hN, toTensor(cotangent.hN!))));
    const names = given.differentiable;
    expect(names.length).toBe(directions.length === 1 ? 6 : 10);
    const got = grad(
      loss,
      names.map((name) => x[name]!),
    );
    names.forEach((name, i) => expectClose(got[i]!, toTensor(grads[name]!), golden * scales[`grad:${name}`]!, name));
  });
});

const sizes = { inputSize: 3, hiddenSize: 4 };
const params = (seed: number, dtype: "float32" | "float64" = "float64"): GruParams =>
  createGru({ ...sizes, random: createRandom(seed), dtype });
const flat = (p: GruParams): Tensor[] => [p.weightIh, p.weightHh, p.biasIh, p.biasHh];
const from = ([weightIh, weightHh, biasIh, biasHh]: readonly Tensor[]): GruParams =>
  ({ weightIh, weightHh, biasIh, biasHh }) as GruParams;
const leafOf = (x: Tensor): Tensor => tensor(x.data, { shape: x.shape, requiresGrad: true });

/** A random combination of both results, and its gradients. */
function gradients({ outputs, last }: Rnn, inputs: readonly Tensor[], steps = outputs.shape[1]!): readonly Tensor[] {
  const [u, v] = [random(91, [outputs.shape[0]!, steps, 4]), random(92, last.shape)];
  const counted = slice(outputs, { axis: 1, end: steps });
  return grad(add(sum(mul(counted, u)), sum(mul(last, v))), inputs);
}

/** By gruCell, one step after the other, each of which keeps the states of the rows that have ended. */
function stepped(p: GruParams, xs: Tensor, h0: Tensor, lengths: readonly number[]): Rnn {
  const outputs: Tensor[] = [];
  let last = h0;
  for (let t = 0; t < xs.shape[1]!; t++) {
    const goesOn = tensor(lengths.map((length) => [t < length]));
    const next = gruCell(p, squeeze(slice(xs, { axis: 1, start: t, end: t + 1 }), { axis: 1 }), last);
    last = where(goesOn, next, last);
    outputs.push(where(goesOn, next, 0));
  }
  return { outputs: stack(outputs, { axis: 1 }), last };
}

describe("gru", () => {
  test("is gruCell over and over", () => {
    const arbitrary = fc.record({
      seed: fc.nat(1000),
      T: fc.integer({ min: 1, max: 5 }),
      lengths: batchOfLengths(5),
      packed: fc.boolean(),
    });
    fc.assert(
      fc.property(arbitrary, ({ seed, T, lengths, packed }) => {
        const B = lengths.length;
        const ends = lengths.map((length) => (packed ? Math.min(length, T) : T));
        const inputs = [...flat(params(seed)), random(seed + 1, [B, T, 3]), random(seed + 2, [B, 4])].map(leafOf);
        const [xs, h0] = inputs.slice(4) as [Tensor, Tensor];
        const got = gru(from(inputs), xs, h0, packed ? { lengths: ends } : {});
        const wanted = stepped(from(inputs), xs, h0, ends);
        expectClose(got.outputs, wanted.outputs, sameValue, "outputs");
        expectClose(got.last, wanted.last, sameValue, "last");
        const slopes = gradients(wanted, inputs);
        gradients(got, inputs).forEach((dx, i) => expectClose(dx, slopes[i]!, sameGradient, `gradient ${i}`));
      }),
      { seed, numRuns: runsOfSequences },
    );
  });

  test("has the right gradients, and those of the gradients", () => {
    const inputs = [...flat(params(1)), random(2, [2, 3, 3]), random(3, [2, 4])] as const;
    const both = (...x: Tensor[]): Tensor => {
      const { outputs, last } = gru(from(x), x[4]!, x[5], { lengths: [3, 1] });
      return concat([reshape(outputs, [6, 4]), last]);
    };
    checkGrads(both, inputs);
  });

  test("starts from 0 unless told", () => {
    const [p, xs] = [params(1), random(2, [2, 3, 3])];
    const [got, wanted] = [gru(p, xs), gru(p, xs, zeros([2, 4], { dtype: "float64" }))];
    expectSame(got.outputs, wanted.outputs);
    expectSame(got.last, wanted.last);
    const x = random(3, [2, 3]);
    expectSame(gruCell(p, x), gruCell(p, x, zeros([2, 4], { dtype: "float64" })));
    checkGrads((...all: Tensor[]) => gruCell(from(all), all[4]!), [...flat(p), x]);
  });

  test("without padding, the last state is the last output, and lengths change no bit", () => {
    const [p, xs, h0] = [params(1), random(2, [2, 3, 3]), random(3, [2, 4])];
    const plain = gru(p, xs, h0);
    const packed = gru(p, xs, h0, { lengths: [3, 3] });
    expectSame(squeeze(slice(plain.outputs, { axis: 1, start: 2 }), { axis: 1 }), plain.last);
    expectSame(packed.outputs, plain.outputs);
    expectSame(packed.last, plain.last);
  });

  test("a row of length 0 keeps its state", () => {
    const [xs, h0] = [random(2, [2, 2, 3]), random(3, [2, 4])];
    const { outputs, last } = gru(params(1), xs, h0, { lengths: tensor([0, 2], { dtype: "int32" }) });
    expectSame(slice(last, { end: 1 }), slice(h0, { end: 1 }));
    expectSame(slice(outputs, { end: 1 }), zeros([1, 2, 4], { dtype: "float64" }));
  });

  test.each([0, NaN, Infinity, 1e300])("padding of %d changes no bit, in value or gradient", (padding) => {
    const [T, more, lengths] = [3, 2, [3, 1]];
    const inputs = [...flat(params(1)), random(2, [2, T, 3]), random(3, [2, 4])].map(leafOf);
    const short = inputs[4]!;
    const data = Float64Array.from({ length: 2 * (T + more) * 3 }, (_, i) => {
      const [b, t, e] = [Math.floor(i / 15), Math.floor(i / 3) % (T + more), i % 3];
      return t < lengths[b]! ? short.data[(b * T + t) * 3 + e]! : padding;
    });
    const long = tensor(data, { shape: [2, T + more, 3], requiresGrad: true });
    const wanted = gru(from(inputs), short, inputs[5], { lengths });
    const got = gru(from(inputs), long, inputs[5], { lengths });
    expectSame(slice(got.outputs, { axis: 1, end: T }), wanted.outputs, "outputs");
    expectSame(slice(got.outputs, { axis: 1, start: T }), zeros([2, more, 4], { dtype: "float64" }), "padding");
    expectSame(got.last, wanted.last, "last");
    const others = inputs.filter((x) => x !== short);
    const slopes = gradients(wanted, [...others, short]);
    const found = gradients(got, [...others, long], T);
    others.forEach((_, i) => expectSame(found[i]!, slopes[i]!, `gradient ${i}`));
    expectSame(slice(found.at(-1)!, { axis: 1, end: T }), slopes.at(-1)!, "gradient in xs");
    expect(slice(found.at(-1)!, { axis: 1, start: T }).data.every((value) => value === 0)).toBe(true);
  });

  test("a cotangent of NaN at padding goes nowhere", () => {
    const inputs = [...flat(params(1)), random(2, [2, 2, 3])].map(leafOf);
    const { outputs } = gru(from(inputs), inputs[4]!, undefined, { lengths: [2, 1] });
    const cotangent = (at: number): Tensor =>
      tensor([...Array<number>(12).fill(1), at, at, at, at], { shape: [2, 2, 4], dtype: "float64" });
    const wanted = grad(outputs, inputs, { cotangent: cotangent(0) });
    grad(outputs, inputs, { cotangent: cotangent(NaN) }).forEach((dx, i) =>
      expectSame(dx, wanted[i]!, `gradient ${i}`),
    );
  });

  test.each(["float32", "float64"] as const)("gives the same bits in step(), %s", (dtype) => {
    const inputs = [...flat(params(1, dtype)), random(2, [5, 4, 3], dtype), random(3, [5, 4], dtype)].map(leafOf);
    const [u, lengths] = [random(4, [5, 4, 4], dtype), [4, 1, 2, 4, 3]];
    for (const options of [{}, { lengths }]) {
      expectSameInStep(() => {
        const { outputs, last } = gru(from(inputs), inputs[4]!, inputs[5], options);
        return [outputs, last, ...grad(add(sum(mul(outputs, u)), sum(last)), inputs)];
      });
    }
  });

  test("is its definition, of whole sequences and of ids, in values and all gradients", () => {
    const arbitrary = fc.record({
      seed: fc.nat(1000),
      T: fc.integer({ min: 1, max: 5 }),
      E: fc.integer({ min: 1, max: 5 }),
      H: fc.integer({ min: 1, max: 9 }),
      V: fc.integer({ min: 1, max: 6 }),
      lengths: batchOfLengths(5),
      embedded: fc.boolean(),
      starts: fc.boolean(),
    });
    fc.assert(
      fc.property(arbitrary, ({ seed, T, E, H, V, lengths, embedded, starts }) => {
        const B = lengths.length;
        const ends = lengths.map((length) => Math.min(length, T));
        const p = createGru({ inputSize: E, hiddenSize: H, random: createRandom(seed), dtype: "float64" });
        const ids = Array.from({ length: B }, (_, b) =>
          Array.from({ length: T }, (_, t) => (b * 7 + t * t + seed) % V),
        );
        const x = random(seed + 1, embedded ? [V, E] : [B, T, E]);
        const inputs = [...flat(p), x, random(seed + 2, [starts ? B : 0, H])].map(leafOf);
        const [table, h0] = inputs.slice(4) as [Tensor, Tensor];
        const given = embedded ? { embedding: { weight: table }, ids } : table;
        const got = gru(from(inputs), given, starts ? h0 : undefined, { lengths: ends }).outputs;
        const xs = embedded ? embedding({ weight: table }, ids) : table;
        const wanted = composedGru({ ...from(inputs), x: xs, h0, lengths: tensor(ends, { dtype: "int32" }) });
        expectClose(got, wanted, sameValue, "outputs");
        const asked = starts ? inputs : inputs.slice(0, 5);
        const options = { cotangent: random(seed + 3, [B, T, H]), unreached: "zero" } as const;
        const slopes = grad(wanted, asked, options);
        grad(got, asked, options).forEach((dx, i) => expectClose(dx, slopes[i]!, sameGradient, `gradient ${i}`));
      }),
      { seed, numRuns: runsOfSequences },
    );
  });

  test("has the right gradients of ids, repeated and past a row's length", () => {
    const ids = [
      [1, 0, 1, 1],
      [2, 2, 0, 2],
    ];
    const outputs = (...x: Tensor[]): Tensor =>
      gru(from(x), { embedding: { weight: x[4]! }, ids }, undefined, { lengths: [4, 2] }).outputs;
    checkGrads(outputs, [...flat(params(1)), random(2, [3, 3])]);
    const rare = (...x: Tensor[]): Tensor =>
      gru(from(x), { embedding: { weight: x[4]! }, ids: [[4, 0]] }, x[5]).outputs; // more vectors than places
    checkGrads(rare, [...flat(params(1)), random(2, [5, 3]), random(3, [1, 4])]);
  });

  test("has the right gradients of one step of one row", () => {
    const inputs = [...flat(params(1)), random(2, [1, 1, 3]), random(3, [1, 4])];
    checkGrads((...x: Tensor[]) => gru(from(x), x[4]!, x[5]).last, inputs);
  });

  test("reads no vector of an embedding but those of its ids", () => {
    const run = (unread: number): readonly Tensor[] => {
      const weight = leafOf(tensor([1, 2, 3, unread, unread, unread, 4, 5, 6], { shape: [3, 3], dtype: "float64" }));
      const inputs = [...flat(params(1)).map(leafOf), weight];
      const given = { embedding: { weight }, ids: [[0, 2, 0, 1]] };
      const { outputs } = gru(from(inputs), given, undefined, { lengths: [3] });
      return [outputs, ...grad(sum(outputs), inputs)];
    };
    const wanted = run(0);
    run(NaN).forEach((x, i) => expectSame(x, wanted[i]!, `result ${i}`));
  });

  test("gives the same bits of ids in step()", () => {
    const inputs = [...flat(params(1, "float32")), random(2, [5, 3], "float32")].map(leafOf);
    const ids = [
      [4, 0, 1],
      [1, 1, 2],
    ];
    expectSameInStep(() => {
      const given = { embedding: { weight: inputs[4]! }, ids };
      const { outputs, last } = gru(from(inputs), given, undefined, { lengths: [3, 1] });
      return [outputs, last, ...grad(add(sum(outputs), sum(last)), inputs)];
    });
  });

  test("takes one tensor for several inputs", () => {
    const square = random(1, [6, 2]);
    const shared = (w: Tensor, b: Tensor, x: Tensor): Tensor =>
      gru({ weightIh: w, weightHh: w, biasIh: b, biasHh: b }, reshape(x, [2, 1, 2]), x).outputs;
    checkGrads(shared, [square, random(2, [6]), random(3, [2, 2])]);
  });

  test("runs as one op with a gate kernel each way, however long", () => {
    const inputs = flat(params(1, "float32")).map(leafOf);
    const run = (T: number): { ops: string[]; kernels: string[] } => {
      const [ops, kernels]: [string[], string[]] = [[], []];
      observe(
        () => grad(gru(from(inputs), random(2, [2, T, 3], "float32")).outputs, inputs, { cotangent: ones([2, T, 4]) }),
        { value: (op) => ops.push(op), kernel: (name) => kernels.push(name) },
      );
      return { ops, kernels };
    };
    expect(run(5)).toEqual(run(2));
    expect(run(5).ops.filter((op) => op === "gru")).toHaveLength(1);
    expect(run(5).ops).not.toContain("matmul");
    expect(run(5).kernels.filter((name) => name === "packFactor_f32")).toHaveLength(4); // weights, but for inputs' gradients
    expect(run(5).kernels).toEqual(expect.arrayContaining(["gemm_f32", "gruGates_f32", "gruGatesGrad_f32"]));
  });

  test("names what does not fit", () => {
    const [p, xs] = [params(1, "float32"), random(2, [2, 3, 3], "float32")];
    expectError(
      () => gru(p, xs, random(3, [3, 4], "float32")),
      ShapeError,
      "gru: h0 does not fit; got xs float32[2,3,3], weightHh float32[12,4], weightIh float32[12,3], biasIh float32[12], " +
        "biasHh float32[12], h0 float32[3,4]; " +
        "want xs [B,T,E], weightHh [3H,H], weightIh [3H,E], biasIh [3H], biasHh [3H], h0 [B,H]",
    );
    expect(() => gru(p, random(2, [2, 3, 2], "float32"))).toThrow("gru: weightIh does not fit");
    expect(() => gru({ ...p, weightHh: random(1, [4, 12], "float32") }, xs)).toThrow("gru: weightHh does not fit");
    expect(() => gru({ ...p, biasHh: random(1, [4], "float32") }, xs)).toThrow("gru: biasHh does not fit");
    expect(() => gru(p, random(2, [2, 3, 3]))).toThrow(DTypeError);
    expectError(() => gru(p, zeros([2, 0, 3])), ShapeError, "gru: no steps; got xs float32[2,0,3]; want T from 1");
    expectError(
      () => gru(p, xs, undefined, { lengths: [1, 4] }),
      IndexError,
      "gru: no such length; got lengths[1] 4; want 0 to 3",
    );
    expectError(
      () => gru(p, xs, undefined, { lengths: [1] }),
      ShapeError,
      "gru: not one length for each row; got lengths int32[1]; want lengths [2]",
    );
    const embedded = { embedding: { weight: random(2, [5, 3], "float32") }, ids: [[0, 5]] };
    expectError(
      () => gru(p, embedded),
      IndexError,
      "gru: no such id; got ids[0][1] 5, embedding float32[5,3]; want 0 to 4",
    );
    expect(() => gru(p, { ...embedded, ids: [0] })).toThrow("gru: not rows of ids; got ids int32[1]; want ids [B, T]");
    expect(() => gru(p, { ...embedded, ids: [[0]] }, random(3, [3, 4], "float32"))).toThrow("gru: h0 does not fit");
    expect(() => gruCell(p, random(1, [2, 3], "float32"), random(1, [3, 4], "float32"))).toThrow(
      "gruCell: x does not fit",
    );
  });
});
