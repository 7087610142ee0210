/**
 * What goes where: results on standard output, all else on standard error. Knows whether colours and
 * redrawing make sense here, and that a reader may have gone away.
 */
import { describeFileError } from "../run/files.ts";
import { exitCode } from "./command.ts";

export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
}

export interface OutputOptions {
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
  readonly json: boolean;
}

export interface Output extends OutputOptions {
  /** A line of the result. */
  readonly result: (line: string) => void;
  /** Lines of the result, written as fast as the reader takes them. */
  readonly resultText: (text: string) => Promise<void>;
  /** A line for the person at the terminal, not with --quiet. */
  readonly note: (line: string) => void;
  readonly warn: (line: string) => void;
  /** Always shown. */
  readonly error: (line: string) => void;
  /** The reader of standard output has gone away: nothing more to say to it. */
  readonly closed: () => boolean;
  readonly paint: Paint;
  /** Lines on standard error may be redrawn. */
  readonly live: boolean;
  /** Columns of the terminal behind standard error. */
  readonly columns: () => number;
}

/**
 * The object of `--json`, one line: what every command's object has, and the fields of this one. An `error` in words
 * is that of a command that did what it is for and found something wrong.
 */
export function jsonObject(
  command: string,
  fields: Readonly<Record<string, unknown>>,
  error: string | null = null,
): string {
  const status = error === null ? "done" : "failed";
  const told = error === null ? null : { message: error, file: null, line: null, column: null };
  return JSON.stringify({ glissade: "1", command, status, error: told, ...fields }, plainNumbers);
}

/** Messages of the wire count in whole numbers that JSON does not have, and name their types. */
function plainNumbers(key: string, value: unknown): unknown {
  if (key.startsWith("$")) return undefined;
  return typeof value === "bigint" ? Number(value) : value;
}

type Environment = Readonly<Record<string, string | undefined>>;

let stdoutClosed = false;

/**
 * Ignores readers that go away: `predict | head` is no failure. Output that is a file on a full disk is
 * one; what was written is incomplete and there is nothing more to do.
 */
export function watchOutput(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    stdoutClosed = true;
    if (error.code === "EPIPE") return;
    const problem = describeFileError(error, "write");
    process.stderr.write(`glissade: standard output: ${problem}\n`);
    process.exit(exitCode.failed);
  });
  process.stderr.on("error", () => {
    // There is nobody left to tell.
  });
}

/** Output of this process. With `--json` only the object goes to standard output. */
export function createOutput(options: OutputOptions): Output {
  const environment = process.env;
  const colors = useColors(options, process.stderr.isTTY === true, environment);
  const paint = createPaint(colors);
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  return {
    ...options,
    result: (line) => {
      if (!stdoutClosed) process.stdout.write(`${line}\n`);
    },
    resultText: writeWithPressure,
    note: (line) => {
      if (!options.quiet) say(line);
    },
    warn: (line) => {
      if (!options.quiet) say(`${paint.yellow("warning:")} ${line}`);
    },
    error: (line) => say(`${paint.red("glissade:")} ${line}`),
    closed: () => stdoutClosed,
    paint,
    live: !options.quiet && isLive(process.stderr.isTTY === true, environment),
    columns: () => readColumns(process.stderr.columns, environment),
  };
}

/** Waits for a slow reader, so that output never piles up in memory; ends at once if it goes away. */
async function writeWithPressure(text: string): Promise<void> {
  if (stdoutClosed || process.stdout.write(text)) return;
  await new Promise<void>((resume) => {
    const end = () => {
      for (const name of ["drain", "error", "close"]) process.stdout.off(name, end);
      resume();
    };
    for (const name of ["drain", "error", "close"]) process.stdout.on(name, end);
  });
}

/** `--no-color`, then NO_COLOR, then FORCE_COLOR, then whether a capable terminal is there. */
export function useColors(
  { color }: { color: boolean },
  terminal: boolean,
  environment: Environment,
): boolean {
  if (!color || (environment.NO_COLOR ?? "") !== "") return false;
  const force = environment.FORCE_COLOR;
  if (force !== undefined && force !== "") return force !== "0" && force !== "false";
  return terminal && environment.TERM !== "dumb";
}

/** Redrawing needs a terminal that can move its cursor, with a person in front of it. */
export function isLive(terminal: boolean, environment: Environment): boolean {
  const ci = environment.CI ?? "";
  return terminal && environment.TERM !== "dumb" && (ci === "" || ci === "false" || ci === "0");
}

/** COLUMNS counts more than what the terminal says of itself. */
export function readColumns(terminal: number | undefined, environment: Environment): number {
  const asked = Number(environment.COLUMNS);
  if (Number.isInteger(asked) && asked > 0) return asked;
  return terminal !== undefined && terminal > 0 ? terminal : 80;
}

function createPaint(colors: boolean): Paint {
  const wrap = (open: number, close: number) => (text: string) =>
    colors ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
  };
}
