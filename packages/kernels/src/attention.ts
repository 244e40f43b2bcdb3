import { sizeOf } from "./array.ts";
import type { Beta } from "./elementwise.ts";
import { matmul, matmulInto } from "./gemm.ts";
import { broadcast, copy } from "./layout.ts";
import { softmax, softmaxGrad } from "./reduce.ts";
import { heapOf, offsetOf, reshaped, type NdArray } from "./storage.ts";

/** Queries [B, T, Hq], a memory [B, S, Hm], the matrix between them [Hq, Hm], and which places count, [B, 1 or T, S]. */
export interface Attention {
  readonly query: NdArray;
  readonly memory: NdArray;
  readonly weight: NdArray;
  readonly mask: NdArray;
}

/** What the way back reads of the way there. */
export interface SavedAttention {
  /** query·weight, [B, T, Hm]. */
  readonly projected: NdArray;
  /** [B, T, S] */
  readonly weights: NdArray;
  /** The memory with zeros where no query reads; itself, where each place is read. */
  readonly read: NdArray;
}

type Target = { readonly into: NdArray; readonly beta: Beta } | null;

/** softmax(query·weight·memoryᵀ)·memory, [B, T, Hm]. */
export function attention({ query, memory, weight, mask }: Attention): { output: NdArray; saved: SavedAttention } {
  const [B, T] = query.shape as readonly [number, number];
  const [, S, Hm] = memory.shape as readonly [number, number, number];
  const read = withoutUnread(memory, mask);
  const projected = reshaped(matmul(rowsOf(query), false, weight, false), [B, T, Hm]);
  const weights = softmax(matmul(projected, false, read, true), broadcast(mask, [B, T, S]), 2);
  return { output: matmul(weights, false, read, false), saved: { projected, weights, read } };
}

export function attentionGrad(
  { query, weight, projected, weights, read }: Attention & SavedAttention,
  dy: NdArray,
  to: { readonly query: Target; readonly memory: Target; readonly weight: Target },
): void {
  const dScores = matmul(dy, false, read, true);
  softmaxGrad(dScores, 0, weights, dScores, 2);
  if (to.memory) {
    matmulInto(to.memory.into, to.memory.beta, weights, true, dy, false);
    matmulInto(to.memory.into, 1, dScores, true, projected, false);
  }
  if (!to.query && !to.weight) return;
  const dProjected = rowsOf(matmul(dScores, false, read, false));
  if (to.query) matmulInto(rowsOf(to.query.into), to.query.beta, dProjected, false, weight, true);
  if (to.weight) matmulInto(to.weight.into, to.weight.beta, rowsOf(query), true, dProjected, false);
}

/** The matrix [·, last] with the same elements. */
function rowsOf(x: NdArray): NdArray {
  return reshaped(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
}

/** 0 times what stands at a place that no query reads would be NaN, if that is. */
function withoutUnread(memory: NdArray, mask: NdArray): NdArray {
  const width = memory.shape[2]!;
  const unread = unreadPlaces(mask);
  if (unread.length === 0) return memory;
  const read = copy(memory);
  const [heap, at] = [heapOf(read.storage), offsetOf(read.storage)];
  for (const place of unread) heap.fill(0, at + place * width, at + (place + 1) * width);
  return read;
}

/** The places of a mask [B, 1 or T, S], counted in B·S, that count for none of its rows. */
function unreadPlaces({ shape, storage }: NdArray): number[] {
  const [B, queries, S] = shape as readonly [number, number, number];
  const [counts, at] = [heapOf(storage), offsetOf(storage)];
  const unread: number[] = [];
  for (let place = 0; place < B * S; place++) {
    const first = at + Math.floor(place / S) * queries * S + (place % S);
    let isRead = false;
    for (let t = 0; t < queries; t++) isRead ||= counts[first + t * S] !== 0;
    if (!isRead) unread.push(place);
  }
  return unread;
}
