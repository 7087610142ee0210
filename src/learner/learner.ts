/**
 * The ports between an engine and what is learned: a task makes replicas and learners, a learner learns
 * rows. The kernels are one body of it, the reference learner and the quadratic task are others.
 */

import type { Concurrency } from "../math/anticipation.ts";
import type { Model, Replica } from "../math/replica.ts";
import type { KeyRange, Update } from "../math/update.ts";
import type { RowSpan } from "./cursor.ts";

/** How rows are learned. */
export interface LearnOptions {
  /** `local`: sequential SGD on a private copy; `gradient`: one step with the gradient of all rows. */
  readonly mode: "local" | "gradient";
  /** How far T advances per own row inside a local run: the number of workers under sum merging, else 1. */
  readonly stride: number;
  /** `local`: whose steps the own ones count for too, on the private copy, where T then has a stride of its own. */
  readonly anticipate?: Concurrency | undefined;
}

/** One worker's rows. The order of an epoch is a function of (seed, epoch, owned rows). */
export interface Learner {
  /** Rows owned. */
  readonly rows: number;
  /** What those rows add to the replica's model; the replica itself stays as it is. */
  learn(replica: Replica, span: RowSpan, options: LearnOptions): Update;
  /** Does before the first update what that would have to do first; changes no result. */
  prepare?(options: LearnOptions): void;
  /** Gives back what it holds beside the rows; it learns no more. */
  release?(): void;
}

/** One worker's column range of all rows, for strategies that own columns. */
export interface ColumnLearner {
  /** Rows of an epoch: all of them. The order of an epoch is the same at every worker. */
  readonly rows: number;
  /** Per row the part of w.x that the replica's columns give. */
  predict(replica: Replica, span: RowSpan): Float32Array;
  /** What the slopes at these margins of the same rows add to the replica's columns. */
  adjust(replica: Replica, span: RowSpan, margins: Float32Array): Update;
}

/** A worker's place among the workers. */
export interface LearnerSeat {
  readonly rank: number;
  readonly workers: number;
  readonly seed: number;
  /** Segments of rows that are its own (segments.ts), ascending; without it those that are dealt out first. */
  readonly segments?: readonly number[];
}

/** How good a model is. */
export interface Evaluation {
  /** What training minimises, over all rows. */
  readonly objective: number;
  /** Unregularised mean loss on validation rows, where the task has them. */
  readonly loss: number;
  /** Share of validation rows classified right; NaN for tasks that classify nothing. */
  readonly accuracy: number;
}

/** Something to learn, by any number of workers. */
export interface Task {
  readonly name: string;
  /** Length of v. */
  readonly width: number;
  /** Rows of an epoch, over all workers. */
  readonly rows: number;
  /** A replica of zeros of that width (a server's is narrower than the task's). */
  createReplica(width: number): Replica;
  createLearner(seat: LearnerSeat): Learner;
  /** Non-zeros of the training rows by column, where the task knows: what dealing out columns goes by. */
  columnLoads?(): Uint32Array;
  /** Tasks whose rows can be cut by columns. */
  createColumnLearner?(seat: LearnerSeat & { readonly range: KeyRange }): ColumnLearner;
  /** Judges a model in v-space; called outside of the training path. */
  evaluate(model: Model): Evaluation;
}
