import { InputError } from "../../data/input-error.ts";

/** The error for a file that is not there. */
export function missingFile(name: string): InputError {
  return new InputError({
    code: "missing-file",
    file: name,
    found: "no such file",
    expected: "a file of rows",
    hint: "check the name",
  });
}

/** The error for a file that is there and cannot be read. */
export function unreadableFile(name: string, error: NodeJS.ErrnoException): InputError {
  const denied = error.code === "EACCES" || error.code === "EPERM";
  return new InputError({
    code: "unreadable-file",
    file: name,
    found: denied ? "no permission to read it" : `an error of the system (${error.message})`,
    expected: "a file that can be read",
    hint: denied ? `chmod +r, or run as its owner` : "check the disk and the name",
  });
}
