import { DTypeError, mapTree, ShapeError, Tensor, ValueError, zeros, type Tree } from "@gradus/core";
import type { NdArray } from "@gradus/kernels";
import { isSame } from "./arguments.ts";
import { leavesOf, type Leaf } from "./leaves.ts";

/** Of one update of an optimizer. */
export interface UpdateOptions {
  /** Default: the optimizer's. */
  readonly learningRate?: number;
  /**
   * Give up `params` and `state`: the new values are written over the old ones, and use of an old tensor throws. An update
   * then makes no arrays, which otherwise wait for the collector, as large as params and state together. Default: false.
   */
  readonly donate?: boolean;
}

/** Zeros in place of the parameters; refuses what an optimizer cannot update. */
export function zerosLike<P extends Tree>(op: string, params: P): P {
  leavesOf(op, params).forEach(({ path, x }) => checkFloat(op, path, x));
  return mapTree(params, (x) => zeros(x.shape, { dtype: x.dtype }));
}

/**
 * Each parameter, with its gradient and what belongs to it of each tree of the state, in their order. Refuses trees of
 * another structure, by path, and a tensor that stands at two places, if it would be written over.
 */
export function matched(
  op: string,
  params: Tree,
  grads: Tree,
  state: Readonly<Record<string, Tree>>,
  donate: boolean,
): Tensor[][] {
  const leaves = leavesOf(op, params);
  leaves.forEach(({ path, x }) => checkFloat(op, path, x));
  const others = Object.entries({ gradient: grads, ...state }).map(([what, tree]) => {
    const found = leavesOf(op, tree);
    checkLike(op, what, found, leaves);
    return found;
  });
  const places = [...leaves.values()].map(({ path, x }) => [x, ...others.map((found) => found.get(path)!.x)]);
  if (donate && isShared(places.flat())) leavesOf(op, { params, grads, ...state }); // which refuses it
  return places;
}

/** A tree like `params` of other arrays, the i-th parameter's in place of each. */
export function treeOf<P extends Tree>(params: P, array: (i: number) => NdArray): P {
  let next = 0;
  return mapTree(params, ({ name }) => new Tensor(array(next++), null, name));
}

/** Whether a tensor stands at two places, of which one would be written over. */
function isShared(tensors: readonly Tensor[]): boolean {
  return new Set(tensors.map(({ array }) => array.storage)).size < tensors.length;
}

function checkLike(
  op: string,
  what: string,
  found: ReadonlyMap<string, Leaf>,
  params: ReadonlyMap<string, Leaf>,
): void {
  for (const { path, x } of found.values()) {
    if (params.has(path)) continue;
    throw new ValueError(op, `${what} of ${path}, which is no parameter`, { [path]: x }, "the parameters' keys");
  }
  for (const { path, x: p } of params.values()) {
    checkAlive(op, path, p);
    const x = found.get(path)?.x;
    if (!x) throw new ValueError(op, `no ${what} of ${path}`, { [path]: p }, "one for each parameter");
    if (x.dtype !== p.dtype)
      throw new DTypeError(op, `${what} of ${path} unlike the parameter`, { [what]: x, [path]: p }, p.dtype);
    checkAlive(op, `${what} of ${path}`, x);
    if (isSame(x.shape, p.shape)) continue;
    const want = `[${p.shape.join(",")}]`;
    throw new ShapeError(op, `${what} of ${path} unlike the parameter`, { [what]: x, [path]: p }, want);
  }
}

/** Before anything is written. */
function checkAlive(op: string, what: string, { shape, array: { storage } }: Tensor): void {
  if (storage.pointer < 0) throw new ValueError(op, `${what} [${shape.join(",")}] ${storage.end}`);
}

function checkFloat(op: string, path: string, x: Tensor): void {
  if (x.dtype === "float32" || x.dtype === "float64") return;
  throw new DTypeError(op, `${path} is no float`, { [path]: x }, "float32 or float64");
}

/** Refuses options that are not numbers from 0 to below a limit. */
export function checkRange(op: string, options: Readonly<Record<string, number>>, below: number): void {
  const want = below === Infinity ? "a finite number from 0" : `0 to below ${below}`;
  for (const [name, value] of Object.entries(options)) {
    if (!(value >= 0 && value < below)) throw new ValueError(op, `no such ${name}`, { [name]: value }, want);
  }
}
