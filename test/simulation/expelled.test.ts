/** Members that are cut off, expelled though they live, and come back: the ledger of everybody closes. */
import { expect, test } from "vitest";
import { runFaults } from "../../src/engines/simulator/fault-runs.ts";
import { readFaults } from "../../src/engines/simulator/fault-schedules.ts";
import { allreduce } from "../../src/strategies/allreduce.ts";
import { asp, bsp, dssp, ssp } from "../../src/strategies/parameter-server.ts";
import { peerToPeer } from "../../src/strategies/peer-to-peer.ts";

const faults = readFaults("0.05 cut 1 0.2");
/** Asked before the others count it out, and when it has come back and is in no view yet. */
const leaves = [0.06, 0.24, 0.2516, 0.2525, 0.254, 0.256].map((at) =>
  readFaults(`0.05 cut 1 0.2\n${at} leave 1`),
);

for (const strategy of [asp, ssp, dssp, bsp, allreduce, peerToPeer]) {
  test(`${strategy.name}: what an expelled worker made counts, or is told as lost by its next life`, () => {
    let expelled = 0;
    let lostAny = false;
    for (let seed = 1; seed <= 20; seed++) {
      const given = { workers: 4, faults, options: { servers: 1, standby: false, staleness: 8 } };
      const { result, lives } = runFaults(strategy, seed, given);
      if (lives[1]!.size === 1) continue;
      expelled++;
      const holder = strategy.sharing === "messages" && result.seats.length > 4 ? 4 : 0;
      const { updates, lost } = result.telemetry.members[1]!;
      expect(result.replicas[holder]!.values[1]).toBe(updates - lost);
      lostAny ||= lost > 0;
    }
    expect(expelled).toBeGreaterThan(10);
    expect(lostAny).toBe(true);
  });

  test(`${strategy.name}: who is asked to leave while it is cut off comes back for that only`, () => {
    let left = 0;
    const options = { servers: 1, standby: false, staleness: 8 };
    for (let seed = 1; seed <= 20; seed++) {
      const stays = runFaults(strategy, seed, { workers: 4, faults, options });
      if (stays.lives[1]!.size === 1) continue;
      for (const [k, faults] of leaves.entries()) {
        const { lives, result } = runFaults(strategy, seed, { workers: 4, faults, options });
        if (lives[1]!.size === 1) continue;
        left++;
        const holder = strategy.sharing === "messages" && result.seats.length > 4 ? 4 : 0;
        const { updates, lost } = result.telemetry.members[1]!;
        const when = `seed ${seed}, asked at ${faults[1]!.at}`;
        expect(result.replicas[holder]!.values[1], when).toBe(updates - lost);
        const all = stays.result.telemetry.members[1]!.updates;
        if (k === 0) expect(2 * updates, when).toBeLessThan(all);
        else expect(updates, when).toBeLessThan(all);
      }
    }
    expect(left).toBeGreaterThan(10);
  });
}
