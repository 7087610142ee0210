/**
 * Loaded into glissade before it starts (`NODE_OPTIONS=--import`): sends it a signal once it has said a word so
 * often. From outside the signal would come too late on a machine that is busy or quick.
 */
import { isMainThread } from "node:worker_threads";

const { SIGNAL_NAME: name, SIGNAL_WORD: word, SIGNAL_TIMES: times } = process.env;
const write = process.stderr.write.bind(process.stderr);
let left = Number(times);

if (isMainThread) {
  process.stderr.write = (text, ...rest) => {
    const written = write(text, ...rest);
    const before = left;
    left -= String(text).split(word).length - 1;
    if (before > 0 && left <= 0) process.kill(process.pid, name);
    return written;
  };
}
