import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { isError } from "../../../src/base/errors.ts";
import { controlClient } from "../../../src/control/client.ts";

const { signal } = new AbortController();
let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flanneld-client-"));
  path = join(directory, "flanneld.sock");
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** Something on the socket that says this and hangs up. */
async function sayingOnly(text: string): Promise<AsyncDisposable> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(text));
  });
  await new Promise<void>((listening) => server.listen(path, listening));
  return { [Symbol.asyncDispose]: () => new Promise<void>((closed) => server.close(() => closed())) };
}

const ask = () => controlClient.ask(path, { method: "GET", url: "/status" }, signal);

describe("a question to a daemon", () => {
  const texts: readonly (readonly [string, string, "daemon.absent" | "request.refused", RegExp])[] = [
    ["dies in its answer", 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"a":', "daemon.absent", /broke off/],
    ["dies before it", "", "daemon.absent", /hang up/],
    ["answers nonsense", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "request.refused", /no flanneld/],
    ["answers no object", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull", "request.refused", /no flanneld/],
    ["answers a list", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "request.refused", /no flanneld/],
    [
      "says what is wrong",
      'HTTP/1.1 503 X\r\nContent-Length: 16\r\n\r\n{"error":"busy"}',
      "request.refused",
      /refused: busy$/,
    ],
  ];
  for (const [what, text, code, reason] of texts) {
    it(`that ${what} fails as ${code}`, async () => {
      await using _daemon = await sayingOnly(text);
      await assert.rejects(ask(), (error: unknown) => isError(error, code) && reason.test(error.message));
    });
  }

  it("has the daemon's reason when it may not follow", async () => {
    await using _daemon = await sayingOnly('HTTP/1.1 400 X\r\nContent-Length: 16\r\n\r\n{"error":"what"}');
    const following = controlClient.follow(path, "/events?follow", signal)[Symbol.asyncIterator]();
    await assert.rejects(following.next(), /refused: what/);
  });
});
