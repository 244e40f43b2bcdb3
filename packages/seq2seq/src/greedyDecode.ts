import {
  DTypeError,
  IndexError,
  isTensor,
  noGrad,
  ShapeError,
  step as inStep,
  tensor,
  ValueError,
  type Tensor,
} from "@gradus/core";
import { checkOptions } from "./checkOptions.ts";

/**
 * One time step of a decoder: from the tokens int32 [B] emitted last and the state, the logits [B, V] of the next ones
 * and the new state, which is a tree (a tensor, or records and arrays of them) or null.
 */
export type DecodeStep<S> = (tokens: Tensor, state: S) => { readonly logits: Tensor; readonly state: S };

export interface GreedyDecodeOptions {
  /** Number of sequences, B. */
  readonly batchSize: number;
  /** The token that each sequence is started with. */
  readonly startId: number;
  /** The token that ends a sequence. */
  readonly endId: number;
  /** The most time steps; the end token takes one of them. */
  readonly maxLength: number;
}

export interface Decoded {
  /** The tokens of each sequence, without the start token, which is only fed, and without the end token. */
  readonly ids: number[][];
  /** For each sequence whether it came to its end token; otherwise it was cut at `maxLength` tokens. */
  readonly ended: boolean[];
}

/**
 * ids[b][t] = argmaxᵥ logits[b, v] at time step t, the smallest v of those that tie, until it is the end token or
 * `maxLength` steps are done. A sequence that has ended is fed the end token while others go on; its logits are not read.
 *
 * Nothing is recorded, and each time step runs in a `step()` of its own, so that memory stays flat; the state comes back
 * from it as copies.
 * @throws ValueError for options that are no whole numbers from 0, and for NaN in the logits, with its place and time
 * step; ShapeError and DTypeError for logits other than float [B, V]; IndexError for an end token outside 0 to V − 1.
 * @example
 * const next = tensor([[0, 9, 0], [0, 0, 9], [9, 0, 0]]); // after 0 comes 1, then 2
 * const follow = (tokens: Tensor, state: null) => ({ logits: take(next, tokens), state });
 * const { ids } = greedyDecode(follow, null, { batchSize: 1, startId: 0, endId: 2, maxLength: 5 });
 * console.log(ids); // => [ [ 1 ] ]
 */
export function greedyDecode<S>(step: DecodeStep<S>, initialState: S, options: GreedyDecodeOptions): Decoded {
  const { batchSize, startId, endId, maxLength } = checkOptions("greedyDecode", options);
  checkWholeNumbers({ batchSize, startId, endId, maxLength });
  const ids = Array.from({ length: batchSize }, (): number[] => []);
  const ended = ids.map(() => false);
  let tokens = ids.map(() => startId);
  let state = initialState;
  for (let t = 0; t < maxLength && ended.includes(false); t++) {
    const next = noGrad(() => inStep(() => step(tensor(tokens, { dtype: "int32" }), state)));
    const best = likeliest(next, ended, endId, t);
    best.forEach((token, b) => {
      if (token === endId) ended[b] = true;
      else ids[b]!.push(token);
    });
    tokens = best;
    state = next.state;
  }
  return { ids, ended };
}

/** The largest logit's index in each row, or `endId` where the sequence has ended. */
function likeliest(next: { readonly logits: Tensor }, ended: readonly boolean[], endId: number, t: number): number[] {
  const logits = logitsOf(next, ended.length, endId);
  const V = logits.shape[1]!;
  const values = logits.data;
  return ended.map((done, b) => {
    if (done) return endId;
    const row = values.subarray(b * V, (b + 1) * V);
    let best = 0;
    for (let v = 0; v < V; v++) {
      if (Number.isNaN(row[v])) {
        const got = { [`logits[${b}][${v}]`]: NaN, "time step": t, logits };
        throw new ValueError("greedyDecode", "NaN in the logits", got, "numbers");
      }
      if (row[v]! > row[best]!) best = v;
    }
    return best;
  });
}

/** The logits, if they are float [B, V] and the end token is one of the V. */
function logitsOf(next: { readonly logits: Tensor } | undefined, B: number, endId: number): Tensor {
  const op = "greedyDecode";
  const logits = next?.logits;
  if (!isTensor(logits)) {
    throw new ValueError(op, "step returned no logits", { logits }, "{ logits, state }");
  }
  const [rows, V = 0] = logits.shape;
  if (logits.shape.length !== 2 || rows !== B || V === 0) {
    throw new ShapeError(op, "step returned logits of another shape", { logits }, `[${B}, V] with V of 1 or more`);
  }
  if (logits.dtype !== "float32" && logits.dtype !== "float64") {
    throw new DTypeError(op, "step returned logits that are no floats", { logits }, "float32 or float64");
  }
  if (endId >= V) throw new IndexError(op, "endId out of range", { endId, logits }, `0 to ${V - 1}`);
  return logits;
}

function checkWholeNumbers(options: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new ValueError("greedyDecode", `no such ${name}`, { [name]: value }, "a whole number from 0");
  }
}
