/**
 * Reads and writes model files in the safetensors format: 8 bytes of header length (little endian), a JSON
 * header, raw tensors. Only what a model needs: f32 tensors and string metadata. Every length and offset of
 * a stranger's file is checked before it is used.
 */
import { type LossName, losses } from "./losses.ts";
import type { LinearModel } from "./model.ts";

const format = "glissade/1";
const headerBytesMax = 100_000_000;

/** The text codec of the platform, which pure code does not have. */
export interface TextCodec {
  encode(text: string): Uint8Array;
  decode(bytes: Uint8Array): string;
}

export interface Tensors {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: Readonly<Record<string, { shape: readonly number[]; data: Float32Array }>>;
}

/** A file that is no safetensors file, or no model of ours; the message says what is wrong with it. */
export class ModelFileError extends Error {
  override readonly name = "ModelFileError";
  readonly code: "not-safetensors" | "not-a-model";
  constructor(code: ModelFileError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

export function encodeTensors({ metadata, tensors }: Tensors, codec: TextCodec): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [offset, offset + 4 * data.length] };
    offset += 4 * data.length;
  }
  let json = JSON.stringify(header);
  let bytes = codec.encode(json);
  // Spaces at the end keep the tensors 8-byte aligned, as the format asks.
  json += " ".repeat((8 - (bytes.length % 8)) % 8);
  bytes = codec.encode(json);
  const file = new Uint8Array(8 + bytes.length + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(bytes.length), true);
  file.set(bytes, 8);
  const view = new DataView(file.buffer, 8 + bytes.length);
  let at = 0;
  for (const { data } of Object.values(tensors)) {
    for (const x of data) {
      view.setFloat32(at, x, true);
      at += 4;
    }
  }
  return file;
}

export function decodeTensors(file: Uint8Array, codec: TextCodec): Tensors {
  const header = readHeader(file, codec);
  const start = 8 + header.length;
  const metadata: Record<string, string> = {};
  const tensors: Record<string, { shape: number[]; data: Float32Array }> = Object.create(null);
  let read = 0;
  for (const [name, entry] of Object.entries(header.json)) {
    if (name === "__metadata__") Object.assign(metadata, checkMetadata(entry));
    else {
      const tensor = readTensor(name, entry, file.subarray(start));
      tensors[name] = tensor;
      // Tensors that lie over each other would make a small file take any amount of memory.
      read += tensor.data.byteLength;
      if (read > file.length - start) refuse("its tensors lie over each other");
    }
  }
  return { metadata, tensors };
}

function readHeader(file: Uint8Array, codec: TextCodec) {
  if (file.length < 8) refuse(`it has ${file.length} bytes, the format needs at least 8`);
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (length > headerBytesMax || 8 + length > file.length) {
    refuse(`its header claims ${length} bytes, the file has ${file.length}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(codec.decode(file.subarray(8, 8 + length)));
  } catch {
    refuse("its header is no JSON");
  }
  if (!isRecord(json)) refuse("its header is no JSON object");
  return { length, json };
}

function checkMetadata(entry: unknown): Record<string, string> {
  if (!isRecord(entry) || Object.values(entry).some((value) => typeof value !== "string")) {
    refuse("its __metadata__ is no map of strings");
  }
  return entry as Record<string, string>;
}

function readTensor(name: string, entry: unknown, body: Uint8Array) {
  if (!isRecord(entry)) refuse(`tensor ${name} has no description`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (dtype !== "F32") refuse(`tensor ${name} has type ${String(dtype)}, expected F32`);
  if (!isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) {
    refuse(`tensor ${name} has no valid shape and offsets`);
  }
  const [from, to] = offsets as [number, number];
  const length = shape.reduce((product, size) => product * size, 1);
  if (from > to || to > body.length || to - from !== 4 * length) {
    refuse(
      `tensor ${name} lies at ${from}..${to} of ${body.length} bytes, its shape needs ${4 * length}`,
    );
  }
  const data = new Float32Array(length);
  const view = new DataView(body.buffer, body.byteOffset + from, to - from);
  for (let k = 0; k < length; k++) data[k] = view.getFloat32(4 * k, true);
  return { shape, data };
}

/** The bytes of a model file. */
export function encodeModel(model: LinearModel, codec: TextCodec): Uint8Array {
  const metadata: Record<string, string> = {
    format,
    loss: model.loss,
    l2: String(model.l2),
    labels: JSON.stringify(model.labels),
    indexBase: String(model.indexBase),
    columns: String(model.weights.length - (model.bias ? 1 : 0)),
    bias: model.bias ? "constant column, last" : "none",
    settings: JSON.stringify(model.settings),
    data: model.data,
    version: model.version,
  };
  if (model.names) metadata.names = JSON.stringify(model.names);
  const weights = { shape: [model.weights.length], data: model.weights };
  return encodeTensors({ metadata, tensors: { weights } }, codec);
}

/**
 * The model in a file's bytes.
 * @throws ModelFileError with the field and what was expected of it.
 */
export function decodeModel(file: Uint8Array, codec: TextCodec): LinearModel {
  const { metadata, tensors } = decodeTensors(file, codec);
  if (metadata.format !== format) {
    refuseModel("format", metadata.format, `"${format}"`);
  }
  const loss = metadata.loss ?? "";
  if (!Object.hasOwn(losses, loss))
    refuseModel("loss", metadata.loss, Object.keys(losses).join(", "));
  const weights = tensors.weights;
  if (weights?.shape.length !== 1) refuseModel("weights", weights?.shape, "one row of weights");
  const indexBase = metadata.indexBase;
  if (indexBase !== "0" && indexBase !== "1") refuseModel("indexBase", indexBase, "0 or 1");
  const bias = metadata.bias !== undefined && metadata.bias !== "none";
  const columns = weights.data.length - (bias ? 1 : 0);
  if (Number(metadata.columns) !== columns)
    refuseModel("columns", metadata.columns, String(columns));
  const l2 = Number(metadata.l2);
  if (!(l2 >= 0)) refuseModel("l2", metadata.l2, "a number >= 0");
  const names = metadata.names === undefined ? undefined : parseNames(metadata.names, columns);
  return {
    weights: weights.data,
    loss: loss as LossName,
    l2,
    labels: parseLabels(metadata.labels),
    indexBase: indexBase === "0" ? 0 : 1,
    bias,
    settings: parseSettings(metadata.settings),
    data: metadata.data ?? "",
    ...(names ? { names } : {}),
    version: metadata.version ?? "",
  };
}

function parseLabels(text: string | undefined): [number, number] | null {
  const labels = parseJson(text ?? "null");
  if (labels === null) return null;
  if (!Array.isArray(labels) || labels.length !== 2 || labels.some((x) => typeof x !== "number")) {
    refuseModel("labels", text, "null or a list of two numbers, negative first");
  }
  return labels as [number, number];
}

function parseNames(text: string, columns: number): string[] {
  const names = parseJson(text);
  if (!Array.isArray(names) || names.length !== columns) {
    refuseModel("names", text.slice(0, 40), `a list of ${columns} names`);
  }
  return names.map(String);
}

function parseSettings(text: string | undefined): Record<string, unknown> {
  const settings = parseJson(text ?? "{}");
  if (!isRecord(settings)) refuseModel("settings", text?.slice(0, 40), "a JSON object");
  return settings;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((x) => Number.isSafeInteger(x) && x >= 0);
}

function refuse(why: string): never {
  throw new ModelFileError("not-safetensors", `This is no safetensors file: ${why}`);
}

function refuseModel(field: string, found: unknown, expected: string): never {
  throw new ModelFileError(
    "not-a-model",
    `This is no glissade model: ${field} is ${JSON.stringify(found) ?? "missing"}, expected ${expected}`,
  );
}
