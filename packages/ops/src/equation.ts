import { ValueError } from "@gradus/core";

/** The letters of each operand and of the output of an `einsum`. */
export function termsOf(equation: string, operands: number): { readonly terms: string[][]; readonly output: string[] } {
  const want = 'letters for each operand, with commas between, and different ones in each term: "ij,jk->ik"';
  const match = typeof equation === "string" ? /^([a-zA-Z, ]*)(?:->([a-zA-Z ]*))?$/.exec(equation) : null;
  if (!match) throw new ValueError("einsum", "not an equation", { equation }, want);
  const terms = match[1]!
    .replaceAll(" ", "")
    .split(",")
    .map((term) => [...term]);
  const all = terms.flat();
  const once = all.filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter)).sort();
  const output = match[2] === undefined ? once : [...match[2].replaceAll(" ", "")];
  if ([...terms, output].some((term) => new Set(term).size < term.length)) {
    throw new ValueError("einsum", "a letter twice in one term", { equation }, want);
  }
  if (!output.every((letter) => all.includes(letter))) {
    throw new ValueError("einsum", "an output letter that no operand has", { equation }, want);
  }
  if (terms.length === operands) return { terms, output };
  throw new ValueError("einsum", "another number of operands", { equation, operands }, `${terms.length}`);
}
