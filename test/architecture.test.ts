import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, it } from "node:test";

/** This file runs from dist/test; the sources are two levels up. */
const ROOT = resolve(import.meta.dirname, "../..");
const SRC = join(ROOT, "src");

/** Directory (or top-level file) -> directories of ours that it may import. "*" is everything. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  net: ["base"],
  subnet: ["base"],
  firewall: ["base", "subnet"],
  traffic: ["base", "firewall", "status"],
  backends: ["base", "net", "subnet"],
  offload: ["base", "net"],
  etcd: ["base", "subnet", "cli"],
  netlink: ["base", "net", "native"],
  native: ["base"],
  cli: ["base", "version", "control"],
  icmp: ["base"],
  check: ["base", "net", "subnet", "backends", "icmp"],
  facts: ["base", "net", "subnet", "check", "firewall", "native", "netlink", "node-id", "privilege", "state-directory"],
  status: ["base", "net", "subnet", "cli"],
  control: ["base", "status"],
  metrics: ["base", "status"],
  web: ["base", "subnet", "status"],
  operator: [
    "base",
    "net",
    "subnet",
    "backends",
    "icmp",
    "check",
    "cli",
    "overlay",
    "peer-ways",
    "status",
    "control",
    "journal-text",
    "web",
  ],
};

/** Modules that touch the world, and the directories and files that may. */
const EFFECTS: readonly { readonly pattern: RegExp; readonly allowed: readonly RegExp[] }[] = [
  { pattern: /^node:child_process$/, allowed: [/^firewall\/tool\.ts$/] },
  { pattern: /^node:(net|dgram|tls)$/, allowed: [/^etcd\//, /^base\/ipv6\.ts$/, /^control\/(listen|client)/] },
  { pattern: /^node:https?$/, allowed: [/^etcd\//, /^health/, /^control\/(server|client)/, /^web\/(server|ask-host)/] },
  {
    pattern: /^node:fs(\/promises)?$/,
    allowed: [
      /^etcd\/tls/,
      /^netlink\//,
      /^native\/native\.ts$/,
      /^facts\/(proc|sysctls|other-root)\.ts$/,
      /^firewall\/bridge-filter\.ts$/,
      /^subnet\/subnet-file\.ts$/,
      /^base\/whole-file\.ts$/,
      /^state-directory\.ts$/,
      /^control\/(listen|client)\.ts$/,
      /^(process-status|device-counters)\.ts$/,
      /^main\.ts$/,
      /^privilege\.ts$/,
      /^journal/,
      /^operator-ports\.ts$/,
      /^settings-files\.ts$/,
      /^web\/assets\.ts$/,
    ],
  },
  { pattern: /^node:timers(\/promises)?$/, allowed: [/^base\/clock\.ts$/, /^netlink\//] },
];

/** Globals that make a function depend on more than its arguments, and who may use them. */
const GLOBALS: readonly { readonly pattern: RegExp; readonly allowed: readonly RegExp[] }[] = [
  { pattern: /\b(setTimeout|setInterval)\(/, allowed: [/^base\/clock\.ts$/, /^main\.ts$/] },
  { pattern: /\bDate\.now\(|\bnew Date\(\)/, allowed: [/^base\/clock\.ts$/] },
  { pattern: /\bMath\.random\(/, allowed: [] },
  { pattern: /\bprocess\.exit\(/, allowed: [/^main\.ts$/] },
];

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => {
    const text = readFileSync(join(SRC, path), "utf8");
    const imports = [...text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map(([, name = ""]) => name);
    return { path, text, imports };
  });

function areaOf(path: string): string {
  const slash = path.indexOf("/");
  return slash === -1 ? path.replace(/\.ts$/, "") : path.slice(0, slash);
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
}

describe("the import rules", () => {
  it("name only directories that exist", () => {
    for (const area of Object.keys(MAY_IMPORT)) assert.ok(existsSync(join(SRC, area)), `src/${area} is gone`);
  });

  it("cover every directory of src", () => {
    const areas = readdirSync(SRC, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const { name } of areas) assert.ok(name in MAY_IMPORT, `src/${name} has no import rule`);
  });

  it("hold for every import between directories", () => {
    for (const { path, imports } of sources) {
      const allowed = MAY_IMPORT[areaOf(path)];
      if (!allowed) continue;
      for (const name of imports.filter((name) => name.startsWith("."))) {
        const target = areaOf(relative(SRC, resolve(SRC, dirname(path), name)));
        assert.ok(target === areaOf(path) || allowed.includes(target), `src/${path} must not import ${name}`);
      }
    }
  });

  it("confine effects to adapters", () => {
    for (const { path, imports } of sources) {
      for (const { pattern, allowed } of EFFECTS) {
        const used = imports.find((name) => pattern.test(name));
        assert.ok(!used || allowed.some((rule) => rule.test(path)), `src/${path} must not import ${used}`);
      }
    }
  });

  it("confine time, chance and the end of the process", () => {
    for (const { path, text } of sources) {
      const code = withoutComments(text);
      for (const { pattern, allowed } of GLOBALS) {
        assert.ok(!pattern.test(code) || allowed.some((rule) => rule.test(path)), `src/${path} uses ${pattern}`);
      }
    }
  });

  it("let only the loader touch the native addon", () => {
    for (const { path, text } of sources) {
      assert.ok(
        !/createRequire|\.node"/.test(text) ||
          /^(native\/native|icmp\/raw-pinger|real-ports|operator-ports)\.ts$/.test(path),
        `src/${path}`,
      );
    }
  });
});

describe("the sources", () => {
  it("say in the first line what they are for", () => {
    for (const { path, text } of sources) assert.match(text, /^\/\/ [A-Z(]/, `src/${path} has no header`);
  });

  it("have no file that cannot be read in one sitting", () => {
    for (const { path, text } of sources) {
      const lines = text.split("\n").length;
      assert.ok(lines <= 300, `src/${path} has ${lines} lines`);
    }
  });
});
