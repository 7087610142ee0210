/** The entry of a thread of members: makes their task, waits for the others, runs, and hands out their results. */
import { parentPort, workerData } from "node:worker_threads";
import { loadStrategy } from "../strategy-source.ts";
import { createTask } from "../task-spec.ts";
import { awaitStart } from "./control.ts";
import type { MemberMessage, ThreadJob } from "./job.ts";
import { createThread, runThread } from "./member-loop.ts";

const job = workerData as ThreadJob;
const tell = (message: MemberMessage) => parentPort!.postMessage(message);
const strategy = await loadStrategy(job.strategy);
const thread = createThread(job, strategy, createTask(job.task), tell);
tell({ kind: "ready" });
awaitStart(thread.control);
runThread(thread);
