import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { type Prometheus, startPrometheus } from "../../lab/prometheus.ts";
import { run } from "../../lab/run.ts";
import { ipBatch } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";

const { signal } = new AbortController();
const LIMIT = seconds(60);
const MONITORING = join(import.meta.dirname, "../../../monitoring");

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** As Grafana fills them in when nothing is chosen. */
function expressionsOf({ targets = [] }: Panel): readonly string[] {
  return targets.map(({ expr }) =>
    expr.replaceAll("$job", ".*").replaceAll("$instance", ".*").replaceAll("$__rate_interval", "1m"),
  );
}

describe("three hosts that a Prometheus asks", () => {
  let cluster: Cluster;
  let prometheus: Prometheus;

  before(async () => {
    cluster = await openCluster(3, VXLAN.config, signal);
    await cluster.startAll({ flags: ["--healthz-port=8081"] });
    const targets = cluster.hosts.map(({ address }) => `${address}:8081`);
    const rules = [join(MONITORING, "alerts.yml")];
    prometheus = cluster.topology.own(await startPrometheus(cluster.topology.etcd, { targets, rules }, signal));
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const query = (expression: string) => prometheus.query(expression, signal);
  const becomes = async (expression: string, expected: readonly number[]) => {
    const look = async () => {
      const values = (await query(expression)).map(({ value }) => value);
      return JSON.stringify(values) === JSON.stringify(expected) ? true : null;
    };
    await waitFor(`${expression} to be ${expected}`, look, LIMIT, signal);
  };
  const metrics = async (host: number, query = "") => {
    const script = `fetch("http://127.0.0.1:8081/metrics${query}").then(async (r) => console.log(await r.text()))`;
    return await cluster.on(host, process.execPath, "-e", script);
  };

  it("are all scraped, are ready, and know each other", async () => {
    await becomes('up{job="flanneld"}', [1, 1, 1]);
    await becomes("flannel_ready", [1, 1, 1]);
    await becomes('flannel_peers{state="programmed"}', [2, 2, 2]);
    await becomes('flannel_dataplane_objects{kind="route", state="actual"}', [2, 2, 2]);
    await becomes("count(count by (subnet) (flannel_lease_info))", [3]);
    const [ends] = await query("min(flannel_lease_expiry_timestamp_seconds - time())");
    assert.ok(ends && ends.value > 80_000 && ends.value <= 86_400, `${ends?.value} s`);
  });

  it("write what promtool has nothing to say against", async () => {
    const text = await metrics(0, "?peers");
    const { stdout, stderr } = await run(["promtool", "check", "metrics"], { input: text }, signal);
    assert.equal(stdout + stderr, "");
  });

  it("tell of each peer only when they are asked to", async () => {
    assert.doesNotMatch(await metrics(0), /^flannel_peer_programmed/m);
    assert.equal([...(await metrics(0, "?peers")).matchAll(/^flannel_peer_programmed\{.*\} 1$/gm)].length, 2);
  });

  it("count what they repair", async () => {
    // Not flushed: ip looks for more until there is none, and may find what was repaired meanwhile.
    const shown = await cluster.on(0, "ip", "route", "show", "dev", "flannel.1");
    const lines = [...shown.matchAll(/^(10\.5\.\d+\.0\/24) via /gm)].map(([, subnet]) => `route del ${subnet}`);
    await ipBatch(cluster.hosts[0]?.namespace ?? "", lines, signal);
    await becomes(`flannel_dataplane_repairs_total{kind="route", instance="${cluster.hosts[0]?.address}:8081"}`, [2]);
  });

  it("have an answer to every expression of the dashboard", async () => {
    const { panels } = JSON.parse(readFileSync(join(MONITORING, "dashboard.json"), "utf8")) as {
      readonly panels: readonly Panel[];
    };
    // Of what only the udp backend has, and of what never happened here, there is no series.
    const silent = /flannel_udp_|errors_total\{.*code|sum by \(code\)/;
    const expressions = panels.flatMap(expressionsOf);
    assert.ok(expressions.length > 15);
    for (const expression of expressions.filter((one) => !silent.test(one))) {
      const look = async () => ((await query(expression)).length > 0 ? true : null);
      await waitFor(`an answer to ${expression}`, look, LIMIT, signal);
    }
    for (const expression of expressions.filter((one) => silent.test(one))) await query(expression);
  });

  it("raise the alert of what is wrong, and only that", async () => {
    // What flanneld reserve writes for a host that has not come yet: nothing is wrong with it.
    const reservation = '{"PublicIP":"192.168.77.201","BackendType":"vxlan"}';
    await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.201.0-24`, reservation);
    await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.200.0-24`, "garbage");
    const pending = async () => (await query('ALERTS{alertname!=""}')).map(({ labels }) => labels["alertname"]);
    let last: readonly (string | undefined)[] = [];
    // A host that once needs more than a second to answer is taken for one that does not.
    const look = async () => {
      last = [...new Set(await pending())];
      return isDeepStrictEqual(last, ["FlannelRecordsRefused"]) ? true : null;
    };
    await waitFor("the alert", look, LIMIT, signal).catch((error: unknown) => assert.fail(`${error}: ${last}`));
    await becomes('flannel_peers{state="refused"}', [1, 1, 1]);
    await cluster.etcdctl("del", `${PREFIX}/subnets/10.5.201.0-24`);
    await cluster.etcdctl("del", `${PREFIX}/subnets/10.5.200.0-24`);
  });

  it("have rules that pass their tests", async () => {
    const { stdout } = await run(["promtool", "test", "rules", join(MONITORING, "alerts.test.yml")], {}, signal);
    assert.match(stdout, /SUCCESS/);
  });
});
