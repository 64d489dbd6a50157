import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createStatusBoard, describeState } from "../../src/status-board.ts";
import { leaseOf } from "../support/leases.ts";

describe("the status board", () => {
  it("is not ready before every topic is fine", () => {
    const board = createStatusBoard(() => {});
    for (const topic of ["config", "lease", "device"] as const) board.set(topic, null);
    assert.deepEqual(board.readiness().checks, [
      { name: "config", reason: null },
      { name: "lease", reason: null },
      { name: "device", reason: null },
      { name: "subnet-file", reason: "not yet" },
    ]);
  });

  it("goes back to not ready when a watched topic is in trouble", () => {
    const board = createStatusBoard(() => {});
    let trouble: string | null = null;
    board.watch("device", () => trouble);
    const device = () => board.readiness().checks.find(({ name }) => name === "device")?.reason;
    assert.equal(device(), null);
    trouble = "gone";
    assert.equal(device(), "gone");
  });

  it("tells systemd what is waited for, once for each change", () => {
    const told: string[] = [];
    const board = createStatusBoard((state) => told.push(state));
    board.set("config", "there is none");
    board.set("config", "there is none");
    for (const topic of ["config", "lease", "device", "subnet-file"] as const) board.set(topic, null);
    assert.equal(told[0], "STATUS=waiting: config: there is none");
    assert.equal(told.at(-1), "STATUS=running");
    assert.equal(new Set(told).size, told.length);
  });

  it("tells systemd what it does, and anew when somebody says that this may have changed", () => {
    const told: string[] = [];
    const board = createStatusBoard((state) => told.push(state));
    const own = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.2" });
    let peers = 0;
    board.describe(() => describeState(own, { type: "vxlan" }, peers, null));
    for (const topic of ["config", "lease", "device", "subnet-file"] as const) board.set(topic, null);
    peers = 1;
    board.announce();
    board.announce();
    peers = 12;
    board.announce();
    board.degrade("etcd", () => "no answer");
    board.announce();
    board.watch("device", () => "gone");
    board.announce();
    assert.deepEqual(told.slice(-5), [
      "STATUS=10.5.52.0/24 by vxlan, 0 peers",
      "STATUS=10.5.52.0/24 by vxlan, 1 peer",
      "STATUS=10.5.52.0/24 by vxlan, 12 peers",
      "STATUS=10.5.52.0/24 by vxlan, 12 peers; etcd: no answer",
      "STATUS=waiting: device: gone",
    ]);
  });
});
