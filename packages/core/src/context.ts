import { observeKernels, ValueError } from "@gradus/kernels";
import type { Tensor } from "./tensor.ts";

/** Watches what runs. A tensor is valid during the call only; id is 0 where no node was recorded. */
export interface Observer {
  /** After each op. */
  readonly value?: (op: string, id: number, value: Tensor) => void;
  /** In a backward walk, once a node: its complete cotangent, just before its rule runs. */
  readonly cotangent?: (op: string, id: number, cotangent: Tensor) => void;
  /** Each kernel form that runs, as `gemm_f32` or `add_twin`. */
  readonly kernel?: (name: string) => void;
}

/** All that depends on the place of a call. */
interface Context {
  readonly recording: boolean;
  readonly observer: Observer | null;
  /** Names of the open name scopes, joined by "/". */
  readonly scope: string;
}

let context: Context = { recording: true, observer: null, scope: "" };
export const currentContext = (): Context => context;

/** Runs `fn` with a changed context, which is restored however `fn` ends. */
export function within<R>(op: string, change: Partial<Context>, fn: () => R): R {
  const before = context;
  context = { ...before, ...change };
  const kernels = observeKernels(context.observer?.kernel ?? null);
  try {
    return synchronous(op, fn());
  } finally {
    context = before;
    observeKernels(kernels);
  }
}

/** Refuses a promise: what runs after an `await` would run outside. */
export function synchronous<R>(op: string, result: R): R {
  const then = typeof result === "object" && result !== null ? (result as { then?: unknown }).then : undefined;
  if (typeof then !== "function") return result;
  then.call(result, undefined, () => {}); // its later rejection must not end the process
  throw new ValueError(op, "the function returned a promise", {}, "a synchronous function");
}

/** Runs `fn` without recording: results are constants. */
export function noGrad<R>(fn: () => R): R {
  return within("noGrad", { recording: false }, fn);
}

/** Runs `fn` with the nodes it records under a name, for pictures. Scopes nest: `outer/inner`. */
export function nameScope<R>(name: string, fn: () => R): R {
  const outer = context.scope;
  return within("nameScope", { scope: outer ? `${outer}/${name}` : name }, fn);
}

/** Runs `fn` and tells `observer` of each op, cotangent and kernel; an observer around it is told as well. */
export function observe<R>(fn: () => R, observer: Observer): R {
  const outer = context.observer;
  return within("observe", { observer: outer ? both(outer, observer) : observer }, fn);
}

function both(outer: Observer, inner: Observer): Observer {
  return {
    value: (...event) => (outer.value?.(...event), inner.value?.(...event)),
    cotangent: (...event) => (outer.cotangent?.(...event), inner.cotangent?.(...event)),
    kernel: (name) => (outer.kernel?.(name), inner.kernel?.(name)),
  };
}

/** Runs `fn` and throws where the first NaN or infinity appears, with the op and the node, forward or backward. */
export function checkNumerics<R>(fn: () => R): R {
  const refuse =
    (what: string) =>
    (op: string, id: number, x: Tensor): void => {
      const data = x.data;
      const index = data.findIndex((value: number) => !Number.isFinite(value));
      if (index < 0) return;
      const problem = `${data[index]} in the ${what} of "${op}" (node ${id}), element ${index}`;
      throw new ValueError("checkNumerics", problem, { [what]: x }, "finite numbers");
    };
  return observe(fn, { value: refuse("value"), cotangent: refuse("cotangent") });
}
