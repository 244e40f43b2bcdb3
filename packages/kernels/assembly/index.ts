/**
 * The kernels. Pointers are byte addresses, counts and strides are numbers of elements. Memory may reach 4 GB, where an
 * end address wraps to 0: loops count instead of comparing addresses.
 *
 * All functions that these files export become exports of the module, a generic one once per type: `add<Float>` as
 * `add_f32` and `add_f64`, `copyStrided<Bits>` as `copyStrided_u8`, `_u32`, `_u64`. See scripts/build.mjs.
 */
export * from "./crossEntropy";
export * from "./elementwise";
export * from "./gemm";
export * from "./layout";
export * from "./optimizers";
export * from "./recurrent";
export * from "./reductions";
export * from "./rows";
export * from "./scalars";

/** The first byte that the module does not use itself, 64-byte aligned. */
export function heapBase(): usize {
  return (__heap_base + 63) & ~63;
}
