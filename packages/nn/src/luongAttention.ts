import {
  asTensor,
  defineFused,
  full,
  isTensor,
  ShapeError,
  tensor,
  ValueError,
  type Tensor,
  type TensorLike,
} from "@gradus/core";
import * as k from "@gradus/kernels";
import { cast, matmul, reshape, softmax } from "@gradus/ops";
import { checkShapes, checkSizes, lengthsOf } from "./arguments.ts";
import { glorotUniform, type RandomOptions } from "./initialise.ts";
import { takeRows } from "./rows.ts";

/** The matrix between query and memory: weight [Hq, Hm]. */
export type LuongAttentionParams = { readonly weight: Tensor };

/**
 * Parameters of `luongAttention`: weight [Hq, Hm], by `glorotUniform`.
 * @throws ShapeError for sizes that are no whole numbers from 1.
 * @example
 * const random = createRandom(1);
 * console.log(createLuongAttention({ querySize: 2, memorySize: 3, random }).weight.shape); // => [ 2, 3 ]
 */
export function createLuongAttention({
  querySize,
  memorySize,
  ...options
}: RandomOptions & { readonly querySize: number; readonly memorySize: number }): LuongAttentionParams {
  checkSizes("createLuongAttention", { querySize, memorySize });
  return { weight: glorotUniform([querySize, memorySize], options) };
}

export interface LuongAttentionOptions {
  /** How many places of each row's memory count, [B]. Default: S. */
  readonly lengths?: TensorLike;
  /** Instead: the places that count, [B, S] or [B, T, S]: true, or anything but 0. */
  readonly mask?: TensorLike;
}

/**
 * weights = softmax over S of q·W·mᵀ, context = weights·m, for queries q [B, T, Hq], memory m [B, S, Hm] and weight W
 * [Hq, Hm]: context [B, T, Hm], weights [B, T, S]. A place that counts for no query is not read and weighs 0; where none
 * counts, the context is 0.
 * @throws ShapeError for shapes that do not fit, DTypeError for mixed dtypes, IndexError for a length outside 0 to S,
 * ValueError for both lengths and a mask.
 * @source Luong, Pham & Manning 2015, Effective approaches to attention-based neural machine translation: "general"
 * @example
 * const params = { weight: tensor([[1]]) };
 * const { context } = luongAttention(params, tensor([[[0]]]), tensor([[[1], [3], [NaN]]]), { lengths: [2] });
 * console.log(context); // => float32[1,1,1] [[[2]]]
 */
export function luongAttention(
  { weight }: LuongAttentionParams,
  query: Tensor,
  memory: Tensor,
  options: LuongAttentionOptions = {},
): { readonly context: Tensor; readonly weights: Tensor } {
  const { B, T, S } = checkShapes<"B" | "T" | "S">("luongAttention", {
    query: [query, ["B", "T", "Hq"]],
    memory: [memory, ["B", "S", "Hm"]],
    weight: [weight, ["Hq", "Hm"]],
  });
  const mask = maskOf(options, B, T, S);
  const inputs = { query, memory, weight };
  const context = attentionOp({ mask, ...inputs }, {});
  let weights: Tensor | null = null;
  const later: Later = { context, [ask]: () => (weights ??= weightsOf(inputs, mask).weights) };
  return Object.defineProperty(later, "weights", whenAsked) as Later & { readonly weights: Tensor };
}

/** Weights are computed when they are first asked for. */
interface Later {
  readonly context: Tensor;
  readonly [ask]: () => Tensor;
}
const ask: unique symbol = /* @__PURE__ */ Symbol("weights");

/** One accessor for all: V8 keeps an object's own in its hidden class, and with it, for long, all that a step made. */
const whenAsked = {
  enumerable: true,
  get(this: Later): Tensor {
    return this[ask]();
  },
};

const attentionOp = /* @__PURE__ */ defineFused({
  name: "luongAttention",
  inputs: ["query", "memory", "weight"],
  indices: ["mask"],
  forward: k.attention,
  backward: (kept, dy, to) => k.attentionGrad(kept, dy, to),
  composed: composedAttention,
});

/** The definition of the context. */
export function composedAttention({ mask, ...inputs }: AttentionInputs & { readonly mask: Tensor }): Tensor {
  const { weights, read } = weightsOf(inputs, mask);
  return matmul(weights, read);
}

interface AttentionInputs {
  readonly query: Tensor;
  readonly memory: Tensor;
  readonly weight: Tensor;
}

/** The weights, and the memory with zeros where no query reads. */
function weightsOf(
  { query, memory, weight }: AttentionInputs,
  mask: Tensor,
): { readonly weights: Tensor; readonly read: Tensor } {
  const [B, S, Hm] = memory.shape as readonly [number, number, number];
  const read = withoutMasked(memory, mask, [B * S, Hm]);
  const scores = matmul(matmul(query, weight), read, { transposeB: true });
  return { weights: softmax(scores, { mask }), read };
}

/** What counts, as bool [B, 1 or T, S]. */
function maskOf({ lengths, mask }: LuongAttentionOptions, B: number, T: number, S: number): Tensor {
  const op = "luongAttention";
  if (lengths !== undefined && mask !== undefined) {
    throw new ValueError(op, "both lengths and a mask", { lengths, mask }, "one of them");
  }
  if (mask === undefined && lengths === undefined) return full([B, 1, S], 1, { dtype: "bool" });
  if (mask === undefined) {
    const { ends } = lengthsOf(op, lengths, B, S);
    const counted = new Uint8Array(B * S).map((_, i) => (i % S < ends[Math.floor(i / S)]! ? 1 : 0));
    return tensor(counted, { shape: [B, 1, S], dtype: "bool" });
  }
  const given = isTensor(mask) ? cast(mask, "bool") : asTensor(op, "mask", mask, "bool");
  const shape = given.shape.length === 2 ? [given.shape[0]!, 1, given.shape[1]!] : given.shape;
  const fits = shape.length === 3 && shape[0] === B && (shape[1] === 1 || shape[1] === T) && shape[2] === S;
  if (fits) return reshape(given, shape);
  throw new ShapeError(op, "the mask does not fit", { mask: given }, `[${B},${S}] or [${B},${T},${S}]`);
}

/** The memory with zeros at the places that count for no query: 0 times what stands there would be NaN, if that is. */
function withoutMasked(memory: Tensor, mask: Tensor, [places, width]: readonly [number, number]): Tensor {
  const [, queries, length] = mask.shape as readonly [number, number, number];
  const counted = mask.data;
  const numbers = new Array<number>(places).fill(-1);
  for (let i = 0; i < places; i++) {
    const row = Math.floor(i / length) * queries * length + (i % length);
    for (let t = 0; t < queries; t++) if (counted[row + t * length]) numbers[i] = i;
  }
  return takeRows(reshape(memory, [places, width]), numbers, memory.shape.slice(0, 2));
}
