import { createRandom, integer } from "@gradus/nn";
import type { Arrays, Values } from "./arrays.ts";

/** An encoder-decoder: GRU, Luong's "general" attention over all decoder steps, tanh layer, logits. PyTorch's layouts. */
export interface ModelSizes {
  /** Batch, source and target length, embedding width, hidden size, vocabulary of both sides. */
  readonly B: number;
  readonly T: number;
  readonly E: number;
  readonly H: number;
  readonly V: number;
}

export const LEARNING_RATE = 1e-3; // Adam's; its other options are everybody's defaults

export const parameterShapes = ({ E, H, V }: ModelSizes) =>
  ({
    "source.weight": [V, E],
    "encoder.weightIh": [3 * H, E],
    "encoder.weightHh": [3 * H, H],
    "encoder.biasIh": [3 * H],
    "encoder.biasHh": [3 * H],
    "target.weight": [V, E],
    "decoder.weightIh": [3 * H, E],
    "decoder.weightHh": [3 * H, H],
    "decoder.biasIh": [3 * H],
    "decoder.biasHh": [3 * H],
    "attention.weight": [H, H],
    "combine.weight": [H, 2 * H],
    "combine.bias": [H],
    "output.weight": [V, H],
    "output.bias": [V],
  }) as const;
export type ParameterName = keyof ReturnType<typeof parameterShapes>;

/** Parameters, and a batch of `source`, `input` and `target` ids [B, T] with `weights` [B, T]. */
export function modelInputs(sizes: ModelSizes): Arrays {
  const random = createRandom(1);
  const { B, T, V, H } = sizes;
  const make = <D>(
    shape: readonly number[],
    Data: { from(of: { length: number }, f: () => number): D },
    f: () => number,
  ) => ({
    shape,
    data: Data.from({ length: shape.reduce((a, b) => a * b, 1) }, f),
  });
  const high = 1 / Math.sqrt(H);
  const parameters = Object.entries(parameterShapes(sizes)).map(([name, shape]): [string, Values] => {
    return [name, make(shape, Float32Array, () => high * (2 * random.next() - 1))];
  });
  const ids = (): Values => make([B, T], Int32Array, () => integer(random, V));
  const batch = { source: ids(), input: ids(), target: ids(), weights: make([B, T], Float32Array, () => 1) };
  return { ...Object.fromEntries(parameters), ...batch };
}
