import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { attempt, run } from "../../lab/run.ts";
import { seconds } from "../../src/base/brand.ts";
import { builtPackages, makePackages, type Packages, ROOT } from "../support/packages.ts";

const { signal } = new AbortController();
const SOURCES = ["src", "lab", "packaging", "scripts", "bin", "systemd", "monitoring", "docs", "README.md"];
const KEEP_OFF = [
  "/usr/lib/systemd/network/00-flannel.link",
  "/usr/lib/systemd/network/00-flannel.network",
  "/usr/lib/systemd/networkd.conf.d/50-flannel.conf",
  "/usr/lib/NetworkManager/conf.d/50-flannel.conf",
];
const SETTINGS = ["package.json", "package-lock.json", "tsconfig.json"];

describe("the packages", () => {
  let directory = "";
  let packages: Packages;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "flanneld-test-"));
    packages = await builtPackages(signal);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it("are smaller than 60 MB", () => {
    for (const file of Object.values(packages))
      assert.ok(statSync(file).size < 60e6, `${file}: ${statSync(file).size}`);
  });

  it("have no error that lintian or rpmlint knows of", async () => {
    const limit = seconds(300);
    const lintian = await attempt(["lintian", "--allow-root", "--fail-on", "error", packages.deb], { limit }, signal);
    assert.equal(lintian.status, 0, lintian.stdout + lintian.stderr);
    const rules = join(ROOT, "packaging/rpm/rpmlintrc");
    const rpmlint = await attempt(["rpmlint", "-r", rules, packages.rpm], { limit }, signal);
    assert.match(rpmlint.stdout, / 0 errors, /, rpmlint.stdout + rpmlint.stderr);
  });

  it("keep udev, systemd-networkd and NetworkManager off flanneld's devices, and have the last read its files again", async () => {
    const lines = async (...command: string[]) => (await run(command, { limit: seconds(120) }, signal)).stdout;
    const files = [await lines("dpkg-deb", "--contents", packages.deb), await lines("rpm", "-qlp", packages.rpm)];
    for (const path of KEEP_OFF) for (const text of files) assert.match(text, new RegExp(`${path}$`, "m"));
    const scripts = [
      await lines("dpkg-deb", "--info", packages.deb, "postinst"),
      await lines("rpm", "-qp", "--scripts", packages.rpm),
    ];
    for (const script of scripts) assert.match(script, /timeout 10 nmcli general reload conf/);
  });

  it("have a unit that systemd understands, with an exposure of at most 2.5", async () => {
    const unit = join(ROOT, "systemd/flanneld.service");
    const security = ["systemd-analyze", "security", "--offline=true", "--threshold=25", unit];
    const { status, stdout, stderr } = await attempt(security, {}, signal);
    assert.equal(status, 0, stdout + stderr);
  });

  it("hold a daemon that runs without a Node.js of the host and is not swayed by NODE_OPTIONS", async () => {
    const root = join(directory, "root");
    await run(["dpkg-deb", "-x", packages.deb, root], { limit: seconds(120) }, signal);
    const clean = ["env", "-i", "PATH=/nowhere", "NODE_OPTIONS=--no-such-option", join(root, "usr/bin/flanneld")];
    assert.match((await run([...clean, "--version"], {}, signal)).stdout, /^flanneld \d/);
    // As a shell starts it: by a name that is no path.
    const asTyped = ["env", "-i", `PATH=${join(root, "usr/bin")}`, "flanneld", "status", `--socket=${directory}/none`];
    const asked = await attempt(asTyped, {}, signal);
    assert.match(asked.stdout + asked.stderr, /no flanneld answers/);
    // With nobody to speak for it: loading the addon is the first thing that could fail.
    const { stderr } = await attempt(["timeout", "5", ...clean, "--etcd-endpoints=http://127.0.0.1:1"], {}, signal);
    assert.match(stderr, /starting flanneld/);
    assert.doesNotMatch(stderr, /native addon/);
  });

  it("hold a daemon that answers health checks, for which it loads a part of Node.js while it runs", async () => {
    const root = join(directory, "healthy");
    await run(["dpkg-deb", "-x", packages.deb, root], { limit: seconds(120) }, signal);
    // In a network of its own, where nobody has the port.
    const script = `
      ip link set lo up
      "$1/usr/bin/flanneld" --etcd-endpoints=http://127.0.0.1:1 --healthz-ip=127.0.0.1 --healthz-port=8081 \\
        --control-socket=none --subnet-file="$1/subnet.env" --state-dir="$1/state" &
      trap "kill $!" EXIT
      until exec 3<>/dev/tcp/127.0.0.1/8081; do kill -0 $! && sleep 0.1 || exit 1; done 2>/dev/null
      printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3
      cat <&3`;
    const command = ["unshare", "--net", "timeout", "60", "bash", "-c", script, "bash", root];
    const { stdout, stderr } = await attempt(command, { limit: seconds(90) }, signal);
    assert.match(stdout, /^HTTP\/1\.1 200 OK[\s\S]*flanneld is running$/, stderr);
  });

  it("have the same bytes when the same source is built in another directory", async () => {
    const other = join(directory, "a/longer path");
    mkdirSync(other, { recursive: true });
    for (const name of [...SOURCES, ...SETTINGS]) cpSync(join(ROOT, name), join(other, name), { recursive: true });
    await run(["cp", "-a", join(ROOT, "node_modules"), other], { limit: seconds(300) }, signal);
    await run([join(other, "scripts/build")], { limit: seconds(300) }, signal);
    const again = await makePackages(other, join(directory, "two"), signal);
    const digest = (file: string) =>
      `${basename(file)} ${createHash("sha256").update(readFileSync(file)).digest("hex")}`;
    assert.deepEqual(Object.values(again).map(digest), Object.values(packages).map(digest));
  });
});
