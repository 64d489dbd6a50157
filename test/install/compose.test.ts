// The compose file, brought up by Docker as its comments and docs/install.md say. The image of etcd holds Debian's etcd
// under the name of the one that the file names: no registry is asked.

import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { addPod } from "../../lab/cni.ts";
import { ping } from "../../lab/ping.ts";
import { run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { builtImage, loadByDocker } from "../support/container-image.ts";
import { DOCKER, unpackDocker } from "../support/docker-programs.ts";
import { type NeighbourHost, type NeighbourHosts, openNeighbourHosts, SUBNET_FILE } from "../support/neighbours.ts";
import { ROOT } from "../support/packages.ts";

const { signal } = new AbortController();
const LIMIT = seconds(120);
const FILE = join(ROOT, "packaging/compose.yaml");
const LIBRARIES = ["ld-linux-x86-64.so.2", "libc.so.6"];

let open: NeighbourHosts;
let host: NeighbourHost;

/** docker-compose of a newer Debian, with the libraries that it came with. */
function installCompose(): void {
  const directory = host.debian.path("/root/compose");
  mkdirSync(directory, { recursive: true });
  cpSync(join(DOCKER, "usr/libexec/docker/cli-plugins/docker-compose"), join(directory, "docker-compose"));
  for (const name of LIBRARIES) {
    cpSync(join(DOCKER, "usr/lib/x86_64-linux-gnu", name), join(directory, name), { dereference: true });
  }
  const line = `exec /root/compose/${LIBRARIES[0]} --library-path /root/compose /root/compose/docker-compose "$@"`;
  const program = host.debian.path("/usr/local/bin/docker-compose");
  writeFileSync(program, `#!/bin/sh\n${line}\n`);
  chmodSync(program, 0o755);
  cpSync(FILE, join(directory, "compose.yaml"));
}

const compose = (...words: readonly string[]) =>
  host.on("/usr/local/bin/docker-compose", "-f", "/root/compose/compose.yaml", ...words);

async function loadEtcd(): Promise<void> {
  const image = /image: (\S+\/etcd:\S+)/.exec(readFileSync(FILE, "utf8"))?.[1] ?? assert.fail();
  const files = ["/usr/bin/etcd", "/usr/bin/etcdctl", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
  const archive = host.debian.path("/root/etcd.tar");
  await run(["tar", "--dereference", "-cf", archive, "-C", "/", ...files.map((file) => file.slice(1))], {}, signal);
  await host.on("docker", "import", "/root/etcd.tar", image);
}

describe("the compose file, brought up by Docker", () => {
  before(async () => {
    await unpackDocker(signal);
    open = await openNeighbourHosts(1, { Network: "10.5.0.0/16" }, "", signal);
    [host] = open.hosts as [NeighbourHost];
    // The machines of the tests come with an etcd of their own, which has the ports.
    await host.on("systemctl", "mask", "--now", "flanneld.service", "etcd.service");
    await host.on("sh", "-c", "ip link del flannel.1; rm -rf /run/flannel /var/lib/flannel");
    installCompose();
    host.put("/etc/docker/daemon.json", '{"storage-driver":"vfs"}');
    await host.on("systemctl", "start", "docker.service");
    await loadByDocker(host, await builtImage(signal), signal);
    await loadEtcd();
  });
  after(async () => open?.[Symbol.asyncDispose]());

  it("has flanneld wait for the config, and serve its host once that is put", async () => {
    await compose("up", "--detach", "--pull=never");
    const logs = () => compose("logs", "--no-color", "flanneld");
    const waits = async () => (/no network config/.test(await logs()) ? true : null);
    await waitFor("flanneld to wait for its config", waits, LIMIT, signal);
    const config = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';
    const put = ["etcdctl", "put", "/coreos.com/network/config", config];
    await compose("exec", "-T", "--env=ETCDCTL_API=3", "etcd", ...put);
    const isReady = async () => (/flannel is ready/.test(await logs()) ? true : null);
    await waitFor("flanneld to be ready", isReady, LIMIT, signal);
    assert.match(await compose("exec", "-T", "flanneld", "flanneld", "status"), /^flanneld .*\n[\s\S]*10\.5\./);
    assert.match(await host.on("cat", SUBNET_FILE), /^FLANNEL_NETWORK=10\.5\.0\.0\/16$/m);
  });

  it("keeps the host's subnet over down and up, and the packets of its pods meanwhile", async () => {
    const pod = await addPod(host.debian.machine, "pod", host.subnetFile(), signal);
    const subnet = host.subnet();
    await compose("down");
    const own = subnet.replace(/\.1\/24$/, ".0");
    const { received } = await ping(pod.namespace, own, { count: 3, waitSeconds: 5 }, signal);
    assert.equal(received, 3, "the device is still there");
    await compose("up", "--detach", "--pull=never");
    const isReady = async () =>
      /flannel is ready/.test(await compose("logs", "--no-color", "flanneld")) ? true : null;
    await waitFor("flanneld to be ready again", isReady, LIMIT, signal);
    assert.equal(host.subnet(), subnet);
  });
});
