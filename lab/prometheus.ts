// A real Prometheus in a lab: on the switch, beside etcd, asking the hosts for their metrics.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seconds } from "../src/base/brand.ts";
import { attempt, run, toolEnvironment } from "./run.ts";
import { inNamespace, type Machine } from "./topology.ts";
import { waitFor } from "./wait.ts";

export interface Prometheus extends AsyncDisposable {
  /** The value of an instant query: a series for each. Throws when the query is refused. */
  query(expression: string, signal: AbortSignal): Promise<readonly Series[]>;
  /** The answer of its API at a path such as "rules". */
  api(path: string, signal: AbortSignal): Promise<unknown>;
}

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface PrometheusOptions {
  /** "192.168.77.11:8081", under the job flanneld. */
  readonly targets: readonly string[];
  /** Files with rules. */
  readonly rules: readonly string[];
}

const ADDRESS = "127.0.0.1:9090";
const LIMIT = seconds(30);

/** Resolves when it answers. */
export async function startPrometheus(
  { namespace, directory }: Machine,
  options: PrometheusOptions,
  signal: AbortSignal,
): Promise<Prometheus> {
  const home = join(directory, "prometheus");
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "prometheus.yml"), configOf(options));
  const flags = [
    `--config.file=${join(home, "prometheus.yml")}`,
    `--storage.tsdb.path=${join(home, "data")}`,
    `--web.listen-address=${ADDRESS}`,
  ];
  const child = launch(inNamespace(namespace, ["prometheus", ...flags]), join(home, "prometheus.log"));
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const ask = async (path: string, scope: AbortSignal) => {
    const script = `fetch(process.argv[1]).then((r) => r.text()).then(console.log)`;
    const words = [process.execPath, "-e", script, `http://${ADDRESS}/${path}`];
    return (await run(inNamespace(namespace, words), {}, scope)).stdout;
  };
  const api = async (path: string, scope: AbortSignal) => dataOf(JSON.parse(await ask(`api/v1/${path}`, scope)));
  const stop = async () => {
    child.kill("SIGKILL");
    await waitFor("the end of Prometheus", () => ended() || null, LIMIT, new AbortController().signal);
  };
  const isReady = async () => {
    if (ended()) throw new Error(`Prometheus has ended: see ${join(home, "prometheus.log")}`);
    const script = `fetch("http://${ADDRESS}/-/ready").then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`;
    const { status } = await attempt(inNamespace(namespace, [process.execPath, "-e", script]), {}, signal);
    return status === 0 || null;
  };
  try {
    await waitFor("Prometheus", isReady, LIMIT, signal);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    api,
    query: async (expression, scope) => seriesOf(await api(`query?query=${encodeURIComponent(expression)}`, scope)),
    [Symbol.asyncDispose]: stop,
  };
}

function configOf({ targets, rules }: PrometheusOptions): string {
  return JSON.stringify({
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: rules,
    scrape_configs: [{ job_name: "flanneld", static_configs: [{ targets }] }],
  });
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data?: unknown;
}

function dataOf(answer: unknown): unknown {
  const { status, error, data } = answer as Answer;
  if (status !== "success") throw new Error(`Prometheus refuses: ${error}`);
  return data;
}

function seriesOf(data: unknown): readonly Series[] {
  const { result } = data as {
    readonly result: readonly { readonly metric: Series["labels"]; readonly value: [number, string] }[];
  };
  return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
}

function launch(command: readonly string[], logFile: string): ChildProcess {
  const [program = "", ...args] = command;
  const log = openSync(logFile, "a");
  try {
    return spawn(program, args, { detached: true, stdio: ["ignore", log, log], env: toolEnvironment() });
  } finally {
    closeSync(log);
  }
}
