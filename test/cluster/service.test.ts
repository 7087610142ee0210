import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Credentials,
  noCredentials,
  tokenForAll,
} from "../../src/engines/cluster/credentials.ts";
import { Cluster } from "../../src/engines/cluster/generated/glissade/cluster/v1/cluster_pb.ts";
import { Health } from "../../src/engines/cluster/generated/grpc/health/v1/health_pb.ts";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../src/engines/cluster/generated/grpc/reflection/v1/reflection_pb.ts";
import { createGuard } from "../../src/engines/cluster/guard.ts";
import { ownHandshake, refuseHandshake, unknownRun } from "../../src/engines/cluster/handshake.ts";
import { limitDefaults } from "../../src/engines/cluster/protection.ts";
import { Refusal } from "../../src/engines/cluster/refusal.ts";
import { callUnary, createClient, methodOf } from "../../src/engines/cluster/rpc.ts";
import { ClusterServer } from "../../src/engines/cluster/server.ts";

let server: ClusterServer;
let client: ReturnType<typeof createClient>;

function withToken(token: string): Credentials {
  return { ...noCredentials, tokens: tokenForAll(token) };
}

function stranger(credentials: Credentials) {
  const own = createClient(`127.0.0.1:${server.port}`, credentials);
  return { client: own, [Symbol.dispose]: () => own.close() };
}

const no = (): never => {
  throw new Refusal("not here");
};

beforeAll(async () => {
  server = await ClusterServer.listen({
    listen: "127.0.0.1:0",
    guard: createGuard(withToken("secret"), limitDefaults, () => {}),
    handlers: {
      ...{ join: async () => no(), rows: no, snapshot: async () => no(), stop: async () => no() },
      ...{ status: () => ({ role: "coordinator" }), exchange: no },
    },
  });
  client = createClient(`127.0.0.1:${server.port}`, withToken("secret"));
});

afterAll(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
});

describe("service", () => {
  test("a caller without the run's token is refused in words", async () => {
    const call = { method: Cluster.method.status, request: {} };
    using without = stranger(noCredentials);
    await expect(callUnary(without.client, call)).rejects.toThrow(/wants a token/);
    using wrong = stranger(withToken("wrong!"));
    await expect(callUnary(wrong.client, call)).rejects.toThrow(/not that of this run/);
    expect((await callUnary(client, call)).role).toBe("coordinator");
  });

  test("health answers as probes expect", async () => {
    const call = { method: Health.method.check, request: { service: "" } };
    expect((await callUnary(client, call)).status).toBe(2);
    server.serving = true;
    expect((await callUnary(client, call)).status).toBe(1);
    const unknown = { ...call, request: { service: "other" } };
    await expect(callUnary(client, unknown)).rejects.toThrow(/no service other/);
  });

  test("reflection lists the services and describes them", async () => {
    const { path, requestSerialize, responseDeserialize } = methodOf(
      ServerReflection.method.serverReflectionInfo,
    );
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    call.on("error", () => {});
    const answer = () =>
      new Promise<ServerReflectionResponse>((resolve) => call.once("data", resolve));
    const ask = (messageRequest: object) => {
      call.write(create(ServerReflectionRequestSchema, { messageRequest } as never));
      return answer();
    };
    const { messageResponse: list } = await ask({ case: "listServices", value: "" });
    expect(list.case === "listServicesResponse" && list.value.service.map((s) => s.name)).toContain(
      "glissade.cluster.v1.Cluster",
    );
    const found = await ask({ case: "fileContainingSymbol", value: "glissade.cluster.v1.Cluster" });
    expect(found.messageResponse.case).toBe("fileDescriptorResponse");
    call.end();
  });
});

test("handshakes that do not match are refused with what differs and what to do", () => {
  const own = { ...unknownRun, data: "abc", split: "0.1:1" };
  const theirs = { ...ownHandshake(own), $typeName: "glissade.cluster.v1.Handshake" } as never;
  expect(refuseHandshake(theirs, own, "host-1")).toBeNull();
  const other = { ...own, data: "xyz" };
  expect(refuseHandshake(theirs, other, "host-1")).toMatch(
    /fingerprint of the data differs: host-1/,
  );
  expect(refuseHandshake(undefined, own, "host-1")).toMatch(/is it glissade/);
  const old = { ...(theirs as object), version: "0.0.1" } as never;
  expect(refuseHandshake(old, own, "host-1")).toMatch(/runs glissade 0\.0\.1/);
});
