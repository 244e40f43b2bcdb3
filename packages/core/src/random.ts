/** A stream of random numbers; what needs randomness takes one. `@gradus/nn` has a seeded generator. */
export interface Random {
  /** The next number, uniform in [0, 1). */
  next(): number;
}
