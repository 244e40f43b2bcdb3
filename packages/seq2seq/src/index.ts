export * from "./greedyDecode.ts";
export * from "./linearSequenceLoss.ts";
export * from "./lossClass.ts";
export type {
  AverageFlags,
  AverageInsteadFlags,
  ComputedFlags,
  ReductionFlags,
  SumByDefaultFlags,
  SumFlags,
} from "./reduction.ts";
export type { RowLossOptions, Rows, SoftmaxLossFunction } from "./rowLoss.ts";
export { sequenceLoss, sequenceLossStats } from "./sequenceLoss.ts";
export type { CommonLossOptions, SequenceLossOptions, SequenceLossStats } from "./sequenceLoss.ts";
export * from "./sequenceMask.ts";
