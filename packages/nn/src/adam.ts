import { DTypeError, mapTree, ShapeError, Tensor, tensor, ValueError, zeros, type Tree } from "@gradus/core";
import * as k from "@gradus/kernels";
import { isSame } from "./arguments.ts";
import { leavesOf, type Leaf } from "./leaves.ts";

export interface AdamOptions {
  readonly learningRate: number;
  /** Default: 0.9. */
  readonly beta1?: number;
  /** Default: 0.999. */
  readonly beta2?: number;
  /** Default: 1e-8. */
  readonly epsilon?: number;
}

/** Running averages of the gradients and of their squares, and β₁ᵗ and β₂ᵗ, float64 scalars. All of it fits a checkpoint. */
export type AdamState<P extends Tree> = {
  readonly expAvg: P;
  readonly expAvgSq: P;
  readonly beta1Power: Tensor;
  readonly beta2Power: Tensor;
};

export interface AdamUpdateOptions {
  /** Of this update. Default: the optimizer's. */
  readonly learningRate?: number;
  /**
   * Give up `params` and `state`: the new values are written over the old ones, and use of an old tensor throws. An update
   * then makes no arrays, of which three times the parameters wait for the collector otherwise. Default: false.
   */
  readonly donate?: boolean;
}

export interface Adam {
  /** The state before the first update. */
  init<P extends Tree>(params: P): AdamState<P>;
  /** New parameters and state; the old ones stay as they are, unless they are donated. */
  update<P extends Tree>(
    grads: P,
    state: AdamState<P>,
    params: P,
    options?: AdamUpdateOptions,
  ): { readonly params: P; readonly state: AdamState<P> };
}

/**
 * m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − α·m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ), for every tensor
 * p of a tree and its gradient g.
 * @throws ValueError for options out of range, for a gradient that is missing or has no parameter, and for a tensor that
 * stands at two places; ShapeError and DTypeError for a gradient unlike its parameter.
 * @source Kingma & Ba 2015, Adam; as PyTorch's `Adam`
 * @example
 * const optimizer = adam({ learningRate: 0.1 });
 * const params = { w: tensor([1, 1]) };
 * const next = optimizer.update({ w: tensor([5, -5]) }, optimizer.init(params), params);
 * console.log(next.params.w); // => float32[2] [0.9, 1.1]
 * console.log(params.w); // => float32[2] [1, 1]
 */
export function adam({ learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions): Adam {
  checkRange({ learningRate, epsilon }, Infinity, "a finite number from 0");
  checkRange({ beta1, beta2 }, 1, "0 to below 1");
  return {
    init: (params) => {
      leavesOf("adam.init", params).forEach(({ path, x }) => checkFloat("adam.init", path, x));
      const start = (): typeof params => mapTree(params, (x) => zeros(x.shape, { dtype: x.dtype }));
      return { expAvg: start(), expAvgSq: start(), ...powers(1, 1) };
    },
    update: (grads, state, params, options = {}) => {
      const { learningRate: rate = learningRate, donate = false } = options;
      checkRange({ learningRate: rate }, Infinity, "a finite number from 0");
      const [beta1Power, beta2Power] = [state.beta1Power.item() * beta1, state.beta2Power.item() * beta2];
      const root = Math.sqrt(1 - beta2Power); // √v̂ = √v/root: both it and 1 − β₁ᵗ go into numbers
      const rates = {
        rateM: 1 - beta1,
        rateV: 1 - beta2,
        size: (rate * root) / (1 - beta1Power),
        floor: epsilon * root,
      };
      const { expAvg, expAvgSq } = state;
      const all = matched(params, grads, expAvg, expAvgSq);
      if (donate && isShared(all)) leavesOf("adam.update", { params, grads, expAvg, expAvgSq }); // which refuses it
      const moved = all.map(({ p, g, m, v }) => {
        const [newP, newM, newV] = k.adam([p.array, g.array, m.array, v.array], rates, donate);
        return { p: new Tensor(newP, null, p.name), m: new Tensor(newM), v: new Tensor(newV) };
      });
      const pick = (name: "p" | "m" | "v"): typeof params => {
        let next = 0;
        return mapTree(params, () => moved[next++]![name]);
      };
      return {
        params: pick("p"),
        state: { expAvg: pick("m"), expAvgSq: pick("v"), ...powers(beta1Power, beta2Power) },
      };
    },
  };
}

const powers = (beta1Power: number, beta2Power: number): Pick<AdamState<Tensor>, "beta1Power" | "beta2Power"> => ({
  beta1Power: tensor(beta1Power, { dtype: "float64" }),
  beta2Power: tensor(beta2Power, { dtype: "float64" }),
});

interface Slots {
  readonly p: Tensor;
  readonly g: Tensor;
  readonly m: Tensor;
  readonly v: Tensor;
}

/** Whether a tensor stands at two places, of which one would be written over. */
function isShared(all: readonly Slots[]): boolean {
  const storages = new Set<object>();
  for (const { p, g, m, v } of all) for (const { array } of [p, g, m, v]) storages.add(array.storage);
  return storages.size < 4 * all.length;
}

/** Each parameter with what belongs to it; refuses trees of another structure, by path. */
function matched(params: Tree, grads: Tree, expAvg: Tree, expAvgSq: Tree): Slots[] {
  const leaves = leavesOf("adam.update", params);
  leaves.forEach(({ path, x }) => checkFloat("adam.update", path, x));
  const find = (what: string, tree: Tree): ((path: string) => Tensor) => {
    const found = leavesOf("adam.update", tree);
    checkLike(what, found, leaves);
    return (path) => found.get(path)!.x;
  };
  const [g, m, v] = [find("gradient", grads), find("expAvg", expAvg), find("expAvgSq", expAvgSq)];
  return [...leaves.values()].map(({ path, x }) => ({ p: x, g: g(path), m: m(path), v: v(path) }));
}

function checkLike(what: string, found: ReadonlyMap<string, Leaf>, params: ReadonlyMap<string, Leaf>): void {
  const op = "adam.update";
  for (const { path, x } of found.values()) {
    if (params.has(path)) continue;
    throw new ValueError(op, `${what} of ${path}, which is no parameter`, { [path]: x }, "the parameters' keys");
  }
  for (const { path, x: p } of params.values()) {
    checkAlive(path, p);
    const x = found.get(path)?.x;
    if (!x) throw new ValueError(op, `no ${what} of ${path}`, { [path]: p }, "one for each parameter");
    if (x.dtype !== p.dtype)
      throw new DTypeError(op, `${what} of ${path} unlike the parameter`, { [what]: x, [path]: p }, p.dtype);
    checkAlive(`${what} of ${path}`, x);
    if (isSame(x.shape, p.shape)) continue;
    const want = `[${p.shape.join(",")}]`;
    throw new ShapeError(op, `${what} of ${path} unlike the parameter`, { [what]: x, [path]: p }, want);
  }
}

/** Before anything is written. */
function checkAlive(what: string, { shape, array: { storage } }: Tensor): void {
  if (storage.pointer < 0) throw new ValueError("adam.update", `${what} [${shape.join(",")}] ${storage.end}`);
}

function checkFloat(op: string, path: string, x: Tensor): void {
  if (x.dtype === "float32" || x.dtype === "float64") return;
  throw new DTypeError(op, `${path} is no float`, { [path]: x }, "float32 or float64");
}

function checkRange(options: Readonly<Record<string, number>>, below: number, want: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (!(value >= 0 && value < below)) throw new ValueError("adam", `no such ${name}`, { [name]: value }, want);
  }
}
