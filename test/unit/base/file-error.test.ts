import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { describeFileError } from "../../../src/base/file-error.ts";

it("why a file cannot be read is said without its path", () => {
  const reasonFor = (path: string) => {
    try {
      readFileSync(path);
    } catch (error) {
      return describeFileError(error);
    }
    return null;
  };
  assert.equal(reasonFor("/nonexistent"), "there is no such file");
  assert.equal(reasonFor("/"), "it is a directory");
  assert.equal(describeFileError(Object.assign(new Error("x"), { code: "EACCES" })), "permission denied");
  assert.equal(describeFileError(new Error("something else")), "something else");
});
