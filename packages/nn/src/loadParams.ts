import { DTypeError, mapTree, ShapeError, ValueError, type Tensor, type Tree } from "@gradus/core";
import { isSame } from "./arguments.ts";
import { leavesOf } from "./leaves.ts";

/**
 * A tree like `like`, of tensors by key (`layers.0.weight`): what `decodeSafetensors` gives, or a checkpoint of PyTorch
 * under the same names.
 * @throws ValueError for keys that are missing or surplus, ShapeError and DTypeError for tensors unlike those of `like`.
 * @example
 * console.log(loadParams({ layer: { bias: tensor([0]) } }, { "layer.bias": tensor([7]) }).layer.bias); // => float32[1] [7]
 */
export function loadParams<P extends Tree>(like: P, tensors: Readonly<Record<string, Tensor>>): P {
  const op = "loadParams";
  const leaves = [...leavesOf(op, like).values()];
  const keys = new Set(leaves.map(({ key }) => key));
  const missing = [...keys].filter((key) => !Object.hasOwn(tensors, key));
  const surplus = Object.keys(tensors).filter((key) => !keys.has(key));
  if (missing.length + surplus.length > 0) {
    const got = { ...(missing.length > 0 && { missing }), ...(surplus.length > 0 && { surplus }) };
    throw new ValueError(op, "other keys than the parameters'", got, "the same keys");
  }
  for (const { key, x } of leaves) {
    const found = tensors[key]!;
    const [got, problem] = [{ [key]: found }, `${key} unlike the parameter`];
    if (found.dtype !== x.dtype) throw new DTypeError(op, problem, got, x.dtype);
    if (!isSame(found.shape, x.shape)) throw new ShapeError(op, problem, got, `[${x.shape.join(",")}]`);
  }
  let next = 0;
  return mapTree(like, () => tensors[leaves[next++]!.key]!);
}
