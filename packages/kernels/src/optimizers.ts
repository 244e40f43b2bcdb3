import type { DType } from "./array.ts";
import { formFor, formsOf, type Forms } from "./forms.ts";
import { memory } from "./memory.ts";
import { inBlocks, type Rows } from "./staging.ts";
import { copyOut, heapOf, offsetOf, takeOver, wrap, type NdArray } from "./storage.ts";

/** The numbers of one update of Adam: m′ = m + rateM·(g − m), v′ = v + rateV·(g² − v), p′ = p − size·m′/(√v′ + floor). */
export interface AdamRates {
  readonly rateM: number;
  readonly rateV: number;
  readonly size: number;
  readonly floor: number;
}

/** The numbers of one update by gradient descent: m′ = momentum·m + g, p′ = p − size·m′, or, `nesterov`, size·(g + momentum·m′). */
export interface SgdRates {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly size: number;
}

const adamForms: Forms = /* @__PURE__ */ formsOf("adam");
const sgdForms: Forms = /* @__PURE__ */ formsOf("sgd");
const squaresForms: Forms = /* @__PURE__ */ formsOf("addSquares");

/**
 * The parameter and its running averages after an update: ordinary arrays, also inside a step, which they outlive; new
 * ones, or with `over` those of p, m and v, which are used up.
 */
export function adam(
  [p, g, m, v]: readonly [p: NdArray, g: NdArray, m: NdArray, v: NdArray],
  { rateM, rateV, size, floor }: AdamRates,
  over = false,
): [p: NdArray, m: NdArray, v: NdArray] {
  const out: [NdArray, NdArray, NdArray] = [begun(p, over), begun(m, over), begun(v, over)];
  const [newP, newM, newV] = out;
  const wasm = formFor(adamForms, p.dtype);
  if (wasm) {
    const operands = [row(newP, "add"), row(g, "read"), row(newM, "add"), row(newV, "add")];
    inBlocks(p.storage.length, operands, (n, [p, g, m, v]) => wasm(n, p!, g!, m!, v!, rateM, rateV, size, floor));
    return out;
  }
  const round = roundTo(p.dtype);
  const [P, G, M, V] = [newP, g, newM, newV].map((x) => heapOf(x.storage)) as [Heap, Heap, Heap, Heap];
  const at = offsetOf(g.storage);
  for (let i = 0; i < P.length; i++) {
    const slope = G[at + i]!;
    M[i]! += round(round(slope - M[i]!) * round(rateM));
    V[i]! += round(round(round(slope * slope) - V[i]!) * round(rateV));
    const change = round(M[i]! / round(round(Math.sqrt(V[i]!)) + round(floor)));
    P[i]! -= round(change * round(size));
  }
  return out;
}

/** The parameter and its averaged gradient, null where there is none, after an update: arrays as those of `adam`. */
export function sgd(
  [p, g, m]: readonly [p: NdArray, g: NdArray, m: NdArray | null],
  { momentum, nesterov, size }: SgdRates,
  over = false,
): [p: NdArray, m: NdArray | null] {
  const [newP, newM] = [begun(p, over), m && begun(m, over)];
  const wasm = formFor(sgdForms, p.dtype);
  if (wasm) {
    const operands = [row(newP, "add"), row(g, "read"), newM && row(newM, "add")];
    inBlocks(p.storage.length, operands, (n, [p, g, m]) => wasm(n, p!, g!, m!, momentum, nesterov ? 1 : 0, size));
    return [newP, newM];
  }
  const round = roundTo(p.dtype);
  const [P, G, M] = [heapOf(newP.storage), heapOf(g.storage), newM && heapOf(newM.storage)];
  const at = offsetOf(g.storage);
  for (let i = 0; i < P.length; i++) {
    const slope = G[at + i]!;
    const averaged = (x: number): number => round(round(x * round(momentum)) + slope);
    let change = slope;
    if (M) {
      change = M[i] = averaged(M[i]!);
      if (nesterov) change = averaged(change);
    }
    P[i]! -= round(change * round(size));
  }
  return [newP, newM];
}

type Heap = ReturnType<typeof heapOf>;
const TAKEN = "was given up to an optimizer, which wrote the new values over it";

/** An array with the same elements, to be written over: ordinary and new, or x's own, with which x is used up. */
function begun(x: NdArray, over: boolean): NdArray {
  return over ? takeOver(x, TAKEN) : wrap(copyOut(x.storage), x.shape, x.dtype);
}

const row = ({ storage }: NdArray, use: Rows["use"]): Rows => ({ storage, width: 1, use });
const roundTo = (dtype: DType): ((x: number) => number) => (dtype === "float32" ? Math.fround : (x) => x);

/** Σ x², in float64: eight sums, element i in sum i mod 8. */
export function sumOfSquares(x: NdArray): number {
  const sums = [0, 0, 0, 0, 0, 0, 0, 0];
  const wasm = formFor(squaresForms, x.dtype);
  if (wasm) {
    const { scratch } = memory();
    memory().f64.fill(0, scratch / 8, scratch / 8 + 8);
    inBlocks(x.storage.length, [{ storage: x.storage, width: 1, use: "read" }], (n, [at]) => wasm(n, at!, scratch));
    for (let i = 0; i < 8; i++) sums[i] = memory().f64[scratch / 8 + i]!;
  } else {
    const [X, at] = [heapOf(x.storage), offsetOf(x.storage)];
    for (let i = 0; i < x.storage.length; i++) sums[i % 8]! += X[at + i]! ** 2;
  }
  return sums.reduce((total, sum) => total + sum, 0);
}
