/**
 * Where a job scheduler says this process is: srun, mpirun (Open MPI, or another that speaks PMI), or whatever
 * sets RANK and WORLD_SIZE as torchrun does. Ranks from outside decide who coordinates and which seat to ask
 * for; they never are an identity.
 */

/** This process among those that were started together. */
export interface Task {
  /** What started it, as people call it. */
  readonly by: "srun" | "mpirun" | "RANK and WORLD_SIZE";
  readonly rank: number;
  readonly size: number;
  /** Hosts at which the process of rank 0 may be, best first; none where nothing says so. */
  readonly hosts: readonly string[];
  readonly port: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Ports of jobs without one of their own: each job has another. */
const portLow = 20_000;
const portCount = 20_000;

/** The task that the variables describe, or null where they describe none of several. */
export function taskOf(environment: Environment): Task | null {
  const found =
    fromVariables(environment) ??
    fromSlurm(environment) ??
    fromOpenMpi(environment) ??
    fromPmi(environment);
  return found !== null && found.size > 1 && found.rank < found.size ? found : null;
}

/** Where the others find the process of rank 0; null where nothing says on which host it is. */
export function joinOf({ hosts, port }: Task): string | null {
  return hosts.length === 0 ? null : hosts.map((host) => `dns:${host}:${port}`).join(",");
}

function fromVariables(environment: Environment): Task | null {
  const { MASTER_ADDR: host } = environment;
  const [rank, size] = [count(environment.RANK), count(environment.WORLD_SIZE)];
  if (rank === null || size === null || !host) return null;
  return { by: "RANK and WORLD_SIZE", rank, size, hosts: [host], port: portOf(environment, "") };
}

/** A batch script has a rank too, but only steps of `srun` have a node they were launched from. */
function fromSlurm(environment: Environment): Task | null {
  const launched = environment.SLURM_LAUNCH_NODE_IPADDR;
  const rank = count(environment.SLURM_PROCID);
  const size =
    count(environment.SLURM_STEP_NUM_TASKS) ?? (launched ? count(environment.SLURM_NTASKS) : null);
  if (rank === null || size === null) return null;
  const nodes =
    environment.SLURM_STEP_NODELIST ?? environment.SLURM_NODELIST ?? environment.SLURM_JOB_NODELIST;
  const hosts = [environment.MASTER_ADDR, nodes && firstNode(nodes), launched];
  const job = `${environment.SLURM_JOB_ID ?? environment.SLURM_JOBID ?? ""}.${environment.SLURM_STEP_ID ?? ""}`;
  return { by: "srun", rank, size, hosts: known(hosts), port: portOf(environment, job) };
}

function fromOpenMpi(environment: Environment): Task | null {
  const rank = count(environment.OMPI_COMM_WORLD_RANK);
  const size = count(environment.OMPI_COMM_WORLD_SIZE);
  if (rank === null || size === null) return null;
  const isOneHost = count(environment.OMPI_COMM_WORLD_LOCAL_SIZE) === size;
  const hosts = [environment.MASTER_ADDR, isOneHost ? "127.0.0.1" : undefined];
  const job = environment.PMIX_NAMESPACE ?? environment.OMPI_MCA_ess_base_jobid ?? "";
  return { by: "mpirun", rank, size, hosts: known(hosts), port: portOf(environment, job) };
}

/** MPICH, Intel MPI and others. */
function fromPmi(environment: Environment): Task | null {
  const [rank, size] = [count(environment.PMI_RANK), count(environment.PMI_SIZE)];
  if (rank === null || size === null) return null;
  const isOneHost = count(environment.MPI_LOCALNRANKS) === size;
  const hosts = [environment.MASTER_ADDR, isOneHost ? "127.0.0.1" : undefined];
  return { by: "mpirun", rank, size, hosts: known(hosts), port: portOf(environment, "") };
}

/** The first of Slurm's nodes: `n[07-09,12],gpu1` begins with n07. */
export function firstNode(nodes: string): string {
  const match = /^([^[,]*)(?:\[(\w+)[^\]]*\]([^,]*))?/.exec(nodes);
  return `${match?.[1] ?? ""}${match?.[2] ?? ""}${match?.[3] ?? ""}`;
}

function portOf({ MASTER_PORT }: Environment, job: string): number {
  const given = count(MASTER_PORT);
  if (given !== null && given > 0 && given < 65536) return given;
  let sum = 0;
  for (const letter of job) sum = (sum * 31 + letter.charCodeAt(0)) % portCount;
  return portLow + sum;
}

function count(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

function known(hosts: readonly (string | undefined)[]): string[] {
  return [...new Set(hosts.filter((host) => host !== undefined && host !== ""))] as string[];
}
