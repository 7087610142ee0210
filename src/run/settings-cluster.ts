/** Settings of the processes of a cluster: where they listen, where they join, and what they show. */
import { readTargets } from "../engines/cluster/targets.ts";
import { quote, readNumber, readRange, readTime } from "./grammar.ts";
import { readHosts } from "./hosts.ts";
import { grammar, scalar, text } from "./setting-fields.ts";

function hostList(input: unknown): readonly string[] {
  const items = Array.isArray(input)
    ? input.map(String)
    : String(scalar(input as string)).split(",");
  const trimmed = items.map((item) => item.trim());
  readHosts(trimmed);
  return trimmed;
}

function readListen(text: string): string {
  const port = Number(/^(?:\[[0-9a-fA-F:.%\w]+\]|[^:[\]\s]+):(\d+)$/.exec(text)?.[1] ?? Number.NaN);
  if (port <= 65535) return text;
  throw new RangeError(`expected HOST:PORT such as 127.0.0.1:7650, found ${quote(text)}`);
}

/** Settings that only the commands of a cluster have. */
export const clusterShape = {
  join: grammar<string | null, string>(null, (input) => {
    const join = String(scalar(input));
    readTargets(join);
    return join;
  }).meta({
    group: "cluster",
    syntax: "[dns:]HOST:PORT",
    description:
      "the coordinator: a worker needs nothing else; with dns: all addresses of the name are tried; several with commas",
  }),
  listen: grammar<string | null, string>(null, (input) => readListen(String(scalar(input)))).meta({
    group: "cluster",
    syntax: "HOST:PORT",
    defaultText:
      "port 7650 for a coordinator, else a free one; of all addresses with TLS, else of loopback",
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
  rank: grammar<number | null>(null, (input) =>
    readNumber(scalar(input as string), { min: 0, max: 65535, integer: true }),
  ).meta({
    group: "cluster",
    syntax: "N",
    defaultText: "the next free seat",
    description: "the seat to ask for; a wish, no right",
  }),
  interface: text(null).meta({
    group: "cluster",
    syntax: "NAME",
    defaultText: "all",
    description:
      "listen at the address of this network interface only, and tell others that address",
  }),
  orphanLimit: grammar<number>(3600, (input) => readTime(scalar(input as string))).meta({
    group: "cluster",
    syntax: "TIME",
    defaultText: "1h",
    description: "members learn on for so long without a coordinator, then save the model and end",
  }),
  startLimit: grammar<number | "auto">("auto", (input) =>
    input === "auto" ? input : readNumber(scalar(input as string), { min: 1, integer: true }),
  ).meta({
    group: "cluster",
    syntax: "N",
    defaultText: "one for each core, at least 4",
    description: "scale starts so many workers on this machine at most",
  }),
  hosts: grammar<readonly string[] | null, string | readonly string[]>(null, hostList).meta({
    group: "cluster",
    syntax: "HOST:N,...",
    description: "start so many workers at each of these hosts, over ssh",
  }),
  ssh: text("ssh").meta({
    group: "cluster",
    syntax: "COMMAND",
    description: "how hosts are reached, with options: ssh -p 2222",
  }),
  remoteCredentials: text(null).meta({
    group: "cluster",
    syntax: "FOLDER",
    description: "where hosts have their copy of secrets/work, from the home folder of who logs in",
  }),
  remoteCommand: text("glissade").meta({
    group: "cluster",
    syntax: "COMMAND",
    description: "what glissade is called at the hosts: npx glissade",
  }),
};
