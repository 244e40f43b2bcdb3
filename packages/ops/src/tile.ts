import { broadcastTo, ShapeError, type Tensor } from "@gradus/core";
import { checkTensor, isArray } from "./arguments.ts";
import { reshape } from "./reshape.ts";

/**
 * x repeated whole, `repeats[axis]` times along each axis. Its pull-back adds up the repetitions.
 * @throws ShapeError if there is not one whole number from 0 for each axis.
 * @source NumPy's `tile`
 * @example
 * console.log(tile(tensor([[1, 2]]), [2, 2])); // => float32[2,4] [[1, 2, 1, 2], [1, 2, 1, 2]]
 */
export function tile(x: Tensor, repeats: readonly number[]): Tensor {
  checkTensor("tile", "x", x);
  const whole = isArray(repeats) && repeats.every((times) => Number.isInteger(times) && times >= 0);
  if (!whole || repeats.length !== x.shape.length) {
    throw new ShapeError("tile", "repeats do not fit x", { repeats, x }, "a whole number from 0 for each axis");
  }
  const apart = reshape(
    x,
    x.shape.flatMap((length) => [1, length]),
  );
  const repeated = broadcastTo(
    apart,
    x.shape.flatMap((length, axis) => [repeats[axis]!, length]),
  );
  return reshape(
    repeated,
    x.shape.map((length, axis) => repeats[axis]! * length),
  );
}
