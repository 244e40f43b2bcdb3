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

const adamForms: Forms = /* @__PURE__ */ formsOf("adam");
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
  const begun = (x: NdArray): NdArray => (over ? takeOver(x, TAKEN) : wrap(copyOut(x.storage), x.shape, x.dtype));
  const out: [NdArray, NdArray, NdArray] = [begun(p), begun(m), begun(v)];
  const [newP, newM, newV] = out;
  const n = p.storage.length;
  const wasm = formFor(adamForms, p.dtype);
  if (wasm) {
    const row = ({ storage }: NdArray, use: Rows["use"]): Rows => ({ storage, width: 1, use });
    const operands = [row(newP, "add"), row(g, "read"), row(newM, "add"), row(newV, "add")];
    inBlocks(n, operands, (n, [p, g, m, v]) => wasm(n, p!, g!, m!, v!, rateM, rateV, size, floor));
    return out;
  }
  const round = p.dtype === "float32" ? Math.fround : (x: number): number => x;
  const [P, G, M, V] = [newP, g, newM, newV].map((x) => heapOf(x.storage)) as [Heap, Heap, Heap, Heap];
  const at = offsetOf(g.storage);
  for (let i = 0; i < n; i++) {
    const slope = G[at + i]!;
    M[i]! += round(round(slope - M[i]!) * round(rateM));
    V[i]! += round(round(round(slope * slope) - V[i]!) * round(rateV));
    const change = round(M[i]! / round(round(Math.sqrt(V[i]!)) + round(floor)));
    P[i]! -= round(change * round(size));
  }
  return out;
}

type Heap = ReturnType<typeof heapOf>;
const TAKEN = "was given up to an optimizer, which wrote the new values over it";

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
