/** Reads `glissade.yaml`: a flat mapping of settings, each with the line it stands in. */
import { readFileSync } from "node:fs";
import { describeFileError } from "./files.ts";
import { quote } from "./grammar.ts";
import { type ConfigEntry, type ConfigFile, SettingError } from "./settings-origin.ts";

/** The file that is read from the working folder when no other is named. */
export const configFileName = "glissade.yaml";

/**
 * Reads the file that `--config` names, or `glissade.yaml` of the working folder if there is one.
 * @throws SettingError when the file is missing, is no YAML or is no mapping of settings.
 */
export async function readConfigFile(path: string | null): Promise<ConfigFile | null> {
  const name = path ?? configFileName;
  let text: string;
  try {
    text = readFileSync(name, "utf8");
  } catch (error) {
    if (path === null && (error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new SettingError(`${name}: ${describeFileError(error, "read")}`);
  }
  try {
    return { path: name, entries: await parseConfig(text, name) };
  } catch (error) {
    if (error instanceof SettingError) throw error;
    // References that lead to references, a few lines that would fill memory, and the like.
    throw new SettingError(`${name}: ${error instanceof Error ? error.message : error}`);
  }
}

/** The entries of a text in YAML, each with its line. @throws SettingError for a text that has none. */
export async function parseConfig(text: string, path: string): Promise<ConfigEntry[]> {
  // The YAML reader takes a quarter of the start-up time; most runs have no such file.
  const { isMap, isScalar, LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new SettingError(`${path}:${line}:${col}: ${error.message.split("\n")[0]}`);
  }
  const root = document.contents;
  if (root === null) return [];
  if (!isMap(root)) {
    throw new SettingError(
      `${path}:1: expected lines such as "l2: 1e-4", found ${quote(text.trim().split("\n")[0])}`,
    );
  }
  return root.items.map((item) => {
    const key = isScalar(item.key) ? String(item.key.value) : String(item.key);
    const offset = (item.key as { range?: [number, number, number] } | null)?.range?.[0] ?? 0;
    const value = isScalar(item.value) ? item.value.value : (item.value as never);
    return { key, value: plain(value), line: lines.linePos(offset).line };
  });
}

/** YAML nodes know how to become plain data. */
function plain(value: unknown): unknown {
  if (typeof value === "object" && value !== null && "toJSON" in value) {
    return (value as { toJSON(): unknown }).toJSON();
  }
  return value;
}
