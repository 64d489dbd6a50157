import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { run } from "../../lab/run.ts";
import { seconds } from "../../src/base/brand.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";
import { builtPackages } from "../support/packages.ts";

const { signal } = new AbortController();

describe("the container image", () => {
  let cluster: Cluster;
  let image = "";
  let root = "";

  before(async () => {
    const directory = dirname((await builtPackages(signal)).deb);
    const name = readdirSync(directory).find((entry) => entry.endsWith(".oci"));
    image = `${join(directory, name ?? "")}:${/-(\d[^-]*)-/.exec(name ?? "")?.[1]}`;
    cluster = await openCluster(1, { Network: "10.5.0.0/16", Backend: { Type: "vxlan" } }, signal);
    const bundle = join(cluster.topology.run.directory, "bundle");
    await run(["umoci", "unpack", "--image", image, bundle], { limit: seconds(120) }, signal);
    root = join(bundle, "rootfs");
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it("is one that other tools read, and starts flanneld", async () => {
    const { stdout } = await run(["skopeo", "inspect", "--config", `oci:${image}`], {}, signal);
    const { architecture, config } = JSON.parse(stdout) as {
      readonly architecture: string;
      readonly config: { readonly Entrypoint: readonly string[] };
    };
    assert.deepEqual(
      [architecture, config.Entrypoint],
      [process.arch === "x64" ? "amd64" : "arm64", ["/opt/bin/flanneld"]],
    );
  });

  it("holds all that the daemon needs to give a host its subnet", async () => {
    // What a container engine would do, as far as the daemon can tell.
    const program = join(cluster.topology.run.directory, "in-image");
    const enter = `mount --rbind /proc "${root}/proc" && exec chroot "${root}" /opt/bin/flanneld "$@"`;
    writeFileSync(program, `#!/bin/sh\nexec unshare --mount --propagation private sh -c '${enter}' sh "$@"\n`);
    chmodSync(program, 0o755);
    const daemon = cluster.start(0, { program });
    await daemon.ready(signal);
    assert.match(readFileSync(join(root, daemon.subnetFile), "utf8"), /^FLANNEL_NETWORK=10\.5\.0\.0\/16$/m);
    assert.equal(await daemon.stop(signal), 0);
  });

  it("has the tools that flanneld and its users call", async () => {
    for (const tool of [
      ["iptables", "--version"],
      ["nft", "--version"],
      ["ip", "route"],
    ]) {
      await run(["chroot", root, ...tool], {}, signal);
    }
    const options = await run(["chroot", root, "/opt/bin/mk-docker-opts.sh", "-c", "-d", "/tmp/docker"], {}, signal);
    assert.equal(options.stderr, "");
    assert.equal(readFileSync(join(root, "tmp/docker"), "utf8"), 'DOCKER_OPTS=""\n');
  });
});
