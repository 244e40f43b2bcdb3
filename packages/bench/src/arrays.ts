import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const kinds = { float32: Float32Array, float64: Float64Array, int32: Int32Array };
export type Kind = keyof typeof kinds;
export type Data = Float32Array | Float64Array | Int32Array;

export interface Values {
  readonly shape: readonly number[];
  readonly data: Data;
}
/** A case's inputs or a contender's results, by name. */
export type Arrays = Readonly<Record<string, Values>>;

/** An array that another process reads: its bytes are in a file. */
export interface Filed {
  readonly kind: Kind;
  readonly shape: readonly number[];
  readonly file: string;
}

export function kindOf(data: Data): Kind {
  if (data instanceof Float32Array) return "float32";
  return data instanceof Float64Array ? "float64" : "int32";
}

export function writeArrays(arrays: Arrays, folder: string): Record<string, Filed> {
  return mapEntries(arrays, ({ shape, data }, name) => {
    const file = join(folder, `${name}.bin`);
    writeFileSync(file, data);
    return { kind: kindOf(data), shape, file };
  });
}

export function readArrays(filed: Readonly<Record<string, Filed>>): Arrays {
  return mapEntries(filed, ({ kind, shape, file }) => {
    const bytes = readFileSync(file);
    return { shape, data: new kinds[kind](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)) };
  });
}

export function mapEntries<A, B>(
  record: Readonly<Record<string, A>>,
  f: (value: A, name: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, f(value, name)]));
}

/** With float64 in the place of float32. */
export const float64 = (arrays: Arrays): Arrays =>
  mapEntries(arrays, ({ shape, data }) => ({
    shape,
    data: data instanceof Float32Array ? new Float64Array(data) : data,
  }));

export function total(data: Data): number {
  let sum = 0;
  for (const x of data) sum += x;
  return sum;
}

/** What is wrong with results, or null if each is within `tolerance` times the largest value of the one wanted. */
export function difference(got: Arrays, want: Arrays, tolerance: number): string | null {
  for (const [name, { data: wanted }] of Object.entries(want)) {
    const data = got[name]?.data;
    if (data?.length !== wanted.length) return `${name} has ${data?.length ?? "no"} elements, not ${wanted.length}`;
    let scale = 0;
    for (const x of wanted) scale = Math.max(scale, Math.abs(x));
    for (let i = 0; i < wanted.length; i++) {
      if (Math.abs(data[i]! - wanted[i]!) <= tolerance * scale) continue;
      return `${name}[${i}] is ${data[i]}, not ${wanted[i]}`;
    }
  }
  return null;
}
