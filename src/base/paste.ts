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

/** Where etcd is and who asks, for etcdctl; without what is null, and never with a password. */
export interface EtcdPlace {
  readonly endpoints: readonly string[];
  readonly username: string | null;
  readonly tls: { readonly caFile: string | null; readonly certFile: string | null; readonly keyFile: string | null };
}

/** Of the options with which etcd is asked. */
export function placeOf({
  endpoints,
  tls,
  auth,
}: Pick<EtcdPlace, "endpoints" | "tls"> & { readonly auth: { readonly username: string } | null }): EtcdPlace {
  return { endpoints, username: auth?.username ?? null, tls };
}

/** Those of etcdctl, quoted. It knows nothing of our variables and files, and asks a user for the password. */
export function pasteEtcdctl(command: string, { endpoints, username, tls }: EtcdPlace): string {
  const files = [
    ["cacert", tls.caFile],
    ["cert", tls.certFile],
    ["key", tls.keyFile],
  ] as const;
  const flags = [
    ...(endpoints.length > 0 ? [`--endpoints=${endpoints.join(",")}`] : []),
    ...files.flatMap(([name, file]) => (file === null ? [] : [`--${name}=${file}`])),
    ...(username === null ? [] : [`--user=${username}`]),
  ];
  return [`etcdctl ${command}`, ...flags.map(shellWord)].join(" ");
}
