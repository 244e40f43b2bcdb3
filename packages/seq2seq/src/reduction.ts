import { ValueError } from "@gradus/core";

/** Averages over both axes, over one, or over none; no sum beside them. */
export interface AverageFlags {
  /** Divide the sum over T by the sum of the weights there. Default: true. */
  readonly averageAcrossTimesteps?: boolean;
  /** Divide the sum over B by the sum of the weights there. Default: true. */
  readonly averageAcrossBatch?: boolean;
  /** Off beside averages. To sum, set both averages to false. */
  readonly sumOverTimesteps?: false;
  /** Off beside averages. To sum, set both averages to false. */
  readonly sumOverBatch?: false;
}

/** Sums over both axes, over one, or over none; both averages, true by default, are off. */
export interface SumFlags {
  /** Off beside sums, and said so, as its default is true. */
  readonly averageAcrossTimesteps: false;
  /** Off beside sums, and said so, as its default is true. */
  readonly averageAcrossBatch: false;
  /** Divide the sum over T by the number of weights there that are not 0. Default: false. */
  readonly sumOverTimesteps?: boolean;
  /** Divide the sum over B by the number of weights there that are not 0. Default: false. */
  readonly sumOverBatch?: boolean;
}

/** As `AverageFlags`, where sums are the default: both are off. */
export interface AverageInsteadFlags {
  /** Divide the sum over T by the sum of the weights there. Default: false. */
  readonly averageAcrossTimesteps?: boolean;
  /** Divide the sum over B by the sum of the weights there. Default: false. */
  readonly averageAcrossBatch?: boolean;
  /** Off beside averages, and said so, as its default is true. */
  readonly sumOverTimesteps: false;
  /** Off beside averages, and said so, as its default is true. */
  readonly sumOverBatch: false;
}

/** As `SumFlags`, where sums are the default. */
export interface SumByDefaultFlags {
  /** Off beside sums. To average, set both sums to false. */
  readonly averageAcrossTimesteps?: false;
  /** Off beside sums. To average, set both sums to false. */
  readonly averageAcrossBatch?: false;
  /** Divide the sum over T by the number of weights there that are not 0. Default: true. */
  readonly sumOverTimesteps?: boolean;
  /** Divide the sum over B by the number of weights there that are not 0. Default: true. */
  readonly sumOverBatch?: boolean;
}

/**
 * Four flags that are computed: only a call can tell whether they agree. A type parameter is the flag's type, `boolean`,
 * or true or false where it is literal; a literal average beside a literal sum is refused here too.
 */
export type ComputedFlags<
  AverageT extends boolean = boolean,
  AverageB extends boolean = boolean,
  SumT extends boolean = boolean,
  SumB extends boolean = boolean,
> = {
  readonly averageAcrossTimesteps: AverageT;
  readonly averageAcrossBatch: AverageB;
  readonly sumOverTimesteps: SumT;
  readonly sumOverBatch: SumB;
} & ([OneIsTrue<AverageT, AverageB>, OneIsTrue<SumT, SumB>] extends [true, true] ? AverageFlags | SumFlags : unknown);

/** True for a literal true; false for `boolean`, which may be either. */
type OneIsTrue<A extends boolean, B extends boolean> = [A] extends [true] ? true : [B] extends [true] ? true : false;

/** Any flags, as they are checked. */
export interface ReductionFlags {
  readonly averageAcrossTimesteps?: boolean;
  readonly averageAcrossBatch?: boolean;
  readonly sumOverTimesteps?: boolean;
  readonly sumOverBatch?: boolean;
}

/** One of seven: both axes, the batch or the timesteps, each divided in one of two ways; or the terms as they are. */
export type Reduction =
  | { readonly axis: readonly number[]; readonly divisor: "weights" | "count" }
  | { readonly axis: readonly []; readonly divisor: "none" };

const [BATCH, TIME] = [0, 1];

/** The flags as one value, those left out averages or sums by default; any other combination throws, with the fix. */
export function reductionOf(op: string, given: ReductionFlags, byDefault: "average" | "sum"): Reduction {
  const flags = { op, given, byDefault };
  const time = wayOf(flags, "averageAcrossTimesteps", "sumOverTimesteps");
  const batch = wayOf(flags, "averageAcrossBatch", "sumOverBatch");
  if (time !== "none" && batch !== "none" && time !== batch) {
    const [average, sum] = time === "weights" ? timeFirst : batchFirst;
    throw new ValueError(
      op,
      "an average over one axis and a sum over the other",
      { [average]: shown(flags, average), [sum]: shown(flags, sum) },
      `two averages, two sums, or one axis alone: ${byDefault === "average" ? average : sum}: false`,
    );
  }
  const divisor = time === "none" ? batch : time;
  if (divisor === "none") return { axis: [], divisor };
  return { axis: [...(batch === "none" ? [] : [BATCH]), ...(time === "none" ? [] : [TIME])], divisor };
}

interface Flags {
  readonly op: string;
  readonly given: ReductionFlags;
  readonly byDefault: "average" | "sum";
}
type Flag = keyof ReductionFlags;
const timeFirst: readonly [Flag, Flag] = ["averageAcrossTimesteps", "sumOverBatch"];
const batchFirst: readonly [Flag, Flag] = ["averageAcrossBatch", "sumOverTimesteps"];

/** How one axis is reduced. */
function wayOf(flags: Flags, average: Flag, sum: Flag): Reduction["divisor"] {
  const averages = flagOf(flags, average);
  const sums = flagOf(flags, sum);
  if (averages && sums) {
    const got = { [average]: shown(flags, average), [sum]: shown(flags, sum) };
    const fix = flags.byDefault === "average" ? `${average}: false to sum` : `${sum}: false to average`;
    throw new ValueError(flags.op, "an average and a sum over one axis", got, `one of them: ${fix}`);
  }
  return averages ? "weights" : sums ? "count" : "none";
}

function flagOf({ op, given, byDefault }: Flags, name: Flag): boolean {
  const flag: unknown = given[name] === undefined ? name.startsWith(byDefault) : given[name];
  if (typeof flag === "boolean") return flag;
  throw new ValueError(op, "not a flag", { [name]: flag }, "true or false");
}

const shown = ({ given, byDefault }: Flags, name: Flag): string =>
  given[name] === undefined ? `${name.startsWith(byDefault)} (its default)` : String(given[name]);
