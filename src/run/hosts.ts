/** Lists of hosts as users write them: `a:2,b:4`, `user@[::1]:2`. */
import { quote, readList, readNumber } from "./grammar.ts";

/** A host, and how many workers it gets. */
export interface HostShare {
  /** As ssh takes it: NAME, USER@NAME or an address. */
  readonly host: string;
  readonly workers: number;
}

/**
 * Reads `HOST[:WORKERS]`, with commas between; one worker where no number is given.
 * @throws RangeError that says what was expected.
 */
export function readHosts(text: string | readonly string[]): HostShare[] {
  const items = typeof text === "string" ? readList(text) : text;
  return items.map((item) => {
    const match = /^((?:[^@\s:[\]]+@)?(?:\[[0-9a-fA-F:.%\w]+\]|[^@\s:[\]]+))(?::([^:]*))?$/.exec(
      item,
    );
    // What begins with a dash would be read as an option by ssh.
    if (!match || item.startsWith("-")) {
      throw new RangeError(`expected HOST:WORKERS such as node-1:2, found ${quote(item)}`);
    }
    const [, host, count] = match;
    const rule = { min: 1, max: 4096, integer: true };
    return { host: host!, workers: count === undefined ? 1 : readNumber(count, rule) };
  });
}
