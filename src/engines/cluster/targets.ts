/**
 * Where to join, as users write it: `HOST:PORT`, several with commas, or `dns:NAME:PORT` for every address of
 * a name, as a headless service of Kubernetes has one a pod. Names are looked up anew at each attempt.
 */
import { lookup } from "node:dns/promises";

/** Looks a name up; rejects when it is not known. */
export type Lookup = (name: string) => Promise<readonly { address: string; family: number }[]>;

const lookupAll: Lookup = (name) => lookup(name, { all: true, verbatim: true });

interface Target {
  readonly host: string;
  readonly port: number;
  /** All addresses of the name are meant. */
  readonly all: boolean;
}

/**
 * Reads the list.
 * @throws RangeError that says what was expected.
 */
export function readTargets(join: string): Target[] {
  return join.split(",").map((item) => {
    const match = /^(dns:)?(\[[0-9a-fA-F:.%\w]+\]|[^:[\]\s]+):(\d+)$/.exec(item.trim());
    const port = Number(match?.[3]);
    if (!match || port < 1 || port > 65535) {
      throw new RangeError(
        `Cannot join "${item.trim()}" as it must be HOST:PORT or dns:NAME:PORT, such as 10.0.0.5:7650`,
      );
    }
    return { host: match[2]!, port, all: match[1] !== undefined };
  });
}

/** The addresses to try now, in order, each HOST:PORT; a name that is not known is told in `failed`. */
export async function resolveTargets(
  join: string,
  look: Lookup = lookupAll,
): Promise<{ addresses: string[]; failed: string[] }> {
  const failed: string[] = [];
  const found = await Promise.all(
    readTargets(join).map(async ({ host, port, all }) => {
      if (!all) return [`${host}:${port}`];
      try {
        const addresses = await look(host.replace(/^\[|\]$/g, ""));
        return addresses.map(({ address, family }) =>
          family === 6 ? `[${address}]:${port}` : `${address}:${port}`,
        );
      } catch (error) {
        failed.push(`${host} is not known (${error instanceof Error ? error.message : error})`);
        return [];
      }
    }),
  );
  return { addresses: [...new Set(found.flat())], failed };
}
