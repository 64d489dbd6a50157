import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { learnNodeId, readNodeId } from "../../src/node-id.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";

function start({
  machine = "aa" as string | null,
  files = new Map<string, string>(),
  isReadOnly = false,
  seed = 1,
} = {}) {
  const log = createCapturedLog();
  const state = {
    path: "/var/lib/flannel",
    read: async (name: string) => files.get(name) ?? null,
    write: async (name: string, text: string) => {
      if (isReadOnly) throw new Error("EROFS");
      files.set(name, text);
    },
  };
  const random = createSeededRandom(seed);
  const readMachineId = async () => machine;
  const learn = () => learnNodeId({ state, readMachineId, random, log });
  return { log, files, learn, read: () => readNodeId({ state, readMachineId }) };
}

describe("the id of a host", () => {
  it("is the same at every start, and another on every host", async () => {
    const { files, learn } = start();
    const id = await learn();
    assert.match(id ?? "", /^[0-9a-f]{32}$/);
    assert.equal(await start({ files, seed: 2 }).learn(), id);
    assert.notEqual(await start({ seed: 2 }).learn(), id);
  });

  it("is another on a copy of the disk that was given a machine id of its own", async () => {
    const { files, learn } = start();
    assert.notEqual(await start({ files: new Map(files), machine: "bb" }).learn(), await learn());
  });

  it("can be read without drawing one, and is none before the first start", async () => {
    const { files, learn, read } = start();
    assert.equal(await read(), null);
    assert.equal(files.size, 0);
    const id = await learn();
    assert.equal(await read(), id);
    assert.equal(await start({ files: new Map([["node-id", "what?"]]) }).read(), null);
  });

  it("is that of the machine where nothing can be kept, which is told, and none without either", async () => {
    const first = start({ isReadOnly: true });
    const id = await first.learn();
    assert.equal(await start({ isReadOnly: true, seed: 2 }).learn(), id);
    assert.deepEqual(first.log.messages("warn"), ["cannot keep an id for this host; using the machine's alone"]);
    assert.equal(await start({ isReadOnly: true, machine: null }).learn(), null);
  });

  it("is drawn anew when the file holds no id", async () => {
    const files = new Map([["node-id", "what?"]]);
    await start({ files }).learn();
    assert.match(files.get("node-id") ?? "", /^[0-9a-f]{32}\n$/);
  });
});
