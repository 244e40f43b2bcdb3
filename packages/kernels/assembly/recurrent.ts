// One step of a recurrent layer, for all rows of a batch, between two matrix products. A row's gates lie together, [4, H],
// in the order that the names of each kernel's variables show, and rows lie one behind the other, except where a stride is
// given, in elements. A row that has ended, t ≥ lengths[row], is not read. The last vector of a row is read whole, and written as far as the row goes.
import { Lanes } from "./lanes";
import { Vector } from "./transcendental";

/**
 * Gates of a GRU, in place, from what weights and biases give: n = tanh(n + r·m), r = σ(r), z = σ(z), and m as it is.
 * out = n + z (previous − n); 0 for a row that has ended.
 */
export function gruGates<Float>(
  rows: i32,
  H: i32,
  t: i32,
  lengths: usize,
  gates: usize,
  previous: usize,
  previousRow: i32,
  out: usize,
  outRow: i32,
): void {
  const size = bytes<Float>(H);
  for (let row = 0; row < rows; row++) {
    if (t >= load<i32>(lengths)) memory.fill(out, 0, size);
    else {
      squash<Float>(2 * H, gates + size);
      for (let j = 0; j < H; j += Lanes.count<Float>()) {
        const left = H - j;
        const at = bytes<Float>(j);
        const atN = gates + at;
        const atR = atN + size;
        const r = v128.load(atR);
        const z = v128.load(atR + size);
        const m = v128.load(atR + 2 * size);
        const n = tanh<Float>(v128.add<Float>(v128.load(atN), v128.mul<Float>(r, m)));
        const change = v128.sub<Float>(v128.load(previous + at), n);
        Lanes.store<Float>(atN, n, left);
        Lanes.store<Float>(out + at, v128.add<Float>(n, v128.mul<Float>(z, change)), left);
      }
    }
    lengths += 4;
    gates += 4 * size;
    previous += bytes<Float>(previousRow);
    out += bytes<Float>(outRow);
  }
}

/**
 * Gates become the gradients of what they came from: dh + dy pulled back, 0 where that is, and for a row that has ended. dh
 * becomes what goes to the previous state directly.
 */
export function gruGatesGrad<Float>(
  rows: i32,
  H: i32,
  t: i32,
  lengths: usize,
  gates: usize,
  previous: usize,
  previousRow: i32,
  dy: usize,
  dh: usize,
): void {
  const size = bytes<Float>(H);
  const one = v128.splat<Float>(1);
  for (let row = 0; row < rows; row++) {
    if (t >= load<i32>(lengths)) memory.fill(gates, 0, 4 * size);
    else {
      for (let j = 0; j < H; j += Lanes.count<Float>()) {
        const left = H - j;
        const at = bytes<Float>(j);
        const atR = gates + at + size;
        const n = v128.load(gates + at);
        const r = v128.load(atR);
        const z = v128.load(atR + size);
        const m = v128.load(atR + 2 * size);
        const change = v128.sub<Float>(v128.load(previous + at), n);
        const d = v128.add<Float>(v128.load(dh + at), v128.load(dy + at));
        const open = v128.sub<Float>(one, z);
        const live = v128.ne<Float>(d, Lanes.zero());
        const dz = v128.mul<Float>(v128.mul<Float>(change, v128.mul<Float>(z, open)), d);
        const slope = v128.mul<Float>(open, v128.sub<Float>(one, v128.mul<Float>(n, n)));
        const dn = Lanes.select(v128.mul<Float>(slope, d), live);
        const liveN = v128.ne<Float>(dn, Lanes.zero());
        const dm = v128.mul<Float>(r, dn);
        const dr = v128.mul<Float>(v128.mul<Float>(m, v128.sub<Float>(one, r)), dm);
        const to = gates + at;
        Lanes.store<Float>(to, dn, left);
        Lanes.store<Float>(to + size, Lanes.select(dr, liveN), left);
        Lanes.store<Float>(to + 2 * size, Lanes.select(dz, live), left);
        Lanes.store<Float>(to + 3 * size, Lanes.select(dm, liveN), left);
        Lanes.store<Float>(dh + at, Lanes.select(v128.mul<Float>(z, d), live), left);
      }
    }
    lengths += 4;
    gates += 4 * size;
    previous += bytes<Float>(previousRow);
    dy += size;
    dh += size;
  }
}

/**
 * Gates of an LSTM, in place: i = σ(i), f = σ(f), g = tanh(g), o = σ(o). cell = f·previous + i·g, out = o·tanh(cell); out is
 * 0 for a row that has ended.
 */
export function lstmGates<Float>(
  rows: i32,
  H: i32,
  t: i32,
  lengths: usize,
  gates: usize,
  previous: usize,
  previousRow: i32,
  out: usize,
  outRow: i32,
  cell: usize,
): void {
  const size = bytes<Float>(H);
  for (let row = 0; row < rows; row++) {
    if (t >= load<i32>(lengths)) memory.fill(out, 0, size);
    else {
      squash<Float>(2 * H, gates);
      squash<Float>(H, gates + 3 * size);
      for (let j = 0; j < H; j += Lanes.count<Float>()) {
        const left = H - j;
        const at = bytes<Float>(j);
        const atI = gates + at;
        const i = v128.load(atI);
        const f = v128.load(atI + size);
        const g = tanh<Float>(v128.load(atI + 2 * size));
        const o = v128.load(atI + 3 * size);
        const kept = v128.mul<Float>(f, v128.load(previous + at));
        const c = v128.add<Float>(kept, v128.mul<Float>(i, g));
        Lanes.store<Float>(atI + 2 * size, g, left);
        Lanes.store<Float>(cell + at, c, left);
        Lanes.store<Float>(out + at, v128.mul<Float>(o, tanh<Float>(c)), left);
      }
    }
    lengths += 4;
    gates += 4 * size;
    previous += bytes<Float>(previousRow);
    out += bytes<Float>(outRow);
    cell += size;
  }
}

/**
 * Gates become the gradients of what they came from: dh + dy and dc pulled back, 0 for a row that has ended. dc becomes what
 * goes to the previous cell.
 */
export function lstmGatesGrad<Float>(
  rows: i32,
  H: i32,
  t: i32,
  lengths: usize,
  gates: usize,
  previous: usize,
  previousRow: i32,
  dy: usize,
  dh: usize,
  cell: usize,
  dc: usize,
): void {
  const size = bytes<Float>(H);
  const one = v128.splat<Float>(1);
  for (let row = 0; row < rows; row++) {
    if (t >= load<i32>(lengths)) memory.fill(gates, 0, 4 * size);
    else {
      for (let j = 0; j < H; j += Lanes.count<Float>()) {
        const left = H - j;
        const at = bytes<Float>(j);
        const from = gates + at;
        const i = v128.load(from);
        const f = v128.load(from + size);
        const g = v128.load(from + 2 * size);
        const o = v128.load(from + 3 * size);
        const y = tanh<Float>(v128.load(cell + at));
        const d = v128.add<Float>(v128.load(dh + at), v128.load(dy + at));
        const slope = v128.mul<Float>(o, v128.sub<Float>(one, v128.mul<Float>(y, y)));
        const through = Lanes.select(v128.mul<Float>(slope, d), v128.ne<Float>(d, Lanes.zero()));
        const change = v128.add<Float>(v128.load(dc + at), through);
        const live = v128.ne<Float>(change, Lanes.zero());
        const before = v128.load(previous + at);
        const di = v128.mul<Float>(v128.mul<Float>(g, v128.sub<Float>(one, i)), v128.mul<Float>(i, change));
        const df = v128.mul<Float>(v128.mul<Float>(before, v128.sub<Float>(one, f)), v128.mul<Float>(f, change));
        const dg = v128.mul<Float>(v128.mul<Float>(i, v128.sub<Float>(one, v128.mul<Float>(g, g))), change);
        const dO = v128.mul<Float>(v128.mul<Float>(y, v128.sub<Float>(one, o)), v128.mul<Float>(o, d));
        const to = gates + at;
        Lanes.store<Float>(to, Lanes.select(di, live), left);
        Lanes.store<Float>(to + size, Lanes.select(df, live), left);
        Lanes.store<Float>(to + 2 * size, Lanes.select(dg, live), left);
        Lanes.store<Float>(to + 3 * size, Lanes.select(dO, v128.ne<Float>(d, Lanes.zero())), left);
        Lanes.store<Float>(dc + at, Lanes.select(v128.mul<Float>(f, change), live), left);
      }
    }
    lengths += 4;
    gates += 4 * size;
    previous += bytes<Float>(previousRow);
    dy += size;
    dh += size;
    cell += size;
    dc += size;
  }
}

/** Not inlined: it stands in three loops. */
function tanh<Float>(x: v128): v128 {
  return Vector.tanh<Float>(x);
}

/** σ, in place, of n neighbours: none waits for another, as each would for what the gates do with it. */
function squash<Float>(n: i32, at: usize): void {
  for (; n > 0; n -= Lanes.count<Float>()) {
    Lanes.store<Float>(at, Vector.sigmoid<Float>(v128.load(at)), n);
    at += 16;
  }
}

function bytes<Float>(elements: i32): usize {
  return <usize>elements * sizeof<Float>();
}
