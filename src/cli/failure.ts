/** Failures in words: one line for a user's mistake, the stack only for our own bugs. */
import type { RunError } from "../run/events.ts";
import { exitCode } from "./command.ts";
import type { Output } from "./output.ts";

/** Errors whose message is meant for the user, by name, with the exit code they lead to. */
const expected: Readonly<Record<string, number>> = {
  // Of a cluster: another process could not be reached, or said no; a member was lost.
  CallError: exitCode.failed,
  Refusal: exitCode.failed,
  ClusterError: exitCode.failed,
  UsageError: exitCode.wrongUse,
  SettingError: exitCode.wrongUse,
  InputError: exitCode.failed,
  FileError: exitCode.failed,
  ModelFileError: exitCode.failed,
  TrainError: exitCode.failed,
  // "Cannot ... as ... must ...": a caller's mistake in house style.
  RangeError: exitCode.failed,
};

/** Prints what went wrong; returns the exit code. */
export function reportFailure(
  error: unknown,
  output: Output,
  { command, result }: { command: string; result?: object },
): number {
  const code = exitCodeOf(error);
  output.error(describeFailure(error));
  if (isBug(error) || output.verbose) {
    output.error(error instanceof Error ? (error.stack ?? String(error)) : String(error));
  }
  if (output.json) {
    output.result(
      JSON.stringify(
        result ?? { glissade: "1", command, status: "failed", error: describeError(error) },
      ),
    );
  }
  return code;
}

/** The error as records and `--json` show it. */
export function describeError(error: unknown): RunError {
  const { file, line, column } = (error ?? {}) as Partial<RunError>;
  return {
    message: error instanceof Error ? error.message : String(error),
    file: file ?? null,
    line: line ?? null,
    column: column ?? null,
  };
}

/** Packages that are not installed with ours, and who needs them (docs/decisions.md). */
const optionalPackages: Readonly<Record<string, string>> = {
  "@grpc/grpc-js":
    "a cluster needs the package @grpc/grpc-js, which is not installed: npm install @grpc/grpc-js@1.14.7",
  "@peculiar/x509": needsAuthority("@peculiar/x509"),
  "reflect-metadata": needsAuthority("reflect-metadata"),
};

function needsAuthority(name: string): string {
  return `making certificates needs the package ${name}, which is not installed: npm install @peculiar/x509@2.2.0 reflect-metadata@0.2.2, or bring certificates of your own by --tls-ca, --tls-cert and --tls-key`;
}

/** What to install, where a package is missing that not everybody needs. */
function missingPackage(error: unknown): string | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (code !== "ERR_MODULE_NOT_FOUND") return undefined;
  const name = Object.keys(optionalPackages).find((one) => String(message).includes(`'${one}'`));
  return name && optionalPackages[name];
}

const arenaAdvice =
  "rows and weights share one WebAssembly memory: renumber or hash large ids, take fewer workers, or train on fewer rows";

function describeFailure(error: unknown): string {
  const { message } = describeError(error);
  const missing = missingPackage(error);
  if (missing !== undefined) return missing;
  if (/^Cannot allocate .* as the arena ends/.test(message)) return `${message}: ${arenaAdvice}`;
  if (!isBug(error)) return message;
  return `unexpected error: ${message} (a bug of glissade; please report it with the lines below)`;
}

/** Whether this is our mistake and not the user's. */
export function isBug(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  if (missingPackage(error) !== undefined) return false;
  if (error instanceof RangeError) return !error.message.startsWith("Cannot ");
  return !Object.hasOwn(expected, error.name);
}

export function exitCodeOf(error: unknown): number {
  return isBug(error) ? exitCode.failed : (expected[(error as Error).name] ?? exitCode.failed);
}
