/** Settings of the processes of a cluster: where they listen, where they join, and what they show. */
import { readNumber, readRange } from "./grammar.ts";
import { grammar, scalar, text } from "./setting-fields.ts";

/** Settings that only the commands of a cluster have. */
export const clusterShape = {
  join: text(null).meta({
    group: "cluster",
    syntax: "HOST:PORT",
    description: "the coordinator: a worker needs nothing else",
  }),
  listen: text(null).meta({
    group: "cluster",
    syntax: "HOST:PORT",
    defaultText: "coordinator: 0.0.0.0:7650, workers: a free port",
    description: "where to listen; port 0 is a free one",
  }),
  advertise: text(null).meta({
    group: "cluster",
    syntax: "HOST[:PORT]",
    defaultText: "the address the coordinator sees",
    description: "where others reach this member",
  }),
  portRange: grammar<{ readonly low: number; readonly high: number } | null>(null, (input) =>
    readRange(scalar(input as string), { min: 1, max: 65535, integer: true }),
  ).meta({
    group: "cluster",
    syntax: "LOW:HIGH",
    description: "listen at a free port of these",
  }),
  token: text(null).meta({
    group: "cluster",
    syntax: "WORD",
    defaultText: "made up and printed by the coordinator",
    description: "who may join, ask and stop; better given by GLISSADE_TOKEN",
  }),
  rank: grammar<number | null>(null, (input) =>
    readNumber(scalar(input as string), { min: 0, max: 65535, integer: true }),
  ).meta({
    group: "cluster",
    syntax: "N",
    defaultText: "the next free seat",
    description: "the seat to ask for; a wish, no right",
  }),
};
