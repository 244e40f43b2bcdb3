import { add, flattenTree, step, type Tensor, type Tree } from "@gradus/core";
import { adam, decodeSafetensors, encodeSafetensors, loadParams, sgd, type UpdateOptions } from "@gradus/nn";
import { describe, expect, test } from "vitest";
import { expectSame, random } from "./helpers.ts";

// What holds for every optimizer.

type Params = { readonly layers: readonly { readonly w: Tensor }[]; readonly scale: Tensor };
type Model = { readonly params: Params; readonly state: Tree };
interface Optimizer {
  init(params: Params): Tree;
  update(grads: Params, state: Tree, params: Params, options?: UpdateOptions): Model;
}
const optimizers: readonly (readonly [string, Optimizer])[] = [
  ["adam", adam({ learningRate: 0.1 })],
  ["sgd", sgd({ learningRate: 0.1 })],
  ["sgd with momentum", sgd({ learningRate: 0.1, momentum: 0.9 })],
  ["sgd with Nesterov's momentum", sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true })],
];
const dtypes = ["float32", "float64"] as const;

const make = (seed: number, dtype: "float32" | "float64" = "float64"): Params => ({
  layers: [{ w: random(seed, [2, 3], dtype) }, { w: random(seed + 1, [4], dtype) }],
  scale: random(seed + 2, [], dtype),
});
const all = (model: Model): Tensor[] => [...flattenTree(model).values()];
/** Without the numbers that an optimizer counts its updates by. */
const ofParams = (model: Model): Tensor[] =>
  [...flattenTree(model)].flatMap(([path, x]) => (path.endsWith("Power") ? [] : [x]));

function expectSameModel(got: Model, wanted: Model): void {
  const want = all(wanted);
  expect(all(got).length).toBe(want.length);
  all(got).forEach((x, i) => expectSame(x, want[i]!, `tensor ${i}`));
}

describe.each(optimizers)("%s", (_, optimizer) => {
  const start = (dtype: "float32" | "float64" = "float64"): Model => {
    const params = make(1, dtype);
    return { params, state: optimizer.init(params) };
  };
  const next = ({ params, state }: Model, seed: number, options?: UpdateOptions): Model =>
    optimizer.update(make(seed, params.scale.dtype as "float32"), state, params, options);

  test("changes nothing that it was given", () => {
    const first = next(start(), 5);
    const grads = make(6);
    const seen = (): unknown => [...all(first), ...flattenTree(grads).values()].map((x) => x.data);
    const before = seen();
    const second = optimizer.update(grads, first.state, first.params);
    expect(seen()).toEqual(before);
    expectSameModel(optimizer.update(grads, first.state, first.params), second);
    const moved = all(second).filter((x, i) => x.data[0] !== all(first)[i]!.data[0]);
    expect(moved.length).toBe(all(first).length);
  });

  test.each(dtypes)("gives the same bits in step(), and where it writes over what is donated, %s", (dtype) => {
    let [wanted, inside, over, both] = [start(dtype), start(dtype), start(dtype), start(dtype)];
    const donated = [over, both];
    const arrays = ofParams(over).map((x) => x.array.storage.array);
    for (const seed of [5, 6, 7]) {
      const [model, given] = [inside, both];
      wanted = next(wanted, seed);
      inside = step(() => next(model, seed));
      over = next(over, seed, { donate: true });
      both = step(() => next(given, seed, { donate: true }));
    }
    for (const got of [inside, over, both]) expectSameModel(got, wanted);
    ofParams(over).forEach((x, i) => expect(x.array.storage.array).toBe(arrays[i]));
    const why = "was given up to an optimizer, which wrote the new values over it";
    for (const x of donated.flatMap(ofParams)) {
      expect(() => x.data).toThrow(why);
      expect(() => add(x, 1)).toThrow(why);
    }
  });

  test("goes on from a checkpoint to the bit", () => {
    const saved = next(start("float32"), 5);
    const { tensors } = decodeSafetensors(encodeSafetensors(saved));
    expectSameModel(next(loadParams(start("float32"), tensors), 7), next(saved, 7));
  });
});
