import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { pasteCommand, pasteEtcdctl, placeOf, shellWord } from "../../../src/base/paste.ts";

describe("a command that is pasted", () => {
  it("gives the program the words that are meant, whatever is in them", () => {
    const words = [
      "a b",
      "it's",
      '{"Network": "10.5.0.0/16"}',
      "--x=$HOME;`id`",
      "--etcd-prefix=/blue",
      "*",
      "ä\n",
      "!",
      "!!",
      "",
    ];
    const line = `printf '%s\\0' ${words.map(shellWord).join(" ")}`;
    assert.deepEqual(execFileSync("sh", ["-c", line], { encoding: "utf8" }).split("\0").slice(0, -1), words);
  });

  it("has no quotes that it does not need", () => {
    assert.equal(
      pasteCommand("release 10.5.3.0/24 --now", ["--etcd-prefix=/blue", "--etcd-endpoints=http://a:1,http://[::1]:2"]),
      "flanneld release 10.5.3.0/24 --now --etcd-prefix=/blue '--etcd-endpoints=http://a:1,http://[::1]:2'",
    );
    assert.equal(pasteCommand("leases", []), "flanneld leases");
  });

  it("tells etcdctl where etcd is and with which files it is asked", () => {
    const tls = { caFile: "/e/ca.pem", certFile: "/e/c.pem", keyFile: "/e/my key.pem" };
    assert.equal(
      pasteEtcdctl("endpoint health", { endpoints: ["https://a:1"], username: null, tls }),
      "etcdctl endpoint health --endpoints=https://a:1 --cacert=/e/ca.pem --cert=/e/c.pem '--key=/e/my key.pem'",
    );
  });

  it("tells etcdctl who asks, and leaves the password to be asked for", () => {
    const tls = { caFile: null, certFile: null, keyFile: null };
    const place = placeOf({ endpoints: [], tls, auth: { username: "ann o", password: "s3cret" } as never });
    assert.equal(pasteEtcdctl("endpoint health", place), "etcdctl endpoint health '--user=ann o'");
    assert.doesNotMatch(JSON.stringify(place), /s3cret/);
  });
});
