import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { answerControl, type ControlAnswer } from "../../../src/control/routes.ts";
import { createFakeDesk, type FakeDesk } from "../../support/control.ts";

function ask(desk: FakeDesk, method: string, url: string, body = ""): Promise<ControlAnswer> {
  return answerControl({ method, url, body }, desk);
}

describe("what may be asked of a daemon", () => {
  it("is its snapshot", async () => {
    const desk = createFakeDesk();
    assert.deepEqual(await ask(desk, "GET", "/status"), { kind: "json", status: 200, body: desk.snapshot });
  });

  it("is what has happened, all of it or from a number on", async () => {
    const desk = createFakeDesk();
    desk.events.record("info", "one", {});
    desk.events.record("info", "two", {});
    const [, two] = desk.events.after(0);
    assert.deepEqual(await ask(desk, "GET", "/events?after=1"), { kind: "json", status: 200, body: { events: [two] } });
    assert.deepEqual(await ask(desk, "GET", "/events?follow&after=1"), { kind: "follow", after: 1 });
    for (const after of ["-1", "x", "1.5", "1e99"]) {
      const answer = await ask(desk, "GET", `/events?follow&after=${after}`);
      assert.equal(answer.kind === "json" && answer.status, 400, after);
    }
  });

  it("is the log level, which may be another from then on", async () => {
    const desk = createFakeDesk();
    const body = (answer: ControlAnswer) => (answer.kind === "json" ? answer.body : null);
    assert.deepEqual(body(await ask(desk, "GET", "/log-level")), { level: "info" });
    const set = await ask(desk, "PUT", "/log-level", '{"level":"debug"}');
    assert.deepEqual(body(set), { level: "debug", before: "info" });
    assert.equal(desk.logLevel.get(), "debug");
    for (const wrong of ["", "debug", '{"level":"trace"}', '{"level":1}', "null", '{"level":"constructor"}']) {
      const answer = await ask(desk, "PUT", "/log-level", wrong);
      assert.equal(answer.kind === "json" && answer.status, 400, wrong);
    }
    assert.equal(desk.logLevel.get(), "debug");
  });

  it("is to read the certificates again", async () => {
    const desk = createFakeDesk();
    const { kind } = await ask(desk, "POST", "/reload");
    assert.deepEqual([kind, desk.reloads], ["json", 1]);
  });

  it("is nothing else, by no other method, whatever is in the table of methods by birth", async () => {
    const desk = createFakeDesk();
    const status = async (method: string, url: string) => {
      const answer = await ask(desk, method, url);
      return answer.kind === "json" && answer.status;
    };
    for (const url of ["/", "", "/stop", "//status", "/status/", "constructor", "/__proto__"]) {
      assert.equal(await status("GET", url), 404, url);
    }
    assert.equal(await status("POST", "/status"), 405);
    assert.equal(await status("DELETE", "/log-level"), 405);
    assert.equal(await status("GET", "/reload"), 405);
    assert.deepEqual([desk.reloads, desk.logLevel.get()], [0, "info"]);
  });

  it("is answered with the reason when a part of the daemon fails", async () => {
    const desk = createFakeDesk();
    desk.status = () => Promise.reject(new Error("no memory"));
    assert.deepEqual(await ask(desk, "GET", "/status"), { kind: "json", status: 500, body: { error: "no memory" } });
  });
});
