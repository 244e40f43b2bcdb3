import { isTensor, ValueError, type Tensor } from "@gradus/core";

/** A tensor of a tree, and where it stands. */
export interface Leaf {
  /** As errors and gradients name it: `layers[0].weight`. */
  readonly path: string;
  /** As checkpoints name it: `layers.0.weight`. */
  readonly key: string;
  readonly x: Tensor;
}

/**
 * The tensors of a tree by path, in order. Refuses what is no tensor; two that would share a name; and a tensor that
 * stands at two places, which would be updated twice.
 */
export function leavesOf(op: string, tree: unknown): Map<string, Leaf> {
  const leaves = new Map<string, Leaf>();
  const keys = new Set<string>();
  const homes = new Map<object, string>();
  const visit = (value: unknown, path: string, key: string): void => {
    if (isTensor(value)) return found(value, path || "(root)", key);
    if (Array.isArray(value)) return value.forEach((item, i) => visit(item, `${path}[${i}]`, join(key, String(i))));
    if (!isRecord(value)) throw refusal(op, "not a tensor", path || "(root)", value, "tensors in records and arrays");
    for (const name of Object.keys(value)) visit(value[name], join(path, name), join(key, name));
  };
  const found = (x: Tensor, path: string, key: string): void => {
    const home = homes.get(x.array.storage);
    const want = "one place, which the model uses twice";
    if (home !== undefined) throw refusal(op, `the same tensor at ${home} and ${path}`, path, x, want);
    if (keys.has(key)) throw refusal(op, `two tensors by the name ${key}`, path, x, "keys without a dot");
    homes.set(x.array.storage, path);
    keys.add(key);
    leaves.set(path, { path, key, x });
  };
  visit(tree, "", "");
  return leaves;
}

const join = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);

function refusal(op: string, problem: string, path: string, value: unknown, want: string): ValueError {
  return new ValueError(op, problem, { [path]: value }, want);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || isTensor(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null; // a plain object, of this realm or another
}
