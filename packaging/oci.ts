// The container image as an OCI layout, without a container engine: two layers made by tar, and the three JSON documents
// of the image specification. `skopeo copy oci:DIR docker://...` takes it to a registry.

import { createHash } from "node:crypto";
import {
  createReadStream,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { run } from "../lab/run.ts";
import { seconds } from "../src/base/brand.ts";
import { layTree } from "./lay.ts";
import type { Architecture } from "./runtime.ts";
import { type Entry, programEntries, type Sources } from "./tree.ts";

/** Of Debian: what the program is linked with, a shell for mk-docker-opts, and the firewall tools with their libraries. */
const BASE_PACKAGES = [
  ...["libc6", "libgcc-s1", "libstdc++6", "libatomic1", "busybox-static", "ca-certificates"],
  ...["iptables", "libxtables12", "libip4tc2", "libip6tc2", "libnetfilter-conntrack3", "libnfnetlink0"],
  ...["libnftnl11", "libmnl0", "nftables", "libnftables1", "libedit2", "libjansson4", "libgmp10", "libbsd0", "libmd0"],
  "libtinfo6",
];
const SHELL_COMMANDS = [
  "sh",
  "cat",
  "chmod",
  "cp",
  "dirname",
  "basename",
  "grep",
  "ip",
  "mkdir",
  "mv",
  "rm",
  "sed",
  "sort",
];
const LONG = seconds(300);

interface Blob {
  readonly digest: string;
  readonly size: number;
}

/** Returns the layout's directory, in `output`. */
export async function makeImage(
  sources: Sources,
  architecture: Architecture,
  output: string,
  signal: AbortSignal,
): Promise<string> {
  const { edition } = sources;
  const work = join(output, ".oci");
  const layout = join(work, "layout");
  rmSync(work, { recursive: true, force: true });
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  await layBase(join(work, "base"), join(work, "debs"), signal);
  layTree(join(work, "program"), imageEntries(sources));
  const layers: (Blob & { readonly diffId: string })[] = [];
  for (const name of ["base", "program"]) {
    layers.push(await makeLayer(join(work, name), layout, edition.date, signal));
  }
  const created = new Date(edition.date * 1000).toISOString().replace(".000Z", "Z");
  const config = putJson(layout, {
    created,
    architecture: architecture.oci,
    os: "linux",
    config: {
      Entrypoint: ["/opt/bin/flanneld"],
      Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MALLOC_ARENA_MAX=1"],
      Labels: { "org.opencontainers.image.version": edition.version, "org.opencontainers.image.title": "flanneld" },
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: ["libraries and tools of Debian", "flanneld"].map((created_by) => ({ created, created_by })),
  });
  const type = (name: string) => `application/vnd.oci.image.${name}`;
  const manifest = putJson(layout, {
    schemaVersion: 2,
    mediaType: type("manifest.v1+json"),
    config: { mediaType: type("config.v1+json"), ...config },
    layers: layers.map(({ digest, size }) => ({ mediaType: type("layer.v1.tar+gzip"), digest, size })),
  });
  const named = { "org.opencontainers.image.ref.name": edition.version };
  const platform = { architecture: architecture.oci, os: "linux" };
  const index = { mediaType: type("manifest.v1+json"), ...manifest, platform, annotations: named };
  writeFileSync(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [index] }));
  writeFileSync(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  const target = join(output, `flanneld-${edition.version}-${architecture.oci}.oci`);
  rmSync(target, { recursive: true, force: true });
  renameSync(layout, target);
  rmSync(work, { recursive: true });
  return target;
}

/** Compat: where the images of the Go flannel have them. */
function imageEntries(sources: Sources): readonly Entry[] {
  const link = (path: string, to: string): Entry => ({ path, mode: 0o777, content: { kind: "link", to } });
  return [
    ...programEntries(sources),
    link("/opt/bin/flanneld", "/usr/bin/flanneld"),
    link("/opt/bin/mk-docker-opts.sh", "/usr/bin/mk-docker-opts"),
  ];
}

/** The packages' files without their scripts; no package manager, no documents. */
async function layBase(directory: string, downloads: string, signal: AbortSignal): Promise<void> {
  mkdirSync(downloads, { recursive: true });
  // apt downloads as a user of its own, who cannot write here.
  const download = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", ...BASE_PACKAGES];
  await run(["env", "-C", downloads, ...download], { limit: LONG }, signal);
  mkdirSync(directory, { recursive: true });
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    mkdirSync(join(directory, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(directory, name));
  }
  for (const name of readdirSync(downloads).sort()) {
    // Through the links above: Debian 12 still has files in /lib and /bin.
    const command = 'dpkg-deb --fsys-tarfile "$1" | tar -C "$2" --keep-directory-symlink -xf -';
    await run(["sh", "-c", command, "sh", join(downloads, name), directory], { limit: LONG }, signal);
  }
  for (const name of ["doc", "man", "lintian", "bug"])
    rmSync(join(directory, "usr/share", name), { recursive: true, force: true });
  for (const name of SHELL_COMMANDS) {
    const target = join(directory, "usr/bin", name);
    rmSync(target, { force: true });
    symlinkSync("busybox", target);
  }
  // Debian's alternatives would point there.
  for (const name of ["iptables", "ip6tables"]) {
    for (const suffix of ["", "-save", "-restore"])
      symlinkSync("xtables-nft-multi", join(directory, "usr/sbin", name + suffix));
  }
  for (const name of ["etc/ssl/certs", "run", "tmp", "proc", "sys", "dev"])
    mkdirSync(join(directory, name), { recursive: true });
  // What the package's script would make.
  const bundle = "cat usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt";
  await run(["env", "-C", directory, "sh", "-c", bundle], {}, signal);
}

async function makeLayer(
  directory: string,
  layout: string,
  date: number,
  signal: AbortSignal,
): Promise<Blob & { readonly diffId: string }> {
  const tar = `${directory}.tar`;
  const owner = ["--sort=name", `--mtime=@${date}`, "--owner=0", "--group=0", "--numeric-owner", "--format=pax"];
  // Without times of access in the headers, which would differ.
  const plain = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime";
  await run(["tar", ...owner, plain, "-C", directory, "-cf", tar, "."], { limit: LONG }, signal);
  const diffId = await digestOf(tar);
  await run(["gzip", "-n", tar], { limit: LONG }, signal);
  return { ...(await putFile(layout, `${tar}.gz`)), diffId };
}

async function putFile(layout: string, file: string): Promise<Blob> {
  const digest = await digestOf(file);
  const blob = join(layout, "blobs/sha256", digest.slice("sha256:".length));
  renameSync(file, blob);
  return { digest, size: statSync(blob).size };
}

function putJson(layout: string, value: object): Blob {
  const text = JSON.stringify(value);
  const sum = createHash("sha256").update(text).digest("hex");
  writeFileSync(join(layout, "blobs/sha256", sum), text);
  return { digest: `sha256:${sum}`, size: Buffer.byteLength(text) };
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest("hex")}`;
}
