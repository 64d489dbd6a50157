import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
const LIMIT = seconds(60);

async function serves(endpoint: string): Promise<boolean> {
  return fetch(`${endpoint}/health`).then(
    (response) => response.ok,
    () => false,
  );
}

describe("an etcd that a test has started", () => {
  it("keeps its data from one start to the next, and goes with what it has written", async () => {
    const server = await startTestEtcd();
    await waitFor("etcd", async () => (await serves(server.endpoint)) || null, LIMIT, signal);
    await server.stop();
    assert.equal(await serves(server.endpoint), false);
    await server.start();
    await waitFor("etcd", async () => (await serves(server.endpoint)) || null, LIMIT, signal);
    await server[Symbol.asyncDispose]();
    assert.equal(await serves(server.endpoint), false);
  });

  it("dies with the process that has started it, however that ends", async (context) => {
    const lab = join(import.meta.dirname, "../../lab/etcd.js");
    const script = `
      const { startEtcd } = await import(${JSON.stringify(lab)});
      const server = await startEtcd({}, new AbortController().signal);
      console.log(server.endpoint);
      setInterval(() => {}, 1000);`;
    // Whoever is killed cannot clean up behind itself.
    const directory = mkdtempSync(join(tmpdir(), "flanneld-orphan-"));
    context.after(() => rmSync(directory, { recursive: true, force: true }));
    const env = { ...process.env, TMPDIR: directory };
    const parent = spawn(process.execPath, ["--input-type=module", "-e", script], { env });
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const endpoint = line.toString("utf8").trim();
    await waitFor("etcd", async () => (await serves(endpoint)) || null, LIMIT, signal);
    parent.kill("SIGKILL");
    await waitFor("its end", async () => (await serves(endpoint)) === false || null, LIMIT, signal);
  });
});
