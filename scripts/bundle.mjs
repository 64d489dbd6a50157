// src/main.ts with everything that it uses -> one file, flanneld.cjs: a daemon that is one file starts faster, needs
// less memory and cannot meet a half-updated node_modules.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import protobuf from "protobufjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The services of etcd that flanneld calls; null: all methods. The rest of the API would only be parsed at each start. */
const ETCD_SERVICES = { KV: null, Watch: null, Lease: null, Auth: ["Authenticate"] };

/** The part of etcd's API that we use, as JSON which protobufjs loads without a parser. */
function etcdApi(directory) {
  const root = new protobuf.Root().loadSync(join(directory, "rpc.proto"), { keepCase: true }).resolveAll();
  const used = new Set();
  const use = (type) => {
    const message = outermost(type);
    if (used.has(message)) return;
    used.add(message);
    walkFields(message, (field) => field.resolvedType && use(field.resolvedType));
  };
  const namespace = root.lookup("etcdserverpb");
  for (const object of namespace.nestedArray) {
    if (!(object instanceof protobuf.Service)) continue;
    const methods = ETCD_SERVICES[object.name];
    if (methods === undefined) namespace.remove(object);
    for (const method of object.methodsArray) {
      if (methods && !methods.includes(method.name)) object.remove(method);
      else if (methods !== undefined) [method.resolvedRequestType, method.resolvedResponseType].forEach(use);
    }
  }
  removeUnused(root, used);
  return root.toJSON();
}

/** Messages within messages stay with the one that holds them. */
function outermost(type) {
  return type.parent instanceof protobuf.Type ? outermost(type.parent) : type;
}

function walkFields(message, visit) {
  for (const field of message.fieldsArray ?? []) visit(field);
  for (const nested of message.nestedArray ?? []) walkFields(nested, visit);
}

function removeUnused(namespace, used) {
  for (const object of namespace.nestedArray) {
    if (object instanceof protobuf.Type || object instanceof protobuf.Enum) {
      if (!used.has(object)) namespace.remove(object);
    } else if (!(object instanceof protobuf.Service) && object instanceof protobuf.Namespace) {
      removeUnused(object, used);
    }
  }
}

/** etcd3 reads its .proto files at run time from where it is installed; a bundle is installed nowhere. */
const inlineEtcdApi = {
  name: "inline-etcd-api",
  setup(bundle) {
    bundle.onResolve({ filter: /^@grpc\/proto-loader$/ }, () => ({ path: join(ROOT, "scripts/etcd-protocol.cjs") }));
    bundle.onLoad({ filter: /\/etcd3\/lib\/connection-pool\.js$/ }, ({ path }) => {
      const api = JSON.stringify(etcdApi(resolve(dirname(path), "../proto")));
      const source = readFileSync(path, "utf8");
      const call = /\.loadSync\)\(`[^`]+rpc\.proto`,/;
      if (!call.test(source)) throw new Error(`${path} no longer loads rpc.proto in the way that is replaced here`);
      return { loader: "js", contents: source.replace(call, () => `.defineServices)(${api},`) };
    });
  },
};

/**
 * Node compiles a long regular expression at the first question whether an address is IPv6, which is a twentieth of the
 * time from exec to the first request. grpc-js asks this of addresses only.
 */
const askForColons = {
  name: "ask-for-colons",
  setup(bundle) {
    const filter = /\/grpc-js\/build\/src\/(subchannel-address|load-balancer-pick-first)\.js$/;
    bundle.onLoad({ filter }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const contents = source.replaceAll(/\(0, net_1\.isIPv6\)\(([\w.[\]]+)\)/g, '$1.includes(":")');
      if (contents === source) throw new Error(`${path} no longer asks for IPv6 in the way that is replaced here`);
      return { loader: "js", contents };
    });
  },
};

/** The package's own addon lies beside the bundle, or beside the executable that the bundle is in. */
const placeRawSocket = {
  name: "place-raw-socket",
  setup(bundle) {
    bundle.onLoad({ filter: /\/raw-socket\/index\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const call = 'require ("./build/Release/raw.node")';
      if (!source.includes(call)) throw new Error(`${path} no longer loads its addon in the way that is replaced here`);
      const place = [
        "(() => {",
        'const { dirname, join } = require("node:path");',
        // Node: in a single executable the second word is what was typed, which need not be a path.
        'const program = process.argv[1]?.endsWith(".cjs") ? process.argv[1] : process.execPath;',
        'const directory = dirname(require("node:fs").realpathSync(program));',
        'const addon = join(directory, "raw-socket.node");',
        'return require("node:module").createRequire(addon)(addon);',
        "})()",
      ];
      return { loader: "js", contents: source.replace(call, () => place.join(" ")) };
    });
  },
};

/** The page of `flanneld web`: read from beside the sources, it would be missing where the bundle is installed. */
const inlineWebAssets = {
  name: "inline-web-assets",
  setup(bundle) {
    bundle.onLoad({ filter: /\/src\/web\/assets\.ts$/ }, ({ path }) => {
      const directory = join(dirname(path), "assets");
      const files = readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), "utf8")]);
      return { loader: "js", contents: `export const ASSETS = ${JSON.stringify(Object.fromEntries(files.sort()))};` };
    });
  },
};

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const bundled = build({
  // Names of modules are in the bundle, relative to this: the same bytes from whatever directory it is made.
  absWorkingDir: ROOT,
  entryPoints: [join(ROOT, "src/main.ts")],
  outfile: join(process.argv[2] ?? join(ROOT, "dist"), "flanneld.cjs"),
  bundle: true,
  // Before anything is loaded, which takes longest: SIGHUP asks for certificates to be read again, and Node ends by it.
  banner: { js: 'process.on("SIGHUP", () => {});' },
  platform: "node",
  target: "node20",
  format: "cjs",
  // Node: code that was compiled ahead, as the packaged executable's is, may not import() at run time; require() it may.
  supported: { "dynamic-import": false },
  minifyWhitespace: true,
  minifySyntax: true,
  sourcemap: "external",
  define: { FLANNELD_VERSION: JSON.stringify(version) },
  plugins: [inlineEtcdApi, inlineWebAssets, askForColons, placeRawSocket],
  logLevel: "warning",
});
// What esbuild has found wrong, it has said already.
await bundled.catch((error) => {
  if (!error.errors) throw error;
  process.exitCode = 1;
});
