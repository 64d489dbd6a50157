// In the bundle, in the place of @grpc/proto-loader: the services of etcd, as grpc-js takes them, from the JSON that
// bundle.mjs has made of their .proto files. The package itself also describes every message for servers that answer
// questions about themselves, which is a fifth of the time from exec to the first request, and parses .proto files.

const protobuf = require("protobufjs/light");

/** Of etcd3's connection-pool.js: 64-bit numbers as text, no member is ever missing. */
exports.defineServices = (api, conversion) => {
  const services = protobuf.Root.fromJSON(api).resolveAll().lookup("etcdserverpb").nestedArray;
  const defined = services.filter((object) => object instanceof protobuf.Service);
  return Object.fromEntries(defined.map((service) => [service.fullName.slice(1), methodsOf(service, conversion)]));
};

function methodsOf(service, conversion) {
  return Object.fromEntries(
    service.methodsArray.map(({ name, requestStream, responseStream, ...method }) => {
      const [request, response] = [method.resolvedRequestType, method.resolvedResponseType];
      const definition = {
        path: `/${service.fullName.slice(1)}/${name}`,
        originalName: name.charAt(0).toLowerCase() + name.slice(1),
        requestStream: requestStream === true,
        responseStream: responseStream === true,
        requestSerialize: serializer(request),
        requestDeserialize: deserializer(request, conversion),
        responseSerialize: serializer(response),
        responseDeserialize: deserializer(response, conversion),
      };
      return [name, definition];
    }),
  );
}

function serializer(type) {
  return (message) => type.encode(type.fromObject(message)).finish();
}

function deserializer(type, conversion) {
  return (bytes) => type.toObject(type.decode(bytes), conversion);
}
