/** A no that is told to the caller in words, and its gRPC status. */
import { status } from "@grpc/grpc-js";

const codes = {
  refused: status.FAILED_PRECONDITION,
  unavailable: status.UNAVAILABLE,
  exists: status.ALREADY_EXISTS,
  fenced: status.ABORTED,
  renewed: status.DATA_LOSS,
  denied: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  exhausted: status.RESOURCE_EXHAUSTED,
  unimplemented: status.UNIMPLEMENTED,
} as const;

/** Thrown by handlers of calls; the caller gets the message as it is. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: keyof typeof codes;

  constructor(message: string, code: keyof typeof codes = "refused") {
    super(message);
    this.code = code;
  }
}

/** What gRPC sends for an error of a handler. */
export function statusOf(error: unknown): { code: status; details: string } {
  if (error instanceof Refusal) return { code: codes[error.code], details: error.message };
  const details = error instanceof Error ? error.message : String(error);
  return { code: status.INTERNAL, details };
}
