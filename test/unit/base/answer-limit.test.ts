import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { it } from "node:test";
import { limitAnswer } from "../../../src/base/answer-limit.ts";

it("limitAnswer() ends a connection whose reader does not read", { timeout: 20_000 }, async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const server = createServer().listen(0, "127.0.0.1");
  context.after(() => server.close());
  await once(server, "listening");
  const asked = once(server, "request");
  const reader = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
  context.after(() => reader.destroy());
  reader.pause();
  reader.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const response = (await asked)[1] as ServerResponse;
  limitAnswer(response);
  const closed = once(response, "close");
  response.end("x".repeat(32 * 1024 * 1024));
  context.mock.timers.tick(9_999);
  assert.deepEqual([response.destroyed, response.writableFinished], [false, false]);
  context.mock.timers.tick(1);
  await closed;
});
