import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, it } from "node:test";
import { millis } from "../../../src/base/brand.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { createAskHost } from "../../../src/web/ask-host.ts";

const { signal } = new AbortController();
describe("asking a host", () => {
  it("has a deadline, also when a host answers and does not end", { timeout: 20_000 }, async () => {
    const server = createServer((_, response) => void response.write("{"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { readonly port: number };
    const askHost = createAskHost(port, systemClock, millis(50));
    await assert.rejects(askHost("127.0.0.1", "/status", signal), /no answer within 0.05 s from port/);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(createAskHost(port, systemClock)("127.0.0.1", "/status", signal), /nothing listens on port/);
  });

  it("says why an answer is none", async () => {
    const server = createServer(({ url }, response) => {
      response.writeHead(url === "/old" ? 404 : url === "/broken" ? 500 : 200).end(url === "/good" ? '{"a":1}' : "x");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const askHost = createAskHost((server.address() as { readonly port: number }).port, systemClock);
    assert.deepEqual(await askHost("127.0.0.1", "/good", signal), { a: 1 });
    await assert.rejects(askHost("127.0.0.1", "/old", signal), /is older/);
    await assert.rejects(askHost("127.0.0.1", "/broken", signal), /HTTP status 500/);
    await assert.rejects(askHost("127.0.0.1", "/text", signal), /no JSON/);
    await new Promise((resolve) => server.close(resolve));
  });
});
