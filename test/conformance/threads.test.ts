import { runThreads } from "../../src/engines/threads/threads.ts";
import { describeEngine } from "./suite.ts";

describeEngine("threads", runThreads);
