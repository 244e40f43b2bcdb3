import { closeScope, copyOut, currentScope, openScope, wrap, type Scope } from "@gradus/kernels";
import { synchronous } from "./context.ts";
import { youngest } from "./graph.ts";
import { checkAlive, constant, Tensor } from "./tensor.ts";
import { mapTree } from "./tree.ts";

/**
 * Runs one iteration of a loop with its tensors in linear memory, which is faster and is freed at once when `fn` ends.
 * Tensors in what `fn` returns (a tensor, or arrays and records of them) that were made inside are copied out and are
 * constants; those made before come back as they are. Every other tensor made inside must not be used afterwards: use
 * throws, by name.
 * @throws ValueError if `fn` returns a promise.
 * @example
 * const x = tensor([1, 2, 3]);
 * console.log(step(() => add(add(x, x), 1))); // => float32[3] [3, 5, 7]
 */
export function step<R>(fn: () => R): R {
  const first = youngest();
  const scope = openScope("step", true);
  try {
    return mapTree(synchronous("step", fn()), (x) => leave(x, scope, first));
  } finally {
    closeScope(scope, "was made inside a step() that has ended; return it from the step or keep() it");
  }
}

const DETACHED = "it was returned from step(), which makes it a constant";

function leave(x: Tensor, scope: Scope, first: number): Tensor {
  checkAlive("step", "result", x);
  if (isInside(x.array.storage.scope, scope)) return copied(x);
  return x.node && x.node.id > first ? constant(x, DETACHED) : x;
}

function isInside(inner: Scope | null, scope: Scope): boolean {
  for (let s = inner; s; s = s.parent) if (s === scope) return true;
  return false;
}

/** A constant copy of x that outlives the step it was made in. */
export function keep(x: Tensor): Tensor {
  checkAlive("keep", "x", x);
  return currentScope()?.linear ? copied(x) : constant(x, "it was kept by keep(), which makes it a constant");
}

function copied(x: Tensor): Tensor {
  return new Tensor(wrap(copyOut(x.array.storage), [...x.shape], x.dtype), null, x.name, DETACHED);
}
