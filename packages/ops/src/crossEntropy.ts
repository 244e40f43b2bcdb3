import { asTensor, DTypeError, IndexError, isTensor, ShapeError, ValueError } from "@gradus/core";
import type { Shape, Tensor, TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { placeOf } from "./arguments.ts";

/** What a cross-entropy may have beside a mask. */
export interface CrossEntropyOptions {
  /** The share ε of each target that is spread evenly over the n classes that count: (1−ε)·y + ε/n. Default: 0. */
  readonly labelSmoothing?: number;
  /** λ of the term λ·(log Σ exp logits)² that each row's loss has more. Default: 0. */
  readonly zLoss?: number;
}

export function ratesOf(
  op: string,
  { labelSmoothing = 0, zLoss = 0 }: CrossEntropyOptions,
): Required<CrossEntropyOptions> {
  const rates = { labelSmoothing, zLoss };
  for (const [name, end, want] of bounds) {
    const rate = rates[name];
    if (typeof rate === "number" && rate >= 0 && rate < end) continue;
    throw new ValueError(op, `no such ${name}`, { [name]: rate }, want);
  }
  return rates;
}
const bounds = [
  ["labelSmoothing", 1, "a number from 0 to below 1"],
  ["zLoss", Infinity, "a finite number from 0"],
] as const;

/** What rows are compared with, and which of them, bool [...], and of their classes, bool [..., V], count. */
export interface Targets {
  readonly labels: TensorLike;
  readonly live: Tensor | null;
  readonly classes: Tensor | null;
}

/** Labels [...], checked where the row counts; or distributions [..., V]. */
export function targetsOf(op: string, x: Readonly<Record<string, Tensor>>, shape: Shape, targets: Targets): Tensor {
  const [name, like] = Object.entries(x)[0]!;
  const y = isTensor(targets.labels) ? targets.labels : asTensor(op, "labels", targets.labels, "float64");
  if (k.sameShape(y.shape, shape.slice(0, -1))) {
    if (!isTensor(targets.labels) || y.dtype === "int32") return labelsOf(op, shape.at(-1)!, targets);
    throw new DTypeError(op, "labels that are no integers", { labels: y, ...x }, "int32");
  }
  if (!k.sameShape(y.shape, shape)) {
    const want = `labels [${shape.slice(0, -1).join(",")}] or distributions [${shape.join(",")}]`;
    throw new ShapeError(op, `labels do not fit ${name}`, { labels: y, ...x }, want);
  }
  const soft = isTensor(targets.labels) ? y : asTensor(op, "labels", targets.labels, like.dtype);
  if (soft.dtype === like.dtype) return soft;
  throw new DTypeError(op, `distributions of another dtype than the ${name}`, { labels: soft, ...x }, like.dtype);
}

/** Labels that are in range, and at classes that count, wherever the row counts. */
function labelsOf(op: string, size: number, { labels, live, classes }: Targets): Tensor {
  const index = asTensor(op, "labels", labels, "int32");
  const [found, rows, places] = [k.view(index.array), live && k.view(live.array), classes && k.view(classes.array)];
  for (let row = 0; row < found.length; row++) {
    const label = found[row]!;
    if (rows && rows[row] === 0) continue;
    const got = (): k.Given => ({ [`labels${placeOf(row, index.shape)}`]: label, labels: index });
    if (!(label >= 0 && label < size)) throw new IndexError(op, "label out of range", got(), `0 to ${size - 1}`);
    if (!places || places[row * size + label] !== 0) continue;
    const problem = "a label at a class that the mask leaves out";
    throw new IndexError(op, problem, { ...got(), mask: classes }, "a class that counts");
  }
  return index;
}
