import type { DType } from "./array.ts";
import { MemoryError } from "./errors.ts";
import { moduleBase64, type KernelExports } from "./module.generated.ts";

/**
 * The linear memory that kernels compute in: blocks from size-class free lists above a bump pointer. Without
 * WebAssembly (a policy may forbid it) the same memory is an ordinary buffer, and the twins do all the work.
 */
export interface Linear {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number } | null;
  /** The compiled kernels, or null where only the twins run. */
  readonly wasm: KernelExports | null;
  /** Scratch for packing in GEMM, and for dims and strides of the layout kernels. */
  readonly workspace: number;
  readonly scratch: number;
  /** First byte that no block has taken. */
  top: number;
  readonly base: number;
  f32: Float32Array;
  f64: Float64Array;
  i32: Int32Array;
  u8: Uint8Array;
}

const PAGE = 65536;
const MB = 1 << 20;
const START = 4 * MB;
export interface Settings {
  /** Bytes that the memory may grow to. */
  limit: number;
  /** Whether to use WebAssembly where it is to be had. */
  wasm: boolean;
  /** Overwrite freed blocks with NaN, and detach the heaps at each allocation, as it does where the memory grows. */
  poison: boolean;
}
const settings: Settings = { limit: 65536 * PAGE, wasm: true, poison: false };
const counts = { live: 0, peak: 0, blocks: 0 };
const free = new Map<number, number[]>();
let linear: Linear | null = null;

/** The memory, made at first use: importing the package does nothing. */
export function memory(): Linear {
  return (linear ??= start());
}

/** The memory as elements of a float dtype. Keep it across no allocation. */
export function floatsOf(dtype: DType): Float32Array | Float64Array {
  return dtype === "float32" ? memory().f32 : memory().f64;
}

function start(): Linear {
  const wasm = settings.wasm ? instantiate() : null;
  const buffer = wasm ? wasm.memory.buffer : new ArrayBuffer(START);
  const scratch = align(wasm ? wasm.exports.heapBase() : 64);
  const workspace = scratch + 512;
  const base = align(workspace + (wasm ? wasm.exports.gemmWorkspaceBytes() : 0));
  const heaps = heapsOver(buffer);
  return { memory: wasm?.memory ?? null, wasm: wasm?.exports ?? null, workspace, scratch, top: base, base, ...heaps };
}

function instantiate(): { memory: WebAssembly.Memory; exports: KernelExports } | null {
  try {
    const memory = new WebAssembly.Memory({ initial: START / PAGE, maximum: 65536 });
    const module = new WebAssembly.Module(decode(moduleBase64));
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    return { memory, exports: exports as unknown as KernelExports };
  } catch {
    return null; // no WebAssembly here, no SIMD, or a content security policy against it
  }
}

/** Base64: by Node's own decoder where there is one, which takes a tenth of the time. */
function decode(text: string): Uint8Array<ArrayBuffer> {
  const { Buffer } = globalThis as { Buffer?: { from(text: string, code: "base64"): Uint8Array<ArrayBuffer> } };
  if (Buffer) return Buffer.from(text, "base64");
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function heapsOver(buffer: ArrayBuffer): Pick<Linear, "f32" | "f64" | "i32" | "u8"> {
  return {
    f32: new Float32Array(buffer),
    f64: new Float64Array(buffer),
    i32: new Int32Array(buffer),
    u8: new Uint8Array(buffer),
  };
}

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** What kernels may read behind the last block, and ignore: the rest of a vector at the end of a row. */
const MARGIN = 64;

/** Makes sure that bytes below `top` exist. Heaps are replaced when it grows: keep no view across an allocation. */
export function reach(top: number, largest: () => string): void {
  const m = memory();
  if (settings.poison) detach(m);
  const end = top + MARGIN;
  if (end <= m.u8.length) return;
  const piece = Math.min(64 * MB, Math.max(16 * MB, m.u8.length / 2));
  for (const wanted of [Math.max(end, m.u8.length + piece), end]) {
    const bytes = Math.ceil(wanted / PAGE) * PAGE;
    if (bytes > settings.limit) continue;
    try {
      let buffer: ArrayBuffer;
      if (m.memory) {
        m.memory.grow((bytes - m.u8.length) / PAGE);
        buffer = m.memory.buffer;
      } else {
        buffer = new ArrayBuffer(bytes);
        new Uint8Array(buffer).set(m.u8);
      }
      Object.assign(m, heapsOver(buffer));
      return;
    } catch {
      continue; // a smaller piece may still fit
    }
  }
  const mb = (bytes: number): string => `${Math.round(bytes / MB)} MB`;
  const want = "a smaller batch, shorter sequences, or several steps";
  const problem = `out of tensor memory: ${mb(counts.live)} in use by this step, ${mb(top - m.top)} more asked for`;
  throw new MemoryError("memory", `${problem}; the largest tensors: ${largest()}`, {}, want);
}

/** Moves the heaps as growing does: a view that somebody kept is empty afterwards. */
function detach(m: Linear): void {
  m.memory?.grow(0);
  const old = m.u8.buffer as ArrayBuffer;
  Object.assign(m, heapsOver(m.memory ? m.memory.buffer : structuredClone(old, { transfer: [old] })));
}

/** Bytes of the block that holds `bytes`: 4 sizes an octave, 64-byte aligned; above 1 MB in pieces of 64 KB. */
export function blockSize(bytes: number): number {
  if (bytes > MB) return Math.ceil(bytes / PAGE) * PAGE;
  if (bytes <= 256) return bytes === 0 ? 64 : align(bytes);
  const piece = 1 << (29 - Math.clz32(bytes - 1)); // a quarter of the octave
  return Math.ceil(bytes / piece) * piece;
}

export function takeBlock(bytes: number, largest: () => string): number {
  const m = memory();
  if (settings.poison) detach(m);
  const size = blockSize(bytes);
  let pointer = free.get(size)?.pop();
  if (pointer === undefined) {
    reach(m.top + size, largest);
    pointer = m.top;
    m.top += size;
  }
  counts.live += size;
  counts.blocks++;
  if (counts.live > counts.peak) counts.peak = counts.live;
  return pointer;
}

export function freeBlock(pointer: number, bytes: number): void {
  const size = blockSize(bytes);
  const list = free.get(size);
  if (list) list.push(pointer);
  else free.set(size, [pointer]);
  counts.live -= size;
  counts.blocks--;
  if (settings.poison) memory().u8.fill(0xff, pointer, pointer + size); // NaN in float32 and in float64
}

/** An outermost step begins: a new peak is measured. */
export function beginEpoch(): void {
  counts.peak = counts.live;
}

/** An outermost step has ended and every block is free: empty the lists, so that sizes may change between steps. */
export function endEpoch(): void {
  if (counts.blocks > 0) return;
  for (const list of free.values()) list.length = 0; // not free.clear(): a Map's old table holds the new one
  if (linear) linear.top = linear.base;
}

/** What the linear memory holds, in bytes. */
export interface MemoryStats {
  /** Taken from the system; never given back. */
  readonly reserved: number;
  /** In use by the current step; 0 outside. */
  readonly live: number;
  /** The most that the current outermost step, or else the last one, had in use at once. */
  readonly peak: number;
  readonly blocks: number;
}

export function memoryStats(): MemoryStats {
  return { reserved: linear?.u8.length ?? 0, ...counts };
}

/** For tests: changes settings, and starts the memory anew. */
export function configure(change: Partial<Settings>): void {
  if (counts.blocks > 0) throw new MemoryError("configure", "not inside a step");
  Object.assign(settings, change);
  free.clear();
  linear = null;
}
