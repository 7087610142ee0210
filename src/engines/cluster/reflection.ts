/** The standard reflection service (grpc.reflection.v1): how grpcurl learns what can be called. */
import { create, type DescFile, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { type Server, type ServerDuplexStream, status } from "@grpc/grpc-js";
import { Cluster } from "./generated/glissade/cluster/v1/cluster_pb.ts";
import { Health } from "./generated/grpc/health/v1/health_pb.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "./generated/grpc/reflection/v1/reflection_pb.ts";
import { definitionOf } from "./rpc.ts";

const services = [Cluster, Health, ServerReflection];
const files: readonly DescFile[] = services.map(({ file }) => file);

type Answer = NonNullable<
  MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]
>;

/** Adds the service. */
export function addReflection(server: Server): void {
  server.addService(definitionOf(ServerReflection) as never, {
    serverReflectionInfo(
      call: ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>,
    ) {
      call.on("data", (request: ServerReflectionRequest) => {
        call.write(
          create(ServerReflectionResponseSchema, {
            validHost: request.host,
            originalRequest: request,
            messageResponse: answerOf(request),
          }),
        );
      });
      call.on("end", () => call.end());
      call.on("error", () => {});
    },
  });
}

function answerOf({ messageRequest }: ServerReflectionRequest): Answer {
  switch (messageRequest.case) {
    case "listServices":
      return {
        case: "listServicesResponse",
        value: { service: services.map(({ typeName }) => ({ name: typeName })) },
      };
    case "fileByFilename":
      return describe(
        files.find(({ proto }) => proto.name === messageRequest.value),
        messageRequest.value,
      );
    case "fileContainingSymbol":
      return describe(
        files.find((file) => symbolsOf(file).includes(messageRequest.value)),
        messageRequest.value,
      );
    default:
      return refuse(status.UNIMPLEMENTED, "there are no extensions here");
  }
}

function symbolsOf({ messages, proto, services: own, enums }: DescFile): string[] {
  const methods = own.flatMap(({ typeName, methods: all }) =>
    all.map(({ name }) => `${typeName}.${name}`),
  );
  return [proto.package, ...[...messages, ...enums, ...own].map((d) => d.typeName), ...methods];
}

function describe(file: DescFile | undefined, name: string): Answer {
  if (!file) return refuse(status.NOT_FOUND, `nothing here is named ${name}`);
  return {
    case: "fileDescriptorResponse",
    value: { fileDescriptorProto: [toBinary(FileDescriptorProtoSchema, file.proto)] },
  };
}

function refuse(errorCode: status, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
