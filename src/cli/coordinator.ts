/** `glissade coordinator`: the run of `glissade train --engine cluster`, whose members join from anywhere. */

import { strategiesOfCluster } from "../run/strategy-names.ts";
import type { CommandDefinition } from "./command.ts";
import { trainCommand, trainFromFiles } from "./train.ts";

/** Settings of runs that start their members by themselves, and of threads that share a model. */
const ofOtherRuns: readonly string[] = [
  ...["engine", "hosts", "ssh", "remoteCommand", "remoteCredentials", "lock", "decay"],
];

export const coordinatorCommand: CommandDefinition = {
  ...trainCommand,
  name: "coordinator",
  description:
    "Coordinate a run whose members join from anywhere: reads the rows, waits for the members, hands out rows, judges, saves. Prints how to join.",
  settings: trainCommand.settings.filter((name) => !ofOtherRuns.includes(name)),
  wordings: {
    strategy: `how workers agree: auto (bsp), ${strategiesOfCluster.join(", ")}, or ./mine.ts`,
    solver: "members learn by sgd",
  },
  examples: [
    "glissade coordinator news.svm.gz --strategy ssp --workers 4",
    "glissade coordinator news.svm --workers 16 --listen 0.0.0.0:7650 --credentials secrets/admin",
  ],
  run: (context) =>
    trainFromFiles(
      { ...context, settings: { ...context.settings, engine: "cluster", hosts: null } },
      { waitsForMembers: true },
    ),
};
