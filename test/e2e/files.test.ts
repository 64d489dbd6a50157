// The files that the daemon writes for others and for itself: a disk that is full, a file system that may not be written,
// directories that are missing, and files of an earlier run that say nothing or something wrong. Packets flow all the same.

import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";

const { signal } = new AbortController();
const FLANNELD = join(import.meta.dirname, "../../../bin/flanneld");
const FLAGS = ["--healthz-port=8081"];
let cluster: Cluster;
let directory: string;

before(async () => {
  cluster = await openCluster(1, VXLAN.config, signal);
  directory = cluster.hosts[0]?.directory ?? assert.fail();
});
after(async () => cluster?.[Symbol.asyncDispose]());

let started: Flanneld[] = [];
/** A test that fails must not leave its daemon to the next. */
afterEach(async () => {
  for (const daemon of started) if (daemon.running()) await daemon.kill(signal);
  started = [];
});
function start(options: Parameters<Cluster["start"]>[1] = {}): Flanneld {
  const daemon = cluster.start(0, options);
  started.push(daemon);
  return daemon;
}

const shell = (line: string) => cluster.on(0, "sh", "-c", line);

async function readiness(): Promise<string> {
  const script = `fetch("http://127.0.0.1:8081/readyz?verbose").then(async (r) => console.log(r.status, await r.text()))`;
  return cluster.on(0, "node", "-e", script);
}

interface Mounted {
  readonly daemon: Flanneld;
  /** A line for a shell that sees the daemon's file systems, in the directory that was mounted. */
  inside(line: string): Promise<string>;
  subnetFile(): Promise<string>;
}

/** A daemon whose files are on a small file system of its own, which goes away with it. `prepare` runs there before it. */
function startOnSmallDisk(prepare: string): Mounted {
  const disk = join(directory, "disk");
  const program = join(directory, "on-small-disk");
  const script = `mkdir -p ${disk} && mount -t tmpfs -o size=64k tmpfs ${disk} && cd ${disk} && ${prepare}`;
  writeFileSync(program, `#!/bin/sh\nexec unshare -m sh -c '${script} && exec ${FLANNELD} "$@"' flanneld "$@"\n`);
  chmodSync(program, 0o755);
  const flags = [...FLAGS, `--subnet-file=${disk}/run/subnet.env`, `--state-dir=${disk}/state`];
  const daemon = start({ program, flags });
  const inside = (line: string) => shell(`nsenter -t ${daemon.pid} -m sh -c 'cd ${disk} && ${line}'`);
  return { daemon, inside, subnetFile: () => inside("cat run/subnet.env") };
}

/** Each of these hosts has an id of its own: what one leaves in etcd would be asked for by the next. */
async function end(daemon: Flanneld): Promise<void> {
  await daemon.kill(signal);
  await cluster.etcdctl("del", "--prefix", `${PREFIX}/subnets/`);
}

const FULL = "head -c 1m /dev/zero >fill 2>/dev/null; true";

/** Brings the data plane up, says what is wrong and why, and is ready once it has been mended. */
async function survives({ daemon, inside, subnetFile }: Mounted, reason: RegExp, mend: string): Promise<void> {
  const line = await daemon.waitForLog(/cannot write the subnet file/, LIMIT, signal);
  assert.match(line, reason);
  assert.match(await shell("ip -d link show flannel.1"), /UP.*vxlan id 1/s);
  assert.match(await readiness(), /^503 [\s\S]*\[-\]subnet-file: /);
  // While it tries again, there is the file that it would have renamed.
  const isClean = async () => /^(flanneld\.sock\n)?$/.test(await inside("ls -A run 2>/dev/null || true")) || null;
  await waitFor("nothing half written to be left", isClean, LIMIT, signal);
  await daemon.waitForLog(/cannot remember the lease for the next start/, LIMIT, signal);
  await inside(mend);
  await daemon.ready(signal);
  assert.match(await subnetFile(), /^FLANNEL_SUBNET=10\.5\./m);
  assert.match(await readiness(), /^200 /);
  await daemon.waitForLog(/the lease is remembered again/, seconds(90), signal);
}

describe("the daemon's files", () => {
  it("on a disk that is full are written once there is room", async () => {
    const mounted = startOnSmallDisk(`mkdir run state && ${FULL}`);
    await survives(mounted, /ENOSPC/, "rm fill");
    await end(mounted.daemon);
  });

  it("on a file system that may not be written are written once it may", async () => {
    const mounted = startOnSmallDisk("mkdir run && mount -o remount,ro .");
    await survives(mounted, /EROFS/, "mount -o remount,rw .");
    await end(mounted.daemon);
  });

  it("that say already what they should need no room", async () => {
    const file = join(directory, "subnet.env");
    const first = start({ flags: FLAGS });
    await first.ready(signal);
    await end(first);
    const text = readFileSync(file, "utf8");
    const again = startOnSmallDisk(`mkdir run state && cp ${file} run && chmod 644 run/subnet.env && ${FULL}`);
    await again.daemon.ready(signal);
    assert.equal(await again.subnetFile(), text);
    await end(again.daemon);
  });

  it("are written again when somebody deletes or changes them", async () => {
    const daemon = start({ flags: FLAGS });
    await daemon.ready(signal);
    const text = readFileSync(daemon.subnetFile, "utf8");
    const isBack = () => (existsSync(daemon.subnetFile) && readFileSync(daemon.subnetFile, "utf8") === text) || null;
    for (const spoil of [`rm ${daemon.subnetFile}`, `echo FLANNEL_SUBNET=10.9.1.1/24 >${daemon.subnetFile}`]) {
      await shell(spoil);
      // It is looked at every 15 s.
      await waitFor("the subnet file", isBack, seconds(60), signal);
    }
    await end(daemon);
  });

  it("get the directories that are missing", async () => {
    const mounted = startOnSmallDisk("true");
    await mounted.daemon.ready(signal);
    assert.match(await mounted.subnetFile(), /^FLANNEL_SUBNET=10\.5\./m);
    await waitFor("the state directory", async () => (await mounted.inside("ls state || true")) || null, LIMIT, signal);
    await end(mounted.daemon);
  });
});

describe("a subnet file of an earlier run", () => {
  for (const [what, text] of [
    ["that is empty", ""],
    ["that is cut off", "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUB"],
    ["that is binary", "\0\x01\xff\xfe".repeat(300)],
    ["that names a subnet of another network", "FLANNEL_NETWORK=10.9.0.0/16\nFLANNEL_SUBNET=10.9.1.1/24\n"],
    ["that names a subnet that this host had once", "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.198.1/24\n"],
  ]) {
    it(`${what} changes nothing: etcd knows the lease`, async () => {
      const running = start();
      await running.ready(signal);
      const before = readFileSync(running.subnetFile, "utf8");
      await running.stop(signal);
      writeFileSync(running.subnetFile, text ?? "");
      const again = start();
      await again.ready(signal);
      assert.equal(readFileSync(again.subnetFile, "utf8"), before);
      await again.stop(signal);
    });
  }

  it("gives the subnet back to a host whose record is gone, and if it is gone, too, what the state directory says", async () => {
    const running = start();
    await running.ready(signal);
    const before = readFileSync(running.subnetFile, "utf8");
    const state = join(directory, "state");
    await waitFor(
      "what is remembered",
      async () => (await shell(`ls ${state}`)).includes(".lease") || null,
      LIMIT,
      signal,
    );
    await running.stop(signal);
    for (const lose of [() => {}, () => rmSync(running.subnetFile)]) {
      lose();
      await cluster.etcdctl("del", "--prefix", `${PREFIX}/subnets/`);
      const again = start();
      await again.ready(signal);
      assert.equal(readFileSync(again.subnetFile, "utf8"), before);
      await again.stop(signal);
    }
    assert.ok(existsSync(state));
  });
});
