import { tensor, ValueError, type DType, type Tensor, type Tree } from "@gradus/core";
import { sizeOf } from "./arguments.ts";
import { leavesOf } from "./leaves.ts";

/** The names of dtypes in the format. */
const names: { readonly [D in DType]: Name } = { float64: "F64", float32: "F32", int32: "I32", bool: "BOOL" };
type Name = "F64" | "F32" | "I32" | "BOOL";
const arrays = { F64: Float64Array, F32: Float32Array, I32: Int32Array, BOOL: Uint8Array } as const;
const dtypes: { readonly [N in Name]: DType } = { F64: "float64", F32: "float32", I32: "int32", BOOL: "bool" };

const METADATA = "__metadata__";
/** Keys that mean something else in JavaScript's objects, or in the format. */
const RESERVED = new Set(["__proto__", "constructor", "prototype", METADATA]);
const MOST = 100_000_000; // bytes of a header, as in the reference implementation

/**
 * A tree of tensors as the bytes of a safetensors file: 8 bytes n, little-endian; n bytes of JSON, which say for each
 * key (`encoder.weightIh`, `layers.0.bias`) dtype, shape and place; the elements. `metadata` is free text.
 * @throws ValueError for what is no tensor, for a tensor at two places, for keys that the format cannot hold.
 * @source the format's description at huggingface/safetensors
 * @example
 * const bytes = encodeSafetensors({ layer: { bias: tensor([1, 2]) } });
 * console.log(decodeSafetensors(bytes).tensors["layer.bias"]); // => float32[2] [1, 2]
 */
export function encodeSafetensors(params: Tree, metadata?: Readonly<Record<string, string>>): Uint8Array {
  const op = "encodeSafetensors";
  const leaves = [...leavesOf(op, params).values()];
  for (const { key, x } of leaves) {
    if (isPlain(key)) continue;
    throw new ValueError(op, "no such key in the format", { [JSON.stringify(key)]: x }, "another name");
  }
  const width = (x: Tensor): number => arrays[names[x.dtype]].BYTES_PER_ELEMENT;
  const sorted = leaves.sort((a, b) => width(b.x) - width(a.x)); // widest first: all elements stand aligned
  let end = 0;
  const entries = sorted.map(({ key, x }): [string, unknown] => {
    const start = end;
    end += x.size * width(x);
    return [key, { dtype: names[x.dtype], shape: x.shape, data_offsets: [start, end] }];
  });
  const all = metadata ? [[METADATA, checkMetadata(op, metadata)] as [string, unknown], ...entries] : entries;
  const header = asciiJson(Object.fromEntries(all));
  const length = Math.ceil(header.length / 8) * 8;
  const bytes = new Uint8Array(8 + length + end);
  new DataView(bytes.buffer).setUint32(0, length, true);
  for (let i = 0; i < length; i++) bytes[8 + i] = i < header.length ? header.charCodeAt(i) : 0x20;
  let at = 8 + length;
  for (const { x } of sorted) {
    const { buffer, byteOffset, byteLength } = x.data;
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return bytes;
}

/** JSON in ASCII alone: everything else as \uXXXX. */
function asciiJson(value: unknown): string {
  const escape = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replaceAll(/[\u007f-\uffff]/g, escape);
}

const isPlain = (key: string): boolean => key !== "" && key.split(".").every((part) => !RESERVED.has(part));

interface Entry {
  readonly key: string;
  readonly dtype: Name;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

/**
 * The tensors of a safetensors file by key, and its metadata. The bytes may stand anywhere in their buffer.
 * @throws ValueError for what is no such file, with what is wrong and where; also for dtypes other than F64, F32, I32, BOOL.
 * @example
 * const bytes = encodeSafetensors({ w: tensor([1, 2]) }, { epoch: "3" });
 * const { tensors, metadata } = decodeSafetensors(bytes);
 * console.log(tensors.w, metadata.epoch); // => float32[2] [1, 2] 3
 */
export function decodeSafetensors(bytes: Uint8Array): {
  readonly tensors: Record<string, Tensor>;
  readonly metadata: Record<string, string>;
} {
  const { header, data } = partsOf(bytes);
  const { [METADATA]: metadata = {}, ...rest } = header;
  const entries = Object.entries(rest).map(([key, value]) => entryOf(key, value, data.length));
  checkCover(entries, data.length);
  const tensors = entries.map((entry) => [entry.key, read(entry, data)] as const);
  return { tensors: Object.fromEntries(tensors), metadata: checkMetadata("decodeSafetensors", metadata) };
}

function fail(problem: string, got: Readonly<Record<string, unknown>>, want: string): never {
  throw new ValueError("decodeSafetensors", problem, got, want);
}

declare const TextDecoder: new (label: string, options: { fatal: boolean }) => { decode(bytes: Uint8Array): string };

function partsOf(bytes: Uint8Array): { header: Readonly<Record<string, unknown>>; data: Uint8Array } {
  if (!ArrayBuffer.isView(bytes) || bytes.BYTES_PER_ELEMENT !== 1) fail("not bytes", { bytes }, "a Uint8Array");
  if (bytes.length < 8) fail("too short", { bytes: bytes.length }, "8 bytes for the header's length, and the header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > MOST) fail("an absurd header length", { "header length": length }, `at most ${MOST}`);
  const got = { "header length": length, bytes: bytes.length };
  if (length > bytes.length - 8) fail("cut off in the header", got, `${length + 8} bytes or more`);
  if (bytes[8] !== 0x7b) fail("the header does not begin with {", { byte: bytes[8] }, "a JSON object");
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch (error) {
    fail("the header is not JSON", { error: (error as Error).message }, "JSON in UTF-8");
  }
  if (!isObject(header)) fail("the header is not a JSON object", { header }, "an object");
  return { header, data: bytes.subarray(8 + length) };
}

function entryOf(key: string, value: unknown, available: number): Entry {
  const name = JSON.stringify(key);
  if (!isPlain(key)) fail(`the key ${name} is not allowed`, {}, "another name");
  if (!isObject(value)) fail(`${name} is no entry`, { [name]: value }, "dtype, shape and data_offsets");
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDType(dtype)) fail(`unknown dtype of ${name}`, { dtype }, Object.keys(dtypes).join(", "));
  if (!isCounts(shape)) fail(`no such shape of ${name}`, { shape }, "whole numbers from 0");
  const [start, end] = isCounts(offsets) && offsets.length === 2 ? (offsets as [number, number]) : [1, 0];
  const got = { dtype, shape, data_offsets: offsets };
  if (start > end) fail(`no such offsets of ${name}`, got, "[begin, end], whole numbers from 0");
  if (end > available) fail(`${name} lies outside the data`, got, `an end of at most ${available}`);
  const size = sizeOf(shape) * arrays[dtype].BYTES_PER_ELEMENT;
  if (end - start !== size) fail(`the size of ${name} does not fit its shape`, got, `${size} bytes`);
  return { key, dtype, shape, start, end };
}

/** Refuses bytes that belong to two tensors, or to none. */
function checkCover(entries: readonly Entry[], length: number): void {
  let [before, last] = [0, "the header"];
  for (const { key, start, end } of [...entries].sort((a, b) => a.start - b.start || a.end - b.end)) {
    const name = JSON.stringify(key);
    const got = { data_offsets: [start, end] };
    if (start < before) fail(`${last} and ${name} overlap`, got, `a begin of ${before}`);
    if (start > before) fail(`bytes between ${last} and ${name} belong to no tensor`, got, `a begin of ${before}`);
    [before, last] = [end, name];
  }
  if (before < length) fail("bytes at the end belong to no tensor", { bytes: length - before }, "none");
}

function read({ key, dtype, shape, start, end }: Entry, data: Uint8Array): Tensor {
  const copy = new Uint8Array(end - start); // aligned, as the file need not be
  copy.set(data.subarray(start, end));
  const odd = dtype === "BOOL" ? copy.find((byte) => byte > 1) : undefined;
  if (odd !== undefined) fail(`${JSON.stringify(key)} holds a byte that is no BOOL`, { byte: odd }, "0 or 1");
  return tensor(new arrays[dtype](copy.buffer), { shape, dtype: dtypes[dtype] });
}

function checkMetadata(op: string, metadata: unknown): Record<string, string> {
  const entries = isObject(metadata) ? Object.entries(metadata) : [["metadata", metadata] as const];
  for (const [key, value] of entries) {
    if (typeof value === "string" && !RESERVED.has(key)) continue;
    throw new ValueError(op, "metadata is no record of strings", { [JSON.stringify(key)]: value }, "strings by name");
  }
  return Object.fromEntries(entries) as Record<string, string>;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isDType(value: unknown): value is Name {
  return typeof value === "string" && Object.hasOwn(dtypes, value);
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
