import { full, memoryStats, observe, step, tensor, zeros, type GradusError, type Tensor } from "@gradus/core";
import { add, concat, matmul, mul, take, tanh } from "@gradus/ops";
import { greedyDecode, type Decoded, type DecodeStep, type GreedyDecodeOptions } from "@gradus/seq2seq";
import fc from "fast-check";
import { describe, expect, expectTypeOf, test } from "vitest";
import { stream } from "./arbitraries.ts";
import { rows } from "./helpers.ts";
import { runs, seed } from "./settings.ts";

const base: GreedyDecodeOptions = { batchSize: 1, startId: 0, endId: 2, maxLength: 5 };

/** Logits that a table [V, V] gives for the last token. */
const follow =
  (table: Tensor): DecodeStep<null> =>
  (tokens, state) => ({ logits: take(table, tokens), state });

describe("greedyDecode", () => {
  test("follows the likeliest token to the end token", () => {
    const table = tensor([
      [0, 9, 0],
      [0, 0, 9],
      [9, 0, 0],
    ]);
    expect(greedyDecode(follow(table), null, base)).toEqual({ ids: [[1]], ended: [true] });
  });

  test("stops at maxLength, and says which sequences had not ended", () => {
    const table = tensor([
      [0, 9, 0],
      [9, 0, 0],
      [0, 0, 9],
    ]);
    expect(greedyDecode(follow(table), null, base)).toEqual({ ids: [[1, 0, 1, 0, 1]], ended: [false] });
    expect(greedyDecode(follow(table), null, { ...base, maxLength: 0 })).toEqual({ ids: [[]], ended: [false] });
  });

  test("of tokens that tie takes the smallest, and takes +∞ and not −∞", () => {
    const first = (logits: number[]): number[] =>
      greedyDecode((_, state) => ({ logits: tensor([logits]), state }), null, { ...base, endId: 3, maxLength: 1 })
        .ids[0]!;
    expect(first([0, 7, 7, 7])).toEqual([1]);
    expect(first([0, 7, Infinity, 0])).toEqual([2]);
    expect(first([-Infinity, -1e30, -Infinity, -Infinity])).toEqual([1]);
    expect(first([-Infinity, -Infinity, -Infinity, -Infinity])).toEqual([0]);
  });

  test("feeds the end token to what has ended, until the last sequence ends", () => {
    const fed: unknown[] = [];
    const plan = [
      [1, 2, 3],
      [9, 1, 3],
      [0, 9, 3],
      [0, 0, 9],
    ];
    const decode: DecodeStep<Tensor> = (tokens, time) => {
      fed.push(tokens.toArray());
      const next = plan[time.item()]!;
      const logits = next.map((token) => Array.from({ length: 10 }, (_, v) => (v === token ? 1 : 0)));
      return { logits: tensor(logits), state: add(time, 1) };
    };
    const { ids, ended } = greedyDecode(decode, zeros([]), { batchSize: 3, startId: 7, endId: 9, maxLength: 20 });
    expect(ids).toEqual([[1], [2, 1], [3, 3, 3]]);
    expect(ended).toEqual([true, true, true]);
    expect(fed).toEqual([
      [7, 7, 7],
      [1, 2, 3],
      [9, 1, 3],
      [9, 9, 3],
    ]);
  });

  test("does not read the logits of what has ended", () => {
    const decode: DecodeStep<Tensor> = (_, time) => ({
      logits: tensor(time.item() === 0 ? rows([0, 0, 9], [0, 9, 0]) : rows([NaN, NaN, NaN], [0, 0, 9])),
      state: add(time, 1),
    });
    const { ids } = greedyDecode(decode, zeros([]), { ...base, batchSize: 2 });
    expect(ids).toEqual([[], [1]]);
  });

  test("an empty batch is not stepped", () => {
    const never = (): never => expect.fail("it was called");
    expect(greedyDecode(never, null, { ...base, batchSize: 0 })).toEqual({ ids: [], ended: [] });
  });

  test("is what a naive loop says", () => {
    const check = (V: number, batchSize: number, startId: number, maxLength: number, from: number): void => {
      const random = stream(from);
      const table = Array.from({ length: V }, () => Array.from({ length: V }, () => Math.floor(4 * random())));
      const bias = Array.from({ length: batchSize }, () => Array.from({ length: V }, () => Math.floor(6 * random())));
      const endId = V - 1;
      const want: Decoded = { ids: [], ended: [] };
      for (let b = 0; b < batchSize; b++) {
        const ids: number[] = [];
        let [token, ended] = [startId % V, false];
        for (let t = 0; t < maxLength && !ended; t++) {
          const logits = table[token]!.map((x, v) => x + t * bias[b]![v]!);
          token = logits.indexOf(Math.max(...logits));
          if (token === endId) ended = true;
          else ids.push(token);
        }
        want.ids.push(ids);
        want.ended.push(ended);
      }
      const [x, y] = [tensor(table), tensor(bias)];
      const decode: DecodeStep<{ time: Tensor; list: [Tensor] }> = (tokens, { time, list }) => ({
        logits: add(take(x, tokens), mul(list[0], time)),
        state: { time: add(time, 1), list: [mul(list[0], 1)] },
      });
      const state = { time: zeros([]), list: [y] as [Tensor] };
      expect(greedyDecode(decode, state, { batchSize, startId: startId % V, endId, maxLength })).toEqual(want);
    };
    const small = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
    fc.assert(fc.property(small(1, 6), small(1, 4), small(0, 5), small(0, 8), fc.nat(), check), {
      seed,
      numRuns: runs,
    });
  });
});

describe("a decoder's state", () => {
  const V = 6;
  const random = stream(5);
  const matrix = (rows: number, columns: number): Tensor =>
    tensor(
      Array.from({ length: rows * columns }, () => 2 * random() - 1),
      { shape: [rows, columns], requiresGrad: true },
    );
  const [embedding, recurrent, out] = [matrix(V, 64), matrix(64, 64), matrix(64, V)];
  const decode: DecodeStep<{ h: Tensor }> = (tokens, { h }) => {
    const next = tanh(add(take(embedding, tokens), matmul(h, recurrent)));
    return { logits: matmul(next, out), state: { h: next } };
  };
  const start = { h: full([8, 64], 0.1) };
  const options = { batchSize: 8, startId: 1, endId: V, maxLength: 1 };
  const padded: typeof decode = (tokens, state) => {
    const { logits, state: next } = decode(tokens, state);
    const never = full([8, 1], -Infinity); // the end token does not come
    return { logits: concat([logits, never], { axis: 1 }), state: next };
  };

  test("memory stays flat", () => {
    const peak = (maxLength: number): number => {
      greedyDecode(padded, start, { ...options, maxLength });
      return memoryStats().peak;
    };
    const short = peak(2);
    expect(peak(200)).toBe(short);
    expect(memoryStats().live).toBe(0);
    const inside = step(() => {
      greedyDecode(padded, start, { ...options, maxLength: 2 });
      const after = memoryStats().live;
      greedyDecode(padded, start, { ...options, maxLength: 50 });
      return memoryStats().live - after;
    });
    expect(inside).toBe(0);
  });

  test("nothing is recorded", () => {
    const ids = new Set<number>();
    observe(() => greedyDecode(padded, start, { ...options, maxLength: 3 }), { value: (_, id) => void ids.add(id) });
    expect([...ids]).toEqual([0]);
  });

  test("is the same inside a step", () => {
    const run = (): Decoded => greedyDecode(padded, start, { ...options, maxLength: 12 });
    expect(step(run)).toEqual(run());
  });

  test("comes back as a constant of the time step before; the first is the caller's own", () => {
    const first = { h: full([1, 2], 0.5, { requiresGrad: true }) };
    const seen: Tensor[] = [];
    const spy: DecodeStep<{ h: Tensor }> = (_, state) => {
      seen.push(state.h);
      return { logits: tensor([[1, 0]]), state: { h: add(state.h, 1) } };
    };
    greedyDecode(spy, first, { batchSize: 1, startId: 0, endId: 1, maxLength: 3 });
    expect(seen[0]).toBe(first.h);
    expect(seen.map((h) => [h.requiresGrad, h.data[0]])).toEqual([
      [true, 0.5],
      [false, 1.5],
      [false, 2.5],
    ]);
  });
});

describe("errors", () => {
  const any = (value: unknown): never => value as never;
  const message = (decode: unknown, options: Partial<GreedyDecodeOptions> = {}): string => {
    try {
      greedyDecode(decode as DecodeStep<null>, null, { ...base, ...options });
    } catch (error) {
      const { name, message } = error as GradusError;
      return `${name}: ${message}`;
    }
    return expect.fail("nothing was thrown");
  };
  const gives = (logits: unknown) => () => ({ logits, state: null });

  test("of options", () => {
    const decode = gives(zeros([1, 3]));
    expect(message(decode, { batchSize: -1 })).toMatchInlineSnapshot(
      `"ValueError: greedyDecode: no such batchSize; got batchSize -1; want a whole number from 0"`,
    );
    expect(message(decode, { startId: 0.5 })).toMatchInlineSnapshot(
      `"ValueError: greedyDecode: no such startId; got startId 0.5; want a whole number from 0"`,
    );
    expect(message(decode, { endId: -1 })).toMatchInlineSnapshot(
      `"ValueError: greedyDecode: no such endId; got endId -1; want a whole number from 0"`,
    );
    expect(message(decode, { maxLength: Infinity })).toMatchInlineSnapshot(
      `"ValueError: greedyDecode: no such maxLength; got maxLength Infinity; want a whole number from 0"`,
    );
    expect(message(decode, { maxLength: any(undefined) })).toMatchInlineSnapshot(
      `"ValueError: greedyDecode: no such maxLength; got maxLength undefined; want a whole number from 0"`,
    );
    expect(message(decode, { endId: 3 })).toMatchInlineSnapshot(
      `"IndexError: greedyDecode: endId out of range; got endId 3, logits float32[1,3]; want 0 to 2"`,
    );
  });

  test("of logits", () => {
    expect(message(gives(zeros([2, 3])))).toMatchInlineSnapshot(
      `"ShapeError: greedyDecode: step returned logits of another shape; got logits float32[2,3]; want [1, V] with V of 1 or more"`,
    );
    expect(message(gives(zeros([1, 1, 3])))).toMatchInlineSnapshot(
      `"ShapeError: greedyDecode: step returned logits of another shape; got logits float32[1,1,3]; want [1, V] with V of 1 or more"`,
    );
    expect(message(gives(zeros([1, 0])))).toMatchInlineSnapshot(
      `"ShapeError: greedyDecode: step returned logits of another shape; got logits float32[1,0]; want [1, V] with V of 1 or more"`,
    );
    expect(message(gives(zeros([1, 3], { dtype: "int32" })))).toMatchInlineSnapshot(
      `"DTypeError: greedyDecode: step returned logits that are no floats; got logits int32[1,3]; want float32 or float64"`,
    );
    expect(message(gives([[0, 1, 2]]))).toMatchInlineSnapshot(
      `"ValueError: greedyDecode: step returned no logits; got logits [[0,1,2]]; want { logits, state }"`,
    );
    expect(message(() => zeros([1, 3]))).toMatchInlineSnapshot(
      `"ValueError: greedyDecode: step returned no logits; got logits undefined; want { logits, state }"`,
    );
    expect(message(() => undefined)).toMatchInlineSnapshot(
      `"ValueError: greedyDecode: step returned no logits; got logits undefined; want { logits, state }"`,
    );
    expect(message(() => Promise.resolve(gives(zeros([1, 3]))()))).toMatchInlineSnapshot(
      `"ValueError: step: the function returned a promise; want a synchronous function"`,
    );
  });

  test("NaN says where", () => {
    const decode: DecodeStep<Tensor> = (_, time) => ({
      logits: tensor(rows([0, 9, 0], [0, time.item() === 2 ? NaN : 9, 0])),
      state: add(time, 1),
    });
    expect(() => greedyDecode(decode, zeros([]), { ...base, batchSize: 2 })).toThrowErrorMatchingInlineSnapshot(
      `[ValueError: greedyDecode: NaN in the logits; got logits[1][1] NaN, time step 2, logits float32[2,3]; want numbers]`,
    );
  });
});

test("types", () => {
  expectTypeOf<ReturnType<typeof greedyDecode>>().toEqualTypeOf<Decoded>();
  expectTypeOf<Decoded["ids"]>().toEqualTypeOf<number[][]>();
  interface State {
    h: Tensor;
  }
  // An interface may be a state, and its type is followed.
  const decode: DecodeStep<State> = (_, state) => ({ logits: tensor([[0, 1]]), state });
  expect(greedyDecode(decode, { h: zeros([1]) }, { ...base, endId: 1 }).ids).toEqual([[]]);
  // @ts-expect-error the state is of another type
  greedyDecode(decode, { c: zeros([1]) }, { ...base, endId: 1 });
  // @ts-expect-error an option is missing
  expect(() => greedyDecode(decode, { h: zeros([1]) }, { batchSize: 1, startId: 0, endId: 1 })).toThrow("maxLength");
});
