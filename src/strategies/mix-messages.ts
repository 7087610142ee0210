/** What members of d-psgd send each other. */
import { count, type FieldShape, type MessageShapes, modelRows } from "../wire/shape.ts";
import { type EndingMessage, endingShapes } from "./ending.ts";
import { type Standing, standingShape } from "./formations.ts";

/** A member's weights, for its neighbours' round. */
export interface Share {
  readonly kind: "share";
  readonly round: number;
  readonly rows: number;
  readonly weights: Float32Array;
}

/** A newcomer's model, with which it begins round `round`. */
export interface ModelCopy {
  readonly kind: "model-copy";
  readonly view: number;
  readonly round: number;
  readonly rows: number;
  readonly values: Float32Array;
}

export type MixMessage = Share | ModelCopy | Standing | EndingMessage;

const model: FieldShape = { type: "values", length: "whole" };

export const mixShapes: MessageShapes = {
  ...endingShapes,
  share: { fields: { round: count, rows: modelRows, weights: model } },
  "model-copy": { fields: { view: count, round: count, rows: modelRows, values: model } },
  standing: standingShape,
};
