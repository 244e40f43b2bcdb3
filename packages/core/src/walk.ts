import * as k from "@gradus/kernels";
import { adopt, closeScope, currentScope, empty, openScope, release, GradError } from "@gradus/kernels";
import type { NdArray, Scope, Storage } from "@gradus/kernels";
import { currentContext, within } from "./context.ts";
import { full } from "./create.ts";
import type { Accumulator, Kept, Node, Rule } from "./graph.ts";
import { add, identity } from "./structural.ts";
import { checkAlive, Tensor } from "./tensor.ts";

/**
 * The cotangent that a node has gathered so far. A slot that `owns` holds an accumulator made by the walk for it alone,
 * and only such a one is ever added into; otherwise the tensor is borrowed from a rule, which may have handed out its
 * own dy, a reshape of it, or something it kept.
 */
interface Slot {
  readonly value: Tensor;
  readonly owns: boolean;
}

export interface WalkOptions {
  readonly cotangent: Tensor | null;
  readonly createGraph: boolean;
  readonly unreached: "throw" | "zero";
  /** Drop what rules keep once they have run. */
  readonly consume: boolean;
}

/** Pulls the cotangent of `output` back to `inputs`, which all have nodes. */
export function walk(output: Tensor, inputs: readonly Tensor[], options: WalkOptions): Tensor[] {
  const { createGraph } = options;
  const outer = currentScope();
  const scope = openScope("walk", outer?.linear ?? false);
  const slots = new Slots(scope, createGraph);
  try {
    return within("grad", { recording: createGraph }, () => {
      const wanted = new Set(inputs.map((x) => x.node!));
      const { order, onTheWay } = between(output.node!, wanted);
      slots.set(output.node!, options.cotangent ?? full(output.shape, 1, { dtype: output.dtype as "float32" }), false);
      for (const node of order) {
        const slot = slots.get(node);
        if (!slot) continue;
        currentContext().observer?.cotangent?.(node.op, node.id, slot.value);
        const parents = node.parents.map((parent) => (parent && onTheWay.has(parent) ? parent : null));
        if (node.rule && parents.some(Boolean)) {
          pullBack(node, node.rule, slot.value, parents, slots, options);
          if (options.consume) useUp(node.rule);
        }
        if (!wanted.has(node)) slots.drop(node);
      }
      return slots.handOut(inputs, options.unreached, outer);
    });
  } finally {
    slots.letGo();
    if (createGraph) for (const storage of scope.born) adopt(storage, scope, outer);
    closeScope(scope, "was a temporary of grad()");
  }
}

/** Nodes from which a wanted one is reached, youngest first. Nodes older than every wanted one are not visited. */
function between(from: Node, wanted: ReadonlySet<Node>): { order: Node[]; onTheWay: ReadonlySet<Node> } {
  let oldest = Infinity;
  for (const node of wanted) oldest = Math.min(oldest, node.id);
  const found = [from];
  const seen = new Set(found);
  for (const node of found) {
    for (const parent of node.parents) {
      if (parent && parent.id >= oldest && !seen.has(parent)) found.push(parent); // walked as it grows
      if (parent) seen.add(parent);
    }
  }
  const onTheWay = new Set<Node>();
  const reaches = (node: Node): boolean =>
    wanted.has(node) || node.parents.some((parent) => parent && onTheWay.has(parent));
  for (const node of found.sort((a, b) => a.id - b.id)) if (reaches(node)) onTheWay.add(node);
  return { order: found.filter((node) => onTheWay.has(node)).reverse(), onTheWay };
}

/** Runs a node's rule. Its temporaries, and its cotangent once spent, go back when it ends. */
function pullBack(
  node: Node,
  rule: Rule,
  dy: Tensor,
  parents: readonly (Node | null)[],
  slots: Slots,
  { createGraph, consume }: WalkOptions,
): void {
  const { form, attrs, kept } = rule;
  if (!kept) {
    const problem = `the graph of "${node.op}" (node ${node.id}) was used up by valueAndGrad`;
    throw new GradError("grad", problem, {}, "a new forward pass");
  }
  const scope = !createGraph && slots.scope.linear ? openScope("rule", true) : null;
  try {
    if (!createGraph && form.pullAll) {
      const to: (Accumulator | null)[] = [];
      const second: [Node, Tensor][] = []; // a node that is two inputs gets two accumulators: never two writers to one
      parents.forEach((parent, i) => {
        if (!parent) to.push(null);
        else if (parents.indexOf(parent) === i) {
          const name = consume ? form.becomes?.[i] : undefined;
          to.push(slots.accumulator(parent, name === undefined ? undefined : rule.saved[name]));
        } else {
          const extra = new Tensor(empty(parent.shape, parent.dtype));
          second.push([parent, extra]);
          to.push({ into: extra.array, beta: 0 });
        }
      });
      form.pullAll(Object.assign(arraysOf(kept), rule.saved), dy.array, to, attrs);
      for (const [parent, extra] of second) slots.give(form.name, parent, extra, scope);
    } else if (!createGraph && form.pullInto) {
      const pullInto = form.pullInto(arraysOf(kept), attrs);
      parents.forEach((parent, i) => {
        if (!parent) return;
        const { into, beta } = slots.accumulator(parent);
        pullInto(dy.array, i, into, beta);
      });
    } else if (form.composed) {
      pullBackComposed(rule, dy, parents, (parent, dx) => slots.give(form.name, parent, dx, scope));
    } else {
      const pull = form.pull!(kept, attrs);
      parents.forEach((parent, i) => parent && slots.give(form.name, parent, pull(dy, i), scope));
    }
  } finally {
    if (scope) closeScope(scope, `was a temporary of ${form.name}'s rule`);
  }
}

/** Differentiates a fused op's definition, up to copies of its inputs: not past them, where the walk goes on. */
function pullBackComposed(
  { form, attrs, kept }: Rule,
  dy: Tensor,
  parents: readonly (Node | null)[],
  give: (parent: Node, dx: Tensor) => void,
): void {
  const record = (x: Tensor): Tensor => (x.node ? identity({ x }, {}) : x);
  const { inputs, value } = within("grad", { recording: true }, () => form.composed!(kept!, attrs, record));
  if (!value.node) return; // it depends on none of them
  const needed = parents.flatMap((parent, i) => (parent ? [{ parent, input: inputs[i]! }] : []));
  const options: WalkOptions = { cotangent: dy, createGraph: true, unreached: "zero", consume: false };
  const gradients = walk(
    value,
    needed.map(({ input }) => input),
    options,
  );
  needed.forEach(({ parent }, i) => give(parent, gradients[i]!));
}

function arraysOf(kept: Kept): Kept {
  const arrays: Record<string, unknown> = {};
  for (const name in kept) {
    const value = kept[name];
    if (name === "shapes") arrays[name] = value;
    else arrays[name] = Array.isArray(value) ? value.map((x: Tensor) => x.array) : (value as Tensor).array;
  }
  return arrays;
}

function useUp(rule: Rule): void {
  for (const storage of rule.own) if (storage.holds === 0) release(storage, "was saved for a rule that has run");
  rule.kept = null;
  rule.saved = {};
}

/** One slot for each node on the way, and who owns what is in it. */
class Slots {
  readonly scope: Scope;
  readonly #createGraph: boolean;
  readonly #slots = new Map<Node, Slot>();

  constructor(scope: Scope, createGraph: boolean) {
    this.scope = scope;
    this.#createGraph = createGraph;
  }

  get(node: Node): Slot | undefined {
    return this.#slots.get(node);
  }

  set(node: Node, value: Tensor, owns: boolean): void {
    if (!this.#createGraph) value.array.storage.holds++;
    this.#slots.set(node, { value, owns });
  }

  /** Adds a contribution that a rule returned: the first is borrowed, the second makes an accumulator. */
  give(op: string, node: Node, value: Tensor, ruleScope: Scope | null): void {
    checkAlive(op, "gradient", value);
    if (!k.sameShape(value.shape, node.shape) || value.dtype !== node.dtype) {
      const want = `${node.dtype}[${node.shape.join(",")}], as the input`;
      const problem = `its rule returned a gradient that does not fit "${node.name || node.op}"`;
      throw new GradError(op, problem, { gradient: value }, want);
    }
    const slot = this.#slots.get(node);
    if (this.#createGraph) {
      this.set(node, slot ? add(slot.value, value) : value, false);
    } else if (!slot) {
      if (ruleScope) adopt(value.array.storage, ruleScope, this.scope);
      this.set(node, value, false);
    } else if (slot.owns) {
      k.addInto(slot.value.array, value.array);
    } else {
      const sum = empty(node.shape, node.dtype, this.scope);
      k.addTo(sum, slot.value.array, value.array);
      this.set(node, new Tensor(sum), true);
      this.#release(slot.value.array.storage);
    }
  }

  /** Where a rule may write a contribution itself: for the first one, over `spare` if there is one. */
  accumulator(node: Node, spare?: NdArray): Accumulator {
    const slot = this.#slots.get(node);
    if (slot?.owns) return { into: slot.value.array, beta: 1 };
    if (!slot && spare) {
      adopt(spare.storage, spare.storage.scope, this.scope);
      this.set(node, new Tensor(spare), true);
      return { into: spare, beta: 0 };
    }
    const into = empty(node.shape, node.dtype, this.scope);
    this.set(node, new Tensor(into), true);
    if (!slot) return { into, beta: 0 };
    k.copyInto(into, 0, slot.value.array);
    this.#release(slot.value.array.storage);
    return { into, beta: 1 };
  }

  drop(node: Node): void {
    const slot = this.#slots.get(node);
    if (!slot || this.#createGraph) return;
    this.#slots.delete(node);
    this.#release(slot.value.array.storage);
  }

  #release(storage: Storage): void {
    if (--storage.holds === 0 && storage.scope === this.scope) release(storage, "was a spent cotangent");
  }

  /** The gradients asked for. No two share a storage, nor does one with anything that user code has seen. */
  handOut(inputs: readonly Tensor[], unreached: "throw" | "zero", outer: Scope | null): Tensor[] {
    return inputs.map((x, i) => {
      const slot = this.#slots.get(x.node!);
      if (!slot) {
        if (unreached === "throw") throw notReached(x, i);
        const zero = empty(x.shape, x.dtype, outer);
        k.fillInto(zero, 0);
        return new Tensor(zero);
      }
      const { storage } = slot.value.array;
      if (storage.scope === this.scope) {
        adopt(storage, this.scope, outer); // once: a second input that holds it gets a copy
        return slot.value;
      }
      if (this.#createGraph) return identity({ x: slot.value }, {});
      const gradient = empty(x.shape, x.dtype, outer);
      k.copyInto(gradient, 0, slot.value.array);
      return new Tensor(gradient);
    });
  }

  letGo(): void {
    if (this.#createGraph) return;
    for (const { value } of this.#slots.values()) value.array.storage.holds--;
  }
}

function notReached(x: Tensor, i: number): GradError {
  const got = { [x.name ? `input "${x.name}"` : `inputs[${i}]`]: x };
  const want = 'an input that the output was computed from, as an argument and not by closure, or unreached: "zero"';
  return new GradError("grad", "an input was not reached from the output", got, want);
}
