/** Limits of a cluster, all of them: reaching one is told in words, never passed over. */
import { frameBytesMax } from "../../wire/frame.ts";

/** Version of cluster.proto; processes of different versions refuse each other. */
export const protocolVersion = 1;

/** A message carries one frame of any size, or small ones up to `batchBytesMax`. */
export const messageBytesMax = frameBytesMax + 4096;
/** Small frames that wait together leave in one message: eight in one cost a third of eight alone. */
export const batchBytesMax = 64 * 1024;
/** Frames queued or not yet acknowledged on one link, beyond which the member learns no further. */
export const linkBytesSoftMax = 8 * 2 ** 20;
/** Frames received before they are acknowledged whatever the time. */
export const unacknowledgedFramesMax = 1024;
export const unacknowledgedBytesMax = 2 * 2 ** 20;
export const acknowledgeMsMax = 25;

/** Window of HTTP/2 per stream and connection. */
export const flowControlBytes = 4 * 2 ** 20;
export const keepaliveMs = 5_000;
export const keepaliveTimeoutMs = 3_000;

/** Members of one run. */
export const membersMax = 4096;
/** Workers that may join beyond those a run was planned with: so many, or so many times the plan's if that is more. */
export const spareSeatsMin = 16;
export const spareSeatsPerWorker = 3;
/** A call that needs no work on the other side is answered within this time. */
export const callSecondsMax = 5;
/** Asking for a seat takes a call back, which may take as long as any call: an answer comes within this time. */
export const seatSecondsMax = 3 * callSecondsMax;
/** A silent member whose process may be there, and be slow only, keeps its seat for so long. */
export const seatKeptSeconds = 30;
/** Of so many silent members it is asked at once whether their processes are there. */
export const seatAsksMax = 16;
/** One of several places where a run may be has this long to answer before the others are asked again. */
export const probeSecondsMax = 2;
/** A member dials the coordinator, and reads its rows, for at most this long. */
export const joinSecondsMax = 60;
/** It says that often that it waits. */
export const joinToldSeconds = 10;
/** Members that a run waits for must have joined within this time when the run starts them itself. */
export const launchSecondsMax = 60;
/** ... and within this time when others start them. */
export const gatherSecondsMax = 86_400;
/** A member's wait that lasts longer than this is told as an event. */
export const waitToldSeconds = 1;
/** How often a member tells how far it is. */
export const progressMsMax = 250;
/** A member not heard of for this long is suspected; more where its updates take longer. */
export const silenceSecondsMin = 2;
/** ... namely that many times the longest update. */
export const silencePerUpdate = 4;
/** A member that needs its coordinator and can't reach it tries for this long. */
export const coordinatorSecondsMax = 60;
/** After this time without a coordinator a member learns on by itself, as far as the plan allows. */
export const aloneAfterSeconds = 5;
/** Without a coordinator a member learns on for so long, where the run says nothing else. */
export const orphanSecondsDefault = 3600;
/** Members that learn no further without a coordinator have this long to end in good order. */
export const orphanEndSecondsMax = 60;
/** A snapshot of a later round may take as long as the round does, but no longer than this. */
export const snapshotSecondsMax = 86_400;
/** So long a call for one fails at one member or another, one after the other, before the run is ended. */
export const snapshotFailedSecondsMax = 300;
/** A member that waits for its own next update looks that often whether it still takes part. */
export const snapshotLookSeconds = 1;
/** Members send each other a beat that often; four missing ones make a member suspect. */
export const beatSeconds = 0.5;
/** A member that hears of no quorum, or a newcomer that nobody takes in, gives up after this time. */
export const leaseSeconds = 300;
/** A member that was cut off ends once nobody has listened for so long where the others were. */
export const goneSecondsMin = 15;
/** A stream over which nothing comes for so long, though something was sent, is given up for another. */
export const deafSecondsMax = 8;
/** Up to so many members are connected before a run begins; more when they have something to say. */
export const acquaintedMax = 8;
/** Two streams that are dialled within this time of each other cross. */
export const crossingMsMax = 1_000;
/** The coordinator's state is written at most that often while nobody comes or goes. */
export const stateSecondsMin = 1;
/** A member that has finished and can't be reached is asked for its model for so long. */
export const lastModelSecondsMax = 15;
/** Members find a coordinator that was started again within this time, or count as silent. */
export const returnSeconds = 10;
/** Rows that could not be fetched are asked for again after this time, and in all for so long. */
export const rowsAgainMs = 1_000;
export const rowsSecondsMax = 300;
/** Waiting times between two attempts to reconnect. */
export const reconnectMsMin = 20;
export const reconnectMsMax = 1_000;
/** A member that left, or is out of the view, is dialled that often, should it have last words. */
export const uselessAttemptsMax = 3;
/** A silent member whose host refuses so many calls to it, and it answers none between, has ended. */
export const refusalsMin = 3;
/** A newcomer that could not be dialled back is dialled again after this time. */
export const dialAgainMs = 250;
/** A member whose connection broke has this long to come back. */
export const reconnectSecondsMax = 2;
/** Last words of a coordinator that goes reach its members within this time, or not at all. */
export const settleMsMax = 1_000;
/** Who leaves waits so long for those that stay to have all it sent. */
export const partMsMax = 15_000;
/** Who goes waits so long for others to hear it. */
export const goodbyeMsMax = 250;
/** Local processes are asked to end, and after this time ended. */
export const endSecondsMax = 3;
