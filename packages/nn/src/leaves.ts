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
    const place = path || "(root)";
    const below = (name: string | number): string => (key === "" ? String(name) : `${key}.${name}`);
    const refuse = (problem: string, want: string): never => {
      throw new ValueError(op, problem, { [place]: value }, want);
    };
    if (Array.isArray(value)) return value.forEach((item, i) => visit(item, `${path}[${i}]`, below(i)));
    if (isRecord(value)) {
      return Object.entries(value).forEach(([name, item]) => visit(item, path ? `${path}.${name}` : name, below(name)));
    }
    if (!isTensor(value)) return refuse("not a tensor", "tensors in records and arrays");
    const home = homes.get(value.array.storage);
    if (home !== undefined) refuse(`the same tensor at ${home} and ${place}`, "one place, which the model uses twice");
    if (keys.has(key)) refuse(`two tensors by the name ${key}`, "keys without a dot");
    homes.set(value.array.storage, place);
    keys.add(key);
    leaves.set(place, { path: place, key, x: value });
  };
  visit(tree, "", "");
  return leaves;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || isTensor(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null; // a plain object, of this realm or another
}
