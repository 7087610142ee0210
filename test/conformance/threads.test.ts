import { runThreads } from "../../src/engines/threads/threads.ts";
import { describeEngine, rowsMove } from "./suite.ts";

describeEngine("threads", runThreads, {
  skip: [
    {
      case: rowsMove,
      reason: "members are threads of one process, which live and die together: there is one view",
    },
  ],
});
