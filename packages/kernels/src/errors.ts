/** Arguments by name, as an error shows them: anything with `dtype` and `shape` as `float32[2,3]`. */
export type Given = Readonly<Record<string, unknown>>;

/**
 * Every error of gradus. The message reads `op: what is wrong; got x float32[2,3]; want …`, and a call that threw has
 * changed nothing.
 */
export class GradusError extends Error {
  /** The public function that complains. */
  readonly op: string;
  /** What is wrong, in a few words. */
  readonly problem: string;
  /** The arguments that were given, by name, as shown. */
  readonly got: Readonly<Record<string, string>>;
  /** What was wanted instead. */
  readonly want: string;
  constructor(op: string, problem: string, got: Given = {}, want = "") {
    const shown = Object.fromEntries(Object.entries(got).map(([name, value]) => [name, show(value)]));
    const given = Object.entries(shown).map(([name, value]) => `${name} ${value}`);
    super(
      [`${op}: ${problem}`, given.length > 0 && `got ${given.join(", ")}`, want && `want ${want}`]
        .filter(Boolean)
        .join("; "),
    );
    this.op = op;
    this.problem = problem;
    this.got = shown;
    this.want = want;
    this.name = new.target.name;
  }
}
/** A rank, a shape or a pair of shapes that does not fit. */
export class ShapeError extends GradusError {}
/** An axis or an index out of range. */
export class IndexError extends GradusError {}
/** A dtype that does not fit, or two that differ. */
export class DTypeError extends GradusError {}
/** A gradient that cannot be had: not reached, no cotangent, no history. */
export class GradError extends GradusError {}
/** Any other value that does not fit; also a tensor used after its step. */
export class ValueError extends GradusError {}
/** The linear memory is full; the message names the largest tensors of the step. */
export class MemoryError extends GradusError {}

/** A value as error messages show it. */
export function show(value: unknown): string {
  if (typeof value === "object" && value !== null && "dtype" in value && "shape" in value) {
    return `${String(value.dtype)}[${(value.shape as readonly number[]).join(",")}]`;
  }
  if (Array.isArray(value)) return `[${value.map(show).join(",")}]`;
  if (typeof value === "string") return value;
  if (typeof value === "function") return `function ${value.name}`;
  if (typeof value === "object" && value !== null) return value.constructor?.name ?? "object";
  return String(value);
}
