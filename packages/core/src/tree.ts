import { isTensor, type Tensor } from "./tensor.ts";

/** Tensors in records and arrays: a model's parameters, for one. */
export type Tree = Tensor | readonly Tree[] | { readonly [key: string]: Tree };

/** Applies `f` to every tensor of a value of records and arrays, with its path (`encoder.weights[0]`); the rest stays. */
export function mapTree<T>(tree: T, f: (x: Tensor, path: string) => Tensor, path = ""): T {
  if (isTensor(tree)) return f(tree, path) as T;
  if (Array.isArray(tree)) return tree.map((item: unknown, i) => mapTree(item, f, `${path}[${i}]`)) as T;
  if (!isRecord(tree)) return tree;
  const entries = Object.entries(tree).map(([key, item]) => [key, mapTree(item, f, path ? `${path}.${key}` : key)]);
  return Object.fromEntries(entries) as T;
}

/** The tensors of a tree by path, in order. */
export function flattenTree(tree: unknown): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  mapTree(tree, (x, path) => (found.set(path, x), x));
  return found;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null; // a plain object, of this realm or another
}
