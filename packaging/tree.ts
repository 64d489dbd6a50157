// What is installed, and where: one list for all kinds of packages.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bashCompletion, fishCompletion, zshCompletion } from "./completions.ts";
import { type Edition, manPages } from "./man-pages.ts";
import type { Runtime } from "./runtime.ts";
import { SURFACE } from "./surface.ts";
import { thirdPartyLicenses } from "./third-party.ts";

export interface Entry {
  /** Absolute, where it is installed. */
  readonly path: string;
  readonly mode: number;
  readonly content:
    | { readonly kind: "bytes"; readonly bytes: Buffer }
    | { readonly kind: "file"; readonly file: string }
    /** A symbolic link. */
    | { readonly kind: "link"; readonly to: string };
  /** The administrator's from the first installation on. */
  readonly config?: true;
}

/** Where distributions differ. */
export interface Places {
  readonly environment: string;
  readonly zshCompletions: string;
}

export const PLACES = {
  deb: { environment: "/etc/default/flanneld", zshCompletions: "/usr/share/zsh/vendor-completions" },
  rpm: { environment: "/etc/sysconfig/flanneld", zshCompletions: "/usr/share/zsh/site-functions" },
} as const satisfies Readonly<Record<string, Places>>;

const UNITS = "/usr/lib/systemd/system";
const DOCUMENTS = "/usr/share/doc/flanneld";

export interface Sources {
  readonly root: string;
  /** Of makeExecutable. */
  readonly program: string;
  readonly runtime: Runtime;
  readonly edition: Edition;
  /** Who answers for the packages: "Name <address>". */
  readonly maintainer: string;
}

/** The program alone: what a container image needs, too. */
export function programEntries({ root, program }: Pick<Sources, "root" | "program">): readonly Entry[] {
  return [
    { path: "/usr/lib/flannel/flanneld", mode: 0o755, content: { kind: "file", file: join(program, "flanneld") } },
    {
      path: "/usr/lib/flannel/flannel.node",
      mode: 0o644,
      content: { kind: "file", file: join(program, "flannel.node") },
    },
    {
      path: "/usr/lib/flannel/raw-socket.node",
      mode: 0o644,
      content: { kind: "file", file: join(program, "raw-socket.node") },
    },
    link("/usr/bin/flanneld", "../lib/flannel/flanneld"),
    file("/usr/bin/mk-docker-opts", join(root, "bin/mk-docker-opts"), 0o755),
  ];
}

export function packageEntries(sources: Sources, places: Places): readonly Entry[] {
  const { root, runtime, edition } = sources;
  const systemd = (name: string) => join(root, "systemd", name);
  return [
    ...programEntries(sources),
    file("/usr/bin/flanneld-start", join(root, "bin/flanneld-start"), 0o755),
    // Compat: where the CentOS and Fedora packages have it, and people's units call it.
    link("/usr/libexec/flannel/mk-docker-opts.sh", "../../bin/mk-docker-opts"),
    file(`${UNITS}/flanneld.service`, systemd("flanneld.service")),
    file(`${UNITS}/flanneld-docker.service`, systemd("flanneld-docker.service")),
    file(`${UNITS}/docker.service.d/50-flannel.conf`, systemd("docker-flannel.conf")),
    file("/usr/lib/sysusers.d/flanneld.conf", systemd("flanneld.sysusers")),
    file("/usr/lib/systemd/network/00-flannel.link", systemd("00-flannel.link")),
    file("/usr/lib/systemd/network/00-flannel.network", systemd("00-flannel.network")),
    file("/usr/lib/systemd/networkd.conf.d/50-flannel.conf", systemd("networkd-flannel.conf")),
    file("/usr/lib/NetworkManager/conf.d/50-flannel.conf", systemd("NetworkManager-flannel.conf")),
    // Not below /usr/share/iproute2, where only iproute2 6.7 and newer looks.
    { ...file("/etc/iproute2/rt_protos.d/flannel.conf", join(root, "packaging/rt_protos.conf")), config: true },
    // A password may be put there.
    { ...file(places.environment, systemd("flanneld.environment"), 0o600), config: true },
    text("/usr/share/bash-completion/completions/flanneld", bashCompletion(SURFACE)),
    text(`${places.zshCompletions}/_flanneld`, zshCompletion(SURFACE)),
    text("/usr/share/fish/vendor_completions.d/flanneld.fish", fishCompletion(SURFACE)),
    ...manPages(SURFACE, edition).map((page) =>
      compressed(`/usr/share/man/man${page.file.at(-1)}/${page.file}.gz`, page.text),
    ),
    file(`${DOCUMENTS}/README.md`, join(root, "README.md")),
    file(`${DOCUMENTS}/install.md`, join(root, "docs/install.md")),
    ...["alerts.yml", "alerts.test.yml", "dashboard.json"].map((name) =>
      file(`${DOCUMENTS}/monitoring/${name}`, join(root, "monitoring", name)),
    ),
    file(`${DOCUMENTS}/examples/docker-flannel-execstart.conf`, systemd("docker-flannel-execstart.conf")),
    compressed(`${DOCUMENTS}/third-party-licenses.gz`, thirdPartyLicenses(root, readFileSync(runtime.license, "utf8"))),
  ];
}

export function text(path: string, content: string, mode = 0o644): Entry {
  return { path, mode, content: { kind: "bytes", bytes: Buffer.from(content) } };
}

/** gzip(1) would put the time into it. */
export function compressed(path: string, content: string): Entry {
  return { path, mode: 0o644, content: { kind: "bytes", bytes: gzipSync(content, { level: 9 }) } };
}

function file(path: string, source: string, mode = 0o644): Entry {
  return { path, mode, content: { kind: "file", file: source } };
}

function link(path: string, to: string): Entry {
  return { path, mode: 0o777, content: { kind: "link", to } };
}
