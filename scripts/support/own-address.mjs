/**
 * Loaded into a process (`node --import`) it lets all its connections come from the address GLISSADE_FROM, one of
 * this host's own, by which others can tell who dials.
 */
import { Socket } from "node:net";

const localAddress = process.env.GLISSADE_FROM;
const { connect } = Socket.prototype;

/** `net.connect` hands its arguments on as one list, whose first is an object. */
Socket.prototype.connect = function connectFrom(...given) {
  const [first] = given;
  if (!Array.isArray(first)) return connect.call(this, ...given);
  if (first[0].port !== undefined) first[0] = { ...first[0], localAddress };
  return connect.call(this, ...given);
};
