import { GradusError } from "@gradus/core";

/** What a check found. */
export type Finding =
  /** The gradient is not what differences say. */
  | "gradient"
  /** `backward` and `vjp` disagree. */
  | "paths"
  /** The function has a kink or an edge there: neither right nor wrong can be shown. */
  | "kink"
  /** The function has no value there. */
  | "domain"
  /** The function computes in float32, which differences cannot resolve. */
  | "coarse"
  /** The function is no polynomial of the degree that was declared. */
  | "degree"
  /** Two answers to one question. */
  | "impure"
  /** The gradient is too small to show anything. */
  | "vacuous"
  /** A law does not hold. */
  | "law";

/** Where a check failed. */
export interface Place {
  /** 1: the gradient; 2: the gradient of the gradient. */
  readonly order?: 1 | 2;
  /** What was looked at, by position and name: `inputs[0] "x"`. */
  readonly of?: string;
  readonly index?: readonly number[];
}

/** Thrown by `checkGrads`, `checkFunction` and laws; its fields are what its message says. */
export class CheckError extends GradusError {
  readonly finding: Finding;
  readonly place: Place;
  /** What stood there, by name; two that should be equal come first. */
  readonly numbers: Readonly<Record<string, number>>;
  /** The seed that shows it again. */
  readonly seed: number;
  constructor(
    check: string,
    { finding, problem, want }: { readonly finding: Finding; readonly problem: string; readonly want: string },
    place: Place,
    numbers: Readonly<Record<string, number>>,
    seed: number,
  ) {
    const at = place.index ? { [place.of ?? "output"]: `at [${place.index.join(",")}]` } : {};
    const order = place.order === undefined ? {} : { order: place.order };
    super(check, problem, { ...at, ...order, ...numbers, seed }, `${want}; the same again: { seed: ${seed} }`);
    this.finding = finding;
    this.place = place;
    this.numbers = numbers;
    this.seed = seed;
  }
}
