// The job of a round that threads share: one record in the arena, read by every thread of it (TypeScript side:
// engines/shared/job.ts, which must name the same places). Every kernel of these files is called as
// kernel(job, rank), rank in [0, workers).

// @ts-ignore: decorator
@inline
export function jobLoss(job: usize): i32 {
  return load<i32>(job);
}
// @ts-ignore: decorator
@inline
export function jobRows(job: usize): usize {
  return <usize>load<u32>(job, 4);
}
// @ts-ignore: decorator
@inline
export function jobCount(job: usize): u32 {
  return load<u32>(job, 8);
}
// @ts-ignore: decorator
@inline
export function jobWorkers(job: usize): u32 {
  return load<u32>(job, 12);
}
// @ts-ignore: decorator
@inline
export function jobThreshold(job: usize): f32 {
  return load<f32>(job, 16);
}
/** The shared vector, or the first replica. */
// @ts-ignore: decorator
@inline
export function jobVector(job: usize): usize {
  return <usize>load<u32>(job, 20);
}
/** Bytes from one replica to the next. */
// @ts-ignore: decorator
@inline
export function jobReplicaBytes(job: usize): usize {
  return <usize>load<u32>(job, 24);
}
// @ts-ignore: decorator
@inline
export function jobWidth(job: usize): u32 {
  return load<u32>(job, 28);
}
/** T before the first row of the job. */
// @ts-ignore: decorator
@inline
export function jobT(job: usize): f64 {
  return load<f64>(job, 32);
}
/** t0 of the closed form, or 0: then scale and coefficient come from tables, one entry a row. */
// @ts-ignore: decorator
@inline
export function jobT0(job: usize): f64 {
  return load<f64>(job, 40);
}
// @ts-ignore: decorator
@inline
export function jobCoefficient(job: usize): f64 {
  return load<f64>(job, 48);
}
// @ts-ignore: decorator
@inline
export function jobScaleTable(job: usize): usize {
  return <usize>load<u32>(job, 56);
}
// @ts-ignore: decorator
@inline
export function jobCoefficientTable(job: usize): usize {
  return <usize>load<u32>(job, 60);
}
/** How far T advances a row of one's own. */
// @ts-ignore: decorator
@inline
export function jobStride(job: usize): f64 {
  return load<f64>(job, 64);
}
/** A cell of 64 bytes a thread: rows learned in this job, rows watched for collisions, collisions. */
// @ts-ignore: decorator
@inline
export function jobCells(job: usize): usize {
  return <usize>load<u32>(job, 72);
}
/** The counter from which threads claim chunks of rows. */
// @ts-ignore: decorator
@inline
export function jobClaim(job: usize): usize {
  return <usize>load<u32>(job, 76);
}
/** Rows of a claim. */
// @ts-ignore: decorator
@inline
export function jobChunk(job: usize): u32 {
  return load<u32>(job, 80);
}
/** One lock, one a coordinate, or the number of the row whose turn it is. */
// @ts-ignore: decorator
@inline
export function jobLocks(job: usize): usize {
  return <usize>load<u32>(job, 84);
}
// @ts-ignore: decorator
@inline
export function jobLocksEach(job: usize): bool {
  return load<u32>(job, 88) != 0;
}
/** n/d_u of every coordinate (f32), for the decay of touched coordinates. */
// @ts-ignore: decorator
@inline
export function jobRarity(job: usize): usize {
  return <usize>load<u32>(job, 92);
}
/** WATCHED_MAX values of f32 a thread. */
// @ts-ignore: decorator
@inline
export function jobScratch(job: usize): usize {
  return <usize>load<u32>(job, 96);
}
/** Shares of the replicas in their merge, f64 each. */
// @ts-ignore: decorator
@inline
export function jobShares(job: usize): usize {
  return <usize>load<u32>(job, 100);
}
/** What all replicas held after the last merge, where updates are summed; else 0. */
// @ts-ignore: decorator
@inline
export function jobBase(job: usize): usize {
  return <usize>load<u32>(job, 104);
}
/** Where a row's dual and norm lie: u32 a row of the list. */
// @ts-ignore: decorator
@inline
export function jobPositions(job: usize): usize {
  return <usize>load<u32>(job, 108);
}
// @ts-ignore: decorator
@inline
export function jobNorms(job: usize): usize {
  return <usize>load<u32>(job, 112);
}
// @ts-ignore: decorator
@inline
export function jobDual(job: usize): usize {
  return <usize>load<u32>(job, 116);
}
/** l2, or l2 * rows for dual ascent. */
// @ts-ignore: decorator
@inline
export function jobLambda(job: usize): f64 {
  return load<f64>(job, 120);
}

/** Replicas to merge: not the number of threads where one thread merges alone. */
// @ts-ignore: decorator
@inline
export function jobReplicas(job: usize): u32 {
  return load<u32>(job, 128);
}

/** Two f64 a chunk of rows: the sum of their losses, and their errors. */
// @ts-ignore: decorator
@inline
export function jobSums(job: usize): usize {
  return <usize>load<u32>(job, 132);
}
/** w = scale * v of weights that are judged. */
// @ts-ignore: decorator
@inline
export function jobScale(job: usize): f64 {
  return load<f64>(job, 136);
}
/** How often a replica's own steps count, by coordinate (f32), where merges are anticipated; else 0. */
// @ts-ignore: decorator
@inline
export function jobSteps(job: usize): usize {
  return <usize>load<u32>(job, 144);
}

/** w = scale * v before the row at which T is t, `at` rows after the first of the job's tables. */
// @ts-ignore: decorator
@inline
export function scaleAt(t0: f64, table: usize, t: f64, at: u32): f64 {
  return t0 > 0.0 ? t0 / (t0 + t) : load<f64>(table + (<usize>at << 3));
}

// @ts-ignore: decorator
@inline
export function coefficientAt(t0: f64, constant: f64, table: usize, at: u32): f64 {
  return t0 > 0.0 ? constant : load<f64>(table + (<usize>at << 3));
}

/** First row of a thread's part where `count` rows are cut into parts that differ by one row at most. */
// @ts-ignore: decorator
@inline
export function partStart(count: u32, rank: u32, workers: u32): u32 {
  return <u32>((<u64>count * <u64>rank) / <u64>workers);
}
