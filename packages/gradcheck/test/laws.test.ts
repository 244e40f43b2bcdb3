import { customGradient, tensor, type Nested, type Tensor } from "@gradus/core";
import {
  affine,
  backwardEqualsVjp,
  CheckError,
  excludedIsNotRead,
  float32NearFloat64,
  sameInsideStep,
  zeroStaysZero,
  type Law,
} from "@gradus/gradcheck";
import { add, cast, div, exp, mul, softmax, sqrt, sub, sum, tanh } from "@gradus/ops";
import { expect, test } from "vitest";

const of = (values: Nested): Tensor => tensor(values, { dtype: "float64" });

/** exp with a `backward` of its own beside the right `vjp`. */
function expWith(factor: number): (x: Tensor) => Tensor {
  return (x) => {
    const y = exp(x);
    const rule = y.node?.rule;
    if (!rule) return y;
    const pull = rule.form.pull!(rule.kept!, {});
    const form = {
      ...rule.form,
      pullInto: () => (dy: Tensor["array"], i: number, into: Tensor["array"]) => {
        into.storage.array!.set(mul(pull(tensorOf(dy), i), factor).data);
      },
    };
    Object.assign(rule, { form });
    return y;
  };
}
const tensorOf = (array: Tensor["array"]): Tensor => tensor(array.storage.array!, { shape: array.shape });

let calls = 0;
const moody = (x: Tensor): Tensor => mul(x, 1 + (calls++ % 2) * 1e-9);
const eager = customGradient((x: Tensor) => ({ value: x, gradient: (dy: Tensor) => [add(dy, 1)] }));
const coarse = (x: Tensor): Tensor => (x.dtype === "float32" ? mul(x, 1.001) : x);

// Each law with a function that keeps it and one that breaks it.
test.each<[Law, (x: Tensor) => Tensor, (x: Tensor) => Tensor, string]>([
  [
    backwardEqualsVjp,
    expWith(1),
    expWith(1 + 1e-6),
    "backwardEqualsVjp: backward and vjp differ; got inputs[0] at [0]",
  ],
  [float32NearFloat64, tanh, coarse, "float32NearFloat64: float32 and float64 differ; got outputs[0] at [0]"],
  [sameInsideStep, tanh, moody, "sameInsideStep: inside and outside differ; got outputs[0] at [0]"],
  [affine, (x) => add(mul(x, 3), 1), tanh, "affine: middle and mean differ; got outputs[0] at [0]"],
  [zeroStaysZero, sqrt, eager, "zeroStaysZero: gradient and zero differ; got inputs[0] at [0]"],
])("%o holds for what keeps it, and not for what does not", (law, keeps, breaks, message) => {
  const x = of([0.5, 2, 0]);
  expect(() => law(keeps, [x])).not.toThrow();
  expect(() => law(breaks, [x])).toThrow(CheckError);
  expect(() => law(breaks, [x], 3)).toThrow(message);
});

test("what a mask excludes is not read, in value and gradient", () => {
  const x = of([1, 2, 3]);
  const mask = [1, 0, 1];
  const excluded = [false, true, false];
  expect(() => excludedIsNotRead((x) => softmax(x, { mask }), x, excluded)).not.toThrow();
  const multiplied = (x: Tensor): Tensor => {
    const weights = mul(exp(x), of(mask)); // ∞·0 is NaN
    return div(weights, sum(weights));
  };
  expect(() => excludedIsNotRead(multiplied, x, excluded)).toThrow("excludedIsNotRead: after and before differ");
  const leaks = customGradient((x: Tensor) => ({ value: softmax(x, { mask }), gradient: (dy: Tensor) => [dy] }));
  expect(() => excludedIsNotRead(leaks, x, excluded)).toThrow("got inputs[0] at [1], after");
});

test("laws take several inputs, and functions without a gradient", () => {
  const inputs = [of([[1, 2]]), of([[3], [4]])];
  for (const law of [backwardEqualsVjp, float32NearFloat64, sameInsideStep, zeroStaysZero]) {
    expect(() => law((a, b) => sub(a, b), inputs)).not.toThrow();
    expect(() => law((a, b) => cast(sub(a, b), "int32"), inputs)).not.toThrow();
  }
});
