import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { isError } from "../../src/base/errors.ts";
import { parseIpv4 } from "../../src/base/ip.ts";
import { parseIpv6 } from "../../src/base/ipv6.ts";
import { answerTo, openHealth } from "../../src/health.ts";
import type { Readiness } from "../../src/status/readiness.ts";
import { createReport } from "../../src/status/report.ts";
import { snapshotOf } from "../support/snapshots.ts";

const LOOPBACK = { ip: parseIpv4("127.0.0.1"), port: 0 };
const READY: Readiness = {
  checks: [{ name: "lease", reason: null }],
  degraded: [{ name: "etcd", reason: null, remedy: null, command: null }],
};
const DEGRADED: Readiness = {
  ...READY,
  degraded: [{ name: "etcd", reason: "no answer within 5 s", remedy: null, command: null }],
};
const UNREADY: Readiness = {
  checks: [
    { name: "lease", reason: null },
    { name: "device", reason: "not there" },
    { name: "subnet-file", reason: "not yet" },
  ],
  degraded: DEGRADED.degraded,
};

const NO_METRICS = async () => "";
const REPORT = createReport(
  { status: async () => snapshotOf({ options: { secret: "x" } }), events: { after: () => [] } },
  systemClock,
);

async function ask(port: number, path: string, agent = new Agent()): Promise<{ status: number; body: string }> {
  const [response] = (await once(get({ host: "127.0.0.1", port, path, agent }), "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() };
}

describe("answerTo()", () => {
  const cases: readonly (readonly [string, Readiness, number, string])[] = [
    ["/healthz", UNREADY, 200, "flanneld is running"],
    ["/healthz?verbose", UNREADY, 200, "flanneld is running"],
    ["/readyz", READY, 200, "flanneld is ready"],
    ["/readyz", UNREADY, 503, "flanneld is not ready yet: device: not there; subnet-file: not yet"],
    ["/readyz", DEGRADED, 200, "flanneld is ready, but degraded: etcd: no answer within 5 s"],
    ["/readyz?verbose", READY, 200, "[+]lease ok\n[+]etcd ok\n"],
    ["/readyz?verbose", DEGRADED, 200, "[+]lease ok\n[!]etcd: no answer within 5 s\n"],
    [
      "/readyz?verbose=1",
      UNREADY,
      503,
      "[+]lease ok\n[-]device: not there\n[-]subnet-file: not yet\n[!]etcd: no answer within 5 s\n",
    ],
    ["/", READY, 404, "404 page not found\n"],
    ["/readyz/", READY, 404, "404 page not found\n"],
    ["//readyz", READY, 404, "404 page not found\n"],
    ["", READY, 404, "404 page not found\n"],
  ];
  for (const [url, readiness, status, body] of cases) {
    it(`answers ${url || "an empty path"} with ${status}`, () => {
      assert.deepEqual(
        answerTo(url, () => readiness),
        { status, body },
      );
    });
  }
});

describe("openHealth()", () => {
  it("answers metrics, with those of each peer if asked for, and says why when it has none", async () => {
    let isBroken = false;
    const metrics = async ({ peers }: { readonly peers: boolean }) => {
      if (isBroken) throw new Error("the device cannot be read");
      return `peers ${peers}\n`;
    };
    await using health = await openHealth(LOOPBACK, { readiness: () => READY, metrics, report: REPORT });
    assert.deepEqual(await ask(health.port, "/metrics"), { status: 200, body: "peers false\n" });
    assert.deepEqual(await ask(health.port, "/metrics?peers"), { status: 200, body: "peers true\n" });
    isBroken = true;
    const body = "no metrics: the device cannot be read\n";
    assert.deepEqual(await ask(health.port, "/metrics"), { status: 500, body });
  });

  it("tells the snapshot without the settings, and the events", async () => {
    await using health = await openHealth(LOOPBACK, { readiness: () => READY, metrics: NO_METRICS, report: REPORT });
    const { status, body } = await ask(health.port, "/status");
    assert.equal(status, 200);
    const { options: _, ...expected } = snapshotOf();
    assert.deepEqual(JSON.parse(body), expected);
    assert.deepEqual(await ask(health.port, "/events?after=3"), { status: 200, body: '{"events":[]}\n' });
    assert.equal((await ask(health.port, "/events?after=x")).status, 400);
  });

  it("takes GET and HEAD alone for what it tells, and any method of a probe", async () => {
    const metrics = async () => assert.fail("nobody asked for metrics");
    await using health = await openHealth(LOOPBACK, { readiness: () => READY, metrics, report: REPORT });
    const answerTo = async (method: string, path: string) => {
      const asked = request({ host: "127.0.0.1", port: health.port, path, method, agent: false }).end();
      const [response] = (await once(asked, "response")) as [IncomingMessage];
      response.resume();
      return [response.statusCode, response.headers.allow];
    };
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      for (const path of ["/status", "/events", "/metrics"]) {
        assert.deepEqual(await answerTo(method, path), [405, "GET, HEAD"], `${method} ${path}`);
      }
      for (const path of ["/healthz", "/readyz"]) {
        assert.deepEqual(await answerTo(method, path), [200, undefined], `${method} ${path}`);
      }
    }
    assert.deepEqual(await answerTo("HEAD", "/status"), [200, undefined]);
  });

  it("answers over HTTP and follows readiness both ways", async () => {
    let readiness = UNREADY;
    await using health = await openHealth(LOOPBACK, {
      readiness: () => readiness,
      metrics: NO_METRICS,
      report: REPORT,
    });
    assert.deepEqual(await ask(health.port, "/healthz"), { status: 200, body: "flanneld is running" });
    assert.equal((await ask(health.port, "/readyz")).status, 503);
    readiness = READY;
    assert.deepEqual(await ask(health.port, "/readyz"), { status: 200, body: "flanneld is ready" });
    readiness = UNREADY;
    assert.equal((await ask(health.port, "/readyz")).status, 503);
  });

  it("closes although connections are kept alive or never ask", { timeout: 2000 }, async (context) => {
    const health = await openHealth(LOOPBACK, { readiness: () => READY, metrics: NO_METRICS, report: REPORT });
    const agent = new Agent({ keepAlive: true });
    const silent = connect(health.port, "127.0.0.1").on("error", () => {});
    context.after(() => {
      silent.destroy();
      agent.destroy();
    });
    await ask(health.port, "/healthz", agent);
    await ask(health.port, "/healthz");
    const ended = once(silent, "close");
    await health[Symbol.asyncDispose]();
    await ended;
    await assert.rejects(ask(health.port, "/healthz"), /ECONNREFUSED/);
  });

  it("lets those go who do not take their answer", { timeout: 20_000 }, async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const most = 64;
    const asking: (() => void)[] = [];
    const metrics = () => new Promise<string>(() => asking.shift()?.());
    await using health = await openHealth(LOOPBACK, { readiness: () => READY, metrics, report: REPORT });
    const arrived = Array.from({ length: most }, () => new Promise<void>((resolve) => asking.push(resolve)));
    const slow = arrived.map(() => connect(health.port, "127.0.0.1").on("error", () => {}));
    context.after(() => {
      for (const socket of slow) socket.destroy();
    });
    for (const socket of slow) socket.resume().write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    await Promise.all(arrived);
    await assert.rejects(ask(health.port, "/readyz"));
    const gone = slow.map((socket) => once(socket, "close"));
    context.mock.timers.tick(10_000);
    await Promise.all(gone);
    assert.equal((await ask(health.port, "/readyz")).status, 200);
  });

  it("drops a connection whose answer cannot be sent, and nothing else", async () => {
    const metrics = async () => null as unknown as string;
    await using health = await openHealth(LOOPBACK, { readiness: () => READY, metrics, report: REPORT });
    await assert.rejects(ask(health.port, "/metrics"));
    assert.equal((await ask(health.port, "/readyz")).status, 200);
  });

  it("says that the port is taken, and where", async () => {
    await using health = await openHealth(LOOPBACK, { readiness: () => READY, metrics: NO_METRICS, report: REPORT });
    await assert.rejects(
      openHealth({ ...LOOPBACK, port: health.port }, { readiness: () => READY, metrics: NO_METRICS, report: REPORT }),
      (error) => {
        assert.ok(isError(error, "listen.failed"));
        assert.equal(
          error.message,
          `cannot listen for health checks on 127.0.0.1:${health.port}: another process listens there; choose another port with -healthz-port`,
        );
        return true;
      },
    );
  });

  it("says that the host does not have the address", async () => {
    const ip = parseIpv6("2001:db8::1");
    await assert.rejects(
      openHealth({ ip, port: 9 }, { readiness: () => READY, metrics: NO_METRICS, report: REPORT }),
      (error) => {
        assert.ok(isError(error, "listen.failed"));
        assert.equal(error.info.address, "[2001:db8::1]:9");
        return true;
      },
    );
  });
});
