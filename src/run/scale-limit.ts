/**
 * How far weights may decay in runs of several members. A replica keeps v with w = s(T) * v and is never re-based, as its
 * updates are added to v by members that are at other counts T. As s falls v grows, and 32 bits end at e^88. Steps
 * `optimal` fall too slowly to get there; a constant rate does so after some millions of rows.
 */
import type { Schedule } from "../model/schedule.ts";

/** log s(T) below which a run is refused; what one evaluation to the next adds has room beneath it. */
export const logScaleMin = -60;

/** What a run of so many rows would decay by is known at once; steps without a closed form are watched instead. */
const closedForms: readonly string[] = ["optimal", "constant", "decay"];

/** @throws RangeError for a run that is known to go below the limit. */
export function refuseDecay(schedule: Schedule, rows: number, strategy: string): void {
  if (closedForms.includes(schedule.name)) refuseDecayed(schedule, rows, strategy);
}

/** @throws RangeError when so many rows have brought the scale below the limit. */
export function refuseDecayed(schedule: Schedule, rows: number, strategy: string): void {
  const decay = schedule.logScale(rows);
  if (decay >= logScaleMin) return;
  throw new RangeError(
    `Cannot use --step ${schedule.name} with strategy ${strategy} for ${Math.round(rows)} rows as the first weights decay to e^${decay.toFixed(0)} of what they were and replicas of members hold no less than e^${logScaleMin}: use --step optimal, fewer epochs, or --strategy serial`,
  );
}
