import type { Tensor } from "@gradus/core";
import type { MatcherResult } from "vitest";
import { CheckError } from "./CheckError.ts";
import { checkGrads, type CheckOptions } from "./checkGrads.ts";

declare module "vitest" {
  interface Matchers<T> {
    /**
     * The gradient of a function of tensors is right at `inputs`, as `checkGrads` says. With `.not`: it is shown to be
     * wrong; a kink, a function of two answers or a gradient too small to show anything fails either way.
     */
    toHaveCorrectGradients: (inputs: readonly Tensor[], options?: CheckOptions) => void;
  }
}

/**
 * `checkGrads` as a matcher of vitest; a failure has the message of its CheckError.
 * @example
 * import { matchers } from "@gradus/gradcheck/vitest";
 * import { expect } from "vitest";
 *
 * expect.extend(matchers);
 * const x = tensor([1, 2], { dtype: "float64" });
 * const double = customGradient((x) => ({ value: add(x, x), gradient: (dy) => [dy] })); // should be dy + dy
 * expect((x: Tensor) => add(x, x)).toHaveCorrectGradients([x], { degree: 1 });
 * expect(double).not.toHaveCorrectGradients([x], { degree: 1 });
 */
export const matchers: {
  toHaveCorrectGradients(
    received: (...inputs: Tensor[]) => Tensor,
    inputs: readonly Tensor[],
    options?: CheckOptions,
  ): MatcherResult;
} = {
  toHaveCorrectGradients(received, inputs, options) {
    try {
      checkGrads(received, inputs as Tensor[], options);
    } catch (error) {
      // What neither shows a right gradient nor a wrong one must not pass with `.not`.
      if (!(error instanceof CheckError) || !shown.has(error.finding)) throw error;
      return { pass: false, message: () => error.message };
    }
    return { pass: true, message: () => "toHaveCorrectGradients: nothing is wrong; want a wrong gradient" };
  },
};

const shown: ReadonlySet<string> = new Set(["gradient", "paths"] satisfies CheckError["finding"][]);
