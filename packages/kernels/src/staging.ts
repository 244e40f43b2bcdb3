import { bytesOf, type DType } from "./array.ts";
import { ValueError } from "./errors.ts";
import { blockSize, memory, reach, takeBlock } from "./memory.ts";
import { alive, currentScope, empty, type Scope, type Storage } from "./storage.ts";

/**
 * Kernels of the WebAssembly module take pointers. In a step a storage has one, or is copied in once for the whole
 * step. Elsewhere its elements are copied in before the call and copied out after it, above the last block.
 */
const pending: Storage[] = [];
const pendingAt: number[] = [];
let pendingCount = 0;
let stagingTop = 0;

/** Starts a kernel call; whatever an earlier call that threw has left is forgotten. */
export function begin(): void {
  pendingCount = 0;
  stagingTop = memory().top;
}

/** The address where a kernel reads `storage`. */
export function input(storage: Storage): number {
  if (storage.pointer > 0) return storage.pointer;
  alive(storage);
  if (currentScope()?.linear) return stagedInStep(storage);
  const at = reserve(storage.length * bytesOf[storage.dtype]);
  copyIn(storage, 0, storage.length, at);
  return at;
}

/** The address where a kernel writes `storage`, and, if it adds to it, finds what is there. */
export function output(storage: Storage, adds: boolean): number {
  if (storage.pointer > 0) return storage.pointer;
  alive(storage);
  if (currentScope()?.linear) throw fromOutside(storage);
  const at = adds ? input(storage) : reserve(storage.length * bytesOf[storage.dtype]);
  pending[pendingCount] = storage;
  pendingAt[pendingCount++] = at;
  return at;
}

/** Room for `length` elements, not set, until the kernel call ends. Ask for it after all else: it may move the heaps. */
export function scratch(length: number, dtype: DType): number {
  return currentScope()?.linear ? empty([length], dtype).storage.pointer : reserve(length * bytesOf[dtype]);
}

/** Inside a step only blocks are written: an ordinary array is somebody's from outside. */
function fromOutside(storage: Storage): ValueError {
  return new ValueError("kernel", "an array from outside the step was to be written", { array: storage });
}

/** Ends a kernel call: copies results to the arrays they belong to. */
export function end(): void {
  for (let i = 0; i < pendingCount; i++) copyBack(pending[i]!, 0, pending[i]!.length, pendingAt[i]!);
  pending.length = 0; // hold on to nothing
}

const onlyArguments = (): string => "none, only the arguments of one operation";

function reserve(bytes: number): number {
  const at = stagingTop;
  stagingTop += blockSize(bytes);
  reach(stagingTop, onlyArguments);
  return at;
}

function stagedInStep(storage: Storage): number {
  const step = currentStep();
  for (let scope: Scope | null = step; scope; scope = scope.parent) {
    const known = scope.staged?.get(storage);
    if (known !== undefined) return known;
  }
  const at = takeBlock(storage.length * bytesOf[storage.dtype], () => "an argument of the step");
  copyIn(storage, 0, storage.length, at);
  step.staged!.set(storage, at);
  return at;
}

/** The innermost step: linear scopes stand inside one. */
function currentStep(): Scope {
  let step = currentScope()!;
  while (step.kind !== "step") step = step.parent!;
  return step;
}

/**
 * The address of an array from outside the step in the form that `pack` gives it: made when it is wanted for the second
 * time, and good for the whole step, since nothing changes such an array. Otherwise 0. The key tells forms apart.
 */
export function packedInStep(storage: Storage, key: string, length: number, pack: (to: number) => void): number {
  if (storage.pointer > 0 || !currentScope()?.linear) return 0;
  const step = currentStep();
  const forms = step.packed!;
  const known = forms.get(key);
  if (known) return known.pointer;
  if (known === undefined) {
    forms.set(key, null);
    return 0;
  }
  const copy = empty([length], storage.dtype, step).storage;
  forms.set(key, copy);
  pack(copy.pointer);
  return copy.pointer;
}

const SHORT = 64; // below this many elements a loop is quicker than a view

function copyIn(storage: Storage, from: number, count: number, at: number): void {
  const heap = linearHeap(storage);
  const to = at / bytesOf[storage.dtype];
  const source = storage.array!;
  if (count === storage.length && count > SHORT) heap.set(source, to);
  else if (count > SHORT) heap.set(source.subarray(from, from + count), to);
  else for (let i = 0; i < count; i++) heap[to + i] = source[from + i]!;
}

function copyBack(storage: Storage, to: number, count: number, at: number): void {
  const heap = linearHeap(storage);
  const from = at / bytesOf[storage.dtype];
  const target = storage.array!;
  if (count > SHORT) target.set(heap.subarray(from, from + count), to);
  else for (let i = 0; i < count; i++) target[to + i] = heap[from + i]!;
}

function linearHeap(storage: Storage): Float32Array | Float64Array | Int32Array | Uint8Array {
  const m = memory();
  if (storage.dtype === "float32") return m.f32;
  if (storage.dtype === "float64") return m.f64;
  return storage.dtype === "int32" ? m.i32 : m.u8;
}

/** An operand of a kernel that works row by row: `width` elements a row. */
export interface Rows {
  readonly storage: Storage;
  readonly width: number;
  readonly use: "read" | "write" | "add";
}

const CACHE = 1 << 17; // bytes of one block of rows, all operands together

/**
 * Runs a row-wise kernel: once inside a step, where everything has a pointer or is given one, otherwise in blocks. `call`
 * gets the number of rows and one address for each operand: 0 for null.
 */
export function byRows(
  rows: number,
  operands: readonly (Rows | null)[],
  call: (rows: number, at: readonly number[]) => void,
): void {
  if (!currentScope()?.linear) return inBlocks(rows, operands, call);
  const addressOf = ({ storage, use }: Rows): number => {
    return use === "read" ? input(storage) : output(storage, use === "add");
  };
  call(
    rows,
    operands.map((operand) => (operand ? addressOf(operand) : 0)),
  );
}

/**
 * Runs a row-wise kernel in blocks of rows that fit the cache, so that a large array is never held twice. Operands that
 * have a pointer stay where they are.
 */
export function inBlocks(
  rows: number,
  operands: readonly (Rows | null)[],
  call: (rows: number, at: readonly number[]) => void,
): void {
  const rowBytes = operands.map((operand) => (operand ? operand.width * bytesOf[operand.storage.dtype] : 0));
  const fitting = Math.floor(
    CACHE /
      Math.max(
        1,
        rowBytes.reduce((sum, bytes) => sum + bytes, 0),
      ),
  );
  const block = Math.min(rows, fitting >= 64 ? fitting & ~63 : Math.max(1, fitting)); // 64 rows: whole vectors
  begin();
  for (const operand of operands) if (operand) alive(operand.storage);
  const staged = operands.map((operand, i) =>
    operand && operand.storage.pointer === 0 ? { at: reserve(block * rowBytes[i]!), ...operand } : null,
  );
  for (let row = 0; row < rows; row += block) {
    const count = Math.min(block, rows - row);
    const at = operands.map((operand, i) => {
      const copy = staged[i];
      if (!copy) return operand ? operand.storage.pointer + row * rowBytes[i]! : 0;
      if (copy.use !== "write") copyIn(copy.storage, row * copy.width, count * copy.width, copy.at);
      return copy.at;
    });
    call(count, at);
    for (const copy of staged) {
      if (copy && copy.use !== "read") copyBack(copy.storage, row * copy.width, count * copy.width, copy.at);
    }
  }
}
