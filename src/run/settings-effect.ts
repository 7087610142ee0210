/**
 * Settings that do nothing beside the others: a person who sets one of them believes something that is
 * not so, and is told.
 */
import type { SettingName, Settings, TrainSettings } from "./settings.ts";
import { autoStrategy, strategiesOfOneProcess } from "./strategy-names.ts";

/** Settings of a run, or of a command that takes several numbers of workers. */
type AnySettings = Omit<TrainSettings, "workers"> & Pick<Settings, "workers">;

const ofOneProcess: readonly string[] = [autoStrategy, ...strategiesOfOneProcess];
const parameterServer = ["bsp", "asp", "ssp", "dssp"];
const withTopology = ["allreduce", "d-psgd", "ad-psgd", "feature-parallel"];
const addsOnly = ["asp", "ssp", "dssp", "peer-to-peer"];
const oneVector = ["hogwild", "round-robin"];
const averagesModels = ["d-psgd", "ad-psgd"];
const ascending = [autoStrategy, "serial", "replicas"];
const ofCluster = [
  ...([
    "hosts",
    "ssh",
    "remoteCommand",
    "remoteCredentials",
    "listen",
    "advertise",
    "portRange",
  ] as const),
  ...(["interface", "orphanLimit"] as const),
] as const;

interface NoEffect {
  readonly setting: SettingName;
  /** Why it does nothing here, to be read after "as". */
  readonly reason: string;
  readonly when: (settings: AnySettings) => boolean;
}

/** A strategy of the user's own may read whatever it likes. */
function only(names: readonly string[], settings: AnySettings): boolean {
  return !names.includes(settings.strategy) && !/[./\\]/.test(settings.strategy);
}

/** Whether dual coordinate ascent was asked for, where it is to be had. */
function ascends({ solver, strategy }: AnySettings): boolean {
  return solver === "sdca" && ascending.includes(strategy);
}

const noEffects: readonly NoEffect[] = [
  {
    setting: "workers",
    reason: "strategy serial learns with one worker",
    when: (s) => s.strategy === "serial" && s.workers !== 1,
  },
  {
    setting: "staleness",
    reason: "only strategies ssp, dssp and ad-psgd have it",
    when: (s) => only(["ssp", "dssp", "ad-psgd"], s),
  },
  {
    setting: "servers",
    reason: "only strategies bsp, asp, ssp and dssp have servers",
    when: (s) => only(parameterServer, s),
  },
  {
    setting: "standby",
    reason: "only strategies bsp, asp, ssp and dssp have servers",
    when: (s) => only(parameterServer, s),
  },
  { setting: "uncapped", reason: "only strategy dssp has it", when: (s) => only(["dssp"], s) },
  {
    setting: "topology",
    reason: "only strategies allreduce, d-psgd, ad-psgd and feature-parallel have one",
    when: (s) => only(withTopology, s),
  },
  ...(["values", "topK", "tolerance"] as const).map(
    (setting): NoEffect => ({
      setting,
      reason: "this strategy sends no updates",
      when: (s) => ofOneProcess.includes(s.strategy),
    }),
  ),
  {
    setting: "lock",
    reason: "only strategy hogwild has locks",
    when: (s) => only(["hogwild"], s),
  },
  {
    setting: "decay",
    reason: "only strategies serial and hogwild offer it",
    when: (s) => only([autoStrategy, "serial", "hogwild"], s),
  },
  {
    setting: "merge",
    reason: "strategy serial has nothing to merge",
    when: (s) => s.strategy === "serial",
  },
  {
    setting: "merge",
    reason: "this strategy never takes the mean",
    when: (s) => addsOnly.includes(s.strategy) && s.merge === "mean",
  },
  {
    setting: "merge",
    reason: "threads of this strategy change one vector, so nothing is merged",
    when: (s) => oneVector.includes(s.strategy) && s.merge !== "auto",
  },
  {
    setting: "merge",
    reason: "workers of this strategy learn the same rows together",
    when: (s) => s.strategy === "feature-parallel" && s.merge !== "auto",
  },
  {
    setting: "merge",
    reason: "this strategy averages models, not updates",
    when: (s) => averagesModels.includes(s.strategy) && s.merge !== "auto",
  },
  {
    setting: "merge",
    reason:
      "with --learn gradient no step sees another, so nothing is anticipated: updates are summed",
    when: (s) => s.learn === "gradient" && s.merge === "anticipate",
  },
  {
    setting: "rowsPerUpdate",
    reason: "its threads step after every row",
    when: (s) => s.strategy === "hogwild" || s.strategy === "round-robin",
  },
  {
    setting: "splitSeed",
    reason: "no validation rows are split off",
    when: (s) => s.valid !== null || s.validation === 0,
  },
  {
    setting: "validation",
    reason: "--valid names the validation rows",
    when: (s) => s.valid !== null && s.validation !== 0,
  },
  {
    setting: "metric",
    reason: "there are no validation rows to take it from",
    when: (s) => s.valid === null && s.validation === 0,
  },
  {
    setting: "solver",
    reason: "only strategies serial and replicas have sdca: sgd learns",
    when: (s) => s.solver === "sdca" && !ascends(s),
  },
  ...ofCluster.map(
    (setting): NoEffect => ({
      setting,
      reason: "engine threads runs in this process alone",
      when: (s) => s.engine !== "cluster",
    }),
  ),
  { setting: "step", reason: "solver sdca has no step size", when: ascends },
  {
    setting: "learn",
    reason: "strategy feature-parallel takes gradients of whole batches",
    when: (s) => s.strategy === "feature-parallel" && s.learn !== "gradient",
  },
  { setting: "learn", reason: "solver sdca has no gradient", when: ascends },
  { setting: "average", reason: "solver sdca does not average", when: ascends },
  {
    setting: "certify",
    reason: "squared loss has no certificate",
    when: (s) => s.loss === "squared",
  },
];

/**
 * The settings among `given` (what the user set, not the defaults) that have no effect, and why.
 */
export function settingsWithoutEffect(
  settings: AnySettings,
  given: ReadonlySet<SettingName>,
): { readonly setting: keyof Settings; readonly reason: string }[] {
  return noEffects
    .filter(({ setting, when }) => given.has(setting) && when(settings))
    .map(({ setting, reason }) => ({ setting, reason }));
}

/**
 * Refuses what no engine can do.
 * @throws RangeError that names the settings, and says what to give.
 */
export function refuseUnavailable(settings: AnySettings): void {
  if (settings.engine !== "cluster") return;
  if (strategiesOfOneProcess.includes(settings.strategy)) {
    throw new RangeError(
      `Cannot train on engine cluster as its members exchange messages and strategy ${settings.strategy} does not: give --strategy bsp, or another of those that do`,
    );
  }
}
