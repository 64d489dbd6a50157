// The .deb, by dpkg-deb.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { run } from "../lab/run.ts";
import { seconds } from "../src/base/brand.ts";
import { layTree } from "./lay.ts";
import { readLibraries } from "./libraries.ts";
import type { Architecture } from "./runtime.ts";
import { compressed, type Entry, PLACES, packageEntries, type Sources, text } from "./tree.ts";

export const SUMMARY = "overlay network that gives every container an address of its own";
export const DESCRIPTION = [
  "flanneld leases a subnet for this host in etcd, keeps the kernel's routes to",
  "the subnets of all other hosts, and writes /run/flannel/subnet.env for Docker",
  "and CNI. It takes the place of the Go flanneld and works in one cluster with",
  "it: same flags, same records in etcd, same kernel objects.",
];

/** Debian's shared libraries, by the names that programs ask for. */
const LIBRARY_PACKAGES: Readonly<Record<string, string>> = {
  "libstdc++.so.6": "libstdc++6",
  "libgcc_s.so.1": "libgcc-s1",
  "libatomic.so.1": "libatomic1",
};

/** Returns the path of the package, in `output`. */
export async function makeDeb(
  sources: Sources,
  architecture: Architecture,
  output: string,
  signal: AbortSignal,
): Promise<string> {
  const { edition, root } = sources;
  const entries = [...packageEntries(sources, PLACES.deb), ...debianDocuments(sources)];
  const script = (name: string): Entry => ({
    path: `/DEBIAN/${name}`,
    mode: 0o755,
    content: { kind: "file", file: join(root, "packaging/debian", name) },
  });
  const tree = join(output, ".deb");
  const control = await formatControl(sources, architecture, entries, signal);
  layTree(tree, [
    ...entries,
    text("/DEBIAN/control", control),
    text("/DEBIAN/conffiles", entries.flatMap(({ config, path }) => (config ? [`${path}\n`] : [])).join("")),
    text("/DEBIAN/md5sums", formatSums(entries)),
    ...["postinst", "prerm", "postrm"].map(script),
  ]);
  const name = `flanneld_${edition.version}_${architecture.deb}.deb`;
  const build = ["dpkg-deb", "--root-owner-group", "-Zxz", "-z6", "--build", tree, join(output, `.${name}`)];
  await run(build, { limit: seconds(600), env: { SOURCE_DATE_EPOCH: String(edition.date) } }, signal);
  renameSync(join(output, `.${name}`), join(output, name));
  return join(output, name);
}

function debianDocuments({ edition: { version, date }, maintainer }: Sources): readonly Entry[] {
  const when = new Date(date * 1000).toUTCString().replace("GMT", "+0000");
  const changelog = `flanneld (${version}) unstable; urgency=medium\n\n  * See the project's history.\n\n -- ${maintainer}  ${when}\n`;
  const copyright = [
    "flanneld is distributed under the Apache License, Version 2.0, which on Debian",
    "systems is in /usr/share/common-licenses/Apache-2.0.",
    "",
    `Copyright ${new Date(date * 1000).getUTCFullYear()} the authors of flanneld`,
    "",
    "The program carries Node.js and libraries from npm. Their licences are in",
    "/usr/share/doc/flanneld/third-party-licenses.gz.",
    "",
  ].join("\n");
  const overrides = [
    "# The program is the executable of Node.js as its project builds it.",
    "flanneld: hardening-no-pie [usr/lib/flannel/flanneld]",
    "# What Node.js carries is a part of its release; it is updated with it.",
    "flanneld: embedded-library mbedtls [usr/lib/flannel/flanneld]",
    "flanneld: embedded-library zlib [usr/lib/flannel/flanneld]",
    "# It may hold the password for etcd.",
    "flanneld: non-standard-file-perm 0600 != 0644 [etc/default/flanneld]",
    "",
  ].join("\n");
  return [
    compressed("/usr/share/doc/flanneld/changelog.gz", changelog),
    text("/usr/share/doc/flanneld/copyright", copyright),
    text("/usr/share/lintian/overrides/flanneld", overrides),
  ];
}

async function formatControl(
  { edition, maintainer, program }: Sources,
  { deb }: Architecture,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<string> {
  const { glibc, libraries } = await readLibraries(
    ["flanneld", "flannel.node", "raw-socket.node"].map((name) => join(program, name)),
    signal,
  );
  const depends = [`libc6 (>= ${glibc})`, ...libraries.flatMap((name) => LIBRARY_PACKAGES[name] ?? [])];
  const size = entries.reduce((sum, { content }) => sum + Math.ceil(bytesOf(content).length / 1024), 0);
  return `${[
    "Package: flanneld",
    `Version: ${edition.version}`,
    `Architecture: ${deb}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${size}`,
    `Depends: ${depends.join(", ")}, init-system-helpers (>= 1.54~)`,
    "Recommends: iproute2, iptables | nftables",
    "Suggests: docker.io | docker-ce, containernetworking-plugins, etcd-server",
    "Provides: flannel",
    "Conflicts: flannel",
    "Replaces: flannel",
    "Section: net",
    "Priority: optional",
    `Description: ${SUMMARY}`,
    ...DESCRIPTION.map((line) => ` ${line}`),
  ].join("\n")}\n`;
}

function bytesOf(content: Entry["content"]): Buffer {
  switch (content.kind) {
    case "bytes":
      return content.bytes;
    case "file":
      return existsSync(content.file) ? readFileSync(content.file) : Buffer.alloc(0);
    case "link":
      return Buffer.alloc(0);
  }
}

function formatSums(entries: readonly Entry[]): string {
  return entries
    .filter(({ content, config }) => content.kind !== "link" && config !== true)
    .map(({ path, content }) => `${createHash("md5").update(bytesOf(content)).digest("hex")}  ${path.slice(1)}\n`)
    .join("");
}
