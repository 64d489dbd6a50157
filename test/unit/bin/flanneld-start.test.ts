import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { run } from "../../../lab/run.ts";

const { signal } = new AbortController();
const STARTER = join(import.meta.dirname, "../../../../bin/flanneld-start");
let directory = "";

before(() => {
  directory = mkdtempSync(join(tmpdir(), "flanneld-test-"));
  cpSync(STARTER, join(directory, "flanneld-start"));
  writeFileSync(join(directory, "flanneld"), "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
  chmodSync(join(directory, "flanneld"), 0o755);
});
after(() => rmSync(directory, { recursive: true }));

/** The words that flanneld is started with. */
async function words(env: Readonly<Record<string, string>>, ...given: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await run([join(directory, "flanneld-start"), ...given], { env }, signal);
  return stdout.split("\n").filter((word) => word !== "");
}

describe("flanneld-start", () => {
  it("makes flags of the variables of the sysconfig file, before those that it is given", async () => {
    const env = {
      FLANNEL_ETCD_ENDPOINTS: "https://a:2379,https://b:2379",
      FLANNEL_ETCD_PREFIX: "/kube-centos/network",
    };
    assert.deepEqual(await words(env, "-etcd-cafile=/ca", "-v=1"), [
      "-etcd-endpoints=https://a:2379,https://b:2379",
      "-etcd-prefix=/kube-centos/network",
      "-etcd-cafile=/ca",
      "-v=1",
    ]);
  });

  it("makes none of those that are empty or missing", async () => {
    assert.deepEqual(await words({ FLANNEL_ETCD_ENDPOINTS: "" }, "-v=1"), ["-v=1"]);
  });

  it("falls back to the older names", async () => {
    const env = { FLANNEL_ETCD: "http://old:2379", FLANNEL_ETCD_KEY: "/old" };
    assert.deepEqual(await words(env), ["-etcd-endpoints=http://old:2379", "-etcd-prefix=/old"]);
    const both = { ...env, FLANNEL_ETCD_ENDPOINTS: "http://new:2379", FLANNEL_ETCD_PREFIX: "/new" };
    assert.deepEqual(await words(both), ["-etcd-endpoints=http://new:2379", "-etcd-prefix=/new"]);
  });
});
