// A cluster of one backend, and the questions that its end-to-end suites ask about the first host.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSubnetEnv } from "../../lab/cni.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Millis, seconds } from "../../src/base/brand.ts";
import type { BackendProfile, Peer } from "./backend-profiles.ts";
import { type Cluster, PREFIX } from "./cluster.ts";

/** Ample: what is waited for takes less than a second on a quiet machine. */
export const LIMIT = seconds(20);

export interface OverlayHost {
  /** All that the backend has made on the first host. */
  state(): Promise<string>;
  /** What others know of the n-th host. */
  peer(host: number): Promise<Peer>;
  /** The key of the first host's record. */
  ownKey(): string;
  putPeer(peer: Peer): Promise<void>;
  deletePeer(peer: Peer): Promise<void>;
  /** A line for a shell on the first host; throws when it fails. */
  shell(line: string): Promise<string>;
  /** Wait until the state equals, or has every one of these lines, or has no text like this. */
  becomes(expected: string): Promise<void>;
  shows(lines: readonly RegExp[], limit?: Millis): Promise<string>;
  forgets(text: string): Promise<void>;
}

export function createOverlayHost(cluster: Cluster, profile: BackendProfile, signal: AbortSignal): OverlayHost {
  const shell = (line: string) => cluster.on(0, "sh", "-c", line);
  const state = async () => (await Promise.all(profile.state.map(shell))).join("");
  const stateOrNothing = () => state().catch(() => "");
  const keyOf = (base: string) => `${PREFIX}/subnets/${base}-24`;
  return {
    shell,
    state,
    ownKey: () => keyOf(baseOf(cluster, 0)),
    async peer(host) {
      const mac = profile.device === null ? "" : await macOf(cluster, host, profile.device);
      return { base: baseOf(cluster, host), ip: cluster.hosts[host]?.address ?? "", mac };
    },
    putPeer: async (peer) => void (await cluster.etcdctl("put", keyOf(peer.base), profile.record(peer))),
    deletePeer: async (peer) => void (await cluster.etcdctl("del", keyOf(peer.base))),
    async becomes(expected) {
      let last = "";
      const look = async () => {
        last = await stateOrNothing();
        return last === expected ? true : null;
      };
      await waitFor("the former state", look, LIMIT, signal).catch(() => assert.equal(last, expected));
    },
    shows: (lines, limit = LIMIT) =>
      waitFor(
        `${lines.join(" and ")} in the state of ${profile.type}`,
        async () => {
          const now = await stateOrNothing();
          return lines.every((line) => line.test(now)) ? now : null;
        },
        limit,
        signal,
      ),
    forgets: async (text) => {
      const look = async () => ((await state()).includes(text) ? null : true);
      await waitFor(`the entries of ${text} to go`, look, LIMIT, signal);
    },
  };
}

/** "10.5.7.0" for the host that leases 10.5.7.0/24. */
function baseOf(cluster: Cluster, host: number): string {
  const file = join(cluster.hosts[host]?.directory ?? "", "subnet.env");
  return parseSubnetEnv(readFileSync(file, "utf8")).subnet.replace(/\.1\/24$/, ".0");
}

async function macOf(cluster: Cluster, host: number, device: string): Promise<string> {
  const [link] = JSON.parse(await cluster.on(host, "ip", "-j", "link", "show", device)) as [{ address?: string }];
  return link.address ?? "";
}
