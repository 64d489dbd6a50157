import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readEndpoints } from "../../../src/cli/endpoints.ts";

describe("readEndpoints()", () => {
  const accepted: readonly (readonly [string, readonly string[]])[] = [
    ["http://127.0.0.1:2379", ["http://127.0.0.1:2379"]],
    [" http://a:1 , http://b:2/,", ["http://a:1", "http://b:2"]],
    ["HTTPS://Etcd.Example:443", ["https://etcd.example:443"]],
    ["http://a:80", ["http://a:80"]],
    ["http://[fd00::1]:2379", ["http://[fd00::1]:2379"]],
    ["10.0.0.1:2379,etcd:2379", ["http://10.0.0.1:2379", "http://etcd:2379"]],
  ];
  for (const [text, endpoints] of accepted) {
    it(`reads ${JSON.stringify(text)}`, () => {
      assert.deepEqual(readEndpoints(text, false), { endpoints, problems: [] });
    });
  }

  it("speaks TLS with an endpoint without a scheme when TLS files are given", () => {
    assert.deepEqual(readEndpoints("a:1", true), { endpoints: ["https://a:1"], problems: [] });
  });

  const refused: readonly (readonly [string, RegExp])[] = [
    ["", /at least one endpoint/],
    [" , ", /at least one endpoint/],
    ["http://a:1,https://b:2", /all http or all https/],
    ["a:1,https://b:2", /all http or all https/],
    ["unix:///run/etcd", /"unix:\/\/\/run\/etcd" must begin with http:\/\/ or https:\/\//],
    ["http://a", /"http:\/\/a" needs a port, such as http:\/\/a:2379/],
    ["http://a:1/v3", /has a path, which etcd does not have: write http:\/\/a:1/],
    ["http://a:1?x", /has a path/],
    ["http://:2379", /is not a URL/],
    ["http://a:99999", /is not a URL/],
    ["http://a b:1", /is not a URL/],
  ];
  for (const [text, problem] of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.match(readEndpoints(text, false).problems.join("\n"), problem));
  }

  it("finds the problem of every endpoint", () => {
    assert.equal(readEndpoints("ftp://a:1,http://b,http://c:1", false).problems.length, 2);
  });

  it("refuses credentials and shows no part of them", () => {
    for (const text of ["http://root:hunter2@a:1", "http://root:hun,ter2@a:1", "root:hunter2@a:1"]) {
      const { endpoints, problems } = readEndpoints(text, false);
      assert.deepEqual(endpoints, []);
      assert.match(problems.join("\n"), /-etcd-username/);
      assert.doesNotMatch(problems.join("\n"), /hun|root/);
    }
  });
});
