import { describe, expect, test } from "vitest";
import { firstNode, joinOf, taskOf } from "./scheduler.ts";

describe("tasks", () => {
  test("RANK and its like are a task only when all of them are there", () => {
    const all = { RANK: "1", WORLD_SIZE: "4", MASTER_ADDR: "head", MASTER_PORT: "29500" };
    expect(taskOf(all)).toEqual({
      ...{ by: "RANK and WORLD_SIZE", rank: 1, size: 4, hosts: ["head"], port: 29500 },
    });
    for (const name of ["RANK", "WORLD_SIZE", "MASTER_ADDR"]) {
      expect(taskOf({ ...all, [name]: undefined }), name).toBeNull();
    }
    expect(taskOf({ ...all, WORLD_SIZE: "1", RANK: "0" })).toBeNull();
  });

  test("srun: rank 0 is on the first node of the step, and every rank knows the same port", () => {
    const step = {
      ...{ SLURM_PROCID: "2", SLURM_NTASKS: "8", SLURM_JOB_ID: "4711", SLURM_STEP_ID: "0" },
      ...{ SLURM_STEP_NUM_TASKS: "4", SLURM_NODELIST: "n[07-09,12]" },
      SLURM_LAUNCH_NODE_IPADDR: "10.0.0.1",
    };
    const task = taskOf(step)!;
    expect(task).toMatchObject({ by: "srun", rank: 2, size: 4, hosts: ["n07", "10.0.0.1"] });
    expect(taskOf({ ...step, SLURM_PROCID: "0" })!.port).toBe(task.port);
    expect(taskOf({ ...step, SLURM_JOB_ID: "4712" })!.port).not.toBe(task.port);
    expect(joinOf(task)).toBe(`dns:n07:${task.port},dns:10.0.0.1:${task.port}`);
  });

  test("a batch script is no task, although Slurm gives it a rank", () => {
    expect(taskOf({ SLURM_PROCID: "0", SLURM_NTASKS: "4", SLURM_NODELIST: "n1" })).toBeNull();
  });

  test("mpirun says where rank 0 is only when all tasks are on one host, or MASTER_ADDR does", () => {
    const own = { OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "4" };
    expect(joinOf(taskOf(own)!)).toBeNull();
    expect(taskOf({ ...own, OMPI_COMM_WORLD_LOCAL_SIZE: "4" })!.hosts).toEqual(["127.0.0.1"]);
    expect(taskOf({ ...own, MASTER_ADDR: "head" })!.hosts).toEqual(["head"]);
    const pmi = { PMI_RANK: "1", PMI_SIZE: "2", MPI_LOCALNRANKS: "2" };
    expect(taskOf(pmi)).toMatchObject({ by: "mpirun", rank: 1, size: 2, hosts: ["127.0.0.1"] });
  });

  test("the first of Slurm's nodes", () => {
    expect(firstNode("n1")).toBe("n1");
    expect(firstNode("n1,n2")).toBe("n1");
    expect(firstNode("n[07-09,12],gpu1")).toBe("n07");
    expect(firstNode("r[1-2]-x,n3")).toBe("r1-x");
  });
});
