import { DTypeError, ShapeError, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats } from "./arguments.ts";
import { termsOf } from "./equation.ts";
import { matmul } from "./matmul.ts";
import { reshape } from "./reshape.ts";
import { sum } from "./sum.ts";
import { transpose } from "./transpose.ts";

/** A tensor and the letters of its axes. */
interface Labelled {
  readonly x: Tensor;
  readonly letters: readonly string[];
}

/**
 * The product of all operands, summed over the letters that the output lacks: `"bij,bjk->bik"` is a product of matrices.
 * Without `->` the output has the letters that occur once, in alphabetical order. Operands are joined from left to right,
 * each time by one matmul; letters that nothing else needs are summed first. Its pull-back is that of those parts.
 * @throws ValueError for what is no such equation, a letter twice in one term among it: diagonals are not taken; ShapeError
 * for letters that do not fit the axes or lengths that differ; DTypeError for mixed dtypes and all but floats.
 * @source NumPy's `einsum`
 * @example
 * console.log(einsum("ij,j->i", tensor([[1, 2], [3, 4]]), tensor([1, 10]))); // => float32[2] [21, 43]
 */
export function einsum(equation: string, ...xs: readonly Tensor[]): Tensor {
  const { terms, output } = termsOf(equation, xs.length);
  const lengths = lengthsOf(equation, terms, xs);
  const [first, ...rest] = terms.map((letters, i): Labelled => ({ x: xs[i]!, letters }));
  const joined = rest.reduce((all, next, i) => {
    return contract(all, next, [...output, ...terms.slice(i + 2).flat()], lengths);
  }, first!);
  return ordered(summed(joined, output), output);
}

function lengthsOf(equation: string, terms: readonly string[][], xs: readonly Tensor[]): Map<string, number> {
  const lengths = new Map<string, number>();
  xs.forEach((x, i) => {
    const [name, letters] = [`xs[${i}]`, terms[i]!];
    checkFloats("einsum", { [name]: x });
    if (x.dtype !== xs[0]!.dtype) {
      throw new DTypeError("einsum", "mixed dtypes", { "xs[0]": xs[0], [name]: x }, "one dtype");
    }
    const fits = letters.every((letter, axis) => (lengths.get(letter) ?? x.shape[axis]) === x.shape[axis]);
    if (!fits || letters.length !== x.shape.length) {
      const want = "a letter for each axis, and one length for each letter";
      const operands = Object.fromEntries(xs.slice(0, i + 1).map((x, j) => [`xs[${j}]`, x]));
      throw new ShapeError("einsum", "the letters do not fit", { equation, ...operands }, want);
    }
    letters.forEach((letter, axis) => lengths.set(letter, x.shape[axis]!));
  });
  return lengths;
}

const summed = ({ x, letters }: Labelled, keep: readonly string[]): Labelled => {
  const axis = [...letters.keys()].filter((i) => !keep.includes(letters[i]!));
  return axis.length === 0 ? { x, letters } : { x: sum(x, { axis }), letters: letters.filter((l) => keep.includes(l)) };
};

const ordered = ({ x, letters }: Labelled, order: readonly string[]): Tensor =>
  transpose(x, { axes: order.map((letter) => letters.indexOf(letter)) });

/** Two operands as matrices: rows of what only a has, columns of what only b has, between them what is summed over. */
function contract(a: Labelled, b: Labelled, keep: readonly string[], lengths: ReadonlyMap<string, number>): Labelled {
  const [p, q] = [summed(a, [...keep, ...b.letters]), summed(b, [...keep, ...a.letters])];
  const both = p.letters.filter((letter) => q.letters.includes(letter));
  const batch = both.filter((letter) => keep.includes(letter));
  const inner = both.filter((letter) => !keep.includes(letter));
  const rows = p.letters.filter((letter) => !both.includes(letter));
  const columns = q.letters.filter((letter) => !both.includes(letter));
  const shapeOf = (letters: readonly string[]): number[] => letters.map((letter) => lengths.get(letter)!);
  const matrices = (t: Labelled, i: readonly string[], j: readonly string[]): Tensor =>
    reshape(ordered(t, [...batch, ...i, ...j]), [...shapeOf(batch), k.sizeOf(shapeOf(i)), k.sizeOf(shapeOf(j))]);
  const letters = [...batch, ...rows, ...columns];
  return { x: reshape(matmul(matrices(p, rows, inner), matrices(q, inner, columns)), shapeOf(letters)), letters };
}
