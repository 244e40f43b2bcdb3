import { grad, IndexError, observe, ones, ShapeError, tensor, zeros, type Tensor } from "@gradus/core";
import { checkGrads } from "@gradus/gradcheck";
import { createLstm, createRandom, embedding, lstm, lstmCell, type LstmParams, type LstmState } from "@gradus/nn";
import { add, concat, mul, reshape, slice, squeeze, stack, sum, take, where } from "@gradus/ops";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { composedLstm } from "../src/lstm.ts";
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

type Rnn = { readonly outputs: Tensor; readonly last: LstmState };

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
    const params = from(["wIh", "wHh", "bIh", "bHh"].map((name) => x[name + suffix]!));
    const at = (state: Tensor): Tensor => squeeze(slice(state, { start: i, end: i + 1 }), { axis: 0 });
    return lstm(params, xs, { h: at(x.h0!), c: at(x.c0!) }, { lengths });
  };
  const forward = direction(0, "", x.x!);
  if (!options.bidirectional) return { x, directions: [forward] };
  const { outputs, last } = direction(1, "Reverse", reversed(x.x!, lengths));
  return { x, directions: [forward, { outputs: reversed(outputs, lengths), last }] };
}

const flat = (p: LstmParams): Tensor[] => [p.weightIh, p.weightHh, p.biasIh, p.biasHh];
const from = ([weightIh, weightHh, biasIh, biasHh]: readonly Tensor[]): LstmParams =>
  ({ weightIh, weightHh, biasIh, biasHh }) as LstmParams;
const leafOf = (x: Tensor): Tensor => tensor(x.data, { shape: x.shape, requiresGrad: true });
const params = (seed: number, dtype: "float32" | "float64" = "float64"): LstmParams =>
  createLstm({ inputSize: 3, hiddenSize: 5, random: createRandom(seed), dtype });

describe("PyTorch's numbers", () => {
  const sequences = goldens("rnn.json").filter(({ op }) => op === "lstm");
  const cells = goldens("rnn.json").filter(({ op }) => op === "lstmCell");
  test("are two cases each", () => expect([sequences.length, cells.length]).toEqual([2, 2]));

  const check = (given: Golden, x: Record<string, Tensor>, got: Record<string, Tensor>): void => {
    const { cotangent, expected, grads, scales, differentiable } = given;
    const names = Object.keys(expected);
    const terms = names.map((name) => {
      expectClose(got[name]!, toTensor(expected[name]!), golden * scales[name]!, name);
      return sum(mul(got[name]!, toTensor(cotangent[name]!)));
    });
    const inputs = differentiable.map((name) => x[name]!);
    const slopes = grad(
      terms.reduce((total, term) => add(total, term)),
      inputs,
    );
    differentiable.forEach((name, i) =>
      expectClose(slopes[i]!, toTensor(grads[name]!), golden * scales[`grad:${name}`]!, name),
    );
    expect(names.length + differentiable.length).toBeGreaterThanOrEqual(9);
  };

  test.each(sequences)("$name", (given) => {
    const { x, directions } = runGolden(given);
    const out = concat(
      directions.map(({ outputs }) => outputs),
      { axis: -1 },
    );
    const [hN, cN] = [stack(directions.map(({ last }) => last.h)), stack(directions.map(({ last }) => last.c))];
    check(given, x, { out, hN, cN });
  });

  test.each(cells)("$name", (given) => {
    const x = Object.fromEntries(Object.entries(given.inputs).map(([name, value]) => [name, toTensor(value, true)]));
    const { h, c } = lstmCell(from([x.wIh!, x.wHh!, x.bIh!, x.bHh!]), x.x!, { h: x.h!, c: x.c! });
    check(given, x, { h, c });
  });
});

/** By lstmCell, one step after the other, each of which keeps the states of the rows that have ended. */
function stepped(p: LstmParams, xs: Tensor, first: LstmState, lengths: readonly number[]): Rnn {
  const outputs: Tensor[] = [];
  let last = first;
  for (let t = 0; t < xs.shape[1]!; t++) {
    const goesOn = tensor(lengths.map((length) => [t < length]));
    const next = lstmCell(p, squeeze(slice(xs, { axis: 1, start: t, end: t + 1 }), { axis: 1 }), last);
    last = { h: where(goesOn, next.h, last.h), c: where(goesOn, next.c, last.c) };
    outputs.push(where(goesOn, next.h, 0));
  }
  return { outputs: stack(outputs, { axis: 1 }), last };
}

/** All results in one row. */
const row = ({ outputs, last }: Rnn): Tensor => concat([outputs, last.h, last.c].map((x) => reshape(x, [x.size])));

describe("lstm", () => {
  test("is lstmCell over and over, and its definition, in values and all gradients", () => {
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
        const p = createLstm({ inputSize: E, hiddenSize: H, random: createRandom(seed), dtype: "float64" });
        const ids = Array.from({ length: B }, (_, b) =>
          Array.from({ length: T }, (_, t) => (b * 7 + t * t + seed) % V),
        );
        const zero = zeros([B, H], { dtype: "float64" });
        const states = starts ? [random(seed + 2, [B, H]), random(seed + 3, [B, H])] : [];
        const inputs = [...flat(p), random(seed + 1, embedded ? [V, E] : [B, T, E]), ...states].map(leafOf);
        const [table, h = zero, c = zero] = inputs.slice(4) as [Tensor, Tensor?, Tensor?];
        const given = embedded ? { embedding: { weight: table }, ids } : table;
        const xs = embedded ? embedding({ weight: table }, ids) : table;
        const got = lstm(from(inputs), given, starts ? { h, c } : undefined, { lengths: ends });
        const wanted = row(stepped(from(inputs), xs, { h, c }, ends));
        expectClose(row(got), wanted, sameValue, "results");
        const options = { cotangent: random(seed + 4, wanted.shape), unreached: "zero" } as const;
        const slopes = grad(wanted, inputs, options);
        grad(row(got), inputs, options).forEach((dx, i) => expectClose(dx, slopes[i]!, sameGradient, `gradient ${i}`));
        const int = { dtype: "int32" } as const;
        const defined = composedLstm({ ...from(inputs), x: xs, h0: h, c0: c, lengths: tensor(ends, int) });
        const outputs = slice(defined, { end: B * T });
        expectClose(reshape(outputs, [B, T, H]), got.outputs, sameValue, "outputs of the definition");
        expectClose(slice(defined, { start: B * T }), got.last.c, sameValue, "cells of the definition");
      }),
      { seed, numRuns: runsOfSequences },
    );
  });

  test("has the right gradients, and those of the gradients", () => {
    const states = [random(3, [2, 5]), random(4, [2, 5])];
    const run = (...x: Tensor[]): Tensor => row(lstm(from(x), x[4]!, { h: x[5]!, c: x[6]! }, { lengths: [3, 0] }));
    checkGrads(run, [...flat(params(1)), random(2, [2, 3, 3]), ...states]);
    checkGrads((...x: Tensor[]) => row(lstm(from(x), x[4]!)), [...flat(params(1)), random(2, [1, 1, 3])]);
    const ids = [
      [1, 0, 1, 1],
      [2, 2, 0, 2],
    ];
    const embedded = (...x: Tensor[]): Tensor => {
      return row(lstm(from(x), { embedding: { weight: x[4]! }, ids }, undefined, { lengths: [4, 2] }));
    };
    checkGrads(embedded, [...flat(params(1)), random(2, [3, 3])]);
  });

  test("a cell starts from 0 unless told", () => {
    const [p, x, zero] = [params(1), random(2, [2, 3]), zeros([2, 5], { dtype: "float64" })];
    const [got, wanted] = [lstmCell(p, x), lstmCell(p, x, { h: zero, c: zero })];
    expectSame(got.h, wanted.h);
    expectSame(got.c, wanted.c);
    const both = ({ h, c }: LstmState): Tensor => concat([h, c]);
    checkGrads((...all: Tensor[]) => both(lstmCell(from(all), all[4]!)), [...flat(p), x]);
  });

  test("takes one tensor for several inputs", () => {
    const shared = (w: Tensor, b: Tensor, x: Tensor): Tensor =>
      row(lstm({ weightIh: w, weightHh: w, biasIh: b, biasHh: b }, reshape(x, [2, 1, 2]), { h: x, c: x }));
    checkGrads(shared, [random(1, [8, 2]), random(2, [8]), random(3, [2, 2])]);
  });

  test.each([NaN, Infinity, 1e300])("padding of %d changes no bit, in value or gradient", (padding) => {
    const run = (at: number): readonly Tensor[] => {
      const data = random(2, [2, 3, 3]).data.map((value: number, i: number) => (i >= 12 ? at : value));
      const inputs = [...flat(params(1)), tensor(data, { shape: [2, 3, 3] })].map(leafOf);
      const results = row(lstm(from(inputs), inputs[4]!, undefined, { lengths: [3, 1] }));
      return [results, ...grad(results, inputs, { cotangent: random(5, results.shape) })];
    };
    const wanted = run(0);
    run(padding).forEach((x, i) => expectSame(x, wanted[i]!, `result ${i}`));
    expect(
      slice(wanted.at(-1)!, { start: 1, axis: 0 })
        .data.slice(3)
        .every((value) => value === 0),
    ).toBe(true);
  });

  test("a cotangent of NaN at padding goes nowhere", () => {
    const inputs = [...flat(params(1)), random(2, [2, 2, 3])].map(leafOf);
    const { outputs } = lstm(from(inputs), inputs[4]!, undefined, { lengths: [2, 1] });
    const cotangent = (at: number): Tensor =>
      tensor([...Array<number>(15).fill(1), ...Array<number>(5).fill(at)], { shape: [2, 2, 5], dtype: "float64" });
    const wanted = grad(outputs, inputs, { cotangent: cotangent(0) });
    grad(outputs, inputs, { cotangent: cotangent(NaN) }).forEach((dx, i) =>
      expectSame(dx, wanted[i]!, `gradient ${i}`),
    );
  });

  test("a row of length 0 keeps its state", () => {
    const state = { h: random(3, [2, 5]), c: random(4, [2, 5]) };
    const { outputs, last } = lstm(params(1), random(2, [2, 2, 3]), state, { lengths: [0, 2] });
    expectSame(slice(last.h, { end: 1 }), slice(state.h, { end: 1 }));
    expectSame(slice(last.c, { end: 1 }), slice(state.c, { end: 1 }));
    expectSame(slice(outputs, { end: 1 }), zeros([1, 2, 5], { dtype: "float64" }));
  });

  test.each(["float32", "float64"] as const)("gives the same bits in step(), %s", (dtype) => {
    const inputs = [...flat(params(1, dtype)), random(2, [5, 4, 3], dtype), random(3, [5, 5], dtype)].map(leafOf);
    for (const lengths of [
      [4, 1, 2, 4, 3],
      [4, 4, 4, 4, 4],
    ]) {
      expectSameInStep(() => {
        const results = row(lstm(from(inputs), inputs[4]!, { h: inputs[5]!, c: inputs[5]! }, { lengths }));
        return [results, ...grad(results, inputs, { cotangent: random(4, results.shape, dtype) })];
      });
    }
  });

  test("runs as one op with a gate kernel each way, however long", () => {
    const inputs = flat(params(1, "float32")).map(leafOf);
    const run = (T: number): string[] => {
      const kernels: string[] = [];
      observe(
        () => grad(lstm(from(inputs), random(2, [2, T, 3], "float32")).outputs, inputs, { cotangent: ones([2, T, 5]) }),
        { kernel: (name) => kernels.push(name) },
      );
      return kernels;
    };
    expect(run(5)).toEqual(run(2));
    expect(run(5)).toEqual(expect.arrayContaining(["gemm_f32", "lstmGates_f32", "lstmGatesGrad_f32"]));
  });

  test("names what does not fit", () => {
    const [p, xs, h] = [params(1, "float32"), random(2, [2, 3, 3], "float32"), random(3, [2, 5], "float32")];
    expectError(
      () => lstm(p, xs, { h, c: random(3, [3, 5], "float32") }),
      ShapeError,
      "lstm: c does not fit; got xs float32[2,3,3], weightHh float32[20,5], weightIh float32[20,3], biasIh float32[20], " +
        "biasHh float32[20], h float32[2,5], c float32[3,5]; " +
        "want xs [B,T,E], weightHh [4H,H], weightIh [4H,E], biasIh [4H], biasHh [4H], h [B,H], c [B,H]",
    );
    expect(() => lstm(p, zeros([2, 0, 3]))).toThrow("lstm: no steps; got xs float32[2,0,3]; want T from 1");
    expect(() => lstm(p, xs, undefined, { lengths: [1, 4] })).toThrow(IndexError);
    expect(() => lstmCell(p, random(1, [3, 3], "float32"), { h, c: h })).toThrow("lstmCell: x does not fit");
    expect(() => createLstm({ inputSize: 0, hiddenSize: 1, random: createRandom(1) })).toThrow(
      "createLstm: no such size",
    );
  });
});
