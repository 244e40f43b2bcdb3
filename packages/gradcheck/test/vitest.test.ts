import { customGradient, DTypeError, tensor, ValueError, type Nested, type Tensor } from "@gradus/core";
import { checkGrads, CheckError, stream } from "@gradus/gradcheck";
import { matchers } from "@gradus/gradcheck/vitest";
import { dropout, exp, greater, mul, tanh, where } from "@gradus/ops";
import { expect, test } from "vitest";

expect.extend(matchers);

const of = (values: Nested): Tensor => tensor(values, { dtype: "float64" });
const wrong = customGradient((x: Tensor) => ({ value: exp(x), gradient: (dy: Tensor) => [mul(dy, 2)] }));

function thrown(by: () => void): Error {
  try {
    by();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

test("passes where the gradient is right, and with `.not` where it is wrong", () => {
  expect(tanh).toHaveCorrectGradients([of([0.5, 1])]);
  expect((a: Tensor, b: Tensor) => mul(a, b)).toHaveCorrectGradients([of([1, 2]), of([3, 4])], { degree: 2 });
  expect(wrong).not.toHaveCorrectGradients([of([1, 2])]);
});

test("fails otherwise, with the message of checkGrads", () => {
  const options = { seed: 5, order: 1 } as const;
  const { message } = thrown(() => checkGrads(wrong, [of([1, 2])], options));
  expect(message).toContain("seed 5");
  expect(thrown(() => expect(wrong).toHaveCorrectGradients([of([1, 2])], options)).message).toBe(message);
  expect(thrown(() => expect(tanh).not.toHaveCorrectGradients([of([1, 2])])).message).toBe(
    "toHaveCorrectGradients: nothing is wrong; want a wrong gradient",
  );
});

test("fails either way where nothing is shown", () => {
  const random = stream(1);
  for (const [finding, fn, x] of [
    ["kink", (x: Tensor) => where(greater(x, 0), x, 0), of([0, 1])],
    ["impure", (x: Tensor) => dropout(x, { rate: 0.5, random }), of([1, 2, 3, 4, 5, 6, 7, 8])],
    ["vacuous", (x: Tensor) => mul(x, 1e-9), of([1])],
  ] as const) {
    for (const by of [() => expect(fn).toHaveCorrectGradients([x]), () => expect(fn).not.toHaveCorrectGradients([x])]) {
      const error = thrown(by);
      expect(error).toBeInstanceOf(CheckError);
      expect(error).toMatchObject({ finding });
    }
  }
});

test("fails either way for what is no function of float64 tensors", () => {
  const { message } = thrown(() => expect(7).not.toHaveCorrectGradients([of([1])]));
  expect(message).toBe("checkGrads: not a function; got fn 7; want a function of tensors");
  expect(thrown(() => expect(7).toHaveCorrectGradients([of([1])]))).toBeInstanceOf(ValueError);
  expect(thrown(() => expect(tanh).not.toHaveCorrectGradients([tensor([1])]))).toBeInstanceOf(DTypeError);
});
