/** ONNX models as bytes: the few messages of its protobuf schema that the bench needs, by their field numbers. */
type Field = readonly [number: number, value: number | string | Uint8Array];

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function varint(value: number): number[] {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

function message(...fields: readonly Field[]): Uint8Array {
  const parts = fields.flatMap(([number, value]) => {
    if (typeof value === "number") return [...varint(number * 8), ...varint(value)];
    const bytes = typeof value === "string" ? bytesOf(value) : value;
    return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
  });
  return Uint8Array.from(parts);
}

const FLOAT = 1;
const INT32 = 6;
const [INT_ATTRIBUTE, INT_TYPE] = [3, 2];

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, number>>;
}
export interface OnnxValue {
  readonly shape: readonly number[];
  readonly int?: boolean;
}

const nodeOf = ({ op, inputs, output, attributes = {} }: OnnxNode): Uint8Array =>
  message(
    ...inputs.map((name): Field => [1, name]),
    [2, output],
    [4, op],
    ...Object.entries(attributes).map(([name, value]): Field => {
      return [5, message([1, name], [INT_ATTRIBUTE, value], [20, INT_TYPE])];
    }),
  );

function valueOf(name: string, { shape, int = false }: OnnxValue): Uint8Array {
  const dims = message(...shape.map((size): Field => [1, message([1, size])]));
  return message([1, name], [2, message([1, message([1, int ? INT32 : FLOAT], [2, dims])])]);
}

/** A model of opset 18. */
export function onnxModel(
  nodes: readonly OnnxNode[],
  inputs: Readonly<Record<string, OnnxValue>>,
  outputs: Readonly<Record<string, OnnxValue>>,
): Uint8Array {
  const graph = message(
    ...nodes.map((node): Field => [1, nodeOf(node)]),
    [2, "bench"],
    ...Object.entries(inputs).map(([name, value]): Field => [11, valueOf(name, value)]),
    ...Object.entries(outputs).map(([name, value]): Field => [12, valueOf(name, value)]),
  );
  return message([1, 8], [7, graph], [8, message([2, 18])]);
}
