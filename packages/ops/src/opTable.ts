import { DTypeError, IndexError, ShapeError, ValueError, type Tensor } from "@gradus/core";
import type { ScanOptions } from "./cumsum.ts";
import type * as index from "./index.ts";
import type { Domain, OpEntry, Refusal, Sketch } from "./opEntry.ts";
import type { ReductionOptions } from "./reduction.ts";
import type { VarianceOptions } from "./variance.ts";

export type { Domain, OpEntry, Refusal, Sketch, Sketched, SketchedRandom } from "./opEntry.ts";

type Exports = typeof index;

/** What an op gives: a tensor, a list of them, or a record. */
export type OpResult = Tensor | readonly Tensor[] | { readonly [name: string]: Tensor };

/** Every exported function that returns a tensor or tensors. */
export type OpName = {
  [K in keyof Exports]: Exports[K] extends (...args: never) => OpResult ? K : never;
}[keyof Exports];
export type Ops = Pick<Exports, OpName>;

// Sketches in fewer words, and samples and refusals that several entries share.
const float32 = (...shape: number[]): Sketch => ({ shape, dtype: "float32" });
const float64 = (...shape: number[]): Sketch => ({ shape, dtype: "float64" });
const int32 = (...shape: number[]): Sketch => ({ shape, dtype: "int32" });
const bool = (...shape: number[]): Sketch => ({ shape, dtype: "bool" });

type Unary = OpEntry<(x: Tensor) => Tensor>;
type Binary = OpEntry<(a: Tensor | number, b: Tensor | number) => Tensor>;

const anyShape = (domain: Domain): Unary["samples"] => [
  [{ shape: [2, 3], domain }],
  [{ shape: [], domain }],
  [{ shape: [3, 1, 2], domain }],
  [{ shape: [0, 2], domain }],
];
const aligned = (domain: Domain): Binary["samples"] => [
  [
    { shape: [2, 3], domain },
    { shape: [2, 3], domain },
  ],
  [
    { shape: [2, 3], domain },
    { shape: [3], domain },
  ],
  [
    { shape: [4, 1], domain },
    { shape: [2, 1, 3], domain },
  ],
  [
    { shape: [], domain },
    { shape: [1, 2], domain },
  ],
  [{ shape: [2, 3], domain }, 1.5],
  [-0.5, { shape: [3, 2], domain }],
  [
    { shape: [0, 3], domain },
    { shape: [2, 1, 3], domain },
  ],
];
/** Either is the larger somewhere. */
const crossing: Binary["samples"] = [
  [{ shape: [2, 3] }, { shape: [2, 3] }],
  [{ shape: [4, 3] }, { shape: [3] }],
  [{ shape: [2, 1, 3] }, { shape: [4, 1] }],
  [{ shape: [] }, { shape: [4, 5] }],
  [{ shape: [2, 3] }, 0.25],
  [-0.5, { shape: [3, 2] }],
  [{ shape: [0, 3] }, { shape: [2, 1, 3] }],
];
const ints: Binary["samples"] = [
  [int32(2, 3), int32(3)],
  [int32(4), 3],
];
const pair = (a: Sketch | number, b: Sketch | number): readonly [Sketch | number, Sketch | number] => [a, b];

const mixed = (op: string): Refusal<(a: Tensor | number, b: Tensor | number) => Tensor> => ({
  args: pair(float32(2), float64(2)),
  error: DTypeError,
  message: `${op}: mixed dtypes; got a float32[2], b float64[2]; want one dtype: cast one of them`,
});
const misaligned = (op: string): Refusal<(a: Tensor | number, b: Tensor | number) => Tensor> => ({
  args: pair(float32(2, 3), float32(2)),
  error: ShapeError,
  message: `${op}: shapes do not broadcast; got a float32[2,3], b float32[2]; want axes, from the last, of equal length or 1`,
});
const noNumbers = (op: string): Refusal<(a: Tensor | number, b: Tensor | number) => Tensor> => ({
  args: pair(bool(2), bool(2)),
  error: DTypeError,
  message: `${op}: numbers only; got a bool[2]; want a cast first`,
});
const noFloat = (op: string): Refusal<(x: Tensor) => Tensor> => ({
  args: [int32(2)],
  error: DTypeError,
  message: `${op}: floats only; got x int32[2]; want float32 or float64`,
});
const noFloats = (op: string): Refusal<(a: Tensor | number, b: Tensor | number) => Tensor> => ({
  args: pair(int32(2), 2),
  error: DTypeError,
  message: `${op}: floats only; got a int32[2]; want float32 or float64`,
});
const noAxis = (op: string): Refusal<(x: Tensor, options: { readonly axis: number }) => Tensor> => ({
  args: [float32(2, 3), { axis: 2 }],
  error: IndexError,
  message: `${op}: no such axis; got axis 2, x float32[2,3]; want -2 to 1`,
});
const axisTwice = (op: string): Refusal<(x: Tensor, options: { readonly axis: readonly number[] }) => Tensor> => ({
  args: [float32(2, 3), { axis: [1, -1] }],
  error: IndexError,
  message: `${op}: an axis twice; got axis [1,-1], x float32[2,3]; want different axes`,
});
const misfit = (op: string): Refusal<(x: Tensor, options: { readonly mask: number[] }) => Tensor> => ({
  args: [float32(2, 3), { mask: [1, 0] }],
  error: ShapeError,
  message: `${op}: the mask does not broadcast to x; got mask bool[2], x float32[2,3]; want x's shape, or 1s in it`,
});

const truths: OpEntry<(x: Tensor, options?: ReductionOptions) => Tensor>["samples"] = [
  [bool(2, 3)],
  [bool(4, 3), { axis: 0 }],
  [int32(3, 2, 2), { axis: [0, -1], keepDims: true }],
  [{ shape: [5, 2], domain: "whole" }, { axis: -1 }],
  [bool(2), { axis: [] }],
  [bool()],
  [bool(2, 0), { axis: 1 }],
];
const spreads: OpEntry<(x: Tensor, options?: VarianceOptions) => Tensor>["samples"] = [
  [{ shape: [2, 3] }],
  [{ shape: [3, 4] }, { axis: 0, correction: 1 }],
  [{ shape: [3, 2, 4] }, { axis: [-1, 0], keepDims: true, correction: 0.5 }],
  [{ shape: [0, 2] }, { axis: 1 }],
];
const noSpread = (op: string): OpEntry<(x: Tensor, options?: VarianceOptions) => Tensor>["errors"] => [
  {
    args: [float32(2), { axis: 1 }],
    error: IndexError,
    message: `${op}: no such axis; got axis 1, x float32[2]; want -1 to 0`,
  },
  noFloat(op),
  {
    args: [float32(2), { correction: NaN }],
    error: ValueError,
    message: `${op}: no such correction; got correction NaN; want a finite number`,
  },
];
const scans: OpEntry<(x: Tensor, options?: ScanOptions) => Tensor>["samples"] = [
  [{ shape: [2, 4] }],
  [{ shape: [3, 2] }, { axis: 0, exclusive: true }],
  [{ shape: [2, 4, 3] }, { axis: -2, reverse: true }],
  [{ shape: [5] }, { exclusive: true, reverse: true }],
  [{ shape: [2, 0] }],
  [{ shape: [0, 2] }],
];
const equations = `letters for each operand, with commas between, and different ones in each term: "ij,jk->ik"`;

const comparison = (op: string): Binary => ({
  samples: [...aligned("whole"), ...ints],
  errors: [mixed(op), misaligned(op)],
  noGradient: "the result is bool",
});
const smooth = (op: string, domain: Domain): Unary => ({
  samples: anyShape(domain),
  errors: [noFloat(op)],
});

/** What is known of each op beside its code. An op that is missing here does not compile. */
export const opTable: { readonly [K in OpName]: OpEntry<Ops[K]> } = {
  abs: smooth("abs", "nonzero"),
  add: { samples: [...aligned("any"), ...ints], errors: [mixed("add"), misaligned("add")], degree: 1 },
  all: { samples: [...truths], errors: [noAxis("all"), axisTwice("all")], noGradient: "the result is bool" },
  any: { samples: [...truths], errors: [noAxis("any"), axisTwice("any")], noGradient: "the result is bool" },
  argMax: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [4, 3], domain: "whole" }, { axis: 0 }],
      [
        { shape: [2, 3, 4], domain: "whole" },
        { axis: -2, keepDims: true },
      ],
      [int32(3)],
      [{ shape: [0, 2] }],
    ],
    errors: [
      noAxis("argMax"),
      {
        args: [float32(2, 0)],
        error: ValueError,
        message: "argMax: nothing has no largest; got x float32[2,0], axis 1; want an axis of length 1 or more",
      },
      {
        args: [bool(2)],
        error: DTypeError,
        message: "argMax: numbers only; got x bool[2]; want a cast first",
      },
      {
        args: [float32()],
        error: IndexError,
        message: "argMax: no such axis; got axis -1, x float32[]; want none: a scalar has no axes",
      },
    ],
    noGradient: "the result is an index",
  },
  argMin: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [4, 3], domain: "whole" }, { axis: 0 }],
      [
        { shape: [2, 3, 4], domain: "whole" },
        { axis: -2, keepDims: true },
      ],
      [int32(3)],
      [{ shape: [0, 2] }],
    ],
    errors: [
      noAxis("argMin"),
      {
        args: [float32(2, 0)],
        error: ValueError,
        message: "argMin: nothing has no smallest; got x float32[2,0], axis 1; want an axis of length 1 or more",
      },
      {
        args: [bool(2)],
        error: DTypeError,
        message: "argMin: numbers only; got x bool[2]; want a cast first",
      },
      {
        args: [float32()],
        error: IndexError,
        message: "argMin: no such axis; got axis -1, x float32[]; want none: a scalar has no axes",
      },
    ],
    noGradient: "the result is an index",
  },
  broadcastTo: {
    samples: [
      [{ shape: [3] }, [2, 3]],
      [{ shape: [2, 1, 3] }, [4, 2, 5, 3]],
      [{ shape: [] }, [2]],
      [{ shape: [2, 3] }, [2, 3]],
      [{ shape: [1, 3] }, [0, 3]],
      [bool(2, 1), [2, 3]],
    ],
    errors: [
      {
        args: [float32(2, 3), [3]],
        error: ShapeError,
        message:
          "broadcastTo: x does not broadcast; got x float32[2,3], shape [3]; want each axis of x, from the last, of length 1 or as in shape",
      },
      {
        args: [float32(2), [2.5]],
        error: ShapeError,
        message: "broadcastTo: not a shape; got shape [2.5]; want whole numbers from 0",
      },
    ],
    degree: 1,
  },
  cast: {
    samples: [
      [{ shape: [2, 3], domain: "whole" }, "float32"],
      [{ shape: [2, 3], domain: "whole" }, "float64"],
      [{ shape: [2, 3] }, "int32"],
      [{ shape: [4], domain: "whole" }, "bool"],
      [bool(3), "float64"],
      [int32(2, 2), "bool"],
      [{ shape: [0, 2] }, "int32"],
    ],
    errors: [
      {
        args: [float32(2), "int8" as "int32"],
        error: ValueError,
        message: "cast: no such dtype; got dtype int8; want float32, float64, int32, bool",
      },
    ],
    degree: 1,
  },
  clip: {
    samples: [
      [{ shape: [2, 3] }, { min: -0.75, max: 1.25 }],
      [{ shape: [3, 1, 2] }, { max: 0.5 }],
      [{ shape: [5] }, { min: -0.5 }],
      [{ shape: [] }],
      [{ shape: [0, 2] }, { min: 0 }],
    ],
    errors: [
      {
        args: [float32(2), { min: 1, max: -1 }],
        error: ValueError,
        message: "clip: bounds are not in order; got min 1, max -1; want min ≤ max",
      },
      {
        args: [float32(2), { min: NaN }],
        error: ValueError,
        message: "clip: bounds are not in order; got min NaN, max Infinity; want min ≤ max",
      },
      noFloat("clip"),
    ],
  },
  concat: {
    samples: [
      [[{ shape: [2, 3] }, { shape: [1, 3] }, { shape: [0, 3] }]],
      [[{ shape: [2, 3] }, { shape: [2, 1] }], { axis: -1 }],
      [[{ shape: [2, 1, 3] }, { shape: [2, 4, 3] }], { axis: 1 }],
      [[int32(2), int32(3)]],
      [[{ shape: [3] }]],
    ],
    errors: [
      { args: [[]], error: ValueError, message: "concat: not a list of tensors; got xs []; want at least one tensor" },
      {
        args: [[float32(2, 3), float32(2, 4)]],
        error: ShapeError,
        message:
          "concat: shapes differ; got xs[0] float32[2,3], xs[1] float32[2,4], axis 0; want equal lengths but along the axis",
      },
      {
        args: [[float32(2), int32(2)]],
        error: DTypeError,
        message: "concat: mixed dtypes; got xs[0] float32[2], xs[1] int32[2]; want one dtype",
      },
      {
        args: [[float32(2)], { axis: 1 }],
        error: IndexError,
        message: "concat: no such axis; got axis 1, x float32[2]; want -1 to 0",
      },
    ],
    degree: 1,
  },
  cos: smooth("cos", "any"),
  cumprod: {
    samples: [
      ...scans,
      [{ shape: [2, 6], domain: "whole" }],
      [
        { shape: [2, 6], domain: "whole" },
        { exclusive: true, reverse: true },
      ],
      [int32(2, 3), { axis: 0 }],
    ],
    errors: [
      noAxis("cumprod"),
      {
        args: [bool(2)],
        error: DTypeError,
        message: "cumprod: numbers only; got x bool[2]; want a cast first",
      },
    ],
  },
  cumsum: {
    samples: [...scans, [int32(2, 3), { axis: 0 }]],
    errors: [
      noAxis("cumsum"),
      {
        args: [bool(2)],
        error: DTypeError,
        message: "cumsum: numbers only; got x bool[2]; want a cast first",
      },
      {
        args: [float32()],
        error: IndexError,
        message: "cumsum: no such axis; got axis -1, x float32[]; want none: a scalar has no axes",
      },
    ],
    degree: 1,
  },
  div: { samples: aligned("nonzero"), errors: [mixed("div"), misaligned("div"), noFloats("div")] },
  divNoNan: {
    samples: aligned("nonzero"),
    errors: [mixed("divNoNan"), misaligned("divNoNan"), noFloats("divNoNan")],
  },
  dropout: {
    samples: [
      [{ shape: [3, 4] }, { rate: 0.5, random: { seed: 1 } }],
      [{ shape: [2, 5] }, { rate: 0.25, random: { seed: 2 } }],
      [{ shape: [2] }, { rate: 0, random: { seed: 3 } }],
      [{ shape: [0, 2] }, { rate: 0.5, random: { seed: 4 } }],
    ],
    errors: [
      {
        args: [float32(2), { rate: 1.5, random: { seed: 1 } }],
        error: ValueError,
        message: "dropout: no such rate; got rate 1.5; want 0 to 1",
      },
      {
        args: [int32(2), { rate: 0.5, random: { seed: 1 } }],
        error: DTypeError,
        message: "dropout: floats only; got x int32[2]; want float32 or float64",
      },
    ],
    degree: 1,
  },
  einsum: {
    samples: [
      ["bij,bjk->bik", { shape: [2, 4, 3] }, { shape: [2, 3, 5] }],
      ["ij->", { shape: [2, 3] }],
      ["kji->ik", { shape: [2, 3, 4] }],
      ["ij,jk", { shape: [2, 3] }, { shape: [3, 4] }],
      ["ba", { shape: [2, 3] }],
      ["i,i", { shape: [4] }, { shape: [4] }],
      ["i,j->ji", { shape: [2] }, { shape: [3] }],
      [" ia , b->a", { shape: [2, 3] }, { shape: [4] }],
      ["ij,jk,kl->li", { shape: [2, 3] }, { shape: [3, 4] }, { shape: [4, 5] }],
      [",i->i", { shape: [] }, { shape: [2] }],
      ["ij,jk->ik", { shape: [2, 0] }, { shape: [0, 3] }],
    ],
    errors: [
      {
        args: ["i...->i", float32(2)],
        error: ValueError,
        message: `einsum: not an equation; got equation i...->i; want ${equations}`,
      },
      {
        args: ["ii->i", float32(2, 2)],
        error: ValueError,
        message: `einsum: a letter twice in one term; got equation ii->i; want ${equations}`,
      },
      {
        args: ["ij->k", float32(2, 2)],
        error: ValueError,
        message: `einsum: an output letter that no operand has; got equation ij->k; want ${equations}`,
      },
      {
        args: ["ij,jk->ik", float32(2, 2)],
        error: ValueError,
        message: `einsum: another number of operands; got equation ij,jk->ik, operands 1; want 2`,
      },
      {
        args: ["ij,jk->ik", float32(2, 3), float32(2, 3)],
        error: ShapeError,
        message: `einsum: the letters do not fit; got equation ij,jk->ik, xs[0] float32[2,3], xs[1] float32[2,3]; want a letter for each axis, and one length for each letter`,
      },
      {
        args: ["ij->i", float32(2)],
        error: ShapeError,
        message: `einsum: the letters do not fit; got equation ij->i, xs[0] float32[2]; want a letter for each axis, and one length for each letter`,
      },
      {
        args: ["i,i->", float32(2), float64(2)],
        error: DTypeError,
        message: "einsum: mixed dtypes; got xs[0] float32[2], xs[1] float64[2]; want one dtype",
      },
      {
        args: ["i->", int32(2)],
        error: DTypeError,
        message: "einsum: floats only; got xs[0] int32[2]; want float32 or float64",
      },
    ],
  },
  equal: comparison("equal"),
  erf: smooth("erf", "any"),
  exp: smooth("exp", "any"),
  expandDims: {
    samples: [
      [{ shape: [2, 3] }, { axis: 0 }],
      [{ shape: [2, 3] }, { axis: -1 }],
      [{ shape: [] }, { axis: 0 }],
      [{ shape: [0, 2] }, { axis: 1 }],
    ],
    errors: [
      {
        args: [float32(2, 3), { axis: 3 }],
        error: IndexError,
        message: "expandDims: no such axis; got axis 3, x float32[2,3]; want -3 to 2",
      },
    ],
    degree: 1,
  },
  expm1: smooth("expm1", "any"),
  flip: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [2, 3, 4] }, { axis: -2 }],
      [{ shape: [2, 3, 4] }, { axis: [0, -1] }],
      [{ shape: [2, 3] }, { axis: [] }],
      [{ shape: [] }],
      [{ shape: [0, 2] }],
      [bool(4)],
    ],
    errors: [noAxis("flip"), axisTwice("flip")],
    degree: 1,
  },
  gather: {
    samples: [
      [
        { shape: [2, 3] },
        [
          [2, 0, 1, 0],
          [1, 1, 0, 2],
        ],
      ],
      [
        { shape: [3, 2, 2] },
        [
          [
            [1, 0],
            [0, 0],
            [1, 1],
          ],
        ],
        { axis: 1 },
      ],
      [{ shape: [4, 2] }, [[3], [0], [3]], { axis: -2 }],
      [int32(2, 3), [[2], [0]]],
      [{ shape: [2, 3] }, int32(2, 0)],
    ],
    errors: [
      {
        args: [float32(2, 3), [[0], [3]]],
        error: IndexError,
        message: "gather: index out of range; got index[1][0] 3, index int32[2,1]; want 0 to 2",
      },
      {
        args: [float32(2, 3), [[-1], [0]]],
        error: IndexError,
        message: "gather: index out of range; got index[0][0] -1, index int32[2,1]; want 0 to 2",
      },
      {
        args: [float32(2, 3), [0, 1]],
        error: ShapeError,
        message:
          "gather: the index does not fit x; got index int32[2], x float32[2,3], axis 1; want x's shape but along the axis",
      },
      {
        args: [float32(2, 3), [[0], [0], [0]]],
        error: ShapeError,
        message:
          "gather: the index does not fit x; got index int32[3,1], x float32[2,3], axis 1; want x's shape but along the axis",
      },
      {
        args: [float32(2, 3), [[0], [0]], { axis: 2 }],
        error: IndexError,
        message: "gather: no such axis; got axis 2, x float32[2,3]; want -2 to 1",
      },
      {
        args: [float32(3), float32(2)],
        error: DTypeError,
        message: "gather: wrong dtype; got index float32[2]; want int32",
      },
    ],
    degree: 1,
  },
  gelu: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [3, 1, 2] }, { approximate: "none" }],
      [{ shape: [2, 3] }, { approximate: "tanh" }],
      [{ shape: [] }, { approximate: "tanh" }],
      [{ shape: [0, 2] }],
    ],
    errors: [
      noFloat("gelu"),
      {
        args: [float32(2), { approximate: "exact" as "none" }],
        error: ValueError,
        message: "gelu: no such approximation; got approximate exact; want none or tanh",
      },
    ],
  },
  greater: comparison("greater"),
  greaterEqual: comparison("greaterEqual"),
  layerNorm: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [4, 3] }, { gamma: { shape: [3] }, beta: { shape: [3] }, epsilon: 0.01 }],
      [{ shape: [2, 4, 3] }, { axis: -2, gamma: { shape: [4] } }],
      [{ shape: [2, 4, 3] }, { axis: [0, -1], beta: { shape: [2, 3] } }],
      [{ shape: [0, 2] }, { gamma: { shape: [2] } }],
    ],
    errors: [
      noAxis("layerNorm"),
      axisTwice("layerNorm"),
      noFloat("layerNorm"),
      {
        args: [float32(4, 3), { gamma: float32(4) }],
        error: ShapeError,
        message: "layerNorm: gamma does not fit x; got gamma float32[4], x float32[4,3], axis [1]; want [3]",
      },
      {
        args: [float32(4, 3), { beta: float64(3) }],
        error: DTypeError,
        message: "layerNorm: mixed dtypes; got x float32[4,3], beta float64[3]; want one dtype",
      },
      {
        args: [float32(2), { epsilon: -1 }],
        error: ValueError,
        message: "layerNorm: no such epsilon; got epsilon -1; want a number from 0",
      },
    ],
  },
  leakyRelu: {
    samples: [
      [{ shape: [2, 3], domain: "nonzero" }],
      [{ shape: [3, 1, 2], domain: "nonzero" }, { negativeSlope: 0.25 }],
      [{ shape: [], domain: "nonzero" }, { negativeSlope: -2 }],
      [{ shape: [0, 2] }],
    ],
    errors: [
      noFloat("leakyRelu"),
      {
        args: [float32(2), { negativeSlope: NaN }],
        error: ValueError,
        message: "leakyRelu: no such slope; got negativeSlope NaN, x float32[2]; want a finite number",
      },
    ],
  },
  less: comparison("less"),
  lessEqual: comparison("lessEqual"),
  linearCrossEntropy: {
    samples: [
      [{ shape: [4, 2] }, { shape: [3, 2] }, [2, 0, 1, 1]],
      [{ shape: [2, 3] }, { shape: [5, 3] }, { shape: [2, 5] }, { bias: { shape: [5] } }],
      [{ shape: [3] }, { shape: [2, 3] }, 1, { bias: { shape: [2] }, labelSmoothing: 0.2, zLoss: 0.3 }],
      [
        { shape: [2, 3, 2] },
        { shape: [4, 2] },
        [
          [3, -1, 1],
          [2, 2, 0],
        ],
        { bias: { shape: [4] }, mask: [[[1], [0], [1]]], zLoss: 0.1 },
      ],
      [
        { shape: [3, 2] },
        { shape: [4, 2] },
        { shape: [3, 4] },
        { bias: { shape: [4] }, mask: [[1], [0], [1]], labelSmoothing: 0.2 },
      ],
      [{ shape: [2, 1] }, { shape: [1, 1] }, [0, 0], { zLoss: 0.5 }],
      [{ shape: [0, 2] }, { shape: [3, 2] }, new Int32Array(0)],
    ],
    errors: [
      {
        args: [int32(2, 3), float32(4, 3), [0, 1]],
        error: DTypeError,
        message: "linearCrossEntropy: floats only; got hidden int32[2,3]; want float32 or float64",
      },
      {
        args: [float32(2, 3), float64(4, 3), [0, 1]],
        error: DTypeError,
        message: "linearCrossEntropy: mixed dtypes; got hidden float32[2,3], weight float64[4,3]; want one dtype",
      },
      {
        args: [float32(2, 3), float32(4, 2), [0, 1]],
        error: ShapeError,
        message:
          "linearCrossEntropy: shapes do not fit; got hidden float32[2,3], weight float32[4,2]; want hidden [..., H], weight [V, H], bias [V], V of 1 or more",
      },
      {
        args: [float32(2, 3), float32(4, 3), [0, 1], { bias: float32(3) }],
        error: ShapeError,
        message:
          "linearCrossEntropy: shapes do not fit; got hidden float32[2,3], weight float32[4,3], bias float32[3]; want hidden [..., H], weight [V, H], bias [V], V of 1 or more",
      },
      {
        args: [float32(2, 3), float32(4, 3), [0, 1, 2]],
        error: ShapeError,
        message:
          "linearCrossEntropy: labels do not fit hidden; got labels float64[3], hidden float32[2,3]; want labels [2] or distributions [2,4]",
      },
      {
        args: [float32(2, 3), float32(4, 3), [0, 4]],
        error: IndexError,
        message: "linearCrossEntropy: label out of range; got labels[1] 4, labels int32[2]; want 0 to 3",
      },
      {
        args: [float32(2, 3), float32(4, 3), [0, 1], { mask: [true, false, true] }],
        error: ShapeError,
        message:
          "linearCrossEntropy: the mask does not broadcast to x; got mask bool[3], x float32[2,3]; want [2,1], or 1s in it",
      },
    ],
  },
  log: smooth("log", "positive"),
  log1p: smooth("log1p", "positive"),
  logSoftmax: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [3, 2, 4] }, { axis: 0 }],
      [{ shape: [2, 4, 3] }, { axis: -2 }],
      [
        { shape: [2, 3] },
        {
          mask: [
            [1, 0, 2],
            [1, 1, 1],
          ],
        },
      ],
      [{ shape: [3, 4] }, { axis: 0, mask: [true, true, false, true] }],
      [
        { shape: [2, 3] },
        {
          mask: [
            [0, 0, 0],
            [1, 0, 1],
          ],
        },
      ],
      [{ shape: [0, 3] }],
    ],
    errors: [noAxis("logSoftmax"), noFloat("logSoftmax"), misfit("logSoftmax")],
  },
  logSumExp: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [2, 3] }, { axis: 0 }],
      [{ shape: [3, 2, 4] }, { axis: [0, -1], keepDims: true }],
      [
        { shape: [2, 3] },
        {
          axis: 1,
          mask: [
            [1, 0, 1],
            [0, 0, 0],
          ],
        },
      ],
      [{ shape: [2, 3] }, { axis: 0, mask: [true, true, false] }],
      [{ shape: [2, 3] }, { axis: [] }],
      [{ shape: [] }],
      [{ shape: [2, 0] }, { axis: 1 }],
      [{ shape: [0, 2] }, { axis: 1 }],
    ],
    errors: [noAxis("logSumExp"), axisTwice("logSumExp"), noFloat("logSumExp"), misfit("logSumExp")],
  },
  logicalAnd: {
    samples: [
      [bool(2, 3), bool(3)],
      [int32(4, 1), float32(2, 1, 3)],
      [
        [1, 0, 2],
        [[0], [1]],
      ],
      [true, bool(2)],
      [bool(0, 2), 0],
    ],
    errors: [
      {
        args: [bool(2, 3), bool(2)],
        error: ShapeError,
        message:
          "logicalAnd: shapes do not broadcast; got a bool[2,3], b bool[2]; want axes, from the last, of equal length or 1",
      },
    ],
    noGradient: "the result is bool",
  },
  logicalNot: {
    samples: [
      [bool(2, 3)],
      [float32(4)],
      [
        [
          [0, 1],
          [2, NaN],
        ],
      ],
      [bool(0, 2)],
    ],
    errors: [
      {
        args: [[[1, 0], [1]]],
        error: ShapeError,
        message: "logicalNot: ragged nested arrays: x[1] is of length 1; want a full array of shape [2,2]",
      },
    ],
    noGradient: "the result is bool",
  },
  logicalOr: {
    samples: [
      [bool(2, 3), bool(3)],
      [int32(4, 1), float32(2, 1, 3)],
      [
        [1, 0, 2],
        [[0], [1]],
      ],
      [true, bool(2)],
      [bool(0, 2), 0],
    ],
    errors: [
      {
        args: [bool(2, 3), bool(2)],
        error: ShapeError,
        message:
          "logicalOr: shapes do not broadcast; got a bool[2,3], b bool[2]; want axes, from the last, of equal length or 1",
      },
    ],
    noGradient: "the result is bool",
  },
  matmul: {
    samples: [
      [{ shape: [2, 3] }, { shape: [3, 4] }],
      [{ shape: [3, 2] }, { shape: [3, 4] }, { transposeA: true }],
      [{ shape: [2, 3] }, { shape: [4, 3] }, { transposeB: true }],
      [{ shape: [3, 2] }, { shape: [4, 3] }, { transposeA: true, transposeB: true }],
      [{ shape: [5, 2, 3] }, { shape: [3, 4] }],
      [{ shape: [5, 3, 2] }, { shape: [3, 4] }, { transposeA: true }],
      [{ shape: [2, 1, 2, 3] }, { shape: [4, 3, 2] }],
      [{ shape: [2, 3] }, { shape: [2, 4, 3] }, { transposeB: true }],
      [{ shape: [1, 2] }, { shape: [2, 1] }],
      [{ shape: [2, 0] }, { shape: [0, 3] }],
      [{ shape: [0, 3] }, { shape: [3, 2] }],
      [{ shape: [3] }, { shape: [3, 2] }],
      [{ shape: [3] }, { shape: [4, 2, 3] }, { transposeA: true, transposeB: true }],
      [{ shape: [2, 3] }, { shape: [3] }],
      [{ shape: [4, 3, 2] }, { shape: [3] }, { transposeA: true }],
      [{ shape: [3] }, { shape: [3] }],
      [{ shape: [0] }, { shape: [0, 2] }],
    ],
    errors: [
      {
        args: [float32(2, 3), float32(4, 2)],
        error: ShapeError,
        message:
          "matmul: inner lengths differ; got a float32[2,3], transposeA false, b float32[4,2], transposeB false; want […, m, k] and […, k, n]",
      },
      {
        args: [float32(3), float32(2, 3)],
        error: ShapeError,
        message:
          "matmul: inner lengths differ; got a float32[3], transposeA false, b float32[2,3], transposeB false; want […, m, k] and […, k, n]",
      },
      {
        args: [float32(), float32(3, 2)],
        error: ShapeError,
        message: "matmul: neither matrix nor vector; got a float32[], b float32[3,2]; want one axis or more",
      },
      {
        args: [float32(2, 4, 3), float32(3, 3, 5)],
        error: ShapeError,
        message:
          "matmul: batches do not broadcast; got a float32[2,4,3], b float32[3,3,5]; want batch axes of equal length or 1",
      },
      {
        args: [float32(2, 3), float64(3, 2)],
        error: DTypeError,
        message: "matmul: mixed dtypes; got a float32[2,3], b float64[3,2]; want one dtype",
      },
      {
        args: [int32(2, 3), int32(3, 2)],
        error: DTypeError,
        message: "matmul: floats only; got a int32[2,3]; want float32 or float64",
      },
    ],
    degree: 2,
  },
  max: {
    samples: [
      [{ shape: [2, 3], domain: "distinct" }],
      [{ shape: [2, 3], domain: "distinct" }, { axis: 1 }],
      [
        { shape: [3, 2, 4], domain: "distinct" },
        { axis: [0, -1], keepDims: true },
      ],
      [{ shape: [2, 3], domain: "distinct" }, { axis: [] }],
      [{ shape: [], domain: "distinct" }],
      [int32(3, 2), { axis: 0 }],
      [{ shape: [0, 2] }, { axis: 1 }],
    ],
    errors: [
      noAxis("max"),
      axisTwice("max"),
      {
        args: [float32(2, 0)],
        error: ValueError,
        message: "max: nothing has no largest; got x float32[2,0], axis [0,1]; want axes of length 1 or more",
      },
      {
        args: [bool(2)],
        error: DTypeError,
        message: "max: numbers only; got x bool[2]; want a cast first",
      },
    ],
  },
  maximum: {
    samples: [...crossing, ...ints],
    errors: [mixed("maximum"), misaligned("maximum"), noNumbers("maximum")],
  },
  mean: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [2, 3] }, { axis: 0 }],
      [{ shape: [3, 2, 4] }, { axis: [-1, 0], keepDims: true }],
      [{ shape: [2, 3] }, { axis: [] }],
      [{ shape: [] }],
      [{ shape: [0, 2] }, { axis: 1 }],
    ],
    errors: [noAxis("mean"), axisTwice("mean"), noFloat("mean")],
    degree: 1,
  },
  min: {
    samples: [
      [{ shape: [2, 3], domain: "distinct" }],
      [{ shape: [2, 3], domain: "distinct" }, { axis: 1 }],
      [
        { shape: [3, 2, 4], domain: "distinct" },
        { axis: [0, -1], keepDims: true },
      ],
      [{ shape: [2, 3], domain: "distinct" }, { axis: [] }],
      [{ shape: [], domain: "distinct" }],
      [int32(3, 2), { axis: 0 }],
      [{ shape: [0, 2] }, { axis: 1 }],
    ],
    errors: [
      noAxis("min"),
      axisTwice("min"),
      {
        args: [float32(2, 0)],
        error: ValueError,
        message: "min: nothing has no smallest; got x float32[2,0], axis [0,1]; want axes of length 1 or more",
      },
      {
        args: [bool(2)],
        error: DTypeError,
        message: "min: numbers only; got x bool[2]; want a cast first",
      },
    ],
  },
  minimum: {
    samples: [...crossing, ...ints],
    errors: [mixed("minimum"), misaligned("minimum"), noNumbers("minimum")],
  },
  mul: {
    samples: [...aligned("any"), ...ints],
    errors: [mixed("mul"), misaligned("mul"), noNumbers("mul")],
    degree: 2,
  },
  mulNoNan: {
    samples: aligned("nonzero"),
    errors: [mixed("mulNoNan"), misaligned("mulNoNan"), noNumbers("mulNoNan")],
    degree: 2,
  },
  neg: {
    samples: [...anyShape("any"), [int32(3)]],
    errors: [
      {
        args: [bool(2)],
        error: DTypeError,
        message: "neg: numbers only; got x bool[2]; want a cast first",
      },
    ],
    degree: 1,
  },
  norm: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [2, 3] }, { axis: 0 }],
      [{ shape: [3, 2, 4] }, { axis: [-1, 0], keepDims: true }],
      [{ shape: [], domain: "nonzero" }],
      [{ shape: [2, 3], domain: "nonzero" }, { axis: [] }],
      [{ shape: [2, 0] }, { axis: 1 }],
      [{ shape: [0, 2] }, { axis: 1 }],
    ],
    errors: [noAxis("norm"), axisTwice("norm"), noFloat("norm")],
  },
  notEqual: comparison("notEqual"),
  oneHot: {
    samples: [
      [[1, 0, 2], { depth: 4 }],
      [
        [
          [1, 0, 1],
          [0, 0, 1],
        ],
        { depth: 2, onValue: 0.75, offValue: -0.25, dtype: "float64" },
      ],
      [2, { depth: 3, dtype: "int32" }],
      [int32(2, 0), { depth: 3 }],
    ],
    errors: [
      {
        args: [[0], { depth: 2, dtype: "int32", onValue: 0.5 }],
        error: ValueError,
        message: "oneHot: not a value of dtype int32; got onValue 0.5; want 32-bit integers",
      },
      {
        args: [[0], { depth: 2, dtype: "int8" as "int32" }],
        error: ValueError,
        message: "oneHot: no such dtype; got dtype int8; want float32, float64, int32, bool",
      },
      {
        args: [
          [
            [1, 0],
            [0, 4],
          ],
          { depth: 4 },
        ],
        error: IndexError,
        message: "oneHot: index out of range; got index[1][1] 4, index int32[2,2]; want 0 to 3",
      },
      {
        args: [[0], { depth: -1 }],
        error: ShapeError,
        message: "oneHot: no such depth; got depth -1; want a whole number from 0",
      },
      {
        args: [float32(2), { depth: 3 }],
        error: DTypeError,
        message: "oneHot: wrong dtype; got index float32[2]; want int32",
      },
    ],
    noGradient: "the input is an index",
  },
  outer: {
    samples: [
      [{ shape: [2] }, { shape: [3] }],
      [{ shape: [4] }, { shape: [1] }],
      [{ shape: [0] }, { shape: [2] }],
      [int32(2), int32(3)],
    ],
    errors: [
      {
        args: [float32(2, 1), float32(2)],
        error: ShapeError,
        message: "outer: not vectors; got a float32[2,1], b float32[2]; want one axis each",
      },
      {
        args: [float32(2), float64(2)],
        error: DTypeError,
        message: "outer: mixed dtypes; got a float32[2], b float64[2]; want one dtype",
      },
      {
        args: [bool(2), bool(2)],
        error: DTypeError,
        message: "outer: numbers only; got a bool[2]; want a cast first",
      },
    ],
    degree: 2,
  },
  pad: {
    samples: [
      [
        { shape: [2, 3] },
        {
          paddings: [
            [1, 0],
            [2, 3],
          ],
        },
      ],
      [{ shape: [4] }, { paddings: [[0, 1]], value: -1.5 }],
      [{ shape: [] }, { paddings: [] }],
      [
        { shape: [0, 2] },
        {
          paddings: [
            [1, 1],
            [0, 1],
          ],
          value: 2,
        },
      ],
      [int32(3), { paddings: [[1, 2]], value: 7 }],
    ],
    errors: [
      {
        args: [int32(2), { paddings: [[1, 1]], value: 0.5 }],
        error: ValueError,
        message: "pad: not a value of dtype int32; got value 0.5; want 32-bit integers",
      },
      {
        args: [float32(2, 3), { paddings: [[1, 1]] }],
        error: ShapeError,
        message:
          "pad: paddings do not fit x; got paddings [[1,1]], x float32[2,3]; want two whole numbers from 0 for each axis",
      },
      {
        args: [float32(2), { paddings: [[-1, 1]] }],
        error: ShapeError,
        message:
          "pad: paddings do not fit x; got paddings [[-1,1]], x float32[2]; want two whole numbers from 0 for each axis",
      },
    ],
    degree: 1,
  },
  pow: {
    samples: [
      [{ shape: [2, 3], domain: "positive" }, { shape: [2, 3] }],
      [{ shape: [2, 3], domain: "positive" }, { shape: [3] }],
      [{ shape: [4, 1], domain: "positive" }, { shape: [2, 1, 3] }],
      [{ shape: [], domain: "positive" }, { shape: [1, 2] }],
      [0.75, { shape: [3, 2] }],
      [{ shape: [2, 3], domain: "nonzero" }, 3],
      [{ shape: [4] }, 2],
      [{ shape: [0, 3] }, { shape: [2, 1, 3] }],
    ],
    errors: [mixed("pow"), misaligned("pow"), noFloats("pow")],
  },
  prod: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [3, 4], domain: "whole" }, { axis: 1 }],
      [{ shape: [3, 2, 4] }, { axis: [-1, 0], keepDims: true }],
      [{ shape: [2, 3] }, { axis: [] }],
      [{ shape: [] }],
      [{ shape: [2, 0] }, { axis: 1 }],
      [int32(2, 3), { axis: 0 }],
    ],
    errors: [
      noAxis("prod"),
      axisTwice("prod"),
      {
        args: [bool(2)],
        error: DTypeError,
        message: "prod: numbers only; got x bool[2]; want a cast first",
      },
    ],
  },
  reciprocal: smooth("reciprocal", "nonzero"),
  relu: {
    samples: [
      [{ shape: [], domain: "positive" }],
      [{ shape: [3, 1, 2], domain: "nonzero" }],
      [{ shape: [0, 2] }],
      [{ shape: [2, 3], domain: "nonzero" }],
    ],
    errors: [noFloat("relu")],
  },
  reshape: {
    samples: [
      [{ shape: [2, 6] }, [3, 4]],
      [{ shape: [2, 3, 4] }, [4, -1]],
      [{ shape: [1] }, []],
      [{ shape: [0, 3] }, [3, 0, 2]],
      [bool(4), [2, 2]],
    ],
    errors: [
      {
        args: [float32(2, 3), [4, 2]],
        error: ShapeError,
        message: "reshape: the sizes differ; got x float32[2,3], shape [4,2]; want 6 elements",
      },
      {
        args: [float32(2, 3), [-1, -1]],
        error: ShapeError,
        message: "reshape: the sizes differ; got x float32[2,3], shape [-1,-1]; want 6 elements",
      },
      {
        args: [float32(2, 3), [4, -1]],
        error: ShapeError,
        message: "reshape: the sizes differ; got x float32[2,3], shape [4,-1]; want 6 elements",
      },
    ],
    degree: 1,
  },
  reverseSequence: {
    samples: [
      [{ shape: [2, 4] }, [3, 4]],
      [{ shape: [3, 5, 2] }, [0, 1, 5]],
      [{ shape: [0, 2] }, int32(0)],
      [bool(2, 3), [2, 3]],
    ],
    errors: [
      {
        args: [float32(3), [1, 1, 1]],
        error: ShapeError,
        message: "reverseSequence: no time; got x float32[3]; want [B, T, …]",
      },
      {
        args: [float32(2, 3), [1]],
        error: ShapeError,
        message:
          "reverseSequence: the lengths do not fit x; got lengths int32[1], x float32[2,3]; want one length for each row of x",
      },
      {
        args: [float32(2, 3), [1, 4]],
        error: ValueError,
        message: "reverseSequence: no such length; got lengths[1] 4, x float32[2,3]; want 0 to 3",
      },
    ],
    degree: 1,
  },
  rmsNorm: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [4, 3] }, { gamma: { shape: [3] }, epsilon: 0.01 }],
      [{ shape: [2, 4, 3] }, { axis: -2, gamma: { shape: [4] } }],
      [{ shape: [2, 4, 3] }, { axis: [0, -1] }],
      [{ shape: [0, 2] }, { gamma: { shape: [2] } }],
    ],
    errors: [
      noAxis("rmsNorm"),
      axisTwice("rmsNorm"),
      noFloat("rmsNorm"),
      {
        args: [float32(4, 3), { gamma: float32(3, 1) }],
        error: ShapeError,
        message: "rmsNorm: gamma does not fit x; got gamma float32[3,1], x float32[4,3], axis [1]; want [3]",
      },
      {
        args: [float32(2), { epsilon: NaN }],
        error: ValueError,
        message: "rmsNorm: no such epsilon; got epsilon NaN; want a number from 0",
      },
    ],
  },
  rsqrt: smooth("rsqrt", "positive"),
  scatterAdd: {
    samples: [
      [{ shape: [3] }, [0, 2, 0], { size: 4 }],
      [
        { shape: [2, 3] },
        [
          [0, 4, 0],
          [1, 1, 1],
        ],
        { axis: 0, size: 5 },
      ],
      [
        { shape: [2, 3, 2] },
        [
          [
            [1, 0],
            [1, 1],
            [0, 0],
          ],
          [
            [0, 0],
            [1, 0],
            [1, 1],
          ],
        ],
        { axis: -2, size: 2 },
      ],
      [int32(3), [1, 1, 0], { size: 2 }],
      [{ shape: [2, 0] }, int32(2, 0), { size: 3 }],
    ],
    errors: [
      {
        args: [bool(1), [0], { size: 2 }],
        error: DTypeError,
        message: "scatterAdd: numbers only; got x bool[1]; want a cast first",
      },
      {
        args: [float32(3), [0, 2, 4], { size: 4 }],
        error: IndexError,
        message: "scatterAdd: index out of range; got index[2] 4, index int32[3]; want 0 to 3",
      },
      {
        args: [float32(3), [0, 2], { size: 4 }],
        error: ShapeError,
        message: "scatterAdd: the index does not fit x; got index int32[2], x float32[3]; want x's shape",
      },
      {
        args: [float32(3), [0, 2, 1], { size: 2.5 }],
        error: ShapeError,
        message: "scatterAdd: no such size; got size 2.5; want a whole number from 0",
      },
      {
        args: [float32(1), [0], { axis: 1, size: 2 }],
        error: IndexError,
        message: "scatterAdd: no such axis; got axis 1, x float32[1]; want -1 to 0",
      },
    ],
    degree: 1,
  },
  sigmoid: smooth("sigmoid", "any"),
  sign: { ...smooth("sign", "whole"), noGradient: "it is constant by pieces" },
  silu: smooth("silu", "any"),
  sin: smooth("sin", "any"),
  slice: {
    samples: [
      [{ shape: [5, 2] }, { start: 1, end: 4 }],
      [{ shape: [2, 6] }, { axis: -1, start: -5, end: -1, step: 2 }],
      [{ shape: [5] }, { step: -2 }],
      [{ shape: [2, 5, 3] }, { axis: 1, start: 3, end: 0, step: -1 }],
      [{ shape: [3, 2] }, { start: 2, end: 9 }],
      [{ shape: [3, 2] }],
      [{ shape: [4] }, { start: 3, end: 1 }],
      [{ shape: [0, 2] }, { axis: 1, start: 1 }],
      [int32(4), { start: 1 }],
    ],
    errors: [
      {
        args: [float32(2, 3), { axis: 2 }],
        error: IndexError,
        message: "slice: no such axis; got axis 2, x float32[2,3]; want -2 to 1",
      },
      {
        args: [float32(4), { step: 0 }],
        error: ValueError,
        message: "slice: no such slice; got step 0, x float32[4]; want whole numbers and a step other than 0",
      },
      {
        args: [float32(4), { start: 0.5 }],
        error: ValueError,
        message: "slice: no such slice; got start 0.5, x float32[4]; want whole numbers and a step other than 0",
      },
    ],
    degree: 1,
  },
  softmax: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [3, 2, 4] }, { axis: 0 }],
      [{ shape: [2, 4, 3] }, { axis: -2 }],
      [
        { shape: [2, 3] },
        {
          mask: [
            [1, 0, 2],
            [1, 1, 1],
          ],
        },
      ],
      [{ shape: [3, 4] }, { axis: 0, mask: [true, true, false, true] }],
      [
        { shape: [2, 3] },
        {
          mask: [
            [0, 0, 0],
            [1, 0, 1],
          ],
        },
      ],
      [{ shape: [0, 3] }],
    ],
    errors: [noAxis("softmax"), noFloat("softmax"), misfit("softmax")],
  },
  softmaxCrossEntropy: {
    samples: [
      [{ shape: [2, 3] }, [2, 0]],
      [{ shape: [2, 3] }, { shape: [2, 3] }],
      [{ shape: [5] }, 4],
      [
        { shape: [2, 3, 4] },
        [
          [3, 0, 1],
          [2, 2, 0],
        ],
        { labelSmoothing: 0.2 },
      ],
      [
        { shape: [2, 2, 3] },
        { shape: [2, 2, 3], domain: "positive" },
        { labelSmoothing: 0.1, zLoss: 0.3, mask: [[[1], [0]]] },
      ],
      [{ shape: [3, 4] }, [1, -100, 3], { mask: [[true], [false], [true]], zLoss: 0.5 }],
      [
        { shape: [3, 4] },
        [1, 9, 2],
        {
          mask: [
            [0, 1, 1, 0],
            [0, 0, 0, 0],
            [1, 1, 1, 1],
          ],
          labelSmoothing: 0.3,
        },
      ],
      [{ shape: [2, 4] }, { shape: [2, 4] }, { mask: [true, true, false, true], labelSmoothing: 0.3, zLoss: 0.2 }],
      [{ shape: [4, 1] }, [0, 0, 0, 0], { zLoss: 0.5 }],
      [{ shape: [0, 3] }, new Int32Array(0)],
    ],
    errors: [
      {
        args: [int32(2, 3), [0, 1]],
        error: DTypeError,
        message: "softmaxCrossEntropy: floats only; got logits int32[2,3]; want float32 or float64",
      },
      {
        args: [float32(2, 0), [0, 0]],
        error: ShapeError,
        message: "softmaxCrossEntropy: no classes; got logits float32[2,0]; want [..., V] with V of 1 or more",
      },
      {
        args: [float32(2, 3), [0, 1, 2]],
        error: ShapeError,
        message:
          "softmaxCrossEntropy: labels do not fit logits; got labels float64[3], logits float32[2,3]; want labels [2] or distributions [2,3]",
      },
      {
        args: [float32(2, 3), float64(2, 3)],
        error: DTypeError,
        message:
          "softmaxCrossEntropy: distributions of another dtype than the logits; got labels float64[2,3], logits float32[2,3]; want float32",
      },
      {
        args: [float32(2, 3), [0, 3]],
        error: IndexError,
        message: "softmaxCrossEntropy: label out of range; got labels[1] 3, labels int32[2]; want 0 to 2",
      },
      {
        args: [float32(2, 3), [0, 1.5]],
        error: ValueError,
        message: "softmaxCrossEntropy: not a value of dtype int32; got labels[1] 1.5; want 32-bit integers",
      },
      {
        args: [float32(2, 3), [0, 1], { mask: [true, false, true] }],
        error: IndexError,
        message:
          "softmaxCrossEntropy: a label at a class that the mask leaves out; got labels[1] 1, labels int32[2], mask bool[2,3]; want a class that counts",
      },
      {
        args: [float32(2, 3), [0, 1], { mask: [1, 0] }],
        error: ShapeError,
        message:
          "softmaxCrossEntropy: the mask does not broadcast to x; got mask bool[2], x float32[2,3]; want x's shape, or 1s in it",
      },
      {
        args: [float32(2, 3), [0, 1], { labelSmoothing: 1 }],
        error: ValueError,
        message: "softmaxCrossEntropy: no such labelSmoothing; got labelSmoothing 1; want a number from 0 to below 1",
      },
      {
        args: [float32(2, 3), [0, 1], { zLoss: NaN }],
        error: ValueError,
        message: "softmaxCrossEntropy: no such zLoss; got zLoss NaN; want a finite number from 0",
      },
    ],
  },
  softmaxCrossEntropySum: {
    samples: [
      [{ shape: [2, 3] }, [2, 0], [1, 0.5]],
      [{ shape: [5] }, 4, 3],
      [
        { shape: [2, 3, 4] },
        [
          [3, 0, 1],
          [2, -9, 0],
        ],
        [
          [1, 2, -1],
          [0.5, 0, 1],
        ],
        { labelSmoothing: 0.2 },
      ],
      [
        { shape: [2, 3] },
        [
          [0.5, 0.25, 0.5],
          [0, 1, 0],
        ],
        [2, 0.25],
        { labelSmoothing: 0.1, zLoss: 0.3 },
      ],
      [{ shape: [3, 4] }, [1, -100, 3], [true, false, true], { zLoss: 0.5 }],
      [{ shape: [3, 9] }, [8, 0, 4], [1, 1, 1]],
      [{ shape: [4, 1] }, [0, 0, 0, 0], [1, 2, 3, 4], { zLoss: 0.5 }],
      [{ shape: [0, 3] }, new Int32Array(0), new Float32Array(0)],
    ],
    errors: [
      {
        args: [int32(2, 3), [0, 1], [1, 1]],
        error: DTypeError,
        message: "softmaxCrossEntropySum: floats only; got logits int32[2,3]; want float32 or float64",
      },
      {
        args: [float32(2, 0), [0, 0], [1, 1]],
        error: ShapeError,
        message: "softmaxCrossEntropySum: no classes; got logits float32[2,0]; want [..., V] with V of 1 or more",
      },
      {
        args: [float32(2, 3), [0, 1], [1, 1, 1]],
        error: ShapeError,
        message:
          "softmaxCrossEntropySum: weights do not fit logits; got weights float32[3], logits float32[2,3]; want [2]",
      },
      {
        args: [float32(2, 3), [0, 1], int32(2)],
        error: DTypeError,
        message: "softmaxCrossEntropySum: wrong dtype; got weights int32[2]; want float32",
      },
      {
        args: [float32(2, 3), [0, 1, 2], [1, 1]],
        error: ShapeError,
        message:
          "softmaxCrossEntropySum: labels do not fit logits; got labels float64[3], logits float32[2,3]; want labels [2] or distributions [2,3]",
      },
      {
        args: [float32(2, 3), [0, 3], [1, 0.5]],
        error: IndexError,
        message: "softmaxCrossEntropySum: label out of range; got labels[1] 3, labels int32[2]; want 0 to 2",
      },
      {
        args: [float32(2, 3), [0, 1], [1, 1], { labelSmoothing: 1 }],
        error: ValueError,
        message:
          "softmaxCrossEntropySum: no such labelSmoothing; got labelSmoothing 1; want a number from 0 to below 1",
      },
    ],
  },
  softplus: smooth("softplus", "any"),
  split: {
    samples: [
      [{ shape: [6] }, { sizes: [1, 5] }],
      [{ shape: [2, 5, 3] }, { axis: -2, sizes: [2, 0, 3] }],
      [{ shape: [2, 6] }, { axis: 1, parts: 3 }],
      [{ shape: [0, 2] }, { parts: 2 }],
      [int32(4), { parts: 2 }],
    ],
    errors: [
      {
        args: [float32(4), {}],
        error: ValueError,
        message: "split: not one way to split; got sizes undefined, parts undefined; want either sizes or parts",
      },
      {
        args: [float32(4, 2), { sizes: [1, 2] }],
        error: ShapeError,
        message:
          "split: the sizes do not add up; got sizes [1,2], x float32[4,2], axis 0; want whole numbers from 0, 4 in all",
      },
      {
        args: [float32(4, 2), { sizes: [5, -1] }],
        error: ShapeError,
        message:
          "split: the sizes do not add up; got sizes [5,-1], x float32[4,2], axis 0; want whole numbers from 0, 4 in all",
      },
      {
        args: [float32(4, 2), { parts: 3 }],
        error: ShapeError,
        message: "split: no equal parts; got parts 3, x float32[4,2], axis 0; want a number that divides 4",
      },
      {
        args: [float32(2, 3), { axis: 2, parts: 1 }],
        error: IndexError,
        message: "split: no such axis; got axis 2, x float32[2,3]; want -2 to 1",
      },
    ],
    degree: 1,
  },
  sqrt: smooth("sqrt", "positive"),
  square: { ...smooth("square", "any"), degree: 2 },
  squeeze: {
    samples: [
      [{ shape: [1, 2, 1, 3] }],
      [{ shape: [1, 2, 1, 3] }, { axis: 0 }],
      [{ shape: [1, 2, 1] }, { axis: [0, -1] }],
      [{ shape: [1, 2] }, { axis: [] }],
      [{ shape: [] }],
      [{ shape: [1, 0] }],
    ],
    errors: [
      noAxis("squeeze"),
      {
        args: [float32(1, 2), { axis: 1 }],
        error: ShapeError,
        message: "squeeze: an axis that is not of length 1; got axis [1], x float32[1,2]; want axes of length 1",
      },
    ],
    degree: 1,
  },
  stack: {
    samples: [
      [[{ shape: [2, 3] }, { shape: [2, 3] }]],
      [[{ shape: [2, 3] }, { shape: [2, 3] }, { shape: [2, 3] }, { shape: [2, 3] }], { axis: -1 }],
      [[{ shape: [] }, { shape: [] }]],
      [[{ shape: [0, 2] }, { shape: [0, 2] }], { axis: 1 }],
    ],
    errors: [
      { args: [[]], error: ValueError, message: "stack: not a list of tensors; got xs []; want at least one tensor" },
      {
        args: [[float32(2), float32(3)]],
        error: ShapeError,
        message: "stack: shapes differ; got xs[0] float32[2], xs[1] float32[3]; want one shape",
      },
      {
        args: [[float32(2), float64(2)]],
        error: DTypeError,
        message: "stack: mixed dtypes; got xs[0] float32[2], xs[1] float64[2]; want one dtype",
      },
      {
        args: [[float32(2)], { axis: 2 }],
        error: IndexError,
        message: "stack: no such axis; got axis 2, x float32[2]; want -2 to 1",
      },
    ],
    degree: 1,
  },
  std: { samples: [...spreads], errors: [...noSpread("std")] },
  sub: {
    samples: [...aligned("any"), ...ints],
    errors: [mixed("sub"), misaligned("sub"), noNumbers("sub")],
    degree: 1,
  },
  sum: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [2, 3] }, { axis: 0 }],
      [{ shape: [3, 2, 4] }, { axis: [-1, 0], keepDims: true }],
      [{ shape: [2, 3] }, { axis: [] }],
      [{ shape: [] }],
      [{ shape: [2, 0] }, { axis: 1 }],
      [bool(2, 3), { axis: 1 }],
      [int32(2, 3)],
    ],
    errors: [noAxis("sum"), axisTwice("sum")],
    degree: 1,
  },
  sumTo: {
    samples: [
      [{ shape: [2, 3] }, [3]],
      [{ shape: [4, 2, 5, 3] }, [2, 1, 3]],
      [{ shape: [2, 3] }, []],
      [{ shape: [2, 3] }, [2, 3]],
      [{ shape: [0, 3] }, [1, 3]],
      [int32(2, 3), [2, 1]],
    ],
    errors: [
      {
        args: [float32(2, 3), [2]],
        error: ShapeError,
        message:
          "sumTo: the shape does not broadcast to x's; got x float32[2,3], shape [2]; want each axis, from the last, of length 1 or as in x",
      },
      {
        args: [float32(2), [-1]],
        error: ShapeError,
        message: "sumTo: not a shape; got shape [-1]; want whole numbers from 0",
      },
    ],
    degree: 1,
  },
  take: {
    samples: [
      [
        { shape: [5, 2] },
        [
          [0, 4, 1],
          [4, 1, 4],
        ],
      ],
      [{ shape: [2, 3, 2] }, [2, 0], { axis: 1 }],
      [{ shape: [2, 3] }, [1, 1, 0, 2], { axis: -1 }],
      [{ shape: [3, 2] }, 2],
      [int32(3, 2), [2, 2]],
      [{ shape: [3, 2] }, int32(0)],
    ],
    errors: [
      {
        args: [float32(3, 2), [0, 3]],
        error: IndexError,
        message: "take: index out of range; got index[1] 3, index int32[2]; want 0 to 2",
      },
      {
        args: [float32(3, 2), [[0, -1]]],
        error: IndexError,
        message: "take: index out of range; got index[0][1] -1, index int32[1,2]; want 0 to 2",
      },
      {
        args: [float32(0, 2), [0]],
        error: IndexError,
        message: "take: index out of range; got index[0] 0, index int32[1]; want none: the axis is empty",
      },
      {
        args: [float32(3, 2), [0], { axis: 2 }],
        error: IndexError,
        message: "take: no such axis; got axis 2, x float32[3,2]; want -2 to 1",
      },
    ],
    degree: 1,
  },
  tanh: smooth("tanh", "any"),
  tile: {
    samples: [
      [{ shape: [2, 3] }, [2, 1]],
      [{ shape: [2, 1, 3] }, [1, 4, 2]],
      [{ shape: [3] }, [0]],
      [{ shape: [] }, []],
      [{ shape: [0, 2] }, [2, 3]],
      [bool(2), [3]],
    ],
    errors: [
      {
        args: [float32(2, 3), [2]],
        error: ShapeError,
        message:
          "tile: repeats do not fit x; got repeats [2], x float32[2,3]; want a whole number from 0 for each axis",
      },
      {
        args: [float32(2), [-1]],
        error: ShapeError,
        message: "tile: repeats do not fit x; got repeats [-1], x float32[2]; want a whole number from 0 for each axis",
      },
    ],
    degree: 1,
  },
  topK: {
    samples: [
      [{ shape: [2, 5], domain: "distinct" }, { k: 3 }],
      [
        { shape: [4, 3], domain: "distinct" },
        { k: 2, axis: 0 },
      ],
      [
        { shape: [4, 3], domain: "distinct" },
        { k: 2, axis: -2 },
      ],
      [{ shape: [3, 2], domain: "distinct" }, { k: 0 }],
      [int32(2, 6), { k: 6 }],
      [{ shape: [0, 2] }, { k: 1 }],
    ],
    errors: [
      {
        args: [float32(2, 3), { k: 4 }],
        error: ValueError,
        message: "topK: no such k; got k 4, x float32[2,3], axis 1; want 0 to 3",
      },
      {
        args: [bool(2), { k: 1 }],
        error: DTypeError,
        message: "topK: numbers only; got x bool[2]; want a cast first",
      },
      {
        args: [float32(), { k: 1 }],
        error: IndexError,
        message: "topK: no such axis; got axis -1, x float32[]; want none: a scalar has no axes",
      },
    ],
  },
  transpose: {
    samples: [
      [{ shape: [2, 3] }],
      [{ shape: [2, 3, 4] }, { axes: [2, 0, 1] }],
      [{ shape: [2, 3, 4] }, { axes: [-2, -1, 0] }],
      [{ shape: [] }],
      [{ shape: [0, 2] }],
      [bool(2, 3)],
    ],
    errors: [
      {
        args: [float32(2, 3), { axes: [0] }],
        error: ShapeError,
        message: "transpose: wrong number of axes; got axes [0], x float32[2,3]; want 2 axes",
      },
      {
        args: [float32(2, 3), { axes: [0, 2] }],
        error: IndexError,
        message: "transpose: no such axis; got axis 2, x float32[2,3]; want -2 to 1",
      },
      {
        args: [float32(2, 3), { axes: [0, -2] }],
        error: IndexError,
        message: "transpose: an axis twice; got axis [0,-2], x float32[2,3]; want different axes",
      },
    ],
    degree: 1,
  },
  unstack: {
    samples: [
      [{ shape: [3, 2] }],
      [{ shape: [2, 4, 3] }, { axis: -2 }],
      [{ shape: [3] }],
      [{ shape: [0, 2] }, { axis: 1 }],
      [bool(2, 3)],
    ],
    errors: [
      noAxis("unstack"),
      {
        args: [float32()],
        error: IndexError,
        message: "unstack: no such axis; got axis 0, x float32[]; want none: a scalar has no axes",
      },
    ],
    degree: 1,
  },
  variance: { samples: [...spreads], errors: [...noSpread("variance")], degree: 2 },
  where: {
    samples: [
      [[true, false, true], { shape: [3] }, { shape: [3] }],
      [
        [
          [1, 0, 0],
          [0, 1, 1],
        ],
        { shape: [3] },
        { shape: [2, 1] },
      ],
      [bool(4, 1, 2), { shape: [3, 1] }, { shape: [] }],
      [[1, 0, 1], { shape: [2, 3] }, -0.5],
      [[1, 0, 1], 0.5, { shape: [2, 3] }],
      [int32(2, 3), int32(3), 7],
      [bool(0, 2), { shape: [2] }, { shape: [1, 2] }],
    ],
    errors: [
      {
        args: [[1, 0], float32(2), int32(2)],
        error: DTypeError,
        message: "where: mixed dtypes; got x float32[2], otherwise int32[2]; want one dtype: cast one of them",
      },
      {
        args: [[1, 0], float32(3), float32(3)],
        error: ShapeError,
        message:
          "where: shapes do not broadcast; got condition bool[2], x float32[3], otherwise float32[3]; want axes, from the last, of equal length or 1",
      },
      {
        args: [[1, 0], float32(2), float32(3)],
        error: ShapeError,
        message:
          "where: shapes do not broadcast; got condition bool[2], x float32[2], otherwise float32[3]; want axes, from the last, of equal length or 1",
      },
    ],
    degree: 1,
  },
};
