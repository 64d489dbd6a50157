import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FLAGS } from "../../../src/cli/flags.ts";
import { readGoFlags } from "../../../src/cli/go-flags.ts";
import { resolveEtcdSettings, type SettingsFile, serviceLogin } from "../../../src/cli/service-settings.ts";

const [DEFAULT, SYSCONFIG] = ["/etc/default/flanneld", "/etc/sysconfig/flanneld"] as const;
const file = (path: string, ...lines: readonly string[]): SettingsFile => ({
  kind: "text",
  path,
  text: `${lines.join("\n")}\n`,
});

function resolve(
  files: readonly SettingsFile[],
  { line = "", env = {} }: { readonly line?: string; readonly env?: Readonly<Record<string, string>> } = {},
) {
  const { given } = readGoFlags(line.split(" "), FLAGS);
  let reads = 0;
  const found = resolveEtcdSettings(given, env, () => {
    reads += 1;
    return files;
  });
  const value = (name: keyof typeof found.settings) => found.settings[name].values[0];
  return { ...found, value, reads };
}

describe("the service's settings", () => {
  it("say where etcd is when nobody else does, and which of them said so", () => {
    const lines = ['FLANNEL_ETCD_ENDPOINTS="https://a:1,https://b:1"', 'FLANNEL_ETCD_PREFIX="/kube-centos/network"'];
    const { value, namedBy } = resolve([file(SYSCONFIG, ...lines, 'FLANNEL_OPTIONS="-etcd-cafile=/ca -ip-masq"')]);
    assert.deepEqual(
      [value("etcd-endpoints"), value("etcd-prefix"), value("etcd-cafile")],
      ["https://a:1,https://b:1", "/kube-centos/network", "/ca"],
    );
    assert.equal(namedBy, `FLANNEL_ETCD_ENDPOINTS in ${SYSCONFIG}`);
  });

  it("are not read when the command line or the environment names endpoints", () => {
    const files = [file(SYSCONFIG, "FLANNELD_ETCD_USERNAME=u", "FLANNELD_ETCD_PASSWORD=secret")];
    for (const own of [{ line: "-etcd-endpoints=http://c:1" }, { env: { FLANNELD_ETCD_ENDPOINTS: "http://c:1" } }]) {
      const { value, reads, namedBy } = resolve(files, own);
      assert.deepEqual([value("etcd-endpoints"), value("etcd-password"), reads], ["http://c:1", "", 0]);
      assert.match(namedBy ?? "", /^(-etcd-endpoints|FLANNELD_ETCD_ENDPOINTS)$/);
    }
  });

  it("give what else is not given, but no half of a pair", () => {
    const files = [
      file(
        SYSCONFIG,
        "FLANNEL_ETCD_ENDPOINTS=http://a:1",
        "FLANNEL_ETCD_PREFIX=/x",
        "FLANNELD_ETCD_USERNAME=u",
        "FLANNELD_ETCD_PASSWORD=secret",
      ),
    ];
    const other = resolve(files, { line: "-etcd-prefix=/y -etcd-username=root" });
    assert.deepEqual([other.value("etcd-endpoints"), other.value("etcd-prefix")], ["http://a:1", "/y"]);
    assert.deepEqual([other.value("etcd-username"), other.value("etcd-password")], ["root", ""]);
    assert.equal(resolve(files).value("etcd-password"), "secret");
  });

  it("rank as for the daemon: options, then FLANNEL_ETCD_*, then FLANNELD_*, and the second file over the first", () => {
    const variable = "FLANNELD_ETCD_ENDPOINTS=http://variable:1";
    const starter = "FLANNEL_ETCD_ENDPOINTS=http://starter:1";
    const options = 'FLANNEL_OPTIONS="-etcd-endpoints http://first:1 --etcd-endpoints=http://last:1"';
    const winner = (...files: readonly SettingsFile[]) => {
      const { value, namedBy } = resolve(files);
      return [value("etcd-endpoints"), namedBy];
    };
    assert.deepEqual(winner(file(DEFAULT, variable)), ["http://variable:1", `FLANNELD_ETCD_ENDPOINTS in ${DEFAULT}`]);
    assert.deepEqual(winner(file(DEFAULT, variable, starter)), [
      "http://starter:1",
      `FLANNEL_ETCD_ENDPOINTS in ${DEFAULT}`,
    ]);
    assert.deepEqual(winner(file(DEFAULT, options), file(SYSCONFIG, variable, starter)), [
      "http://last:1",
      `-etcd-endpoints of FLANNEL_OPTIONS in ${DEFAULT}`,
    ]);
    assert.deepEqual(winner(file(DEFAULT, starter), file(SYSCONFIG, "FLANNEL_ETCD_ENDPOINTS=http://second:1")), [
      "http://second:1",
      `FLANNEL_ETCD_ENDPOINTS in ${SYSCONFIG}`,
    ]);
  });

  it("have a user and a password for etcd together, or none", () => {
    const [user, password] = ["FLANNELD_ETCD_USERNAME=u", "FLANNELD_ETCD_PASSWORD='a secret'"];
    assert.deepEqual(serviceLogin([file(DEFAULT, user), file(SYSCONFIG, password)]), {
      username: "u",
      password: "a secret",
    });
    const options = file(SYSCONFIG, 'FLANNEL_OPTIONS="-etcd-username=v -etcd-password=other"');
    assert.deepEqual(serviceLogin([file(DEFAULT, user, password), options]), { username: "v", password: "other" });
    assert.equal(serviceLogin([file(DEFAULT, user)]), null);
    assert.equal(serviceLogin([{ kind: "unreadable", path: DEFAULT, reason: "permission denied" }]), null);
  });

  it("have older names, and an empty one is none", () => {
    const old = resolve([
      file(SYSCONFIG, "FLANNEL_ETCD=http://old:1", "FLANNEL_ETCD_KEY=/old", "FLANNEL_ETCD_PREFIX="),
    ]);
    assert.deepEqual([old.value("etcd-endpoints"), old.value("etcd-prefix")], ["http://old:1", "/old"]);
    const none = resolve([file(DEFAULT, "FLANNEL_ETCD_ENDPOINTS=", "FLANNEL_OPTIONS=")]);
    assert.deepEqual([none.value("etcd-endpoints"), none.namedBy], [resolve([]).value("etcd-endpoints"), null]);
  });

  it("that cannot be read are told, unless nobody needs them", () => {
    const locked: SettingsFile = { kind: "unreadable", path: DEFAULT, reason: "permission denied" };
    assert.deepEqual(resolve([locked]).unreadable, locked);
    assert.equal(resolve([locked], { line: "-etcd-endpoints=http://c:1" }).unreadable, null);
  });
});
