// Commands that a person is told to run, as they are pasted into a shell. Pure.

/** A word as a shell takes it. A "!" by itself is one wherever it does not come first. */
export function shellWord(text: string): string {
  return /^(?:!|[\w%+,./:=@-]+)$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * "flanneld release 10.5.3.0/24 --now --etcd-prefix=/blue": the command as it stands, and flags, which are quoted, so that
 * it asks whom the one that tells it has asked.
 */
export function pasteCommand(command: string, flags: readonly string[]): string {
  return [`flanneld ${command}`, ...flags.map(shellWord)].join(" ");
}

/** Where etcd is, for etcdctl; without what is null. */
export interface EtcdPlace {
  readonly endpoints: readonly string[];
  readonly tls: { readonly caFile: string | null; readonly certFile: string | null; readonly keyFile: string | null };
}

/** Those of etcdctl, quoted. It knows nothing of our variables and files. */
export function pasteEtcdctl(command: string, { endpoints, tls }: EtcdPlace): string {
  const files = [
    ["cacert", tls.caFile],
    ["cert", tls.certFile],
    ["key", tls.keyFile],
  ] as const;
  const flags = [
    ...(endpoints.length > 0 ? [`--endpoints=${endpoints.join(",")}`] : []),
    ...files.flatMap(([name, file]) => (file === null ? [] : [`--${name}=${file}`])),
  ];
  return [`etcdctl ${command}`, ...flags.map(shellWord)].join(" ");
}
