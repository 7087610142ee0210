/**
 * Who may call what: three roles, each of which may do what those before it may, and one table of every call
 * that a process of a run answers. A test reads the proto files and fails on a call that is not in it.
 */

/** Roles, the least first. */
export const roles = ["observe", "work", "admin"] as const;

/** What the holder of a token may do. */
export type Role = (typeof roles)[number];

/** Role that a call needs; `open` for what probes and tools ask before anybody shows a token. */
export const roleOfCall: Readonly<Record<string, Role | "open">> = {
  "/glissade.cluster.v1.Cluster/Join": "work",
  "/glissade.cluster.v1.Cluster/Rows": "work",
  "/glissade.cluster.v1.Cluster/Status": "observe",
  // A model is what every member holds anyway, so it takes a member's token, not an observer's.
  "/glissade.cluster.v1.Cluster/Snapshot": "work",
  "/glissade.cluster.v1.Cluster/Stop": "admin",
  // It makes this process dial: only for those who may join, which makes it dial too.
  "/glissade.cluster.v1.Cluster/Reach": "work",
  "/glissade.cluster.v1.Cluster/Exchange": "work",
  "/grpc.health.v1.Health/Check": "open",
  "/grpc.health.v1.Health/Watch": "open",
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": "open",
};

/** Role that the call of this path needs; a call that is in no table needs the highest. */
export function roleNeeded(path: string): Role | "open" {
  return Object.hasOwn(roleOfCall, path) ? roleOfCall[path]! : "admin";
}

/** Whether a role includes another. */
export function includes(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}
