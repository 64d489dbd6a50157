// The end of a forward (forward.ts) that is in the namespace: what comes through a unix socket goes to a port of its
// loopback. Arguments: the socket's path, the port.

import { connect, createServer } from "node:net";

const [path = "", port = ""] = process.argv.slice(2);

createServer((near) => {
  const far = connect(Number(port), "127.0.0.1");
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
  near.on("close", () => far.destroy());
  far.on("close", () => near.destroy());
  near.pipe(far);
  far.pipe(near);
}).listen(path);
