import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chooseTeam, sizePerWorkerMin, type TeamQuestion, teamBytesMin } from "./choose-team.ts";
import { parseTrainSettings, type TrainOptions } from "./settings.ts";

/** The twin on two cores: 484 MB, l2 1e-4. */
function question(more: Partial<Omit<TeamQuestion, "settings">> = {}, options: TrainOptions = {}) {
  const cores = { count: 2, reason: "cores of this machine" };
  const settings = parseTrainSettings(options);
  return { settings, solver: "sgd", bytes: 484e6, size: 78, cores, ...more } as const;
}

describe("who learns, by the data", () => {
  test("many rows and a strong regulariser: replicas on the cores there are, with the reason", () => {
    const team = chooseTeam(question());
    expect(team).toMatchObject({ strategy: "replicas", workers: 2 });
    expect(team.reason).toContain("484 MB of rows, rows * l2 / mean ||x||^2 is 78");
  });

  test("a small file is learned by one thread", () => {
    const team = chooseTeam(question({ bytes: 12e6 }));
    expect(team).toEqual({ strategy: "serial", workers: 1, reason: "12.0 MB of rows are few" });
  });

  test("one pass of half the rows must come far enough", () => {
    expect(chooseTeam(question({ size: 2 * sizePerWorkerMin })).workers).toBe(2);
    expect(chooseTeam(question({ size: 2 * sizePerWorkerMin - 0.1 })).strategy).toBe("serial");
  });

  test("one core: one worker", () => {
    const cores = { count: 1, reason: "CPU quota of this container, 1" };
    expect(chooseTeam(question({ cores }))).toMatchObject({ strategy: "serial", workers: 1 });
  });

  test("dual ascent on large data takes all cores, whatever l2 is", () => {
    const team = chooseTeam(question({ solver: "sdca", size: 0.8 }));
    expect(team).toMatchObject({ strategy: "replicas", workers: 2 });
  });

  test("never more workers than cores, nor than have enough rows each", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 256 }),
        fc.double({ min: 0, max: 1e5, noNaN: true }),
        fc.double({ min: 0, max: 4e9, noNaN: true }),
        (count, size, bytes) => {
          const cores = { count, reason: "cores" };
          const { strategy, workers } = chooseTeam(question({ cores, size, bytes }));
          expect(workers).toBeLessThanOrEqual(count);
          expect(strategy === "serial").toBe(workers === 1);
          if (workers > 1) expect(size / workers).toBeGreaterThanOrEqual(sizePerWorkerMin);
          if (workers > 1) expect(bytes).toBeGreaterThanOrEqual(teamBytesMin);
        },
      ),
    );
  });
});

describe("who learns, as the user says", () => {
  test.each([
    ["--workers 1 on large data", { workers: 1 }, { strategy: "serial", workers: 1 }],
    ["--merge sum on small data", { merge: "sum" }, { strategy: "replicas", workers: 2 }],
    ["--rows-per-update", { rowsPerUpdate: 100 }, { strategy: "serial", workers: 1 }],
    ["--step adagrad", { step: "adagrad" }, { strategy: "serial", workers: 1 }],
    ["--learn gradient", { learn: "gradient" }, { strategy: "serial", workers: 1 }],
  ] as const)("%s", (_, options, team) => {
    const bytes = "merge" in options ? 1000 : 484e6;
    expect(chooseTeam(question({ bytes }, options))).toMatchObject(team);
  });

  test("--workers 3 on small data and two cores", () => {
    expect(chooseTeam(question({ bytes: 1000 }, { workers: 3 }))).toEqual({
      ...{ strategy: "replicas", workers: 3, reason: "--workers" },
    });
  });
});
