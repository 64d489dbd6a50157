import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { describe, it } from "node:test";
import { isError } from "../../../src/base/errors.ts";
import { answerWeb, isOwnHost } from "../../../src/web/answer.ts";
import { ASSETS } from "../../../src/web/assets.ts";
import { isLoopback, parseListenAddress } from "../../../src/web/listen-address.ts";
import { buildOverlay } from "../../../src/web/model.ts";
import { openWeb, type WebServerDesk } from "../../../src/web/server.ts";
import { createStreams } from "../../../src/web/streams.ts";
import { factsOf } from "../../support/overlay-facts.ts";

const LOOPBACK = parseListenAddress("127.0.0.1:0");
const OVERLAY = buildOverlay(factsOf());
const OWN = "127.0.0.1:8470";

function deskOf(changes: Partial<WebServerDesk> = {}): WebServerDesk {
  const row = async (subnet: string) =>
    subnet === "10.5.7.0/24" ? { subnet, states: ["self" as const], rttSeconds: null, traffic: null, hosts: [] } : null;
  return { assets: ASSETS, overlay: async () => OVERLAY, row, onOpen: () => {}, ...changes };
}

async function ask(port: number, path: string, method = "GET", host = OWN): Promise<IncomingMessage> {
  const asked = request({ host: "127.0.0.1", port, path, method, headers: { host }, agent: false }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  return response;
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function open(desk = deskOf(), streams = createStreams()) {
  assert.ok(LOOPBACK);
  return await openWeb(LOOPBACK, desk, streams);
}

describe("isOwnHost()", () => {
  it("takes addresses and localhost, with any port: no other page can have these", () => {
    for (const host of ["127.0.0.1", "127.0.0.1:8470", "LOCALHOST:80", "10.0.0.1:8470", "[::1]:8470", "[fd00::1]"]) {
      assert.ok(isOwnHost(host), host);
    }
  });

  it("takes no other name", () => {
    for (const host of [
      null,
      "",
      "evil.example",
      "evil.example:8470",
      "127.0.0.1.evil.example",
      "localhost.evil",
      "::1",
    ]) {
      assert.ok(!isOwnHost(host), String(host));
    }
  });
});

describe("answerWeb()", () => {
  const answer = (url: string, changes = {}) => answerWeb({ method: "GET", url, host: OWN, ...changes }, deskOf());
  const statusOf = async (url: string, changes = {}) => {
    const answered = await answer(url, changes);
    return answered.kind === "text" ? answered.status : answered.kind;
  };

  it("serves the page, its parts, the model and rows", async () => {
    for (const [path, type] of [
      ["/", "text/html; charset=utf-8"],
      ["/page.css", "text/css; charset=utf-8"],
      ["/main.js", "text/javascript; charset=utf-8"],
      ["/favicon.svg", "image/svg+xml"],
      ["/api/overlay", "application/json; charset=utf-8"],
      ["/api/row?subnet=10.5.7.0%2F24", "application/json; charset=utf-8"],
    ] as const) {
      const answered = await answer(path);
      assert.ok(answered.kind === "text" && answered.status === 200 && answered.type === type, path);
      assert.ok(answered.body.length > 0, path);
    }
    assert.equal(await statusOf("/api/stream"), "stream");
  });

  it("has nothing else, writes nothing, and answers nobody who was led here by a name", async () => {
    for (const path of ["/main.ts", "/../main.js", "/constructor", "/__proto__", "/api", "//", "/api/row?subnet=x"]) {
      assert.equal(await statusOf(path), 404, path);
    }
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) assert.equal(await statusOf("/", { method }), 405);
    assert.equal(await statusOf("/api/overlay", { host: "evil.example:8470" }), 421);
  });
});

describe("the page's files", () => {
  it("name nothing outside of this server, and have no script or style within the markup", () => {
    const { "index.html": html = "", ...rest } = ASSETS;
    assert.doesNotMatch(html, /<script(?![^>]*src=)|<style|\son\w+=|style=/);
    for (const [name, text] of Object.entries({ html, ...rest })) {
      const outside = text.replaceAll("http://www.w3.org/2000/svg", "").match(/\bhttps?:\/\/|@import|url\(/);
      assert.equal(outside, null, name);
    }
  });

  it("make nothing markup that comes from outside", () => {
    for (const [name, text] of Object.entries(ASSETS)) {
      assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/, name);
    }
  });
});

describe("the page's server", () => {
  it("sends a strict policy with everything, also with refusals", async () => {
    await using server = await open();
    for (const [path, method] of [
      ["/", "GET"],
      ["/nothing", "GET"],
      ["/", "POST"],
      ["/api/overlay", "GET"],
    ] as const) {
      const response = await ask(server.port, path, method);
      response.resume();
      assert.match(String(response.headers["content-security-policy"]), /^default-src 'self';/);
      assert.match(String(response.headers["content-security-policy"]), /frame-ancestors 'none'/);
      assert.equal(response.headers["x-content-type-options"], "nosniff");
      assert.equal(response.headers["access-control-allow-origin"], undefined);
    }
  });

  it("refuses a request with another name over the wire", async () => {
    await using server = await open();
    const response = await ask(server.port, "/api/overlay", "GET", "evil.example");
    assert.equal(response.statusCode, 421);
    assert.match(await bodyOf(response), /open this page by its address/);
  });

  it("streams the newest model, each that follows, and that it is alive", async () => {
    const streams = createStreams();
    const opened: string[] = [];
    await using server = await open(deskOf({ onOpen: () => void opened.push("page") }), streams);
    streams.send("1");
    const response = await ask(server.port, "/api/stream");
    assert.equal(response.headers["content-type"], "text/event-stream");
    response.setEncoding("utf8");
    let text = "";
    response.on("data", (chunk: string) => {
      text += chunk;
    });
    const until = async (wanted: string) => {
      while (!text.includes(wanted)) await once(response, "data");
    };
    await until("event: overlay\ndata: 1\n\n");
    streams.send("2");
    await until("event: overlay\ndata: 2\n\n");
    streams.beat();
    await until("event: beat");
    assert.equal(opened.length, 1);
    assert.equal(streams.count(), 1);
    response.destroy();
    await new Promise((resolve) => response.on("close", resolve));
  });

  it("lets no crowd of streams take all there is", async () => {
    const streams = createStreams();
    await using server = await open(deskOf(), streams);
    const responses = await Promise.all(Array.from({ length: 33 }, () => ask(server.port, "/api/stream")));
    const statuses = responses.map(({ statusCode }) => statusCode);
    assert.deepEqual(
      [statuses.filter((status) => status === 200).length, statuses.filter((one) => one === 503).length],
      [32, 1],
    );
    for (const response of responses) response.on("error", () => {}).destroy();
  });

  it("lets those go who do not take their answer, and no stream", { timeout: 20_000 }, async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    let arrive = () => {};
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const overlay = () => {
      arrive();
      return new Promise<never>(() => {});
    };
    const streams = createStreams();
    const server = await open(deskOf({ overlay }), streams);
    // Also when it fails, which is to wait in vain.
    context.after(() => server[Symbol.asyncDispose]());
    const stream = await ask(server.port, "/api/stream");
    const slow = request({ host: "127.0.0.1", port: server.port, path: "/api/overlay", headers: { host: OWN } });
    const gone = once(slow, "error");
    slow.end();
    await arrived;
    context.mock.timers.tick(10_000);
    await gone;
    streams.send("1");
    const [chunk] = await once(stream, "data");
    assert.match(String(chunk), /data: 1/);
    stream.on("error", () => {}).destroy();
  });

  it("says that the port is taken, and what to do", async () => {
    await using server = await open();
    const address = parseListenAddress(`127.0.0.1:${server.port}`);
    assert.ok(address);
    await assert.rejects(openWeb(address, deskOf(), createStreams()), (error) => {
      assert.ok(isError(error, "listen.failed"));
      assert.match(error.message, /cannot listen for the page on 127\.0\.0\.1:\d+: another process .* --listen/);
      return true;
    });
  });
});

describe("parseListenAddress()", () => {
  it("reads an address and a port", () => {
    assert.deepEqual(parseListenAddress("localhost:8470"), { ip: "127.0.0.1", port: 8470 });
    assert.deepEqual(parseListenAddress("[::1]:0"), { ip: "::1", port: 0 });
    for (const text of ["", "8470", ":8470", "host:8470", "127.0.0.1", "127.0.0.1:65536", "::1:80", "[1.2.3.4]:80"]) {
      assert.equal(parseListenAddress(text), null, text);
    }
  });

  it("knows what only this host reaches", () => {
    const loopback = (text: string) => {
      const address = parseListenAddress(text);
      return address && isLoopback(address);
    };
    assert.deepEqual(["127.1.2.3:1", "[::1]:1", "0.0.0.0:1", "10.0.0.1:1"].map(loopback), [true, true, false, false]);
  });
});
