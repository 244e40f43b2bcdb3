import { bytesOf, newArray, sizeOf, type DType, type Shape, type TypedArray } from "./array.ts";
import { ValueError } from "./errors.ts";
import { beginEpoch, endEpoch, freeBlock, memory, takeBlock } from "./memory.ts";

/**
 * Where an array's elements are: in an ordinary typed array, which the collector frees, or, inside a step, in a block
 * of linear memory, which its scope frees.
 */
export class Storage {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly length: number;
  /** Byte address of the block; 0: `array` holds the elements; -1: freed. */
  pointer = 0;
  array: TypedArray | null = null;
  scope: Scope | null;
  /** Slots of a running backward walk that hold this storage; it is not freed before the last lets go. */
  holds = 0;
  /** Why it was freed. */
  end = "";
  constructor(dtype: DType, shape: Shape, length: number, scope: Scope | null) {
    this.dtype = dtype;
    this.shape = shape;
    this.length = length;
    this.scope = scope;
  }
}

declare const brand: unique symbol;
/** An array for kernels: no name, no graph. Row-major. */
export interface NdArray {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly storage: Storage;
  readonly [brand]?: true;
}

/**
 * Who frees a storage. `step` scopes are opened by users, `walk` and `rule` scopes by the engine. In a `linear` scope
 * storages are blocks of linear memory.
 */
export interface Scope {
  readonly kind: "step" | "walk" | "rule";
  readonly parent: Scope | null;
  readonly linear: boolean;
  readonly born: Storage[];
  /** Copies of outer storages, made once a step. */
  readonly staged: Map<Storage, number> | null;
  /** Other forms of outer storages, by key; null: asked for once. */
  readonly packed: Map<string, Storage | null> | null;
}

let current: Scope | null = null;
export const currentScope = (): Scope | null => current;

export function openScope(kind: Scope["kind"], linear: boolean): Scope {
  if (kind === "step" && !current?.linear) beginEpoch();
  const isStep = kind === "step";
  const [staged, packed] = [isStep ? new Map() : null, isStep ? new Map() : null];
  current = { kind, parent: current, linear, born: [], staged, packed };
  return current;
}

/** Closes the innermost scope and frees what was born in it and not adopted by another. */
export function closeScope(scope: Scope, why: string): void {
  current = scope.parent;
  for (const storage of scope.born) if (storage.scope === scope) release(storage, why);
  if (scope.staged) for (const [storage, pointer] of scope.staged) freeBlock(pointer, bytes(storage));
  if (scope.linear && !current?.linear) endEpoch();
}

/** Moves a storage that was born in `from` to the scope `to`. */
export function adopt(storage: Storage, from: Scope | null, to: Scope | null): void {
  if (storage.scope !== from) return;
  storage.scope = to;
  if (storage.pointer > 0) to!.born.push(storage);
}

export function release(storage: Storage, why: string): void {
  if (storage.pointer <= 0) return;
  freeBlock(storage.pointer, bytes(storage));
  storage.pointer = -1;
  storage.end = why;
}

const bytes = (storage: Storage): number => storage.length * bytesOf[storage.dtype];

/** An array whose elements are not set yet, in the scope given: the current one unless told. */
export function empty(shape: Shape, dtype: DType, scope: Scope | null = current): NdArray {
  const storage = new Storage(dtype, shape, sizeOf(shape), scope);
  if (scope?.linear) {
    storage.pointer = takeBlock(bytes(storage), () => largest(scope));
    scope.born.push(storage);
  } else {
    storage.array = newArray(dtype, storage.length);
  }
  return { dtype, shape, storage };
}

/** An array over a typed array, which must not be changed afterwards. */
export function wrap(array: TypedArray, shape: Shape, dtype: DType): NdArray {
  const storage = new Storage(dtype, shape, array.length, null);
  storage.array = array;
  return { dtype, shape, storage };
}

/** The elements of x as an ordinary array which is the caller's alone: x cannot be used afterwards, because of `why`. */
export function takeOver({ storage, shape, dtype }: NdArray, why: string): NdArray {
  const { array } = storage;
  if (!array) return wrap(copyOut(storage), shape, dtype); // a block of a step, which ends with it
  Object.assign(storage, { array: null, pointer: -1, end: why });
  return wrap(array, shape, dtype);
}

/** The same elements under another shape. */
export function reshaped(x: NdArray, shape: Shape): NdArray {
  return { dtype: x.dtype, shape, storage: x.storage };
}

/** `count` neighbours of x along its first axis, from `from` on, where they lie: to be used while x is, and not to be freed. */
export function rowsAt({ dtype, shape, storage }: NdArray, from: number, count: number): NdArray {
  const width = sizeOf(shape.slice(1));
  const part = new Storage(dtype, [count, ...shape.slice(1)], count * width, storage.scope);
  part.array = storage.array && storage.array.subarray(from * width, (from + count) * width);
  part.pointer = storage.pointer && storage.pointer + from * width * bytesOf[dtype];
  return { dtype, shape: part.shape, storage: part };
}

function largest(scope: Scope | null): string {
  const all: Storage[] = [];
  for (let s = scope; s; s = s.parent) all.push(...s.born.filter((storage) => storage.pointer > 0));
  all.sort((a, b) => bytes(b) - bytes(a));
  const shown = all.slice(0, 3).map((s) => `${s.dtype}[${s.shape.join(",")}] (${(bytes(s) / 1e6).toFixed(1)} MB)`);
  return shown.join(", ") || "none";
}

/** The typed array in which the elements of `storage` lie, from `offsetOf(storage)` on. */
export function heapOf(storage: Storage): TypedArray {
  if (storage.array) return storage.array;
  alive(storage);
  const m = memory();
  if (storage.dtype === "float32") return m.f32;
  if (storage.dtype === "float64") return m.f64;
  return storage.dtype === "int32" ? m.i32 : m.u8;
}

export function offsetOf(storage: Storage): number {
  return storage.array ? 0 : storage.pointer / bytesOf[storage.dtype];
}

export function alive(storage: Storage): void {
  if (storage.pointer < 0) throw new ValueError("memory", `an array that ${storage.end}`, { array: storage });
}

/** A copy of the elements as a fresh typed array. */
export function copyOut(storage: Storage): TypedArray {
  const at = offsetOf(storage);
  return heapOf(storage).slice(at, at + storage.length);
}
