import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { DEMO_BACKENDS } from "../../demo/backends.ts";
import { attempt, run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { Overlay } from "../../src/web/overlay.ts";
import { PROFILES } from "../support/backend-profiles.ts";

const { signal } = new AbortController();
const MAIN = join(import.meta.dirname, "../../demo/main.js");

interface Demo {
  readonly process: ChildProcess;
  /** The name of its run, which begins the name of everything that it makes. */
  readonly run: string;
  readonly lines: readonly string[];
  readonly ended: Promise<number | null>;
}

/** Calls `onLine` for everything that the demo prints. */
function startDemo(args: readonly string[], onLine: (line: string, demo: Demo) => void = () => {}): Demo {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  const demo: Demo = {
    process: child,
    run: `fl${child.pid?.toString(36)}`,
    lines,
    ended: new Promise((done) => child.on("close", done)),
  };
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      lines.push(line);
      onLine(line, demo);
    });
  }
  return demo;
}

/** Namespaces, directories and processes of the run. */
function remains({ run }: Demo): readonly string[] {
  const namespaces = existsSync("/run/netns") ? readdirSync("/run/netns") : [];
  const processes = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && executableOf(pid).endsWith("/etcd"));
  return [
    ...namespaces.filter((name) => name.startsWith(`${run}-`)),
    ...(existsSync(`/run/flannel-lab/${run}`) ? [`/run/flannel-lab/${run}`] : []),
    ...processes.filter((pid) => workingFor(pid, run)),
  ];
}

function executableOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return "";
  }
}

/** By the log that it writes to. */
function workingFor(pid: string, run: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/fd/2`).includes(`/${run}/`);
  } catch {
    return false;
  }
}

describe("the demo", () => {
  for (const { type, mtu } of PROFILES) {
    it(`with ${type} shows leases, pings, the way of a packet and the logs, and leaves nothing else behind`, async () => {
      const demo = startDemo(["--hosts", "2", "--backend", type]);
      assert.equal(await demo.ended, 0, demo.lines.join("\n"));
      const text = demo.lines.join("\n");
      const tunnel = DEMO_BACKENDS.find((backend) => backend.type === type)?.tunnel;
      assert.match(text, new RegExp(`h1 .* 192\\.168\\.77\\.11 .* 10\\.42\\.\\d+\\.1/24 .* ${mtu} `));
      assert.match(text, /\/coreos\.com\/network\/subnets\/10\.42\.\d+\.0-24/);
      assert.match(text, /from h2 +\d+\.\d+ +-/);
      assert.equal(
        text.match(/ 1 packet /g)?.length,
        tunnel ? 12 : 8,
        "each place on the way has seen the packet once",
      );
      const wire = tunnel
        ? `192.168.77.11 > 192.168.77.12 +UDP ${tunnel.udpPort}, ${tunnel.content} +1 packet +${84 + 1500 - mtu} bytes`
        : "10.42.[0-9]+.2 > 10.42.[0-9]+.2 +ICMP echo request +1 packet +84 bytes";
      assert.match(text, new RegExp(`h2 +eth0 +in +${wire}`));
      assert.match(text, /All 2 pairs of pods reach each other/);
      const log = /^ +h1 +(\/.*\.log)$/m.exec(text)?.[1] ?? "";
      assert.ok(existsSync(log), `the log is there: ${log}`);
      assert.deepEqual(remains(demo), []);
    });
  }

  it("leaves nothing behind when it is interrupted, whenever that is", async () => {
    for (const moment of [/a virtual switch/, /etcd answers/, /flanneld on h\d is ready/, /a pod behind/]) {
      const demo = startDemo(["--hosts", "2"], (line, { process }) => moment.test(line) && process.kill("SIGINT"));
      assert.equal(await demo.ended, 130, demo.lines.join("\n"));
      assert.match(demo.lines.at(-1) ?? "", /stopped; all of it is taken down/);
      assert.deepEqual(remains(demo), []);
    }
  });

  it("removes at its start what a demo that was killed has left", async () => {
    const killed = startDemo(["--hosts", "2"], (line, { process }) => /is ready/.test(line) && process.kill("SIGKILL"));
    await killed.ended;
    assert.notDeepEqual(remains(killed), []);
    const next = startDemo(["--hosts", "2"]);
    assert.equal(await next.ended, 0);
    assert.deepEqual(remains(killed), []);
  });

  it("ends with the cause and the last words of the daemons when a pod cannot be reached", async () => {
    // Long before there are pods: the pings begin as soon as they are there, and take less time than to start nft.
    const demo = startDemo(["--hosts", "2"], (line, { run: name }) => {
      if (!/a virtual switch/.test(line)) return;
      const rules = "table inet cut { chain input { type filter hook input priority 0; udp dport 8472 drop; }; }";
      void run(["ip", "netns", "exec", `${name}-h2`, "nft", rules], {}, signal);
    });
    assert.equal(await demo.ended, 1);
    const text = demo.lines.join("\n");
    assert.match(text, /demo failed: .*an answer to the pings of the pod on h\d/);
    assert.match(text, /log of h1:\n.*\n/);
    assert.deepEqual(remains(demo), []);
  });

  it("shows its hosts on a live page with --web until Ctrl-C, and then leaves nothing", async () => {
    let url = "";
    const demo = startDemo(["--hosts", "2", "--web"], (line) => {
      url = /http:\/\/127\.0\.0\.1:\d+\//.exec(line)?.[0] ?? url;
    });
    await waitFor("the page's address", () => url || null, seconds(90), signal);
    const look = async () => {
      const { counts } = (await (await fetch(`${url}api/overlay`)).json()) as Overlay;
      return counts.ready === 2 || null;
    };
    await waitFor("two ready hosts on the page", look, seconds(60), signal);
    assert.match(await (await fetch(url)).text(), /<title>flanneld overlay<\/title>/);
    demo.process.kill("SIGINT");
    assert.equal(await demo.ended, 0, demo.lines.join("\n"));
    assert.match(demo.lines.at(-1) ?? "", /the page is closed; all of it is taken down/);
    assert.deepEqual(remains(demo), []);
  });

  it("stays with --keep until it is taken down", async () => {
    const kept = startDemo(["--hosts", "2", "--keep"]);
    assert.equal(await kept.ended, 0, kept.lines.join("\n"));
    const [, namespace = ""] = /ip netns exec (\S+-pod) bash/.exec(kept.lines.join("\n")) ?? [];
    const target = /^ +h2 +fl\S+ .* (\S+)$/m.exec(kept.lines.join("\n"))?.[1] ?? "";
    await run(["ip", "netns", "exec", namespace, "ping", "-c", "1", "-W", "5", target], {}, signal);
    for (const command of ["status", "leases", "check"]) {
      const line = kept.lines.find((one) => one.includes(`/flanneld ${command} `)) ?? "";
      const pasted = line.slice(line.indexOf("ip netns exec"));
      const { status, stdout, stderr } = await attempt(["sh", "-c", pasted], {}, signal);
      // Of a machine that is busy a check may have something to say.
      assert.ok(status === 0 || (command === "check" && status === 1), `${pasted}\n${stdout}${stderr}`);
    }
    const unknown = startDemo(["--down", "fl0"]);
    assert.equal(await unknown.ended, 1);
    assert.match(unknown.lines.join("\n"), new RegExp(`no kept demo is called fl0; there is .*${kept.run}`));
    // By its name: those of others on this machine go on.
    assert.ok(kept.lines.some((line) => line.endsWith(`npm run demo -- --down ${kept.run}`)));
    const down = startDemo(["--down", kept.run]);
    assert.equal(await down.ended, 0);
    assert.deepEqual(down.lines, [`took ${kept.run} down`]);
    await waitFor("the end", () => (remains(kept).length === 0 ? true : null), seconds(30), signal);
  });
});
