import { customGradient, stopGradient, type Accumulator, type NdArray, type Node, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { mul } from "@gradus/ops";

type Rule = NonNullable<Node["rule"]>;
type Form = Rule["form"];
type PullInto = NonNullable<Form["pullInto"]>;
type PullAll = NonNullable<Form["pullAll"]>;
type Composed = NonNullable<Form["composed"]>;

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

/** The pull-back times a factor: where it is defined (`vjp`, or a composed form), in `backward`, or in both. */
export function scaled(factor: number, paths: readonly ("vjp" | "backward")[] = ["vjp", "backward"]): Fault {
  return ({ form }, input) => {
    const { pull, pullInto, pullAll, composed } = form;
    const [defined, fast] = [paths.includes("vjp"), paths.includes("backward")];
    return {
      form: {
        ...form,
        ...(defined && pull && { pull: changedPull(form, input, (dx) => mul(dx, factor)) }),
        ...(defined && composed && { composed: changedComposed(composed, input, factor) }),
        ...(fast && pullInto && { pullInto: changedPullInto(pullInto, input, factor) }),
        ...(fast && pullAll && { pullAll: changedPullAll(pullAll, input, factor) }),
      },
    };
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
      if (i === input) scaledInto({ into, beta }, factor, (dx) => pull(dy, i, dx, 0));
      else pull(dy, i, into, beta);
    };
  };
}

function changedPullAll(pullAll: PullAll, input: number, factor: number): PullAll {
  return (kept, dy, to, attrs) => {
    const wanted = to[input];
    if (!wanted) return pullAll(kept, dy, to, attrs);
    scaledInto(wanted, factor, (dx) => {
      const others = to.map((accumulator, i) => (i === input ? { into: dx, beta: 0 as const } : accumulator));
      pullAll(kept, dy, others, attrs);
    });
  };
}

/** Factor times what is written into an array of its own, in an accumulator. */
function scaledInto({ into, beta }: Accumulator, factor: number, write: (dx: NdArray) => void): void {
  const dx = k.empty(into.shape, into.dtype);
  write(dx);
  const wrong = k.mul(dx, k.fill(dx.shape, factor, dx.dtype));
  if (beta === 1) k.addInto(into, wrong);
  else k.copyInto(into, 0, wrong);
}

/** The composed form reads one input through an identity whose gradient has the factor. */
function changedComposed(composed: Composed, input: number, factor: number): Composed {
  const through = customGradient((x: Tensor) => ({ value: x, gradient: (dx) => [mul(dx, factor)] }));
  return (kept, attrs, record) => {
    const inputs: Tensor[] = [];
    const { value } = composed(kept, attrs, (x) => {
      const recorded = record(x);
      inputs.push(recorded);
      return inputs.length - 1 === input ? through(recorded) : recorded;
    });
    return { inputs, value };
  };
}
