import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DaemonProcess, known } from "../../../src/check/facts.ts";
import type { SettingsFile } from "../../../src/cli/service-settings.ts";
import type { VerbCall } from "../../../src/cli/verbs.ts";
import { parseCommandLine } from "../../../src/cli.ts";
import { adoptFlags } from "../../../src/operator/daemon-flags.ts";
import { VERBS } from "../../../src/operator/verbs.ts";

const PREFIX = "/coreos.com/network";
const PATH = "/etc/default/flanneld";
const said = (name: string, value: string) => ({ [name]: { values: ["old", value], written: `--${name}` } });
const ENDPOINTS = said("etcd-endpoints", "http://10.0.0.1:2379, http://10.0.0.2:2379");
const TLS = {
  ...said("etcd-endpoints", "10.0.0.1:2379"),
  ...said("etcd-cafile", "/tls/ca.pem"),
  ...said("etcd-certfile", "/tls/cert.pem"),
  ...said("etcd-keyfile", "/tls/key.pem"),
};

function callOf(words: readonly string[], env: Record<string, string>, files: readonly SettingsFile[]): VerbCall {
  const command = parseCommandLine(["check", ...words], env, VERBS, () => files);
  assert.equal(command.kind, "verb");
  return command.call;
}

function adopt(
  settings: DaemonProcess["settings"],
  { words = [], env = {}, files = [], root = "" }: Partial<Parameters> = {},
) {
  const daemon = { pid: 4711, prefix: PREFIX, settings, root };
  const { call, adopted } = adoptFlags(callOf(words, env, files), known([daemon]));
  return { etcd: call.etcd, namedBy: call.namedBy, adopted };
}

interface Parameters {
  readonly words: readonly string[];
  readonly env: Record<string, string>;
  readonly files: readonly SettingsFile[];
  readonly root: string;
}

const NO_TLS = { caFile: null, certFile: null, keyFile: null };

describe("the way to etcd of the daemon that runs here", () => {
  it("is that of a call that nothing tells of one, without user and password", () => {
    assert.deepEqual(adopt({ ...ENDPOINTS, ...said("etcd-username", "me"), ...said("etcd-password", "secret") }), {
      etcd: { endpoints: ["http://10.0.0.1:2379", "http://10.0.0.2:2379"], prefix: PREFIX, tls: NO_TLS, auth: null },
      namedBy: "--etcd-endpoints of process 4711",
      adopted: ["--etcd-endpoints"],
    });
  });

  it("has its TLS files, where the daemon sees them", () => {
    const { etcd, adopted } = adopt(TLS, { root: "/proc/4711/root" });
    assert.deepEqual(etcd.endpoints, ["https://10.0.0.1:2379"]);
    assert.deepEqual(etcd.tls, {
      caFile: "/proc/4711/root/tls/ca.pem",
      certFile: "/proc/4711/root/tls/cert.pem",
      keyFile: "/proc/4711/root/tls/key.pem",
    });
    assert.deepEqual(adopted, ["--etcd-endpoints", "--etcd-cafile", "--etcd-certfile", "--etcd-keyfile"]);
    assert.equal(adopt(TLS).etcd.tls.caFile, "/tls/ca.pem");
  });

  it("is not taken where the command line, the environment or the service's settings say one, or make a secret go there", () => {
    const file = (text: string) => ({ files: [{ kind: "text", path: PATH, text } as const] });
    const others: readonly Partial<Parameters>[] = [
      { words: ["--etcd-endpoints=http://10.0.0.9:2379"] },
      { words: ["--etcd-cafile=/mine.pem"] },
      { env: { FLANNELD_ETCD_ENDPOINTS: "http://10.0.0.9:2379" } },
      { env: { FLANNELD_ETCD_USERNAME: "me", FLANNELD_ETCD_PASSWORD: "secret" } },
      file("FLANNEL_ETCD_ENDPOINTS=http://10.0.0.9:2379"),
      { files: [{ kind: "unreadable", path: PATH, reason: "permission denied" }] },
    ];
    for (const other of others) {
      const { etcd, adopted } = adopt(ENDPOINTS, other);
      const { words = [], env = {}, files = [] } = other;
      assert.deepEqual([etcd, adopted], [callOf(words, env, files).etcd, []], JSON.stringify(other));
    }
  });

  it("is not taken when this flanneld could not go by it", () => {
    for (const text of ["http://me:secret@10.0.0.1:2379", "http://10.0.0.1:2379,https://10.0.0.2:2379", "nonsense"])
      assert.deepEqual(adopt(said("etcd-endpoints", text)).adopted, [], text);
    assert.deepEqual(adopt(said("etcd-keyfile", "/tls/key.pem")).adopted, []);
  });
});
