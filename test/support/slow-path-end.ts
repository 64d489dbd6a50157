// A slow way to a server: a program that the end-to-end tests run in a namespace, because a kernel need not have netem.
// Usage: slow-path-end.js HOST PORT LISTEN-PORT MILLISECONDS-EACH-WAY; says "ready" when it listens.

import { millis } from "../../src/base/brand.ts";
import { openTcpProxy } from "./tcp-proxy.ts";

const [host = "", port = "", listenPort = "", delay = ""] = process.argv.slice(2);
const proxy = await openTcpProxy({ host, port: Number(port) }, { host: "0.0.0.0", port: Number(listenPort) });
proxy.delay(millis(Number(delay)));
process.stdout.write("ready\n");
