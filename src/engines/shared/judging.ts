/**
 * Judging by all threads of a pool: chunks of rows are claimed by whoever is free, each chunk's sums have a place of
 * their own, and they are added in order. Invariant: the same bits as one thread's judgement.
 */
import type { LearnContext, LossSums, SumTogether } from "../../learner/context.ts";
import type { RowList } from "../../learner/rows.ts";
import { judgeChunkRows } from "../../learner/sgd.ts";
import { createJob, type Job } from "./job.ts";
import type { ThreadPool } from "./pool.ts";

/** Fewer rows are judged before another thread is awake. */
const togetherRowsMin = 8 * judgeChunkRows;

export function createSumTogether(pool: ThreadPool): SumTogether {
  let room: { job: Job; sums: Float64Array } | null = null;
  return (context, { address, scale }, list) => {
    if (list.count < togetherRowsMin || !pool.isReady) return null;
    const chunks = Math.ceil(list.count / judgeChunkRows);
    room = roomFor(context, pool, room, chunks);
    const { job, sums } = room;
    fillJob(job, context, list);
    job.set("vector", address);
    job.set("scale", scale);
    job.set("sums", sums.byteOffset);
    job.reclaim();
    pool.run("judgeRows", job.address);
    return addUp(sums, chunks);
  };
}

function roomFor(
  context: LearnContext,
  pool: ThreadPool,
  room: { job: Job; sums: Float64Array } | null,
  chunks: number,
) {
  if (room && room.sums.length >= 2 * chunks) return room;
  const { arena } = context;
  if (room) arena.release(room.sums.byteOffset, room.sums.byteLength);
  const job = room?.job ?? createJob(context, pool.workers);
  return { job, sums: arena.allocateF64(2 * chunks) };
}

function fillJob(job: Job, { loss, threshold }: LearnContext, { address, count }: RowList): void {
  job.set("loss", loss.code);
  job.set("threshold", threshold);
  job.set("rows", address);
  job.set("count", count);
  job.set("chunk", judgeChunkRows);
}

function addUp(sums: Float64Array, chunks: number): LossSums {
  let [loss, errors] = [0, 0];
  for (let k = 0; k < chunks; k++) {
    loss += sums[2 * k]!;
    errors += sums[2 * k + 1]!;
  }
  return { loss, errors };
}
