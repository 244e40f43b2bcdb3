export * from "./adam.ts";
export * from "./clipByGlobalNorm.ts";
export * from "./embedding.ts";
export { createGru, gru, gruCell, type GruParams } from "./gru.ts";
export { glorotUniform, uniform, type RandomOptions } from "./initialise.ts";
export { createLinear, linear, type LinearOptions, type LinearParams } from "./linear.ts";
export * from "./loadParams.ts";
export { createLstm, lstm, lstmCell, type LstmParams, type LstmState } from "./lstm.ts";
export {
  createLuongAttention,
  luongAttention,
  type LuongAttentionOptions,
  type LuongAttentionParams,
} from "./luongAttention.ts";
export * from "./random.ts";
export type { RecurrentInputs, RecurrentOptions, RecurrentSizes } from "./recurrent.ts";
export * from "./safetensors.ts";
export * from "./sgd.ts";
export type { UpdateOptions } from "./updates.ts";
