import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exitStatusOf, isError } from "../../src/base/errors.ts";
import { FLAGS } from "../../src/cli/flags.ts";
import type { Options } from "../../src/cli/options.ts";
import { parseCommandLine } from "../../src/cli.ts";
import { VERBS } from "../../src/operator/verbs.ts";
import { VERSION } from "../../src/version.ts";

type Env = Readonly<Record<string, string>>;

function run(argv: string, env: Env = {}): Options {
  const command = parseCommandLine(argv.split(" "), env, VERBS, () => []);
  assert.equal(command.kind, "run");
  return command.options;
}

function problems(argv: string, env: Env = {}): readonly string[] {
  try {
    parseCommandLine(argv.split(" "), env, VERBS, () => []);
  } catch (error) {
    assert.ok(isError(error, "usage.invalid"), String(error));
    assert.equal(exitStatusOf(error), 64);
    return error.info.problems;
  }
  assert.fail(`nothing wrong with ${argv}`);
}

describe("parseCommandLine()", () => {
  it("has the defaults of Go flanneld", () => {
    assert.deepEqual(run(""), {
      etcd: {
        endpoints: ["http://127.0.0.1:4001", "http://127.0.0.1:2379"],
        prefix: "/coreos.com/network",
        tls: { caFile: null, certFile: null, keyFile: null },
        auth: null,
      },
      underlay: { interfaces: [], regexes: [], canReach: null, publicIp: null, publicIpv6: null },
      subnetFile: "/run/flannel/subnet.env",
      stateDirectory: "/var/lib/flannel",
      controlSocket: "/run/flannel/flanneld.sock",
      renewMargin: 3_600_000,
      stalePeerGrace: 900_000,
      ipMasq: false,
      firewall: { forward: true, random: true, resync: 5000 },
      blackholeRoute: false,
      healthz: null,
      probeInterval: null,
      peerTraffic: false,
      log: { format: "text", debug: false },
    });
  });

  it("accepts the command line of the CentOS package", () => {
    const { etcd } = run("-etcd-endpoints=http://10.0.0.1:2379 -etcd-prefix=/atomic.io/network ");
    assert.deepEqual([etcd.endpoints, etcd.prefix], [["http://10.0.0.1:2379"], "/atomic.io/network"]);
  });

  it("reads every option", () => {
    const tls = "-etcd-cafile=/ca -etcd-certfile=/cert -etcd-keyfile=/key";
    const etcd = `-etcd-endpoints=https://a:1 ${tls} -etcd-username=u`;
    const underlay =
      "-iface eth1 --iface 10.0.0.1 -iface-regex (?i)^ens -iface-can-reach=8.8.8.8 -public-ip=1.2.3.4 -public-ipv6=2001:DB8:0::3";
    const rest =
      "-subnet-file=/s -subnet-lease-renew-margin 0x10 -state-dir=/d -stale-peer-grace=0 -healthz-ip=::1 -healthz-port=8081 -control-socket=/c -probe-interval=10 -peer-traffic -log-format=json -v=2";
    const firewall =
      "-ip-masq -ip-masq-fully-random-disable -iptables-forward-rules=false -iptables-resync=0x3c -ip-blackhole-route";
    assert.deepEqual(run(`${etcd} ${underlay} ${rest} ${firewall}`, { FLANNELD_ETCD_PASSWORD: "p" }), {
      etcd: {
        endpoints: ["https://a:1"],
        prefix: "/coreos.com/network",
        tls: { caFile: "/ca", certFile: "/cert", keyFile: "/key" },
        auth: { username: "u", password: "p" },
      },
      underlay: {
        interfaces: ["eth1", "10.0.0.1"],
        regexes: [{ source: "(?i)^ens", pattern: /^ens/i }],
        canReach: "8.8.8.8",
        publicIp: "1.2.3.4",
        publicIpv6: "2001:db8::3",
      },
      subnetFile: "/s",
      stateDirectory: "/d",
      controlSocket: "/c",
      renewMargin: 16 * 60_000,
      stalePeerGrace: 0,
      ipMasq: true,
      firewall: { forward: false, random: false, resync: 60_000 },
      blackholeRoute: true,
      healthz: { ip: "::1", port: 8081 },
      probeInterval: 10_000,
      peerTraffic: true,
      log: { format: "json", debug: true },
    });
  });

  it("gives options that nobody can change", () => {
    const options = run("-iface=eth0");
    assert.ok(
      Object.isFrozen(options) && Object.isFrozen(options.etcd.tls) && Object.isFrozen(options.underlay.interfaces),
    );
  });

  it("takes a CA without a client certificate", () => {
    assert.equal(run("-etcd-endpoints=https://a:1 -etcd-cafile=/ca").etcd.tls.caFile, "/ca");
  });

  it("takes empty values for unset", () => {
    const empty = "-public-ip= -iface= -iface-can-reach= -etcd-cafile= -etcd-username= -healthz-ip= -healthz-port=1";
    const { underlay, etcd, healthz } = run(empty);
    assert.deepEqual(underlay, run("").underlay);
    assert.deepEqual([etcd.tls, etcd.auth], [run("").etcd.tls, null]);
    assert.deepEqual(healthz, { ip: "0.0.0.0", port: 1 });
  });

  it("serves no health endpoint on a port of 0 or less", () => {
    assert.equal(run("-healthz-port=0").healthz, null);
    assert.equal(run("-healthz-port=-1").healthz, null);
  });

  it("logs debug messages from -v=1 on", () => {
    assert.deepEqual(
      ["-v=0", "-v=-1", "-v=1", "-v 10"].map((argv) => run(argv).log.debug),
      [false, false, true, true],
    );
  });

  it("answers help before anything else", () => {
    const command = parseCommandLine(["-nope", "-version", "-help"], { FLANNELD_V: "x" }, VERBS, () => []);
    assert.equal(command.kind, "help");
    assert.match(command.text, /^Usage: flanneld/);
  });

  it("answers -version whatever the values of other flags are", () => {
    const expected = { kind: "version", text: `flanneld ${VERSION}` };
    assert.deepEqual(
      parseCommandLine(["--version", "-v=x"], {}, VERBS, () => []),
      expected,
    );
    assert.deepEqual(
      parseCommandLine(["version"], {}, VERBS, () => []),
      expected,
    );
    const json = parseCommandLine(["version", "--json"], {}, VERBS, () => []);
    assert.deepEqual(json.kind === "version" && Object.keys(JSON.parse(json.text)), ["version"]);
    assert.throws(() => parseCommandLine(["--version", "-nope"], {}, VERBS, () => []), /unknown flag -nope/);
    assert.equal(parseCommandLine(["-version=false"], {}, VERBS, () => []).kind, "run");
    assert.deepEqual(problems("-version=x"), ["-version=x: must be true or false"]);
  });
});

describe("parseCommandLine() refuses", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["-subnet-lease-renew-margin=1500", "-subnet-lease-renew-margin=1500: must be between 1 and 1439 minutes"],
    ["-subnet-lease-renew-margin=0", "-subnet-lease-renew-margin=0: must be between 1 and 1439 minutes"],
    ["-subnet-lease-renew-margin=1440", "-subnet-lease-renew-margin=1440: must be between 1 and 1439 minutes"],
    ["-subnet-lease-renew-margin=1h", "-subnet-lease-renew-margin=1h: must be between 1 and 1439 minutes"],
    ["-etcd-endpoint=x", "unknown flag -etcd-endpoint (did you mean -etcd-endpoints?)"],
    ["-etcd-endpoints=http://a", '-etcd-endpoints: "http://a" needs a port, such as http://a:2379'],
    ["-etcd-certfile=/c", "-etcd-certfile needs -etcd-keyfile: set both or none"],
    ["-etcd-keyfile=/k", "-etcd-keyfile needs -etcd-certfile: set both or none"],
    ["-etcd-username=u", "-etcd-username needs -etcd-password: set both or none"],
    ["-etcd-password=hunter2", "-etcd-password needs -etcd-username: set both or none"],
    ["-public-ip=fd00::1", "-public-ip=fd00::1: must be an IPv4 address"],
    ["-public-ip=0.0.0.0", "-public-ip=0.0.0.0: must be a unicast address, since the other hosts send to it"],
    ["-public-ip=127.0.0.1", "-public-ip=127.0.0.1: must be a unicast address, since the other hosts send to it"],
    ["-iface-can-reach=host", "-iface-can-reach=host: must be an IP address"],
    ["-public-ipv6=1.2.3.4", "-public-ipv6=1.2.3.4: must be an IPv6 address"],
    ["-public-ipv6=ff02::1", "-public-ipv6=ff02::1: must be a unicast address, since the other hosts send to it"],
    ["-iface-regex=(", "-iface-regex=(: is not a regular expression: Unterminated group"],
    ["-iface=a/b", "-iface=a/b: must be one interface name or IP address"],
    ["-healthz-ip=localhost", "-healthz-ip=localhost: must be an IP address such as 127.0.0.1"],
    ["-probe-interval=3601", "-probe-interval=3601: must be between 0 and 3600 seconds"],
    ["-healthz-port=65536", "-healthz-port=65536: must be an integer up to 65535"],
    ["-log-format=xml", "-log-format=xml: must be text or json"],
    ["-v=high", "-v=high: must be an integer"],
    ["-ip-masq=maybe", "-ip-masq=maybe: must be true or false"],
    ["-iptables-resync=0", "-iptables-resync=0: must be between 1 and 86400 seconds"],
    ["-iptables-resync=-5", "-iptables-resync=-5: must be between 1 and 86400 seconds"],
  ];
  for (const [argv, problem] of cases) it(argv, () => assert.deepEqual(problems(argv), [problem]));

  it("a word that is no command, and not the flags that commands have beside it", () => {
    const bogus = 'unexpected word "bogus": flanneld takes flags, or a command that flanneld help lists';
    for (const flags of ["--json", "--timeout=3", "--socket=/x --etcd-prefix=/y"]) {
      assert.deepEqual(problems(`bogus ${flags}`), [bogus], flags);
    }
    assert.match(problems("config --json").join(), /^config alone is no command: config takes one of [^,]*(, [^,]*)*$/);
    assert.equal(problems("config --json").length, 1);
    assert.deepEqual(problems("bogus -jsn"), [bogus, "unknown flag -jsn (did you mean -json?)"]);
    assert.match(problems("--json")[0] ?? "", /^unknown flag -json/);
  });

  it("every problem at once", () => {
    assert.equal(problems("word -nope -v=x -log-format=y -public-ip=z", { FLANNELD_IP_MASQ: "si" }).length, 6);
  });

  it("what is wrong in the environment, by the name of the variable", () => {
    assert.deepEqual(problems("", { FLANNELD_V: "x" }), ["FLANNELD_V=x: must be an integer"]);
  });

  it("nothing in the environment that the command line overrides", () => {
    assert.equal(run("-v=1", { FLANNELD_V: "x" }).log.debug, true);
  });
});

describe("parseCommandLine() and functions that are not built", () => {
  const asking = [
    "-kube-subnet-mgr",
    "-kube-api-url=https://k",
    "-kube-annotation-prefix=x",
    "-kubeconfig-file=/k",
    "-net-config-path=/etc/flannel.json",
    "-vmodule=x=1",
    "-log_backtrace_at=x:1",
  ];
  for (const argv of asking) {
    it(`refuses ${argv}`, () => {
      const [problem = "", ...others] = problems(argv);
      assert.deepEqual(others, []);
      assert.match(problem, /^-[\w-]+=.+: .* not |^-[\w-]+=.+: .* no /);
    });
  }

  it("refuses them from the environment, too", () => {
    assert.match(problems("", { FLANNELD_KUBE_SUBNET_MGR: "true" }).join(), /^FLANNELD_KUBE_SUBNET_MGR=true: /);
  });

  it("lets a flag pass that asks for nothing", () => {
    run("-kube-subnet-mgr=false");
    run("-set-node-network-unavailable=false -kubeconfig-file= -public-ipv6= -vmodule= -log_backtrace_at=:0");
  });

  it("lets every default of the Go daemon pass that is spelt out", () => {
    for (const { name, default: value } of FLAGS.filter((flag) => flag.name !== "version")) {
      assert.deepEqual(run(`-${name}=${value}`), run(""), name);
    }
    run("-set-node-network-unavailable");
  });
});
