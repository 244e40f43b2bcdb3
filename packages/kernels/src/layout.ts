import { sizeOf, stridesOf, type Shape } from "./array.ts";
import type { Beta } from "./elementwise.ts";
import { fillInto } from "./elementwise.ts";
import { formFor, formNamed, formsOf, type Forms } from "./forms.ts";
import { memory } from "./memory.ts";
import { input } from "./staging.ts";
import { empty, heapOf, offsetOf, type NdArray, type Storage } from "./storage.ts";

/** A walk over a storage: where it starts and how far each dimension moves, in elements. */
interface Walk {
  readonly storage: Storage;
  readonly offset: number;
  readonly strides: readonly number[];
}

/** Repeats x along the dimensions that `shape` adds or stretches. */
export function broadcast(x: NdArray, shape: Shape): NdArray {
  const out = empty(shape, x.dtype);
  move(shape, { storage: x.storage, offset: 0, strides: broadcastStrides(x.shape, shape) }, whole(out), 0);
  return out;
}

/** Strides that walk over `shape` in an array of the shape `from`: 0 where it repeats. */
export function broadcastStrides(from: Shape, shape: Shape): number[] {
  const own = stridesOf(from);
  const added = shape.length - from.length;
  return shape.map((_, axis) => (axis < added || from[axis - added] === 1 ? 0 : own[axis - added]!));
}

/** y[…] = x[…] with axis i of y being axis `axes[i]` of x. */
export function transpose(x: NdArray, axes: readonly number[]): NdArray {
  const own = stridesOf(x.shape);
  const out = empty(
    axes.map((axis) => x.shape[axis]!),
    x.dtype,
  );
  move(out.shape, { storage: x.storage, offset: 0, strides: axes.map((axis) => own[axis]!) }, whole(out), 0);
  return out;
}

/** A box of x: from `start`, every `step`-th element, which may be negative. */
export interface Box {
  readonly start: readonly number[];
  readonly step: readonly number[];
}

/** The box that is cut along one axis only. */
export function boxAlong(shape: Shape, axis: number, start: number, step = 1): Box {
  return { start: shape.map((_, i) => (i === axis ? start : 0)), step: shape.map((_, i) => (i === axis ? step : 1)) };
}

/** The elements of a box of x; `shape` is the box's. */
export function slice(x: NdArray, box: Box, shape: Shape): NdArray {
  const out = empty(shape, x.dtype);
  move(shape, walkOf(x, box), whole(out), 0);
  return out;
}

/** Copies (beta 0) or adds (beta 1) all of `x` to a box of `into`; the rest of `into` stays. */
export function writeBox(into: NdArray, box: Box, x: NdArray, beta: Beta): void {
  move(x.shape, whole(x), walkOf(into, box), beta);
}

/** The pull-back of `slice`: into = dy in the box, 0 around it, + beta·into. */
export function sliceGrad(into: NdArray, beta: Beta, dy: NdArray, box: Box): void {
  if (!beta) fillInto(into, 0);
  writeBox(into, box, dy, beta);
}

/** into = x's box + beta·into, the pull-back of putting `into` there. */
export function readBox(into: NdArray, beta: Beta, x: NdArray, box: Box): void {
  move(into.shape, walkOf(x, box), whole(into), beta);
}

/** Arrays one after the other along an axis. */
export function concat(xs: readonly NdArray[], axis: number): NdArray {
  const total = xs.reduce((sum, x) => sum + x.shape[axis]!, 0);
  const out = empty(
    xs[0]!.shape.map((length, i) => (i === axis ? total : length)),
    xs[0]!.dtype,
  );
  let at = 0;
  for (const x of xs) {
    writeBox(out, boxAlong(x.shape, axis, at), x, 0);
    at += x.shape[axis]!;
  }
  return out;
}

/** x in a box of a larger array of `value`s. */
export function pad(x: NdArray, box: Box, shape: Shape, value: number): NdArray {
  const out = empty(shape, x.dtype);
  fillInto(out, value);
  writeBox(out, box, x, 0);
  return out;
}

/** Copies (beta 0) or adds (beta 1) x to `into`, an array of the same size. */
export function copyInto(into: NdArray, beta: Beta, x: NdArray): void {
  move(
    [sizeOf(x.shape)],
    { storage: x.storage, offset: 0, strides: [1] },
    { storage: into.storage, offset: 0, strides: [1] },
    beta,
  );
}

/** A copy in the current scope. */
export function copy(x: NdArray): NdArray {
  const out = empty(x.shape, x.dtype);
  copyInto(out, 0, x);
  return out;
}

function whole(x: NdArray): Walk {
  return { storage: x.storage, offset: 0, strides: stridesOf(x.shape) };
}

function walkOf(x: NdArray, { start, step }: Box): Walk {
  const own = stridesOf(x.shape);
  const offset = own.reduce((sum, stride, axis) => sum + stride * start[axis]!, 0);
  return { storage: x.storage, offset, strides: own.map((stride, axis) => stride * step[axis]!) };
}

const copyForms = { 1: "copyStrided_u8", 4: "copyStrided_u32", 8: "copyStrided_u64" } as const;
const addForms: Forms = /* @__PURE__ */ formsOf("addStrided");
const MAX_RANK = 8;

function move(shape: Shape, from: Walk, to: Walk, beta: Beta): void {
  if (sizeOf(shape) === 0) return;
  const [dims, source, target] = merged(shape, from.strides, to.strides);
  const m = memory();
  const bytes = heapOf(to.storage).BYTES_PER_ELEMENT as 1 | 4 | 8;
  if (to.storage.pointer > 0 && dims.length <= MAX_RANK) {
    const wasm = beta ? formFor(addForms, to.storage.dtype) : formNamed(copyForms[bytes], "copyStrided_twin");
    if (wasm) {
      const start = input(from.storage) + from.offset * bytes; // may grow the memory: pointers before heaps
      const end = to.storage.pointer + to.offset * bytes;
      for (let i = 0, at = m.scratch / 4; i < dims.length; i++) {
        m.i32[at + i] = dims[i]!;
        m.i32[at + MAX_RANK + i] = source[i]!;
        m.i32[at + 2 * MAX_RANK + i] = target[i]!;
      }
      wasm(dims.length, m.scratch, start, m.scratch + 4 * MAX_RANK, end, m.scratch + 8 * MAX_RANK);
      return;
    }
  }
  moveTwin(dims, from, source, to, target, beta);
}

/** Drops dimensions of length 1 and joins those that are walked in one go. */
function merged(shape: Shape, a: readonly number[], b: readonly number[]): [number[], number[], number[]] {
  const [dims, source, target]: [number[], number[], number[]] = [[], [], []];
  for (let axis = 0; axis < shape.length; axis++) {
    const [length, p, q] = [shape[axis]!, a[axis]!, b[axis]!];
    const last = dims.length - 1;
    if (length === 1) continue;
    if (last >= 0 && source[last] === p * length && target[last] === q * length) {
      dims[last]! *= length;
      source[last] = p;
      target[last] = q;
    } else {
      dims.push(length);
      source.push(p);
      target.push(q);
    }
  }
  return dims.length > 0 ? [dims, source, target] : [[1], [1], [1]];
}

function moveTwin(
  dims: readonly number[],
  from: Walk,
  source: readonly number[],
  to: Walk,
  target: readonly number[],
  beta: Beta,
): void {
  const [S, T] = [heapOf(from.storage), heapOf(to.storage)];
  let s = offsetOf(from.storage) + from.offset;
  let t = offsetOf(to.storage) + to.offset;
  const last = dims.length - 1;
  const [n, p, q] = [dims[last]!, source[last]!, target[last]!];
  const place = new Array<number>(last).fill(0);
  for (;;) {
    if (!beta && p === 1 && q === 1 && n > 64) T.set(S.subarray(s, s + n), t);
    else if (beta) for (let i = 0; i < n; i++) T[t + i * q]! += S[s + i * p]!;
    else for (let i = 0; i < n; i++) T[t + i * q] = S[s + i * p]!;
    let axis = last - 1;
    for (; axis >= 0; axis--) {
      s += source[axis]!;
      t += target[axis]!;
      if (++place[axis]! < dims[axis]!) break;
      s -= source[axis]! * dims[axis]!;
      t -= target[axis]! * dims[axis]!;
      place[axis] = 0;
    }
    if (axis < 0) return;
  }
}
