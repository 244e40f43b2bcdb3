// Moving data, and adding it up. Dims and strides are i32 arrays in memory; a stride is a number of elements, may be
// negative, and is 0 where a place is repeated.
import { Lanes, transpose } from "./lanes";

/** dst = src */
export function copyStrided<Bits>(
  rank: i32,
  dims: usize,
  src: usize,
  srcStrides: usize,
  dst: usize,
  dstStrides: usize,
): void {
  walk<Bits, Copy>(rank, dims, src, srcStrides, dst, dstStrides);
}

/** dst += src, in order, so that a place that comes up several times (stride 0) receives them all. */
export function addStrided<Float>(
  rank: i32,
  dims: usize,
  src: usize,
  srcStrides: usize,
  dst: usize,
  dstStrides: usize,
): void {
  walk<Float, Accumulate>(rank, dims, src, srcStrides, dst, dstStrides);
}

/** out[i, :] = table[index[i], :] */
export function takeRows<Float>(count: i32, width: i32, table: usize, index: usize, out: usize): void {
  const row = <usize>width * sizeof<Float>();
  for (let i = 0; i < count; i++) {
    copyBytes(row, table + <usize>load<i32>(index) * row, out);
    index += 4;
    out += row;
  }
}

/** into[index[i], :] += src[i, :], in order */
export function scatterAddRows<Float>(count: i32, width: i32, src: usize, index: usize, into: usize): void {
  const row = <usize>width * sizeof<Float>();
  for (let i = 0; i < count; i++) {
    addRow<Float>(width, src, into + <usize>load<i32>(index) * row);
    index += 4;
    src += row;
  }
}

/** Has `Run` do each innermost row. Axes that continue the innermost one in both arrays are merged with it first. */
function walk<Item, Run>(rank: i32, dims: usize, src: usize, srcStrides: usize, dst: usize, dstStrides: usize): void {
  let n = 1;
  let from = 0;
  let to = 0;
  for (; rank > 0; rank--) {
    const size = entry(dims, rank - 1);
    if (size == 1) continue;
    const nextFrom = entry(srcStrides, rank - 1);
    const nextTo = entry(dstStrides, rank - 1);
    if (n == 1) {
      from = nextFrom;
      to = nextTo;
    } else if (nextFrom != from * n || nextTo != to * n) break;
    n *= size;
  }
  walkAxis<Item, Run>(0, rank, dims, src, srcStrides, dst, dstStrides, n, from, to);
}

/** An odometer by recursion, one call deep per axis: it needs no counters in memory. */
function walkAxis<Item, Run>(
  axis: i32,
  rank: i32,
  dims: usize,
  src: usize,
  srcStrides: usize,
  dst: usize,
  dstStrides: usize,
  n: i32,
  from: i32,
  to: i32,
): void {
  if (axis == rank) return changetype<Run>(0).row<Item>(n, src, from, dst, to);
  if (axis == rank - 1 && to == 1 && from != 1 && from != 0 && entry(srcStrides, axis) == 1) {
    const rows = entry(dims, axis);
    if (changetype<Run>(0).plane<Item>(rows, n, src, bytes<Item>(from), dst, bytes<Item>(entry(dstStrides, axis)))) return;
  }
  const nextSrc = bytes<Item>(entry(srcStrides, axis));
  const nextDst = bytes<Item>(entry(dstStrides, axis));
  for (let i = entry(dims, axis); i > 0; i--) {
    walkAxis<Item, Run>(axis + 1, rank, dims, src, srcStrides, dst, dstStrides, n, from, to);
    src += nextSrc;
    dst += nextDst;
  }
}

class Copy {
  /** Transposes: dst[i, j] = src[j, i]. Sixteen rows at a time, whose cache lines stay until they are full. */
  plane<Item>(rows: i32, columns: i32, src: usize, srcRow: usize, dst: usize, dstRow: usize): bool {
    if (sizeof<Item>() == 1) return false;
    for (let top = 0; top < rows; top += 16) {
      const left = min(rows - top, 16);
      let j = 0;
      for (; j + Lanes.count<Item>() <= columns; j += Lanes.count<Item>()) {
        const from = src + <usize>j * srcRow;
        const to = dst + <usize>j * sizeof<Item>();
        let i = 0;
        for (; i + Lanes.count<Item>() <= left; i += Lanes.count<Item>()) {
          transpose<Item>(from + <usize>i * sizeof<Item>(), srcRow, to + <usize>i * dstRow, dstRow);
        }
        copyTurned<Item>(i, left, Lanes.count<Item>(), from, srcRow, to, dstRow);
      }
      copyTurned<Item>(0, left, columns - j, src + <usize>j * srcRow, srcRow, dst + <usize>j * sizeof<Item>(), dstRow);
      src += 16 * sizeof<Item>();
      dst += 16 * dstRow;
    }
    return true;
  }

  row<Item>(n: i32, src: usize, from: i32, dst: usize, to: i32): void {
    if (from == 1 && to == 1) return copyBytes(<usize>n * sizeof<Item>(), src, dst);
    const nextSrc = bytes<Item>(from);
    const nextDst = bytes<Item>(to);
    if (from == 0 && to == 1) {
      const all = v128.splat<Item>(load<Item>(src));
      for (; n >= Lanes.count<Item>(); n -= Lanes.count<Item>()) {
        v128.store(dst, all);
        dst += 16;
      }
    }
    for (; n > 0; n--) {
      store<Item>(dst, load<Item>(src));
      src += nextSrc;
      dst += nextDst;
    }
  }
}

class Accumulate {
  plane<Item>(rows: i32, columns: i32, src: usize, srcRow: usize, dst: usize, dstRow: usize): bool {
    return false;
  }

  row<Item>(n: i32, src: usize, from: i32, dst: usize, to: i32): void {
    if (from == 1 && to == 1) return addRow<Item>(n, src, dst);
    const nextSrc = bytes<Item>(from);
    const nextDst = bytes<Item>(to);
    if (from == 0 && to == 1) {
      const all = v128.splat<Item>(load<Item>(src));
      for (; n >= Lanes.count<Item>(); n -= Lanes.count<Item>()) {
        v128.store(dst, v128.add<Item>(v128.load(dst), all));
        dst += 16;
      }
    }
    for (; n > 0; n--) {
      store<Item>(dst, load<Item>(dst) + load<Item>(src));
      src += nextSrc;
      dst += nextDst;
    }
  }
}

/** dst[i, j] = src[j, i] from row i on, one by one. */
function copyTurned<Item>(i: i32, rows: i32, columns: i32, src: usize, srcRow: usize, dst: usize, dstRow: usize): void {
  for (; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const item = load<Item>(src + <usize>j * srcRow + <usize>i * sizeof<Item>());
      store<Item>(dst + <usize>i * dstRow + <usize>j * sizeof<Item>(), item);
    }
  }
}

function addRow<Float>(n: i32, src: usize, dst: usize): void {
  for (; n >= Lanes.count<Float>(); n -= Lanes.count<Float>()) {
    v128.store(dst, v128.add<Float>(v128.load(dst), v128.load(src)));
    src += 16;
    dst += 16;
  }
  for (; n > 0; n--) {
    store<Float>(dst, load<Float>(dst) + load<Float>(src));
    src += sizeof<Float>();
    dst += sizeof<Float>();
  }
}

/** memory.copy is a call out of the module, slower than a loop for a short row. */
function copyBytes(n: usize, src: usize, dst: usize): void {
  if (n >= 256) {
    memory.copy(dst, src, n);
    return;
  }
  for (; n >= 16; n -= 16) {
    v128.store(dst, v128.load(src));
    src += 16;
    dst += 16;
  }
  for (; n >= 4; n -= 4) {
    store<u32>(dst, load<u32>(src));
    src += 4;
    dst += 4;
  }
  for (; n > 0; n--) store<u8>(dst++, load<u8>(src++));
}

function entry(array: usize, i: i32): i32 {
  return load<i32>(array + ((<usize>i) << 2));
}

/** A stride in bytes; negative ones wrap, as addresses do. */
function bytes<Item>(stride: i32): usize {
  return <usize>stride * sizeof<Item>();
}
