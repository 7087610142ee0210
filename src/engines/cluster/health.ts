/** The standard health service (grpc.health.v1): what probes ask. */
import { create } from "@bufbuild/protobuf";
import {
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import {
  Health,
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Serving,
} from "./generated/grpc/health/v1/health_pb.ts";
import { definitionOf } from "./rpc.ts";

/** Whether the process serves; watchers are told when it changes. */
export interface HealthState {
  set(serving: boolean): void;
}

type Watcher = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>;

/** Adds the service; the empty name stands for the whole process. */
export function addHealth(server: Server, services: readonly string[]): HealthState {
  let serving = false;
  const watchers = new Set<Watcher>();
  const known = new Set(["", ...services]);
  const answerTo = (service: string) => {
    const unknown = !known.has(service);
    const answer = unknown
      ? Serving.SERVICE_UNKNOWN
      : serving
        ? Serving.SERVING
        : Serving.NOT_SERVING;
    return create(HealthCheckResponseSchema, { status: answer });
  };
  server.addService(definitionOf(Health) as never, {
    check(
      { request }: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
      reply: sendUnaryData<HealthCheckResponse>,
    ) {
      if (known.has(request.service)) reply(null, answerTo(request.service));
      else reply({ code: status.NOT_FOUND, details: `there is no service ${request.service}` });
    },
    watch(call: Watcher) {
      watchers.add(call);
      call.on("cancelled", () => watchers.delete(call));
      call.write(answerTo(call.request.service));
    },
  });
  return {
    set(now) {
      if (now === serving) return;
      serving = now;
      for (const call of watchers) call.write(answerTo(call.request.service));
    },
  };
}
