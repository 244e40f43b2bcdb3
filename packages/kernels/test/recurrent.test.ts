// Recurrent layers and attention: WebAssembly against twins, in and out of a step, on the same data.
import { describe, expect, it } from "vitest";
import type { DType, NdArray, Sequence, SequenceGrads, Shape } from "../src/index.ts";
import {
  expectClose,
  expectSame,
  filled,
  generator,
  outcome,
  randoms,
  type Place,
  type Run,
  seed,
  simd,
  twin,
} from "./support.ts";

type Float = "float32" | "float64";
type Layer = "gru" | "lstm";
const suffix = { float32: "f32", float64: "f64" } as const;
/** Sums of some ten terms of size 1, and the functions that follow. */
const allowed = { float32: 4e-6, float64: 1e-14 } as const;

interface Case {
  readonly B: number;
  readonly T: number;
  readonly E: number;
  readonly H: number;
  readonly lengths: readonly number[];
  /** Size of a table; 0: no ids. */
  readonly V: number;
  readonly starts: boolean;
}

const upTo = (T: number, B: number): number[] => Array.from({ length: B }, (_, b) => (b * 7) % (T + 1));

/** Parts of vectors, whole ones and more; rows without steps; one step; tables and none; weights' gradients of all steps at once, of two, of one. */
const cases: readonly Case[] = [
  { B: 1, T: 1, E: 1, H: 1, lengths: [1], V: 0, starts: true },
  { B: 3, T: 4, E: 5, H: 3, lengths: [4, 0, 2], V: 0, starts: true },
  { B: 3, T: 4, E: 2, H: 8, lengths: [4, 4, 4], V: 5, starts: false },
  { B: 2, T: 3, E: 4, H: 13, lengths: [1, 3], V: 2, starts: true },
  { B: 0, T: 2, E: 2, H: 4, lengths: [], V: 0, starts: false },
  { B: 33, T: 5, E: 3, H: 2, lengths: upTo(5, 33), V: 0, starts: false },
  { B: 33, T: 5, E: 3, H: 2, lengths: upTo(5, 33), V: 7, starts: true },
  { B: 65, T: 3, E: 2, H: 3, lengths: upTo(3, 65), V: 0, starts: true },
  { B: 65, T: 3, E: 2, H: 3, lengths: upTo(3, 65), V: 4, starts: false },
];

/** The operands of a layer, made alike each time. */
function sequence(layer: Layer, { B, T, E, H, lengths, V, starts }: Case, dtype: Float, place: Place): Sequence {
  const random = generator(seed);
  const floats = (shape: Shape): NdArray => {
    const size = shape.reduce((product, length) => product * length, 1);
    return place(randoms(size, dtype, random, 1), shape, dtype);
  };
  const rows = (layer === "gru" ? 3 : 4) * H;
  const ids = Array.from({ length: B * T }, (_, i) => (i * i) % Math.max(1, V));
  return {
    x: floats(V > 0 ? [V, E] : [B, T, E]),
    weightIh: floats([rows, E]),
    weightHh: floats([rows, H]),
    biasIh: floats([rows]),
    biasHh: floats([rows]),
    h0: floats([starts ? B : 0, H]),
    lengths: place(lengths, [B], "int32"),
    ...(V > 0 && { ids: place(ids, [B, T], "int32") }),
    ...(layer === "lstm" && { c0: floats([starts ? B : 0, H]) }),
  };
}

const names = ["x", "weightIh", "weightHh", "biasIh", "biasHh", "h0", "c0"] as const;

/** States, what is saved, and all gradients, onto zeros (beta 0 over rubbish) or onto ones (beta 1). */
const both =
  (layer: Layer, given: Case, dtype: Float, beta: 0 | 1): Run =>
  (k, place) => {
    const s = sequence(layer, given, dtype, place);
    const { output, saved } = k[layer](s, true);
    const kept = [...k.copyOut(saved.gates.storage)];
    const dy = place(randoms(output.storage.length, dtype, generator(seed + 1), 1), output.shape, dtype);
    const asked = names.filter((name) => s[name] && (given.starts || !/^[hc]0$/.test(name)));
    const targets = asked.map((name) => ({ into: filled(k, s[name]!.shape, beta ? 1 : NaN, dtype as DType), beta }));
    const none = { h0: null, c0: null };
    const to = {
      ...none,
      ...Object.fromEntries(asked.map((name, i) => [name, targets[i]!])),
    } as unknown as SequenceGrads;
    k[`${layer}Grad`](s, saved, output, dy, to);
    expectSame(k.copyOut(saved.gates.storage), kept); // read, never written
    return [output, ...targets.map(({ into }) => into)];
  };

describe.each(["float32", "float64"] as const)(`%s, seed ${seed}`, (dtype) => {
  describe.each(["gru", "lstm"] as const)("%s", (layer) => {
    it.each(cases)("is its twin, B $B, T $T, E $E, H $H, V $V", (given) => {
      for (const beta of [0, 1] as const) {
        const run = both(layer, given, dtype, beta);
        const want = outcome(twin, false, run);
        expect(want.forms.filter((form) => !form.endsWith("_twin"))).toEqual([]);
        const outside = outcome(simd, false, run);
        for (const inStep of [false, true]) {
          const bare = outcome(twin, inStep, run);
          bare.values.forEach((values, i) => expectSame(values, want.values[i]!));
          const got = outcome(simd, inStep, run);
          got.values.forEach((values, i) => expectSame(values, outside.values[i]!));
          got.values.forEach((values, i) => expectClose(values, want.values[i]!, () => allowed[dtype]));
          const forms = [
            `${layer}Gates_${suffix[dtype]}`,
            `${layer}GatesGrad_${suffix[dtype]}`,
            `gemm_${suffix[dtype]}`,
          ];
          expect(got.forms).toEqual(expect.arrayContaining(forms));
        }
      }
    });

    it("gives the same states where nothing is saved", () => {
      const run =
        (saves: boolean): Run =>
        (k, place) =>
          k[layer](sequence(layer, cases[3]!, dtype, place), saves).output;
      for (const inStep of [false, true]) {
        expectSame(outcome(simd, inStep, run(false)).values[0]!, outcome(simd, inStep, run(true)).values[0]!);
      }
    });

    it("pulls back nothing where the cotangent is 0, whatever the gates are", () => {
      const run: Run = (k, place) => {
        const given = cases[1]!;
        const s = sequence(layer, given, dtype, place);
        const { output, saved } = k[layer](s, true);
        const [gates, cells] = [saved.gates, saved.cells].map(({ shape }) => filled(k, shape, NaN, dtype));
        const into = filled(k, s.weightHh.shape, 1, dtype);
        const to = {
          x: null,
          weightIh: null,
          biasIh: null,
          biasHh: null,
          h0: null,
          weightHh: { into, beta: 1 as const },
        };
        k[`${layer}Grad`](s, { gates: gates!, cells: cells! }, output, filled(k, output.shape, 0, dtype), to);
        return into;
      };
      for (const k of [simd, twin]) expect(new Set(outcome(k, true, run).values[0])).toEqual(new Set([1]));
    });
  });

  it("attention is its twin", () => {
    const run: Run = (k, place) => {
      const random = generator(seed);
      const floats = (shape: Shape, size: number): NdArray => place(randoms(size, dtype, random, 1), shape, dtype);
      const [query, memory, weight] = [floats([2, 3, 5], 30), floats([2, 4, 6], 48), floats([5, 6], 30)];
      const mask = place([1, 1, 0, 1, 0, 0, 0, 0], [2, 1, 4], "bool");
      const { output, saved } = k.attention({ query, memory, weight, mask });
      const into = [query, memory, weight].map(({ shape }) => filled(k, shape, 1, dtype));
      const dy = floats([2, 3, 6], 36);
      const to = (i: number): { into: NdArray; beta: 1 } => ({ into: into[i]!, beta: 1 });
      k.attentionGrad({ query, memory, weight, mask, ...saved }, dy, { query: to(0), memory: to(1), weight: to(2) });
      return [output, ...into];
    };
    const want = outcome(twin, false, run);
    for (const inStep of [false, true]) {
      const got = outcome(simd, inStep, run);
      got.values.forEach((values, i) => expectClose(values, want.values[i]!, () => allowed[dtype]));
      expect(got.forms).toEqual(expect.arrayContaining([`gemmBatch_${suffix[dtype]}`, `softmaxGrad_${suffix[dtype]}`]));
    }
  });
});
