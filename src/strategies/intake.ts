/**
 * Exactly once: which of a sender's clocks 1, 2, 3, ... have been taken, in whatever order they came.
 *
 * Invariant: a clock is taken at most once, whatever comes twice or out of order.
 */

/** Every clock up to `below` was taken, and those in `ahead`: plain data, short when little overtakes. */
export interface Intake {
  below: number;
  readonly ahead: Set<number>;
}

/** Nothing taken after `below`. */
export function createIntake(below = 0): Intake {
  return { below, ahead: new Set() };
}

/** Takes a clock; false when it had been taken before. */
export function takeClock(intake: Intake, clock: number): boolean {
  if (clock === intake.below + 1 && intake.ahead.size === 0) {
    intake.below = clock;
    return true;
  }
  if (hasTaken(intake, clock)) return false;
  intake.ahead.add(clock);
  while (intake.ahead.delete(intake.below + 1)) intake.below++;
  return true;
}

/** Whether a clock has been taken. */
export function hasTaken({ below, ahead }: Intake, clock: number): boolean {
  return clock <= below || ahead.has(clock);
}
