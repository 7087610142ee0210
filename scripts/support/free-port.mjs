import { once } from "node:events";
import { createServer } from "node:net";

/** Below those that the system gives away by itself, also to outgoing connections. */
const [portsFrom, portsMax] = [10_000, 20_000];
/** Processes at the same time begin apart. */
let nextPort = 97 * process.pid;

/** A port of 127.0.0.1 at which one can listen, and that nobody else takes before that: each is given once. */
export async function freePort() {
  for (;;) {
    const port = portsFrom + (nextPort++ % portsMax);
    if (!(await isOpen(port))) return port;
  }
}

/** Whether something listens there. */
export async function isOpen(port) {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return false;
  } catch {
    return true;
  } finally {
    server.close();
  }
}
