// What stands in the place of /dev/net/tun, as in containers: `flanneld check` tells it from a module that is missing.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { attempt } from "../../lab/run.ts";
import { UDP } from "../support/backend-profiles.ts";
import { checksOn, LIMIT } from "../support/checked-hosts.ts";
import { openCluster } from "../support/cluster.ts";

const { signal } = new AbortController();

describe("check of a host for TUN devices", () => {
  it("sends nobody to modprobe for what is no device, or may not be opened", async () => {
    await using cluster = await openCluster(1, UDP.config, signal);
    const { lineOf, isFine } = checksOn(() => cluster, signal);
    await isFine(0);
    for (const [options, made] of [
      ["rw", "touch /dev/net/tun"],
      ["rw", "mkdir /dev/net/tun"],
      ["nodev", "mknod /dev/net/tun c 10 200"],
    ]) {
      const script = `mount -t tmpfs -o ${options} none /dev/net && ${made} && exec "$@"`;
      const line = lineOf(0, [], ["unshare", "-m", "sh", "-c", script, "sh"]);
      const { status, stdout } = await attempt(line, { limit: LIMIT }, signal);
      assert.equal(status, 2, stdout);
      assert.match(stdout, /\nbroken: kernel: there are no TUN devices for the backend udp: /, made);
      assert.match(stdout, /^ +advice: give it the device: docker run --device=/m, made);
    }
  });
});
