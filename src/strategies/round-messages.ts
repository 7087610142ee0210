/** What members of rounds send each other. */
import { count, type FieldShape, type MessageShapes, modelRows } from "../wire/shape.ts";
import type { Part } from "./reduction.ts";
import type { MessageBody } from "./strategy.ts";

/** The sender completed round `completed`; -1: it has no model. */
export interface Status extends MessageBody {
  readonly kind: "status";
  readonly view: number;
  readonly completed: number;
}

/** The result of round `round`. */
export interface Merged extends MessageBody {
  readonly kind: "merged";
  readonly view: number;
  readonly round: number;
  readonly rows: number;
  readonly values: Float32Array;
}

/** The model after round `round`, for a newcomer; and that round's result, should others ask it. */
export interface RoundCopy extends MessageBody {
  readonly kind: "round-copy";
  readonly view: number;
  readonly round: number;
  readonly rows: number;
  readonly values: Float32Array;
  readonly lastRows: number;
  readonly last: Float32Array;
  /** The last rounds that lives which are gone had a part in, as (rank, incarnation, round) in a row. */
  readonly departed: Int32Array;
}

export type RoundMessage = Part | Status | Merged | RoundCopy;

/** What messages of rounds look like whose results are such vectors, and whose newcomers get such a model. */
export function roundShapes(result: FieldShape, model: FieldShape): MessageShapes {
  const place = { view: count, round: count };
  // Of a part the length follows from the ring or tree: reduction.ts looks at it when its turn comes.
  const values = { type: "values", length: "any" } as const;
  const squares = { type: "measure" } as const;
  const part = { fields: { ...place, step: count, values, rows: modelRows, squares } };
  return {
    ...{ reduce: part, gather: part },
    status: { fields: { view: count, completed: { type: "count", least: -1 } } },
    merged: { fields: { ...place, rows: modelRows, values: result } },
    "round-copy": {
      fields: {
        ...{ ...place, rows: modelRows, values: model, lastRows: modelRows, last: result },
        departed: { type: "records", each: 3, ranks: "members" },
      },
    },
  };
}
