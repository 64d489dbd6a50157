import assert from "node:assert/strict";
import { it } from "node:test";
import { lookForInterface } from "../../src/missing-interface.ts";
import { createStatusBoard } from "../../src/status-board.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { createFakeKernel } from "../fakes/fake-kernel.ts";
import { OPTIONS } from "../support/options.ts";
import { bareHost } from "../support/vxlan-host.ts";

it("an interface that a pattern does not find is told until somebody else tells it, and a default is nobody's wish", async () => {
  for (const [regexes, isTold] of [
    [[{ source: "^wg", pattern: /^wg/ }], true],
    [[{ source: "^eth", pattern: /^eth/ }], false],
    [[], false],
  ] as const) {
    const board = createStatusBoard(() => {});
    const log = createCapturedLog();
    const kernel = createFakeKernel(regexes.length > 0 ? bareHost("192.168.64.2") : []);
    const { look, end } = lookForInterface(
      { ...OPTIONS.underlay, regexes },
      { kernel, board, log, clock: createFakeClock() },
    );
    const reason = () => board.readiness().degraded.find(({ name }) => name === "interface")?.reason ?? null;
    await look(new AbortController().signal);
    assert.equal(reason() !== null, isTold);
    assert.equal(log.messages("warn").length, isTold ? 1 : 0);
    end();
    assert.equal(reason(), null);
  }
});
