// The packages as `npm run package` makes them, for tests of what is in them and of machines that install them.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../lab/run.ts";
import { seconds } from "../../src/base/brand.ts";

/** This file runs from dist/test/support. */
export const ROOT = join(import.meta.dirname, "../../..");
/** What does not change from run to run: the Node.js that packages carry, and the root of the machines. */
export const CACHE = join(ROOT, "build/cache");
const LONG = seconds(600);

export interface Packages {
  readonly deb: string;
  readonly rpm: string;
}

/** Builds both, from the build in `root`, into `directory`. */
export async function makePackages(root: string, directory: string, signal: AbortSignal): Promise<Packages> {
  const program = join(root, "dist/packaging/main.js");
  const command = [process.execPath, program, "--out", directory, "--cache", CACHE];
  // Outside a repository, and when a repository has changed since its last commit, the time is given.
  await run(command, { limit: LONG, env: { SOURCE_DATE_EPOCH: "1700000000" } }, signal);
  return findPackages(directory);
}

function findPackages(directory: string): Packages {
  const find = (extension: string) => {
    const name = readdirSync(directory).find((entry) => entry.endsWith(extension));
    if (name === undefined) throw new Error(`no ${extension} in ${directory}`);
    return join(directory, name);
  };
  return { deb: find(".deb"), rpm: find(".rpm") };
}

/** Those of the build that is tested, made once for all tests. */
export async function builtPackages(signal: AbortSignal): Promise<Packages> {
  const hash = createHash("sha256").update(readFileSync(join(ROOT, "dist/.build-stamp")));
  for (const file of [
    "README.md",
    "docs/install.md",
    ...filesIn("bin"),
    ...filesIn("systemd"),
    ...filesIn("monitoring"),
  ]) {
    hash.update(readFileSync(join(ROOT, file)));
  }
  const stamp = hash.digest("hex");
  const kept = join(ROOT, "build/test-packages");
  const directory = join(kept, stamp.slice(0, 16));
  if (!existsSync(directory)) {
    rmSync(kept, { recursive: true, force: true });
    const temporary = `${directory}.${process.pid}`;
    await makePackages(ROOT, temporary, signal);
    renameSync(temporary, directory);
  }
  return findPackages(directory);
}

function filesIn(directory: string): readonly string[] {
  return readdirSync(join(ROOT, directory)).map((name) => join(directory, name));
}

/** The same package with another version, for upgrades. */
export async function withVersion(
  deb: string,
  version: string,
  directory: string,
  signal: AbortSignal,
): Promise<string> {
  const tree = join(directory, "deb");
  mkdirSync(directory, { recursive: true });
  await run(["dpkg-deb", "-R", deb, tree], { limit: LONG }, signal);
  await run(["sed", "-i", `s/^Version: .*/Version: ${version}/`, join(tree, "DEBIAN/control")], {}, signal);
  const made = join(directory, `flanneld_${version}.deb`);
  await run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made], { limit: LONG }, signal);
  return made;
}

/**
 * A repository for dnf: our package, and one that stands for the system's, whose libraries Debian has and rpm does not
 * know of.
 */
export async function makeRepository(rpm: string, directory: string, signal: AbortSignal): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const { stdout } = await run(["rpm", "-qp", "--requires", rpm], {}, signal);
  const wanted = stdout.split("\n").filter((line) => line !== "" && !/^(rpmlib|config)\(/.test(line));
  const spec = [
    ...[
      "Name: system",
      "Version: 1",
      "Release: 1",
      "Summary: What the system has",
      "License: none",
      "BuildArch: noarch",
    ],
    ...[...new Set(wanted)].map((name) => `Provides: ${name}`),
    ...["%description", "What the system has.", "%files"],
  ];
  const file = join(directory, "system.spec");
  await run(["sh", "-c", 'cat >"$1"', "sh", file], { input: `${spec.join("\n")}\n` }, signal);
  await run(
    ["rpmbuild", "-bb", "--define", `_topdir ${directory}/work`, "--define", `_rpmdir ${directory}`, file],
    {},
    signal,
  );
  await run(["cp", rpm, directory], {}, signal);
  await run(["createrepo_c", directory], {}, signal);
}
