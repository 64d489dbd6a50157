// What went wrong with a call, from gRPC's words to ours. Pure. The text must not vary between two failures of one
// kind, because whoever logs it tells only what is new.

import { FlannelError } from "../base/errors.ts";

/** Names of etcd3's error classes for a server that answers and says no. */
const DENIED = new Set([
  "EtcdAuthenticationFailedError",
  "EtcdPermissionDeniedError",
  "EtcdInvalidAuthTokenError",
  "GRPCUnauthenticatedError",
]);

export function callError(op: string, error: unknown): FlannelError<"etcd.unavailable" | "etcd.denied"> {
  const name = error instanceof Error ? error.constructor.name : "";
  const reason = cleanReason(error instanceof Error ? error.message : String(error));
  const denied = DENIED.has(name) || /authentication is not enabled|permission denied|invalid auth token/i.test(reason);
  return new FlannelError(denied ? "etcd.denied" : "etcd.unavailable", { op, reason }, { cause: error });
}

/** gRPC puts a status in front, and times, addresses of attempts and notes behind. */
export function cleanReason(text: string): string {
  if (/DEADLINE_EXCEEDED|Deadline exceeded/.test(text)) return "no answer in time";
  return text
    .replace(/^\d+ [A-Z_]+: /, "")
    .replace(/^etcdserver: /, "")
    .replace(/^No connection established\. Last error: /, "")
    .replace(/\. Resolution note:.*$/s, "")
    .replace(/ \(\d{4}-\d{2}-\d{2}T[^)]*\)/g, "")
    .replace(/^(Error|null): /, "")
    .trim();
}
