export * from "./array.ts";
export * from "./attention.ts";
export * from "./crossEntropy.ts";
export * from "./elementwise.ts";
export * from "./errors.ts";
export { observeKernels } from "./forms.ts";
export * from "./gemm.ts";
export * from "./indexing.ts";
export {
  boxAlong,
  broadcast,
  concat,
  copy,
  copyInto,
  pad,
  readBox,
  slice,
  sliceGrad,
  transpose,
  type Box,
} from "./layout.ts";
export { linearCrossEntropy, linearCrossEntropyGrad, type LinearCrossEntropy } from "./linearCrossEntropy.ts";
export { configure, memoryStats, type MemoryStats } from "./memory.ts";
export { checkShape, checkValue, format, fromNested, isFloat, nest, type Nested } from "./nested.ts";
export { adam, sgd, sumOfSquares, type AdamRates, type SgdRates } from "./optimizers.ts";
export * from "./recurrent.ts";
export * from "./reduce.ts";
export * from "./rows.ts";
export {
  adopt,
  alive,
  closeScope,
  copyOut,
  currentScope,
  empty,
  openScope,
  release,
  reshaped,
  wrap,
  type NdArray,
  type Scope,
  type Storage,
} from "./storage.ts";
