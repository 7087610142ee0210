/** What kind of mistake an InputError is about; for callers that act on it. */
export type InputErrorCode =
  | "missing-file"
  | "unreadable-file"
  | "empty-input"
  | "changed-file"
  | "damaged-file"
  | "bad-row"
  | "too-many-bad-rows"
  | "bad-labels"
  | "bad-topics"
  | "too-large"
  | "stopped";

export interface InputErrorDetails {
  readonly code: InputErrorCode;
  /** What was read: a file name, "standard input" or "rows" (data in memory). */
  readonly file: string;
  /** Counted from 1; for data in memory, the number of the row. */
  readonly line?: number | undefined;
  /** In bytes, counted from 1. */
  readonly column?: number | undefined;
  readonly found: string;
  readonly expected: string;
  /** What the user can do about it. */
  readonly hint: string;
}

/**
 * A mistake in what was read, in one line: where, found, expected, what to do. Its stack is of no use to
 * a user and is not printed by the command line.
 */
export class InputError extends Error implements InputErrorDetails {
  override readonly name = "InputError";
  readonly code: InputErrorCode;
  readonly file: string;
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly found: string;
  readonly expected: string;
  readonly hint: string;

  constructor(details: InputErrorDetails) {
    super(describe(details));
    this.code = details.code;
    this.file = details.file;
    this.line = details.line;
    this.column = details.column;
    this.found = details.found;
    this.expected = details.expected;
    this.hint = details.hint;
  }
}

function describe({ file, line, column, found, expected, hint }: InputErrorDetails): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(":");
  return `${place}: found ${found}, expected ${expected}: ${hint}`.replaceAll(/\s*\n\s*/g, " ");
}
