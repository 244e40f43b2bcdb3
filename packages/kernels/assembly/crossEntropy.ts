// Softmax cross-entropy of the rows of x [rows, n], forward and backward, without the softmax ever being stored.
//
// A row's target is a label, or a distribution y where `soft` is an address. `classes`, of x's shape in bytes, says which
// places count (not 0), and is 0 where all do; `live`, a byte a row, which rows do. What does not count is not read.
//
// A row may come in parts, block of columns after block, `from` being the number of a block's first column. What the
// parts have in common is gathered in a state of six float64; four numbers, the statistics of a complete row, are all
// that the backward pass needs.
import { exponentials, largestOf, placeAt, shiftOf } from "./exponentials";
import { Lanes } from "./lanes";
import { Vector } from "./transcendental";

const TOP: usize = 0; // the largest x so far
const SUM: usize = 8; // Σ exp(x − top)
const DOT: usize = 16; // Σ y·(x − top)
const MASS: usize = 24; // Σ y
const SPREAD: usize = 32; // Σ (x − top), where there is smoothing
const COUNT: usize = 40; // number of places, where there is smoothing
const STATE: usize = 48;

// The rows that crossEntropySum is at, by number: as many as fit the first-level cache, up to BATCH.
const BATCH = 8;
const CACHED = 16384;
const NUMBERS = memory.data(BATCH * 4, 8);
const LARGEST = memory.data(BATCH * 8, 8);
const STATES = memory.data(BATCH * 48, 8);
const LOSSES = memory.data(BATCH * 8, 8);
const STATS = memory.data(BATCH * 4 * 8, 8);

/** Adds a block of columns to the states, which begin here if `from` is 0. */
export function crossEntropyBlock<Float>(
  rows: i32,
  n: i32,
  x: usize,
  classes: usize,
  live: usize,
  labels: usize,
  soft: usize,
  from: i32,
  smoothing: f64,
  states: usize,
): void {
  const row = <usize>n * sizeof<Float>();
  for (let r = 0; r < rows; r++) {
    if (from == 0) begin(states);
    if (isLive(live, r)) {
      const largest = <f64>largestOf<Float>(n, x, classes);
      gatherRow<Float>(n, x, classes, largest, labelAt(labels, r) - from, soft, smoothing != 0, states, 0);
    }
    x += row;
    if (classes != 0) classes += <usize>n;
    if (soft != 0) soft += row;
    states += STATE;
  }
}

/**
 * With z = log Σ exp x, loss = (1 − ε)·(z·Σ y − Σ y·x) + ε·(z − mean x) + λ·z²; 0 where a row does not count. Its derivative
 * is softmax(x)·factor − (1 − ε)·y − ε/count. stats, `width` a row: top, z − top, and, where they are not 1 and 0 for all rows,
 * factor and ε/count.
 */
export function crossEntropyFinish<Float>(
  rows: i32,
  live: usize,
  states: usize,
  smoothing: f64,
  zLoss: f64,
  loss: usize,
  stats: usize,
  width: i32,
): void {
  for (let r = 0; r < rows; r++) {
    const top = shiftOf<f64>(load<f64>(states + TOP));
    const mass = load<f64>(states + MASS);
    const log = NativeMath.log(load<f64>(states + SUM));
    let value = (1 - smoothing) * ((mass != 0 ? mass * log : 0) - load<f64>(states + DOT));
    let factor = (1 - smoothing) * mass + smoothing;
    let share: f64 = 0;
    if (smoothing != 0) {
      share = smoothing / load<f64>(states + COUNT);
      value += smoothing * log - share * load<f64>(states + SPREAD);
    }
    if (zLoss != 0) {
      value += zLoss * (top + log) * (top + log);
      factor += 2 * zLoss * (top + log);
    }
    store<Float>(loss, isLive(live, r) ? <Float>value : 0);
    store<Float>(stats, <Float>top);
    store<Float>(stats + sizeof<Float>(), <Float>log);
    if (width > 2) {
      store<Float>(stats + 2 * sizeof<Float>(), <Float>factor);
      store<Float>(stats + 3 * sizeof<Float>(), <Float>share);
    }
    states += STATE;
    loss += sizeof<Float>();
    stats += <usize>width * sizeof<Float>();
  }
}

/** into = d loss/dx · dy[row] + beta · into; the term is 0 where dy is 0, and at what does not count. May be in place. */
export function crossEntropyGrad<Float>(
  rows: i32,
  n: i32,
  x: usize,
  classes: usize,
  live: usize,
  labels: usize,
  soft: usize,
  from: i32,
  smoothing: f64,
  stats: usize,
  width: i32,
  dy: usize,
  into: usize,
  beta: i32,
): void {
  const row = <usize>n * sizeof<Float>();
  const keep = <Float>(1 - smoothing);
  for (let r = 0; r < rows; r++) {
    const d = load<Float>(dy);
    if (d != 0 && isLive(live, r)) {
      gradRow<Float>(n, x, classes, soft, stats, width, d, keep * d, into, beta);
      const label = labelAt(labels, r) - from;
      if (label >= 0 && label < n) {
        const at = into + (<usize>label) * sizeof<Float>();
        store<Float>(at, load<Float>(at) - keep * d);
      }
    } else if (beta == 0) memory.fill(into, 0, row);
    x += row;
    if (classes != 0) classes += <usize>n;
    if (soft != 0) soft += row;
    stats += <usize>width * sizeof<Float>();
    dy += sizeof<Float>();
    into += row;
  }
}

/**
 * total += Σ weight·loss over the rows whose weight is not 0, a float64; its derivative goes to `slope`, unless that is 0.
 *
 * Each pass goes over a batch of rows: a row's exponentials wait for its largest, and its slope for their sum, but no row
 * waits for another.
 */
export function crossEntropySum<Float>(
  rows: i32,
  n: i32,
  x: usize,
  labels: usize,
  soft: usize,
  smoothing: f64,
  zLoss: f64,
  weights: usize,
  slope: usize,
  total: usize,
): void {
  const size = sizeof<Float>();
  const row = <usize>n * size;
  const batch = max(1, min(BATCH, CACHED / <i32>row));
  let sum = load<f64>(total);
  let next = 0;
  while (next < rows) {
    let count = 0;
    for (; next < rows && count < batch; next++) {
      if (load<Float>(weights + <usize>next * size) != 0) {
        store<f64>(LARGEST + ((<usize>count) << 3), <f64>largestOf<Float>(n, x + <usize>next * row, 0));
        store<i32>(NUMBERS + ((<usize>count) << 2), next);
        count++;
      } else if (slope != 0) memory.fill(slope + <usize>next * row, 0, row);
    }
    for (let i = 0; i < count; i++) {
      const r = load<i32>(NUMBERS + ((<usize>i) << 2));
      const state = STATES + <usize>i * STATE;
      begin(state);
      gatherRow<Float>(
        n,
        x + <usize>r * row,
        0,
        load<f64>(LARGEST + ((<usize>i) << 3)),
        labelAt(labels, r),
        rowAt(soft, r, row),
        smoothing != 0,
        state,
        rowAt(slope, r, row),
      );
    }
    crossEntropyFinish<Float>(count, 0, STATES, smoothing, zLoss, LOSSES, STATS, 4);
    for (let i = 0; i < count; i++) {
      const r = load<i32>(NUMBERS + ((<usize>i) << 2));
      const weight = load<Float>(weights + <usize>r * size);
      sum += <f64>weight * <f64>load<Float>(LOSSES + <usize>i * size);
      if (slope == 0) continue;
      const keep = <Float>(1 - smoothing) * weight;
      slopeRow<Float>(n, i, labelAt(labels, r), rowAt(soft, r, row), weight, keep, slope + <usize>r * row);
    }
  }
  store<f64>(total, sum);
}

/** 0 where there are no rows. */
function rowAt(rows: usize, row: i32, bytes: usize): usize {
  return rows == 0 ? 0 : rows + <usize>row * bytes;
}

/** into = exponentials/Σ·factor·weight − share·weight − y·keep, from the exponentials there; i is the row's place in its batch. */
function slopeRow<Float>(
  n: i32,
  i: i32,
  label: i32,
  soft: usize,
  weight: Float,
  keep: Float,
  into: usize,
): void {
  const stats = STATS + <usize>i * 4 * sizeof<Float>();
  const perExp = <f64>load<Float>(stats + 2 * sizeof<Float>()) / load<f64>(STATES + <usize>i * STATE + SUM);
  const factor = v128.splat<Float>(<Float>(perExp * <f64>weight));
  const share = v128.splat<Float>(load<Float>(stats + 3 * sizeof<Float>()) * weight);
  const kept = v128.splat<Float>(keep);
  let j = 0;
  if (soft == 0) {
    for (; j + 2 * Lanes.count<Float>() <= n; j += 2 * Lanes.count<Float>()) {
      const at = into + <usize>j * sizeof<Float>();
      v128.store(at, v128.sub<Float>(v128.mul<Float>(v128.load(at), factor), share));
      v128.store(at, v128.sub<Float>(v128.mul<Float>(v128.load(at, 16), factor), share), 16);
    }
  }
  for (; j < n; j += Lanes.count<Float>()) {
    const at = <usize>j * sizeof<Float>();
    let slope = v128.sub<Float>(v128.mul<Float>(v128.load(into + at), factor), share);
    if (soft != 0) slope = v128.sub<Float>(slope, v128.mul<Float>(v128.load(soft + at), kept));
    Lanes.store<Float>(into + at, slope, n - j);
  }
  if (label < 0) return;
  into += <usize>label * sizeof<Float>();
  store<Float>(into, load<Float>(into) - keep);
}

function begin(state: usize): void {
  store<f64>(state + TOP, -Infinity);
  store<f64>(state + SUM, 0);
  store<f64>(state + DOT, 0);
  store<f64>(state + MASS, 0);
  store<f64>(state + SPREAD, 0);
  store<f64>(state + COUNT, 0);
}

function isLive(live: usize, row: i32): bool {
  return live == 0 || load<u8>(live + <usize>row) != 0;
}

/** Less than any column's number where there are no labels. */
function labelAt(labels: usize, row: i32): i32 {
  return labels == 0 ? -1 : load<i32>(labels + ((<usize>row) << 2));
}

function gatherRow<Float>(
  n: i32,
  x: usize,
  classes: usize,
  largest: f64,
  label: i32,
  soft: usize,
  smooths: bool,
  state: usize,
  exps: usize,
): void {
  const before = load<f64>(state + TOP);
  const top = max(before, largest);
  const shift = <Float>shiftOf<f64>(top);
  const risen = <f64>shift - shiftOf<f64>(before);
  let sum = load<f64>(state + SUM);
  let dot = load<f64>(state + DOT);
  let mass = load<f64>(state + MASS);
  if (sum != 0) sum *= NativeMath.exp(-risen);
  if (mass != 0) dot -= mass * risen;
  sum += exponentials<Float>(n, x, classes, shift, exps);
  if (label >= 0 && label < n) {
    dot += <f64>load<Float>(x + (<usize>label) * sizeof<Float>()) - <f64>shift;
    mass += 1;
  }
  if (smooths || soft != 0) {
    const by = v128.splat<Float>(shift);
    let count = load<f64>(state + COUNT);
    let spread = load<f64>(state + SPREAD) - count * risen;
    for (let j = 0; j < n; j += Lanes.count<Float>()) {
      const at = <usize>j * sizeof<Float>();
      const counted = Lanes.counted<Float>(placeAt(classes, j), n - j);
      const value = v128.sub<Float>(Lanes.load<Float>(x + at, n - j), by);
      if (smooths) {
        spread += Lanes.sum<Float>(Lanes.select(value, counted));
        count += Lanes.sum<Float>(Lanes.select(v128.splat<Float>(1), counted));
      }
      if (soft != 0) {
        const y = Lanes.select(Lanes.load<Float>(soft + at, n - j), counted);
        mass += Lanes.sum<Float>(y);
        dot += Lanes.sum<Float>(Lanes.select(v128.mul<Float>(y, value), v128.ne<Float>(y, Lanes.zero())));
      }
    }
    store<f64>(state + SPREAD, spread);
    store<f64>(state + COUNT, count);
  }
  store<f64>(state + TOP, top);
  store<f64>(state + SUM, sum);
  store<f64>(state + DOT, dot);
  store<f64>(state + MASS, mass);
}

/** into = softmax(x)·factor·d − share·d − y·keep + beta·into at places that count. */
function gradRow<Float>(
  n: i32,
  x: usize,
  classes: usize,
  soft: usize,
  stats: usize,
  width: i32,
  d: Float,
  keep: Float,
  into: usize,
  beta: i32,
): void {
  const top = v128.splat<Float>(load<Float>(stats));
  const log = v128.splat<Float>(load<Float>(stats + sizeof<Float>()));
  const factor = v128.splat<Float>(width == 2 ? d : load<Float>(stats + 2 * sizeof<Float>()) * d);
  const share = v128.splat<Float>(width == 2 ? 0 : load<Float>(stats + 3 * sizeof<Float>()) * d);
  let j = 0;
  if (classes == 0 && soft == 0 && beta == 0) {
    for (; j + 2 * Lanes.count<Float>() <= n; j += 2 * Lanes.count<Float>()) {
      const at = <usize>j * sizeof<Float>();
      const p = Vector.expUpTo0<Float>(v128.sub<Float>(v128.sub<Float>(v128.load(x + at), top), log));
      const q = Vector.expUpTo0<Float>(v128.sub<Float>(v128.sub<Float>(v128.load(x + at, 16), top), log));
      v128.store(into + at, v128.sub<Float>(v128.mul<Float>(p, factor), share));
      v128.store(into + at, v128.sub<Float>(v128.mul<Float>(q, factor), share), 16);
    }
  }
  for (; j < n; j += Lanes.count<Float>()) {
    const at = <usize>j * sizeof<Float>();
    const p = Vector.expAtEnd<Float>(v128.sub<Float>(v128.sub<Float>(Lanes.load<Float>(x + at, n - j), top), log));
    let term = v128.sub<Float>(v128.mul<Float>(p, factor), share);
    if (soft != 0) {
      const y = Lanes.load<Float>(soft + at, n - j);
      term = v128.sub<Float>(term, v128.mul<Float>(y, v128.splat<Float>(keep)));
    }
    term = Lanes.select(term, Lanes.counted<Float>(placeAt(classes, j), n - j));
    if (beta) term = v128.add<Float>(Lanes.load<Float>(into + at, n - j), term);
    Lanes.store<Float>(into + at, term, n - j);
  }
}
