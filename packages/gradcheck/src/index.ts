export {
  axesOf,
  axisOf,
  broadcastingShapes,
  indicesOf,
  shapes,
  tensors,
  type NestedIndex,
  type ShapeConstraints,
} from "./arbitraries.ts";
export { CheckError, type Finding, type Place } from "./CheckError.ts";
export { checkFunction } from "./checkFunction.ts";
export { checkGrads, type CheckOptions } from "./checkGrads.ts";
export {
  affine,
  backwardEqualsVjp,
  excludedIsNotRead,
  float32NearFloat64,
  sameInsideStep,
  zeroStaysZero,
  type Law,
} from "./laws.ts";
export { stream } from "./random.ts";
export { settings } from "./settings.ts";
export { tensorOf, type Domain, type Sketch } from "./sketch.ts";
