/** A member's side of rows: what it fetched, what of it it owns, and the task over it. */
import { rowsFault, viewBlock } from "../../data/block.ts";
import { Arena } from "../../kernels/arena.ts";
import { loadKernels } from "../../kernels/loader.ts";
import { createStepsCounted } from "../../learner/anticipation.ts";
import { createContext } from "../../learner/context.ts";
import { createPartsLearner } from "../../learner/kernel-task.ts";
import type { Learner, LearnerSeat, Task } from "../../learner/learner.ts";
import type { BlockRows } from "../../learner/rows.ts";
import { segmentRuns } from "../../learner/segments.ts";
import { createUpdateRoom } from "../../learner/update.ts";
import { replicaOver } from "../../math/replica.ts";
import { createSchedule } from "../../model/schedule.ts";
import type { RemoteRowsSpec } from "./job.ts";
import { copyRows, type SegmentRows } from "./row-parts.ts";

interface HeldPart {
  readonly source: number;
  readonly address: number;
  /** Segment of each row of the block; `noSegment` for one that another part has. */
  readonly segmentOf: Uint32Array;
}

const noSegment = 0xffff_ffff;

/** Rows a member holds, and learners over those it owns. */
export interface RemoteRows {
  readonly task: Task;
  /** Takes one answer: all rows of its segments. What is held already is left out. */
  add(parts: readonly SegmentRows[]): void;
  /** Segments held, whether owned or not; those without rows always are. */
  readonly segments: ReadonlySet<number>;
  /** The rows of these segments, as far as they are held, for another member. */
  parts(wanted: ReadonlySet<number>): Iterable<SegmentRows>;
  /** A learner over the rows of these segments. */
  createLearner(seat: LearnerSeat, owned: ReadonlySet<number>): Learner;
}

/** No rows yet; `owned` are the segments of the task's own learners. */
export function createRemoteRows(spec: RemoteRowsSpec, owned: ReadonlySet<number>): RemoteRows {
  const arena = new Arena();
  const context = createContext(arena, loadKernels(arena), spec);
  const schedule = createSchedule(spec.schedule);
  const room = createUpdateRoom(context, spec.width);
  const scaleAt = (rows: number) => Math.exp(schedule.logScale(rows));
  const steps = createStepsCounted(arena, () => sharesIn(spec));
  const held: HeldPart[] = [];
  const segments = emptySegments(spec);
  const createLearner = (seat: LearnerSeat, own: ReadonlySet<number>) => {
    const parts = ownedRows(arena, held, own);
    return createPartsLearner({ context, schedule, room, steps, shape: spec.shape }, parts, seat);
  };
  return {
    segments,
    add(parts) {
      const before = new Set(segments);
      const fresh = parts.filter(({ segment }) => segment.some((number) => !before.has(number)));
      held.push(...fresh.map((part) => heldPart(arena, part, { width: spec.width, before })));
      for (const { segment } of fresh) for (const number of segment) segments.add(number);
    },
    parts: (wanted) => heldParts(arena, held, wanted),
    createLearner,
    task: {
      name: "rows",
      width: spec.width,
      rows: spec.rows,
      createReplica: (width) => replicaOver(arena.allocateF32(width).fill(0), scaleAt),
      createLearner: (seat) => createLearner(seat, owned),
      evaluate() {
        throw new Error("A member judges no models: the coordinator does");
      },
    },
  };
}

/** Nobody ever sends anything of those. */
function emptySegments({ rows, segments }: RemoteRowsSpec): Set<number> {
  const empty = new Set(Array.from({ length: segments }, (_, segment) => segment));
  const runs = segmentRuns({ first: 0, count: rows, total: rows, segments });
  for (const { segment } of runs) empty.delete(segment);
  return empty;
}

/** A copy of the part in the arena. @throws RangeError when its rows are none that can be learned. */
function heldPart(
  arena: Arena,
  { source, block, segment, rows }: SegmentRows,
  { width, before }: { width: number; before: ReadonlySet<number> },
): HeldPart {
  const address = arena.allocate(block.byteLength);
  arena.bytesAt(address, block.byteLength).set(block);
  const view = viewBlock(arena.buffer, address);
  const fault = view.width > width ? "more columns than the model" : rowsFault(view);
  if (fault !== null) throw new RangeError(`Cannot learn block ${source} as it has ${fault}`);
  const segmentOf = new Uint32Array(view.rows);
  let at = 0;
  segment.forEach((number, k) => {
    segmentOf.fill(before.has(number) ? noSegment : number, at, at + rows[k]!);
    at += rows[k]!;
  });
  return { source, address, segmentOf };
}

/** Every member counts on the same shares, whichever rows it holds. */
function sharesIn({ featureShares, width }: RemoteRowsSpec): Float32Array {
  const bytes = Buffer.from(featureShares, "base64");
  if (bytes.byteLength !== 4 * width) {
    throw new Error(`The job has shares of ${bytes.byteLength / 4} of ${width} features`);
  }
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

function* heldParts(
  arena: Arena,
  held: readonly HeldPart[],
  wanted: ReadonlySet<number>,
): Generator<SegmentRows> {
  for (const { source, address, segmentOf } of held) {
    const chosen = [...segmentOf.keys()].filter((row) => wanted.has(segmentOf[row]!));
    if (chosen.length === 0) continue;
    const [segment, rows]: [number[], number[]] = [[], []];
    for (const row of chosen) {
      if (segment.at(-1) === segmentOf[row]) rows[rows.length - 1]!++;
      else {
        segment.push(segmentOf[row]!);
        rows.push(1);
      }
    }
    yield { source, block: copyRows(viewBlock(arena.buffer, address), chosen), segment, rows };
  }
}

/** In the order of the source, so that the order of rows is that of every other engine. */
function ownedRows(
  arena: Arena,
  held: readonly HeldPart[],
  owned: ReadonlySet<number>,
): BlockRows[] {
  return held
    .toSorted((a, b) => a.source - b.source)
    .map(({ address, segmentOf }) => {
      const rows = Uint32Array.from(segmentOf.keys()).filter((row) => owned.has(segmentOf[row]!));
      return { block: viewBlock(arena.buffer, address), rows };
    })
    .filter(({ rows }) => rows.length > 0);
}
