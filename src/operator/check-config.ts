// A network config as the daemon would take it: every problem that can be told apart, or the values that it would go by.
// Pure. All judgement is the daemon's own (src/subnet/network-config.ts, src/backends); here it is only asked for more
// than the first problem.

import { type BackendSettings, backendSettings, unknownBackendMembers } from "../backends/registry.ts";
import { isError } from "../base/errors.ts";
import {
  CONFIG_PARTS,
  configBackend,
  type NetworkConfig,
  parseNetworkConfig,
  unknownConfigMembers,
} from "../subnet/network-config.ts";

export interface ConfigProblem {
  /** JSON path, or line and column where the text is no JSON. */
  readonly at: string;
  readonly reason: string;
}

export interface ValidConfig {
  readonly kind: "valid";
  readonly network: NetworkConfig;
  readonly settings: BackendSettings;
  /** Paths of members that nobody reads. */
  readonly unread: readonly string[];
}

export type ConfigCheck = ValidConfig | { readonly kind: "invalid"; readonly problems: readonly ConfigProblem[] };

export function checkConfig(text: string): ConfigCheck {
  const checked = orProblem(() => acceptConfig(text));
  if (checked.kind === "done") return checked.value;
  const found = [...CONFIG_PARTS.flatMap((part) => problemsOf(() => part(text))), ...backendProblems(text)];
  // Where the parts are right one by one, the whole has said what is wrong.
  return { kind: "invalid", problems: distinct(found.length > 0 ? found : [checked.problem]) };
}

function acceptConfig(text: string): ValidConfig {
  const network = parseNetworkConfig(text);
  const settings = backendSettings(network.backend);
  const unread = [...unknownConfigMembers(text), ...unknownBackendMembers(network.backend)];
  return { kind: "valid", network, settings, unread };
}

/** A backend reads its members one by one: each that is wrong is taken away, until the next is looked at. */
function backendProblems(text: string): readonly ConfigProblem[] {
  const parsed = orProblem(() => configBackend(text));
  if (parsed.kind === "problem") return [];
  const { type, options } = parsed.value;
  const problems: ConfigProblem[] = [];
  for (let left = options; ; ) {
    const found = problemsOf(() => backendSettings({ type, options: left }));
    const [problem] = found;
    const kept = Object.entries(left).filter(
      ([name]) => `$.Backend.${name}`.toLowerCase() !== problem?.at.toLowerCase(),
    );
    problems.push(...found);
    if (!problem || kept.length === Object.keys(left).length || problem.at === "$.Backend.Type") return problems;
    left = Object.fromEntries(kept);
  }
}

type Attempt<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "problem"; readonly problem: ConfigProblem };

function orProblem<T>(read: () => T): Attempt<T> {
  try {
    return { kind: "done", value: read() };
  } catch (error) {
    if (!isError(error, "config.invalid")) throw error;
    return { kind: "problem", problem: error.info };
  }
}

function problemsOf(read: () => unknown): readonly ConfigProblem[] {
  const attempt = orProblem(read);
  return attempt.kind === "problem" ? [attempt.problem] : [];
}

function distinct(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  return [...new Map(problems.map((problem) => [`${problem.at} ${problem.reason}`, problem])).values()];
}
