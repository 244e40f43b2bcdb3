// C = A·B + beta·C. Every element is one chain of sums in the order of k, started at beta·C: no block size, no path and
// no neighbour changes a bit, and neither do zeros put into the middle of K.
//
// The way of Goto and van de Geijn: blocks of B are copied into panels, in the order in which a register tile of 4 rows ×
// 2 vectors reads them, and multiplied tile by tile with a block of A, which stays in the second-level cache. The tile
// reads rows of A where they are; only columns of A, when it is transposed, are copied to rows.
import { Lanes, transpose } from "./lanes";

const ROWS = 4;
const KC = 256;
const LINE = 64;
const TILE_BYTES: usize = ROWS * 2 * 16;
const A_BYTES: usize = 96 * (KC * 4 + LINE);
const B_BYTES: usize = 768 * KC * 4;

/** What a caller must reserve at `ws`: a tile, and the packed blocks. */
export function gemmWorkspaceBytes(): i32 {
  return <i32>(TILE_BYTES + A_BYTES + B_BYTES);
}

/** If `packed`, b is what packFactor made of B; its strides are not read. */
export function gemm<Float>(
  M: i32,
  N: i32,
  K: i32,
  a: usize,
  aRow: i32,
  aCol: i32,
  b: usize,
  bRow: i32,
  bCol: i32,
  c: usize,
  cRow: i32,
  beta: i32,
  packed: i32,
  ws: usize,
): void {
  const ar = bytes<Float>(aRow);
  const ac = bytes<Float>(aCol);
  const br = bytes<Float>(bRow);
  const bc = bytes<Float>(bCol);
  const cr = bytes<Float>(cRow);
  if (K == 0) {
    for (let i = 0; i < M && beta == 0; i++) memory.fill(c + <usize>i * cr, 0, bytes<Float>(N));
  } else if (packed) {
    multiplyBlocks<Float>(M, N, K, a, ar, ac, b, br, bc, c, cr, beta, true, ws);
  } else if (M == 1) {
    // Packing a matrix to multiply it by one vector takes longer than multiplying.
    if (bCol == 1) combineRows<Float>(N, K, a, ac, b, br, c, beta);
    else dotRows<Float>(N, K, a, ac, b, bc, br, c, beta, ws);
  } else if (N == 1 && cRow == 1) {
    if (aRow == 1) combineRows<Float>(M, K, b, br, a, ac, c, beta);
    else dotRows<Float>(M, K, b, br, a, ar, ac, c, beta, ws);
  } else if (K == 1 && bCol == 1) {
    for (let i = 0; i < M; i++) combineRows<Float>(N, 1, a + <usize>i * ar, ac, b, br, c + <usize>i * cr, beta);
  } else {
    multiplyBlocks<Float>(M, N, K, a, ar, ac, b, br, bc, c, cr, beta, false, ws);
  }
}

/** Copies B as products read it, for several by the same B: N columns, filled up to a multiple of 8, of length K. */
export function packFactor<Float>(N: i32, K: i32, b: usize, bRow: i32, bCol: i32, to: usize): void {
  const NC = columnsOfBlock<Float>();
  for (let j = 0; j < N; j += NC) {
    const nc = min(N - j, NC);
    for (let k = 0; k < K; k += KC) {
      const kc = min(K - k, KC);
      const from = b + bytes<Float>(j * bCol + k * bRow);
      packPanels<Float>(nc, kc, from, bytes<Float>(bCol), bytes<Float>(bRow), to);
      to += bytesOfBlock<Float>(nc, kc);
    }
  }
}

function columnsOfBlock<Float>(): i32 {
  return <i32>(B_BYTES / sizeof<Float>()) / KC;
}

function bytesOfBlock<Float>(nc: i32, kc: i32): usize {
  return <usize>((nc + 7) & ~7) * <usize>kc * sizeof<Float>();
}

/** `count` products. A batch stride of 0 repeats an operand; for C it adds all products into one. */
export function gemmBatch<Float>(
  count: i32,
  M: i32,
  N: i32,
  K: i32,
  a: usize,
  aBatch: i32,
  aRow: i32,
  aCol: i32,
  b: usize,
  bBatch: i32,
  bRow: i32,
  bCol: i32,
  c: usize,
  cBatch: i32,
  cRow: i32,
  beta: i32,
  ws: usize,
): void {
  for (let i = 0; i < count; i++) {
    gemm<Float>(M, N, K, a, aRow, aCol, b, bRow, bCol, c, cRow, i > 0 && cBatch == 0 ? 1 : beta, 0, ws);
    a += bytes<Float>(aBatch);
    b += bytes<Float>(bBatch);
    c += bytes<Float>(cBatch);
  }
}

/** Strides in bytes, from here on. */
function multiplyBlocks<Float>(
  M: i32,
  N: i32,
  K: i32,
  a: usize,
  aRow: usize,
  aCol: usize,
  b: usize,
  bRow: usize,
  bCol: usize,
  c: usize,
  cRow: usize,
  beta: i32,
  isPacked: bool,
  ws: usize,
): void {
  const size = sizeof<Float>();
  const MC = 96 * 4 / <i32>size;
  const NC = columnsOfBlock<Float>();
  const packedA = ws + TILE_BYTES;
  let packedB = isPacked ? b : packedA + A_BYTES;
  for (let j = 0; j < N; j += NC) {
    const nc = min(N - j, NC);
    for (let k = 0; k < K; k += KC) {
      const kc = min(K - k, KC);
      const more = beta != 0 || k > 0;
      if (!isPacked) packPanels<Float>(nc, kc, b + <usize>j * bCol + <usize>k * bRow, bCol, bRow, packedB);
      for (let i = 0; i < M; i += MC) {
        const mc = min(M - i, MC);
        const at = c + <usize>i * cRow + <usize>j * size;
        let rows = a + <usize>i * aRow + <usize>k * aCol;
        let row = aRow;
        if (aCol != size) {
          row = <usize>kc * size + LINE; // not a power of 2, or a few sets of the cache would have to hold all rows
          packRows<Float>(mc, kc, rows, aRow, aCol, packedA, row);
          rows = packedA;
        }
        multiplyPanels<Float>(mc, nc, kc, rows, row, packedB, at, cRow, more, ws);
      }
      if (isPacked) packedB += bytesOfBlock<Float>(nc, kc);
    }
  }
}

/** Multiplies all tiles of a block. Those at its lower and right edge are made whole in `spare`. */
function multiplyPanels<Float>(
  mc: i32,
  nc: i32,
  kc: i32,
  a: usize,
  aRow: usize,
  packedB: usize,
  c: usize,
  cRow: usize,
  more: bool,
  spare: usize,
): void {
  const size = sizeof<Float>();
  const columns = 2 * Lanes.count<Float>();
  for (let j = 0; j < nc; j += columns) {
    const panelB = packedB + <usize>j * <usize>kc * size;
    const n = min(nc - j, columns);
    let i = n == columns ? mc & ~(ROWS - 1) : 0;
    if (i > 0) tiles<Float>(i, kc, a, aRow, panelB, c + <usize>j * size, cRow, more);
    for (; i < mc; i += ROWS) {
      const at = c + <usize>i * cRow + <usize>j * size;
      const m = min(mc - i, ROWS);
      if (more) copyTile<Float>(m, n, at, cRow, spare, 32);
      tiles<Float>(m, kc, a + <usize>i * aRow, aRow, panelB, spare, 32, more);
      copyTile<Float>(m, n, spare, 32, at, cRow);
    }
  }
}

/**
 * Tiles one below the other, of `rows` in all. Eight accumulators, two loads and a broadcast fill the registers; larger tiles
 * spill. Eight steps of k a turn, since on a busy machine the loop's own instructions count, with an exit between them:
 * without it V8 would move all loads of the turn to its start, and spill too. Where there are fewer than four rows, the last
 * stands for those that the tile lacks.
 */
function tiles<Float>(rows: i32, K: i32, fromA: usize, aRow: usize, fromB: usize, c: usize, cRow: usize, more: bool): void {
  const row1 = rows > 1 ? aRow : 0;
  const row2 = rows > 2 ? row1 + aRow : row1;
  const row3 = rows > 3 ? row2 + aRow : row2;
  do {
    let kc = K;
    let a = fromA;
    let b = fromB;
    const c1 = c + cRow;
    const c2 = c1 + cRow;
    const c3 = c2 + cRow;
    let s00 = Lanes.zero();
    let s01 = Lanes.zero();
    let s10 = Lanes.zero();
    let s11 = Lanes.zero();
    let s20 = Lanes.zero();
    let s21 = Lanes.zero();
    let s30 = Lanes.zero();
    let s31 = Lanes.zero();
    if (more) {
      s00 = v128.load(c);
      s01 = v128.load(c, 16);
      s10 = v128.load(c1);
      s11 = v128.load(c1, 16);
      s20 = v128.load(c2);
      s21 = v128.load(c2, 16);
      s30 = v128.load(c3);
      s31 = v128.load(c3, 16);
    }
    while (true) {
      const a1 = a + row1; // one pointer to move, not four
      const a2 = a + row2;
      const a3 = a + row3;
      let b0 = v128.load(b);
      let b1 = v128.load(b, 16);
      let x = v128.load_splat<Float>(a);
      s00 = v128.add<Float>(s00, v128.mul<Float>(x, b0));
      s01 = v128.add<Float>(s01, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a1);
      s10 = v128.add<Float>(s10, v128.mul<Float>(x, b0));
      s11 = v128.add<Float>(s11, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a2);
      s20 = v128.add<Float>(s20, v128.mul<Float>(x, b0));
      s21 = v128.add<Float>(s21, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a3);
      s30 = v128.add<Float>(s30, v128.mul<Float>(x, b0));
      s31 = v128.add<Float>(s31, v128.mul<Float>(x, b1));
      if (kc == 1) break;
      b0 = v128.load(b, 32);
      b1 = v128.load(b, 48);
      x = v128.load_splat<Float>(a, sizeof<Float>());
      s00 = v128.add<Float>(s00, v128.mul<Float>(x, b0));
      s01 = v128.add<Float>(s01, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a1, sizeof<Float>());
      s10 = v128.add<Float>(s10, v128.mul<Float>(x, b0));
      s11 = v128.add<Float>(s11, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a2, sizeof<Float>());
      s20 = v128.add<Float>(s20, v128.mul<Float>(x, b0));
      s21 = v128.add<Float>(s21, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a3, sizeof<Float>());
      s30 = v128.add<Float>(s30, v128.mul<Float>(x, b0));
      s31 = v128.add<Float>(s31, v128.mul<Float>(x, b1));
      if (kc == 2) break;
      b0 = v128.load(b, 64);
      b1 = v128.load(b, 80);
      x = v128.load_splat<Float>(a, 2 * sizeof<Float>());
      s00 = v128.add<Float>(s00, v128.mul<Float>(x, b0));
      s01 = v128.add<Float>(s01, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a1, 2 * sizeof<Float>());
      s10 = v128.add<Float>(s10, v128.mul<Float>(x, b0));
      s11 = v128.add<Float>(s11, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a2, 2 * sizeof<Float>());
      s20 = v128.add<Float>(s20, v128.mul<Float>(x, b0));
      s21 = v128.add<Float>(s21, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a3, 2 * sizeof<Float>());
      s30 = v128.add<Float>(s30, v128.mul<Float>(x, b0));
      s31 = v128.add<Float>(s31, v128.mul<Float>(x, b1));
      if (kc == 3) break;
      b0 = v128.load(b, 96);
      b1 = v128.load(b, 112);
      x = v128.load_splat<Float>(a, 3 * sizeof<Float>());
      s00 = v128.add<Float>(s00, v128.mul<Float>(x, b0));
      s01 = v128.add<Float>(s01, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a1, 3 * sizeof<Float>());
      s10 = v128.add<Float>(s10, v128.mul<Float>(x, b0));
      s11 = v128.add<Float>(s11, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a2, 3 * sizeof<Float>());
      s20 = v128.add<Float>(s20, v128.mul<Float>(x, b0));
      s21 = v128.add<Float>(s21, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a3, 3 * sizeof<Float>());
      s30 = v128.add<Float>(s30, v128.mul<Float>(x, b0));
      s31 = v128.add<Float>(s31, v128.mul<Float>(x, b1));
      if (kc == 4) break;
      b0 = v128.load(b, 128);
      b1 = v128.load(b, 144);
      x = v128.load_splat<Float>(a, 4 * sizeof<Float>());
      s00 = v128.add<Float>(s00, v128.mul<Float>(x, b0));
      s01 = v128.add<Float>(s01, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a1, 4 * sizeof<Float>());
      s10 = v128.add<Float>(s10, v128.mul<Float>(x, b0));
      s11 = v128.add<Float>(s11, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a2, 4 * sizeof<Float>());
      s20 = v128.add<Float>(s20, v128.mul<Float>(x, b0));
      s21 = v128.add<Float>(s21, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a3, 4 * sizeof<Float>());
      s30 = v128.add<Float>(s30, v128.mul<Float>(x, b0));
      s31 = v128.add<Float>(s31, v128.mul<Float>(x, b1));
      if (kc == 5) break;
      b0 = v128.load(b, 160);
      b1 = v128.load(b, 176);
      x = v128.load_splat<Float>(a, 5 * sizeof<Float>());
      s00 = v128.add<Float>(s00, v128.mul<Float>(x, b0));
      s01 = v128.add<Float>(s01, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a1, 5 * sizeof<Float>());
      s10 = v128.add<Float>(s10, v128.mul<Float>(x, b0));
      s11 = v128.add<Float>(s11, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a2, 5 * sizeof<Float>());
      s20 = v128.add<Float>(s20, v128.mul<Float>(x, b0));
      s21 = v128.add<Float>(s21, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a3, 5 * sizeof<Float>());
      s30 = v128.add<Float>(s30, v128.mul<Float>(x, b0));
      s31 = v128.add<Float>(s31, v128.mul<Float>(x, b1));
      if (kc == 6) break;
      b0 = v128.load(b, 192);
      b1 = v128.load(b, 208);
      x = v128.load_splat<Float>(a, 6 * sizeof<Float>());
      s00 = v128.add<Float>(s00, v128.mul<Float>(x, b0));
      s01 = v128.add<Float>(s01, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a1, 6 * sizeof<Float>());
      s10 = v128.add<Float>(s10, v128.mul<Float>(x, b0));
      s11 = v128.add<Float>(s11, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a2, 6 * sizeof<Float>());
      s20 = v128.add<Float>(s20, v128.mul<Float>(x, b0));
      s21 = v128.add<Float>(s21, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a3, 6 * sizeof<Float>());
      s30 = v128.add<Float>(s30, v128.mul<Float>(x, b0));
      s31 = v128.add<Float>(s31, v128.mul<Float>(x, b1));
      if (kc == 7) break;
      b0 = v128.load(b, 224);
      b1 = v128.load(b, 240);
      x = v128.load_splat<Float>(a, 7 * sizeof<Float>());
      s00 = v128.add<Float>(s00, v128.mul<Float>(x, b0));
      s01 = v128.add<Float>(s01, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a1, 7 * sizeof<Float>());
      s10 = v128.add<Float>(s10, v128.mul<Float>(x, b0));
      s11 = v128.add<Float>(s11, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a2, 7 * sizeof<Float>());
      s20 = v128.add<Float>(s20, v128.mul<Float>(x, b0));
      s21 = v128.add<Float>(s21, v128.mul<Float>(x, b1));
      x = v128.load_splat<Float>(a3, 7 * sizeof<Float>());
      s30 = v128.add<Float>(s30, v128.mul<Float>(x, b0));
      s31 = v128.add<Float>(s31, v128.mul<Float>(x, b1));
      if (kc == 8) break;
      kc -= 8;
      a += 8 * sizeof<Float>();
      b += 256;
    }
    v128.store(c, s00);
    v128.store(c, s01, 16);
    v128.store(c1, s10);
    v128.store(c1, s11, 16);
    v128.store(c2, s20);
    v128.store(c2, s21, 16);
    v128.store(c3, s30);
    v128.store(c3, s31, 16);
    fromA += aRow << 2;
    c += cRow << 2;
    rows -= ROWS;
  } while (rows > 0);
}

function copyTile<Float>(m: i32, n: i32, from: usize, fromRow: usize, to: usize, toRow: usize): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const at = <usize>j * sizeof<Float>();
      store<Float>(to + at, load<Float>(from + at));
    }
    from += fromRow;
    to += toRow;
  }
}

/** Copies mc rows of length kc to rows `row` bytes apart, each filled up with 0 to whole vectors. */
function packRows<Float>(mc: i32, kc: i32, from: usize, aRow: usize, aCol: usize, to: usize, row: usize): void {
  for (let k = 0; k < kc; k += Lanes.count<Float>()) {
    packStrip<Float>(kc - k, mc, from, aCol, aRow, to, row);
    from += <usize>Lanes.count<Float>() * aCol;
    to += 16;
  }
}

/**
 * Copies n columns of length kc into panels of two vectors: to[panel][k], filled up with 0. `across` leads to the next
 * column, `along` to the next k.
 */
function packPanels<Float>(n: i32, kc: i32, from: usize, across: usize, along: usize, to: usize): void {
  let left = n;
  if (across == sizeof<Float>()) {
    for (; left >= 4 * Lanes.count<Float>(); left -= 4 * Lanes.count<Float>()) {
      packLine(kc, from, along, to);
      from += LINE;
      to += <usize>kc * LINE;
    }
  }
  for (; left > 0; left -= 2 * Lanes.count<Float>()) {
    packStrip<Float>(left, kc, from, across, along, to, 32);
    from += <usize>Lanes.count<Float>() * across;
    packStrip<Float>(left - Lanes.count<Float>(), kc, from, across, along, to + 16, 32);
    from += <usize>Lanes.count<Float>() * across;
    to += ((<usize>kc) << 5);
  }
}

/** As many neighbouring columns as fill a cache line, which would be gone when it is wanted again: two panels. */
function packLine(kc: i32, from: usize, along: usize, to: usize): void {
  let second = to + ((<usize>kc) << 5);
  for (; kc > 0; kc--) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    v128.store(second, v128.load(from, 32));
    v128.store(second, v128.load(from, 48), 16);
    from += along;
    to += 32;
    second += 32;
  }
}

/** A vector's width of a panel, or the `left` rows that there are, one vector every `step` bytes. */
function packStrip<Float>(left: i32, kc: i32, from: usize, across: usize, along: usize, to: usize, step: usize): void {
  let k = 0;
  if (left >= Lanes.count<Float>()) {
    if (across == sizeof<Float>()) {
      for (; k < kc; k++) {
        v128.store(to, v128.load(from));
        from += along;
        to += step;
      }
    } else if (along == sizeof<Float>()) {
      for (; k + Lanes.count<Float>() <= kc; k += Lanes.count<Float>()) {
        transpose<Float>(from, across, to, step);
        from += 16;
        to += <usize>Lanes.count<Float>() * step;
      }
    }
  }
  for (; k < kc; k++) {
    v128.store(to, gather<Float>(left, from, across));
    from += along;
    to += step;
  }
}

/** A vector from places `across` apart, the first `left` lanes at most, 0 in the others. */
function gather<Float>(left: i32, from: usize, across: usize): v128 {
  let v = Lanes.zero();
  if (left > 0) v = v128.replace_lane<Float>(v, 0, load<Float>(from));
  if (left > 1) v = v128.replace_lane<Float>(v, 1, load<Float>(from + across));
  if (sizeof<Float>() == 4) {
    if (left > 2) v = v128.replace_lane<Float>(v, 2, load<Float>(from + 2 * across));
    if (left > 3) v = v128.replace_lane<Float>(v, 3, load<Float>(from + 3 * across));
  }
  return v;
}

/**
 * c[N] = Σₖ x[k] · b[k, :] + beta · c, rows of b contiguous: four vectors of c at a time stay in registers. The last vector
 * of a row is read whole; behind the last row memory.ts keeps room.
 */
function combineRows<Float>(N: i32, K: i32, x: usize, xStep: usize, b: usize, bRow: usize, c: usize, beta: i32): void {
  const width = Lanes.count<Float>();
  const kept = beta ? i32x4.splat(-1) : Lanes.zero();
  for (; N >= 4 * width; N -= 4 * width) {
    let s0 = v128.and(kept, v128.load(c));
    let s1 = v128.and(kept, v128.load(c, 16));
    let s2 = v128.and(kept, v128.load(c, 32));
    let s3 = v128.and(kept, v128.load(c, 48));
    let factor = x;
    let row = b;
    for (let k = K; k > 0; k--) {
      const y = v128.load_splat<Float>(factor);
      s0 = v128.add<Float>(s0, v128.mul<Float>(y, v128.load(row)));
      s1 = v128.add<Float>(s1, v128.mul<Float>(y, v128.load(row, 16)));
      s2 = v128.add<Float>(s2, v128.mul<Float>(y, v128.load(row, 32)));
      s3 = v128.add<Float>(s3, v128.mul<Float>(y, v128.load(row, 48)));
      factor += xStep;
      row += bRow;
    }
    v128.store(c, s0);
    v128.store(c, s1, 16);
    v128.store(c, s2, 32);
    v128.store(c, s3, 48);
    b += LINE;
    c += LINE;
  }
  for (; N > 0; N -= width) {
    let s = v128.and(kept, v128.load(c));
    let factor = x;
    let row = b;
    for (let k = K; k > 0; k--) {
      s = v128.add<Float>(s, v128.mul<Float>(v128.load_splat<Float>(factor), v128.load(row)));
      factor += xStep;
      row += bRow;
    }
    Lanes.store<Float>(c, s, N);
    b += 16;
    c += 16;
  }
}

/** c[i] = Σₖ x[k] · b[i, k] + beta · c[i]: sixteen rows of b or fewer are turned into columns, and combined in order of k. */
function dotRows<Float>(
  N: i32,
  K: i32,
  x: usize,
  xStep: usize,
  b: usize,
  bRow: usize,
  bCol: usize,
  c: usize,
  beta: i32,
  ws: usize,
): void {
  for (; N > 0; N -= 4 * Lanes.count<Float>()) {
    const n = min(N, 4 * Lanes.count<Float>());
    let more = beta;
    for (let k = 0; k < K; k += KC) {
      const kc = min(K - k, KC);
      let to = ws;
      let from = b + <usize>k * bCol;
      for (let left = n; left > 0; left -= Lanes.count<Float>()) {
        packStrip<Float>(left, kc, from, bRow, bCol, to, LINE);
        from += <usize>Lanes.count<Float>() * bRow;
        to += 16;
      }
      combineRows<Float>(n, kc, x + <usize>k * xStep, xStep, ws, LINE, c, more);
      more = 1;
    }
    b += <usize>(4 * Lanes.count<Float>()) * bRow;
    c += LINE;
  }
}

/** A stride in bytes; negative ones wrap, as addresses do. */
function bytes<Float>(stride: i32): usize {
  return <usize>stride * sizeof<Float>();
}
