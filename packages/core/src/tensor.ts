import {
  copyOut,
  format,
  nest,
  sizeOf,
  ValueError,
  type DType,
  type NdArray,
  type Shape,
  type TypedArray,
  type Nested,
} from "@gradus/kernels";
import type { Node } from "./graph.ts";

/** Version of this package, which is part of the tag that tensors are recognised by. */
export const version: string = "0.1.0";

interface Tag {
  readonly library: "gradus";
  readonly version: string;
}
const ownTag: Tag = { library: "gradus", version };

/**
 * An immutable array of numbers: dtype, shape, row-major data and, where it was computed from something that needs
 * gradients, the graph node it came from. Made by `tensor`, `zeros` and their like, and by ops.
 */
export class Tensor {
  /** Tensors are recognised by this tag, in every realm; each copy of the package has its own. */
  readonly tag: Tag = ownTag;
  declare private readonly brand: never;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Shown in errors and pictures. */
  readonly name: string;
  /** The array that kernels work on. For packages that build on core; use `data` to read. */
  readonly array: NdArray;
  /** The node of the graph, or null for a constant. */
  readonly node: Node | null;
  /** Why a constant has no graph, where one might expect it to. */
  readonly detached: string;
  constructor(array: NdArray, node: Node | null = null, name = "", detached = "") {
    this.dtype = array.dtype;
    this.shape = Object.freeze(array.shape);
    this.name = name;
    this.array = array;
    this.node = node;
    this.detached = detached;
  }
  /** Whether gradients flow to this tensor: a leaf made with `requiresGrad`, or computed from one. */
  get requiresGrad(): boolean {
    return this.node !== null;
  }
  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }
  /** A copy of the elements, row-major. bool is 0 and 1. */
  get data(): TypedArray {
    checkAlive("data", "tensor", this);
    return copyOut(this.array.storage);
  }
  /** The single element of a tensor of size 1. */
  item(): number {
    if (this.size !== 1) throw new ValueError("item", "not a single element", { tensor: this }, "size 1");
    return this.data[0]!;
  }
  /** The elements as nested arrays; a scalar as itself. */
  toArray(): Nested {
    return nest(this.data, this.shape, this.dtype);
  }
  toString(): string {
    const values =
      this.array.storage.pointer < 0 ? `(${this.array.storage.end})` : format(this.data, this.shape, this.dtype);
    return `${this.name && `${this.name} `}${this.dtype}[${this.shape.join(",")}] ${values}`;
  }
  static {
    Reflect.set(Tensor.prototype, Symbol.for("nodejs.util.inspect.custom"), function (this: Tensor) {
      return this.toString();
    });
  }
}

/** Whether a value is a tensor. A tensor of a second copy of this package is refused with both versions. */
export function isTensor(value: unknown): value is Tensor {
  const tag = typeof value === "object" && value !== null ? (value as Partial<Tensor>).tag : undefined;
  if (tag === ownTag) return true;
  if (tag?.library !== "gradus") return false;
  const problem = "two copies of @gradus/core are loaded, and this tensor comes from the other one";
  const got = { "this copy's version": version, "the other's": tag.version };
  throw new ValueError("tensor", problem, got, "one copy: see `npm ls @gradus/core`, and deduplicate");
}

/** Throws if `x` is no tensor, or if the step that made it has ended. */
export function checkAlive(op: string, argument: string, x: Tensor): void {
  if (!isTensor(x)) throw new ValueError(op, "not a tensor", { [argument]: x }, "a tensor");
  const { storage } = x.array;
  if (storage.pointer >= 0) return;
  throw new ValueError(op, `tensor "${x.name || argument}" [${x.shape.join(",")}] ${storage.end}`);
}

/** The same data as a constant. */
export function constant(x: Tensor, why = ""): Tensor {
  return x.node ? new Tensor(x.array, null, x.name, why) : x;
}
