// The container image, run by container engines: podman on the first host takes it as it is made, Docker on the second
// as skopeo gives it to it. Each container has what packaging/compose.yaml gives it, and no more.

import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { basename } from "node:path";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import { ping } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { PREFIX } from "../support/cluster.ts";
import { builtImage, type ContainerImage, loadByDocker } from "../support/container-image.ts";
import { type NeighbourHost, type NeighbourHosts, openNeighbourHosts, SUBNET_FILE } from "../support/neighbours.ts";

const { signal } = new AbortController();
const LIMIT = seconds(60);
const CONFIG = { Network: "10.5.0.0/16", Backend: { Type: "vxlan" } };
const OPTIONS = [
  ...["--detach", "--name=flanneld", "--network=host", "--read-only", "--cap-drop=ALL"],
  ...["--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "--security-opt=no-new-privileges", "--device=/dev/net/tun"],
  ...["--volume=/run/flannel:/run/flannel", "--volume=/var/lib/flannel:/var/lib/flannel"],
];

let open: NeighbourHosts;
let byPodman: NeighbourHost;
let byDocker: NeighbourHost;

/** The service of the package gives way to the container, as if it had never been there. */
async function clear(host: NeighbourHost): Promise<void> {
  // Docker wants it, by the package's drop-in.
  await host.on("systemctl", "mask", "--now", "flanneld.service");
  await host.on("sh", "-c", "ip link del flannel.1; ip route flush proto 70; rm -r /run/flannel/* /var/lib/flannel/*");
}

/** Each engine with the storage that works on any file system. */
async function startContainers(image: ContainerImage): Promise<void> {
  const words = ["--ip-masq", `--etcd-endpoints=${open.cluster.endpoint}`];
  const { path, version } = image;
  const name = basename(path);
  cpSync(path, byPodman.debian.path(`/root/${name}`), { recursive: true });
  byPodman.put(
    "/etc/containers/storage.conf",
    '[storage]\ndriver = "vfs"\nrunroot = "/run/podman"\ngraphroot = "/root/podman"\n',
  );
  // The machines of the tests have no cgroup controller for it.
  await byPodman.on("podman", "run", "--pids-limit=0", ...OPTIONS, `oci:/root/${name}:${version}`, ...words);
  byDocker.put("/etc/docker/daemon.json", '{"storage-driver":"vfs"}');
  await byDocker.on("systemctl", "start", "docker.service");
  await loadByDocker(byDocker, image, signal);
  await byDocker.on("docker", "run", ...OPTIONS, `flanneld:${version}`, ...words);
}

describe("the container image, run by podman and by Docker", () => {
  let engines: readonly (readonly [engine: string, host: NeighbourHost])[];
  let pods: readonly [Pod, Pod];

  before(async () => {
    const image = await builtImage(signal);
    open = await openNeighbourHosts(2, CONFIG, "", signal);
    [byPodman, byDocker] = open.hosts as [NeighbourHost, NeighbourHost];
    engines = [
      ["podman", byPodman],
      ["docker", byDocker],
    ];
    await Promise.all(open.hosts.map(clear));
    await open.cluster.etcdctl("del", "--prefix", `${PREFIX}/subnets/`);
    await startContainers(image);
  });
  after(async () => open?.[Symbol.asyncDispose]());

  it("serves its host, and its commands can be asked there", async () => {
    for (const [engine, host] of engines) {
      const status = ["exec", "flanneld", "flanneld", "status"];
      const look = async () =>
        /^ {2}peers +1 programmed$/m.test((await host.attempt(engine, ...status)).stdout) ? true : null;
      await waitFor(`the flanneld of ${engine} to be ready`, look, LIMIT, signal).catch(async (error: unknown) => {
        const { stdout, stderr } = await host.attempt(engine, "logs", "flanneld");
        assert.fail(`${error}\n${stdout}${stderr}`);
      });
    }
  });

  it("gives its host a subnet.env by which pods reach each other", async () => {
    const add = ({ debian, subnetFile }: NeighbourHost) => addPod(debian.machine, "pod", subnetFile(), signal);
    pods = [await add(byPodman), await add(byDocker)];
    const { received } = await ping(pods[0].namespace, pods[1].address, { count: 3, waitSeconds: 5 }, signal);
    assert.equal(received, 3);
    for (const { on } of open.hosts) {
      assert.match(await on("cat", SUBNET_FILE), /^FLANNEL_IPMASQ=true$/m);
      assert.match(await on("iptables-save", "-t", "nat"), /-A FLANNEL-POSTRTG .*-j MASQUERADE/);
    }
  });

  it("ends in order when it is stopped, and leaves the host its packets", async () => {
    for (const [engine, host] of engines) {
      await host.on(engine, "stop", "flanneld");
      assert.equal((await host.on(engine, "inspect", "--format={{.State.ExitCode}}", "flanneld")).trim(), "0", engine);
    }
    const { received } = await ping(pods[0].namespace, pods[1].address, { count: 3, waitSeconds: 5 }, signal);
    assert.equal(received, 3);
  });
});
