// What operators' commands make of the service's settings, held against the systemd that reads them for the service.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createDebian, prepareDebian } from "../../lab/debian.ts";
import { openTopology, type Topology } from "../../lab/topology.ts";
import { AWKWARD_FILE, AWKWARD_VARIABLES, AWKWARD_WORDS } from "../support/environment-files.ts";
import { CACHE } from "../support/packages.ts";

const { signal } = new AbortController();

describe("systemd", () => {
  let topology: Topology;
  let debian: ReturnType<typeof createDebian>;

  before(async () => {
    const base = join(CACHE, "debian-bookworm");
    await prepareDebian(base, signal);
    topology = await openTopology({ hosts: 1 }, signal);
    const [host] = topology.hosts;
    assert.ok(host);
    debian = topology.own(createDebian(host, base));
    await debian.boot(signal);
  });
  after(async () => topology?.[Symbol.asyncDispose]());

  /** What a service with this environment file prints. */
  const service = (text: string, ...command: readonly string[]) => {
    writeFileSync(debian.path("/root/settings"), text);
    return debian.run(
      ["systemd-run", "--wait", "--pipe", "--quiet", "--property=EnvironmentFile=/root/settings", ...command],
      signal,
    );
  };

  it("reads an environment file as our commands do", async () => {
    const printed = (await service(AWKWARD_FILE, "/usr/bin/env", "-0")).split("\0").filter((line) => line !== "");
    const seen = new Map(printed.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
    for (const [name, value] of Object.entries(AWKWARD_VARIABLES)) assert.equal(seen.get(name), value, name);
    for (const name of ["export EXPORTED", "EXPORTED", "1DIGIT", "DASH-ED"]) assert.ok(!seen.has(name), name);
  });

  it("splits a variable as our commands do", async () => {
    for (const [text, words] of AWKWARD_WORDS) {
      const file = `WORDS="${text.replaceAll(/["\\`$]/g, "\\$&")}"\n`;
      const printed = await service(file, "/usr/bin/printf", "%s\\0", "$WORDS");
      assert.equal(printed, words.map((word) => `${word}\0`).join("") || "\0", text);
    }
  });
});
