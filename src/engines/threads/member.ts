/** The entry of a member's thread: makes its task, waits for the others, runs, and hands out its result. */
import { parentPort, workerData } from "node:worker_threads";
import { loadStrategy } from "../strategy-source.ts";
import { createTask } from "../task-spec.ts";
import { awaitStart } from "./control.ts";
import type { MemberJob, MemberMessage } from "./job.ts";
import { createMember, runMember } from "./member-loop.ts";

const job = workerData as MemberJob;
const tell = (message: MemberMessage) => parentPort!.postMessage(message);
const strategy = await loadStrategy(job.strategy);
const member = createMember(job, strategy, createTask(job.task), tell);
tell({ kind: "ready", rank: job.rank });
awaitStart(member.control);
tell({ kind: "done", rank: job.rank, ...runMember(member) });
