// The .rpm, by rpmbuild, from a spec that lists what has been laid out already.

import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { run } from "../lab/run.ts";
import { seconds } from "../src/base/brand.ts";
import { DESCRIPTION, SUMMARY } from "./deb.ts";
import { layTree } from "./lay.ts";
import type { Architecture } from "./runtime.ts";
import { type Entry, PLACES, packageEntries, type Sources } from "./tree.ts";

const RELEASE = "1";

/** What a system has before any of its packages that we do not depend on. */
const SYSTEM_DIRECTORIES: readonly string[] = [
  ...["/", "/etc", "/etc/sysconfig", "/usr", "/usr/bin", "/usr/lib", "/usr/libexec", "/usr/share"],
  ...["/usr/lib/systemd", "/usr/lib/systemd/system", "/usr/lib/systemd/network", "/usr/lib/sysusers.d"],
  ...["/usr/share/doc", "/usr/share/man", "/usr/share/man/man5", "/usr/share/man/man8"],
  ...["/usr/share/bash-completion", "/usr/share/bash-completion/completions", "/usr/share/zsh"],
];

/** Returns the path of the package, in `output`. */
export async function makeRpm(
  sources: Sources,
  architecture: Architecture,
  output: string,
  signal: AbortSignal,
): Promise<string> {
  const { edition } = sources;
  const entries = packageEntries(sources, PLACES.rpm);
  const work = join(output, ".rpm");
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  layTree(join(work, "tree"), entries);
  writeFileSync(join(work, "flanneld.spec"), formatSpec(sources, entries));
  const defines = {
    _topdir: work,
    _rpmdir: join(work, "out"),
    // Of the machine that builds nothing gets into the package.
    _buildhost: "localhost",
    use_source_date_epoch_as_buildtime: "1",
    clamp_mtime_to_source_date_epoch: "1",
    _binary_payload: "w15.zstdio",
    _build_id_links: "none",
    debug_package: "%{nil}",
    // Nothing is stripped or compressed behind our back.
    __os_install_post: "%{nil}",
    tree: join(work, "tree"),
  };
  const words = Object.entries(defines).flatMap(([name, value]) => ["--define", `${name} ${value}`]);
  const build = ["rpmbuild", "-bb", "--target", `${architecture.rpm}-linux`, ...words, join(work, "flanneld.spec")];
  await run(build, { limit: seconds(600), env: { SOURCE_DATE_EPOCH: String(edition.date) } }, signal);
  const [made = ""] = readdirSync(join(work, "out"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".rpm"),
  );
  renameSync(join(work, "out", made), join(output, basename(made)));
  rmSync(work, { recursive: true });
  return join(output, basename(made));
}

export function formatSpec({ edition, maintainer }: Sources, entries: readonly Entry[]): string {
  const day = new Date(edition.date * 1000).toUTCString().split(" ");
  const date = `${day[0]?.replace(",", "")} ${day[2]} ${day[1]} ${day[3]}`;
  return `Name: flanneld
Version: ${edition.version}
Release: ${RELEASE}
Summary: ${SUMMARY[0]?.toUpperCase()}${SUMMARY.slice(1)}
License: Apache-2.0
Group: System Environment/Daemons
Packager: ${maintainer}
Obsoletes: flannel < 1
Recommends: iproute, iptables-nft
Requires(post): systemd
Requires(preun): systemd
Requires(postun): systemd

%description
${DESCRIPTION.join("\n")}

%install
cp -a %{tree}/. %{buildroot}/

%post
systemd-sysusers flanneld.conf >/dev/null 2>&1 || :
if [ $1 -eq 1 ]; then
  systemctl --no-reload preset flanneld.service >/dev/null 2>&1 || :
fi
timeout 10 nmcli general reload conf >/dev/null 2>&1 || :

%preun
if [ $1 -eq 0 ]; then
  systemctl --no-reload disable --now flanneld.service >/dev/null 2>&1 || :
fi

%postun
systemctl daemon-reload >/dev/null 2>&1 || :
if [ $1 -ge 1 ]; then
  timeout 60 systemctl try-restart flanneld.service >/dev/null 2>&1 || :
fi

%files
${entries.map(formatFile).join("\n")}
${ownDirectories(entries)
  .map((path) => `%dir %attr(0755,root,root) ${path}`)
  .join("\n")}

%changelog
* ${date} ${maintainer} - ${edition.version}-${RELEASE}
- See the project's history.
`;
}

/** rpm: a directory that no package owns stays when the last file in it goes; several packages may own one. */
function ownDirectories(entries: readonly Entry[]): readonly string[] {
  const above = (path: string): readonly string[] => (path === "/" ? [] : [...above(dirname(path)), dirname(path)]);
  const all = new Set(entries.flatMap(({ path }) => above(path)));
  return [...all].filter((path) => !SYSTEM_DIRECTORIES.includes(path)).sort();
}

function formatFile({ path, mode, content, config }: Entry): string {
  const kind = config ? "%config(noreplace) " : path.startsWith("/usr/share/doc/") ? "%doc " : "";
  const attributes = content.kind === "link" ? "" : `%attr(${mode.toString(8).padStart(4, "0")},root,root) `;
  return `${kind}${attributes}${path}`;
}
