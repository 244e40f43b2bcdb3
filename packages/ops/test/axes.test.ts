import { IndexError, isTensor, zeros, type Tensor } from "@gradus/core";
import { std, variance } from "@gradus/ops";
import { opTable, type OpName } from "@gradus/ops/table";
import { describe, expect, test } from "vitest";
import { callOf, names, type AnyArguments, type Call } from "./calls.ts";

// Whatever takes axes takes them from either end, in any order, and refuses those that are not there.

type Axes = number | readonly number[];
interface Sample {
  readonly name: OpName;
  readonly i: number;
  readonly key: "axis" | "axes";
  readonly axes: Axes;
  /** The call with other axes. */
  readonly along: (axes: unknown) => Call;
  /** The number of axes to choose from: one more than there are, where a new one is put among them. */
  readonly rank: number;
}

const tensorsOf = ({ args, inputs }: Call): Tensor[] => args(inputs).flat().filter(isTensor);

const samples = names.flatMap((name) =>
  (opTable[name].samples as readonly AnyArguments[]).flatMap((sample, i): Sample[] => {
    const options = sample.at(-1) as { readonly axis?: Axes; readonly axes?: Axes };
    const key = (["axis", "axes"] as const).find((key) => options[key] !== undefined);
    if (key === undefined) return [];
    const along = (axes: unknown): Call =>
      callOf(name, [...sample.slice(0, -1), { ...options, [key]: axes }] as unknown as AnyArguments);
    const [x] = callOf(name, sample).args(callOf(name, sample).inputs).flat() as [Tensor];
    const rank = x.shape.length + Number(name === "expandDims" || name === "stack");
    return [{ name, i, key, axes: options[key]!, along, rank }];
  }),
);
const lists = samples.filter(({ axes }) => typeof axes === "object");

const bitsOf = (call: Call): unknown => call.outputs(...call.inputs).map(({ shape, data }) => ({ shape, data }));

test("ops with axes are found, and take them as they should", () => {
  const found = new Set(samples.map(({ name }) => name));
  expect([...found]).toEqual(expect.arrayContaining(["sum", "softmax", "concat", "gather", "transpose", "expandDims"]));
  for (const name of found) {
    const given = samples.filter((sample) => sample.name === name).flatMap(({ axes }) => axes);
    expect(
      given.some((axis) => axis < 0),
      `${name} has a sample with a negative axis`,
    ).toBe(true);
    const shapes = opTable[name].samples.flatMap((sample) => tensorsOf(callOf(name, sample)).map(({ shape }) => shape));
    expect(
      shapes.some((shape) => shape.includes(0)),
      `${name} has a sample of nothing`,
    ).toBe(true);
  }
});

describe("from either end, axes are the same:", () => {
  test.each(samples)("$name, sample $i", ({ axes, along, rank }) => {
    const other = (axis: number): number => (axis < 0 ? axis + rank : axis - rank);
    expect(bitsOf(along(typeof axes === "number" ? other(axes) : axes.map(other)))).toEqual(bitsOf(along(axes)));
  });
});

describe("in any order, and one of them without a list:", () => {
  test.each(lists.filter(({ key }) => key === "axis"))("$name, sample $i", ({ axes, along }) => {
    const list = axes as readonly number[];
    expect(bitsOf(along([...list].reverse()))).toEqual(bitsOf(along(list)));
    if (list.length === 1) expect(bitsOf(along(list[0]))).toEqual(bitsOf(along(list)));
  });
});

describe("what is no axis is refused with x's shape:", () => {
  test.each(samples)("$name, sample $i", ({ name, axes, along, rank }) => {
    const wrong: unknown[] = [rank, -rank - 1, 0.5, NaN, Infinity, "0", null, {}];
    for (const axis of wrong) {
      for (const given of typeof axes === "number" ? [axis] : [axis, [axis], [...axes, axis]]) {
        if (given === null) continue; // as if it were left out
        const call = along(given);
        const refused = (): unknown => call.run(...call.inputs);
        expect(refused, `${name} along ${JSON.stringify(given)}`).toThrow(IndexError);
        expect(refused).toThrow(/\w+\[[\d,]*\]/);
        expect(refused).toThrow(new RegExp(`^${name}: `));
      }
    }
  });
});

describe("an axis twice is refused:", () => {
  test.each(lists.filter(({ axes }) => (axes as readonly number[]).length > 0))("$name, sample $i", (sample) => {
    const [axis] = sample.axes as [number];
    const same = axis < 0 ? axis + sample.rank : axis - sample.rank;
    for (const twice of [
      [axis, axis],
      [axis, same],
    ]) {
      const call = sample.along(twice);
      expect(() => call.run(...call.inputs)).toThrow(IndexError);
      expect(() => call.run(...call.inputs)).toThrow("an axis twice");
    }
  });
});

test("over no axes there is no spread", () => {
  const x = zeros([2, 3], { dtype: "float64", requiresGrad: true });
  for (const f of [variance, std]) {
    expect(f(x, { axis: [] }).toArray()).toEqual(zeros([2, 3]).toArray());
    expect(f(x, { axis: [], correction: 1 }).toArray()).toEqual([NaN, NaN].map(() => [NaN, NaN, NaN]));
  }
});
