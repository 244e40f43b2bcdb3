/** Numbers of runs and tolerances of all checks, in one place. */
export const settings = {
  /** How far differences step, as a part of an input's magnitude between `smallest` and 1: 2⁻¹³, and 2⁻⁷. */
  step: 0.0001220703125,
  smallest: 0.0078125,
  /** |gradient − differences| ≤ tolerance·max(1, both). */
  tolerance: 1e-7,
  /** The same for polynomials of degree ≤ 2, whose central differences are exact at any step. */
  exact: 1e-12,
  /** |backward − vjp| ≤ paths·max(1, both). */
  paths: 1e-12,
  /** |in float32 − in float64| ≤ float32·max(1, both). */
  float32: 2e-5,
  /** A gradient of fewer tolerances than this shows nothing: a rule that is 1 % off would pass. */
  vacuous: 100,
  /** Random directions of each dot-product test. */
  directions: 3,
  /** Inputs of so many elements together are checked one by one as well. */
  coordinates: 16,
  /** Where a direction fails, up to so many elements are searched for the worst; among more, a bad one is found by halves. */
  searched: 4096,
  /** Samples that fast-check draws for a property. */
  runs: 20,
} as const;
