import { formFor, formsOf, type Forms } from "./forms.ts";
import { memory } from "./memory.ts";
import { inBlocks, type Rows } from "./staging.ts";
import { empty, heapOf, offsetOf, type NdArray } from "./storage.ts";

/** The numbers of one update of Adam: m′ = m + rateM·(g − m), v′ = v + rateV·(g² − v), p′ = p − size·m′/(√v′ + floor). */
export interface AdamRates {
  readonly rateM: number;
  readonly rateV: number;
  readonly size: number;
  readonly floor: number;
}

const adamForms: Forms = /* @__PURE__ */ formsOf("adam");
const squaresForms: Forms = /* @__PURE__ */ formsOf("addSquares");

/** The parameter and its running averages after an update: new ordinary arrays, also inside a step, which they outlive. */
export function adam(
  [p, g, m, v]: readonly [p: NdArray, g: NdArray, m: NdArray, v: NdArray],
  { rateM, rateV, size, floor }: AdamRates,
): [p: NdArray, m: NdArray, v: NdArray] {
  const fresh = (): NdArray => empty(p.shape, p.dtype, null);
  const out: [NdArray, NdArray, NdArray] = [fresh(), fresh(), fresh()];
  const wasm = formFor(adamForms, p.dtype);
  if (wasm) {
    const row =
      (use: Rows["use"]) =>
      ({ storage }: NdArray): Rows => ({ storage, width: 1, use });
    const operands = [...[p, g, m, v].map(row("read")), ...out.map(row("write"))];
    inBlocks(p.storage.length, operands, (n, at) => wasm(n, ...at, rateM, rateV, size, floor));
    return out;
  }
  const round = p.dtype === "float32" ? Math.fround : (x: number): number => x;
  const [P, G, M, V, newP, newM, newV] = [p, g, m, v, ...out].map((x) => heapOf(x.storage)) as Heaps;
  const [atP, atG, atM, atV] = [p, g, m, v].map((x) => offsetOf(x.storage)) as [number, number, number, number];
  for (let i = 0; i < p.storage.length; i++) {
    const [slope, oldM, oldV] = [G[atG + i]!, M[atM + i]!, V[atV + i]!];
    newM[i] = oldM + round(round(slope - oldM) * round(rateM));
    newV[i] = oldV + round(round(round(slope * slope) - oldV) * round(rateV));
    const change = round(newM[i]! / round(round(Math.sqrt(newV[i]!)) + round(floor)));
    newP[i] = P[atP + i]! - round(change * round(size));
  }
  return out;
}

type Heap = ReturnType<typeof heapOf>;
type Heaps = [Heap, Heap, Heap, Heap, Heap, Heap, Heap];

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
