import type { Beta, DType, NdArray, Shape, Storage } from "@gradus/kernels";
import type { Tensor } from "./tensor.ts";

/** A place in the graph: what a tensor came from. It holds what its rule keeps, never its parents' data. */
export interface Node {
  /** Grows with time: a node is younger than its parents. */
  readonly id: number;
  /** The op's name; "leaf" where the graph begins. */
  readonly op: string;
  /** The name of a leaf, as given. */
  readonly name: string;
  /** The name scope that was open when it was made. */
  readonly scope: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly parents: readonly (Node | null)[];
  readonly rule: Rule | null;
}

/** How a node's cotangent is pulled back; emptied once `valueAndGrad` has used it. */
export interface Rule {
  readonly form: Form;
  readonly attrs: object;
  kept: Kept | null;
  saved: Readonly<Record<string, NdArray>>;
  /** Those of them that nobody else has. */
  readonly own: readonly Storage[];
}

/** What a rule reads: tensors by name, and the shapes. */
export type Kept = Readonly<Record<string, unknown>>;

export interface Accumulator {
  readonly into: NdArray;
  readonly beta: Beta;
}

/** The one form that the engine knows; `defineOp`, `defineFused` and `defineList` make it. Inputs go by position. */
export interface Form {
  readonly name: string;
  /** The derivative, on tensors. */
  readonly pull?: (kept: Kept, attrs: object) => (dy: Tensor, i: number) => Tensor;
  /** The same on arrays, adding into an accumulator. */
  readonly pullInto?: (kept: Kept, attrs: object) => (dy: NdArray, i: number, into: NdArray, beta: Beta) => void;
  /** For inputs by position: the saved array, made for this node alone, over which its gradient may be written. */
  readonly becomes?: readonly (string | undefined)[];
  /** The same for all inputs at once. */
  readonly pullAll?: (kept: Kept, dy: NdArray, to: readonly (Accumulator | null)[], attrs: object) => void;
  /** The definition of a fused op, on tensors, from what `record` makes of its inputs. */
  readonly composed?: (kept: Kept, attrs: object, record: (x: Tensor) => Tensor) => Composed;
}

export interface Composed {
  readonly inputs: readonly Tensor[];
  readonly value: Tensor;
}

let last = 0;
/** The id of the youngest node. */
export const youngest = (): number => last;

export function newNode(
  op: string,
  name: string,
  scope: string,
  { dtype, shape }: NdArray,
  parents: readonly (Node | null)[],
  rule: Rule | null,
): Node {
  return { id: ++last, op, name, scope, dtype, shape, parents, rule };
}

export function leaf(array: NdArray, name: string): Node {
  return newNode("leaf", name, "", array, [], null);
}
