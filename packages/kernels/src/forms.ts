import type { DType } from "./array.ts";
import { memory } from "./memory.ts";

/** A kernel of the WebAssembly module: numbers in, nothing out. */
export type Wasm = (...args: number[]) => void;

/** The names of a kernel's forms in the module. */
export interface Forms {
  readonly float32: string;
  readonly float64: string;
  readonly twin: string;
}

export function formsOf(name: string): Forms {
  return { float32: `${name}_f32`, float64: `${name}_f64`, twin: `${name}_twin` };
}

let observer: ((kernel: string) => void) | null = null;

/** Calls `watch` with the name of every kernel form that runs (`gemm_f32`, `add_twin`), until it is set again. */
export function observeKernels(watch: ((kernel: string) => void) | null): typeof observer {
  const before = observer;
  observer = watch;
  return before;
}

/** The module's form for `dtype`, or null where the twin is to run: other dtypes, or no WebAssembly. */
export function formFor(forms: Forms, dtype: DType): Wasm | null {
  return formNamed(dtype === "float32" ? forms.float32 : dtype === "float64" ? forms.float64 : "", forms.twin);
}

/** The same for a form that serves several dtypes. */
export function formNamed(name: string, twin: string): Wasm | null {
  const wasm = name ? memory().wasm : null;
  if (observer) observer(wasm ? name : twin);
  return wasm ? wasm[name as keyof typeof wasm] : null;
}
