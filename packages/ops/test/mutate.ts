import { customGradient, stopGradient, type Accumulator, type NdArray, type Node, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { mul } from "@gradus/ops";

type Rule = NonNullable<Node["rule"]>;
type Form = Rule["form"];
type PullInto = NonNullable<Form["pullInto"]>;
type PullAll = NonNullable<Form["pullAll"]>;
type Definition = NonNullable<Form["composed"]>;

/**
 * A fault to put into one rule of a graph. The engine reads a rule from its node, so a fault can be put there from outside, into
 * any op, without a second version of its file; it is an error of that op's derivative alone, and the forward pass is as it was.
 * What it proves: had the op been written with such a fault, the checks that run over the table would have said so.
 */
export type Fault = (rule: Rule, input: number) => Partial<Pick<Rule, "form" | "attrs" | "kept">>;

/** The nodes of a graph that have rules, oldest first: the same op at the same arguments gives them in the same order. */
export function nodesOf(y: Tensor): (Node & { readonly rule: Rule })[] {
  const found = new Set(y.node ? [y.node] : []);
  for (const node of found) for (const parent of node.parents) if (parent) found.add(parent);
  return [...found].filter((node) => node.rule !== null).sort((a, b) => a.id - b.id) as never;
}

/** fn with a fault in the rule of one node, for one of its inputs. */
export function faulty(
  fn: (...inputs: Tensor[]) => Tensor,
  place: { readonly node: number; readonly input: number },
  fault: Fault,
): (...inputs: Tensor[]) => Tensor {
  return (...inputs) => {
    const y = fn(...inputs);
    const rule = nodesOf(y)[place.node]?.rule; // none where the inputs are constants
    if (rule) Object.assign(rule, fault(rule, place.input));
    return y;
  };
}

/** The pull-back times a factor, in the rule on tensors (`vjp`, or a fused op's definition), in `backward`, or in both. */
export function scaled(factor: number, paths: readonly ("vjp" | "backward")[] = ["vjp", "backward"]): Fault {
  return ({ form }, input) => {
    const { pull, composed, pullInto, pullAll } = form;
    const change: { -readonly [K in keyof Form]: Form[K] } = { ...form };
    if (paths.includes("vjp")) {
      if (pull) change.pull = changedPull(form, input, (dx) => mul(dx, factor));
      if (composed) change.composed = changedDefinition(composed, input, factor);
    }
    if (paths.includes("backward")) {
      if (pullInto) change.pullInto = changedPullInto(pullInto, input, factor);
      if (pullAll) change.pullAll = changedPullAll(pullAll, input, factor);
    }
    return { form: change };
  };
}

/** What comes out of `vjp` changed, for a rule without `backward`. */
export function replaced(change: (dx: Tensor, dy: Tensor) => Tensor): Fault {
  return ({ form }, input) => ({ form: { ...form, pull: changedPull(form, input, change) } });
}

/** A slope that forgets what it depends on: right at first order, wrong at second. */
export const forgetful: Fault = ({ kept }) => ({
  kept: Object.fromEntries(Object.entries(kept!).map(([name, value]) => [name, forgotten(value)])),
});

function forgotten(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(forgotten);
  return typeof value === "object" && value !== null && "node" in value ? stopGradient(value as Tensor) : value;
}

/** A rule that works along the next axis. */
export const nextAxis: Fault = (rule) => {
  const { axis } = rule.attrs as { axis: number };
  return { attrs: { ...rule.attrs, axis: (axis + 1) % rankOf(rule) } };
};

/** The number of axes of a rule's output. */
export function rankOf({ kept }: Rule): number {
  return (kept as { shapes: { output: readonly number[] } }).shapes.output.length;
}

function changedPull(form: Form, input: number, change: (dx: Tensor, dy: Tensor) => Tensor): NonNullable<Form["pull"]> {
  return (kept, attrs) => {
    const pull = form.pull!(kept, attrs);
    return (dy, i) => (i === input ? change(pull(dy, i), dy) : pull(dy, i));
  };
}

function changedPullInto(pullInto: PullInto, input: number, factor: number): PullInto {
  return (kept, attrs) => {
    const pull = pullInto(kept, attrs);
    return (dy, i, into, beta) => {
      if (i !== input) pull(dy, i, into, beta);
      else addScaled({ into, beta }, factor, (to) => pull(dy, i, to.into, to.beta));
    };
  };
}

function changedPullAll(pullAll: PullAll, input: number, factor: number): PullAll {
  return (kept, dy, to, attrs) => {
    const own = to[input];
    if (!own) return pullAll(kept, dy, to, attrs);
    addScaled(own, factor, (spare) => {
      const changed = to.map((accumulator, i) => (i === input ? spare : accumulator));
      pullAll(kept, dy, changed, attrs);
    });
  };
}

/** Adds what `pull` adds to zeros, times the factor. */
function addScaled({ into, beta }: Accumulator, factor: number, pull: (to: Accumulator) => void): void {
  const dx: NdArray = k.empty(into.shape, into.dtype);
  pull({ into: dx, beta: 0 });
  const wrong = k.mul(dx, k.fill(dx.shape, factor, dx.dtype));
  if (beta === 1) k.addInto(into, wrong);
  else k.copyInto(into, 0, wrong);
}

/** The same values; of what is pulled back to one input, the factor times as much. */
function changedDefinition(composed: Definition, input: number, factor: number): Definition {
  return (kept, attrs, record) => {
    const inputs: Tensor[] = [];
    const { value } = composed(kept, attrs, (x) => {
      const recorded = record(x);
      inputs.push(recorded);
      if (inputs.length - 1 !== input) return recorded;
      return customGradient((x: Tensor) => ({ value: x, gradient: (dy) => [mul(dy, factor)] }))(recorded);
    });
    return { inputs, value };
  };
}
