import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { waitFor } from "../../../lab/wait.ts";
import { millis, seconds } from "../../../src/base/brand.ts";

const { signal } = new AbortController();

describe("waitFor", () => {
  it("looks until there is something to see and returns it", async () => {
    let looks = 0;
    const look = () => (++looks === 3 ? "there" : null);
    assert.equal(await waitFor("it", look, seconds(10), signal), "there");
    assert.equal(looks, 3);
  });

  it("takes zero, false and the empty text for things to see", async () => {
    assert.equal(await waitFor("it", () => 0, millis(0), signal), 0);
  });

  it("says what it has waited for in vain", async () => {
    await assert.rejects(
      waitFor("the bus", () => null, millis(50), signal),
      /waited 0.05 s in vain for the bus/,
    );
  });

  it("passes on what the look throws", async () => {
    const broken = async () => Promise.reject(new Error("blind"));
    await assert.rejects(waitFor("it", broken, seconds(10), signal), /blind/);
  });

  it("ends with the signal's reason when aborted", async () => {
    const reason = new Error("enough");
    await assert.rejects(
      waitFor("it", () => null, seconds(10), AbortSignal.abort(reason)),
      reason,
    );
  });
});
