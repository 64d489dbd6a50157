// The settings in force as plain data, without what is secret. Pure.

import type { Json } from "../base/json.ts";
import type { Options } from "../cli/options.ts";

export function describeOptions({ etcd, underlay, ...rest }: Options): Json {
  return {
    etcd: {
      endpoints: [...etcd.endpoints],
      prefix: etcd.prefix,
      tls: { ...etcd.tls },
      username: etcd.auth?.username ?? null,
    },
    underlay: {
      ...underlay,
      interfaces: [...underlay.interfaces],
      regexes: underlay.regexes.map(({ source }) => source),
    },
    ...plain(rest),
  };
}

/** Texts, numbers and objects of such. */
function plain(rest: object): { readonly [name: string]: Json } {
  return JSON.parse(JSON.stringify(rest));
}
