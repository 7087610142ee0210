/**
 * Loaded into glissade before it starts (`NODE_OPTIONS=--import`): sends a signal once glissade has said a word so
 * often, to itself, to processes that it started, or to all of them. From outside the signal would come too late on
 * a machine that is busy or quick.
 */
import { readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const {
  SIGNAL_NAME: name,
  SIGNAL_WORD: word,
  SIGNAL_TIMES: times,
  SIGNAL_WHOM: whom,
} = process.env;
const write = process.stderr.write.bind(process.stderr);
let left = Number(times);

/** Processes that this one started. */
function children() {
  const { pid } = process;
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.trim().split(" ").filter(Boolean).map(Number);
}

const commandOf = (pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");

function targets() {
  if (whom === "self") return [process.pid];
  if (whom === "all") return [...children(), process.pid];
  return children().filter((pid) => commandOf(pid).includes(whom));
}

if (isMainThread) {
  // Not for those that it starts.
  for (const key of ["NODE_OPTIONS", "SIGNAL_NAME", "SIGNAL_WORD", "SIGNAL_TIMES", "SIGNAL_WHOM"])
    delete process.env[key];
  process.stderr.write = (text, ...rest) => {
    const written = write(text, ...rest);
    const before = left;
    left -= String(text).split(word).length - 1;
    if (before > 0 && left <= 0) for (const pid of targets()) process.kill(pid, name);
    return written;
  };
}
