// What metrics tell of etcd: requests, errors, the watch, certificates. Pure.

import type { DaemonStatus } from "../status/snapshot.ts";
import { counter, type Family, flag, gauge, histogram, secondsOf, since } from "./family.ts";

export function storeFamilies({ store, propagation }: DaemonStatus): readonly Family[] {
  const { watch, requests, certificates } = store;
  const errors = requests.flatMap(({ op, errors }) =>
    errors.map(({ code, count }) => ({ labels: { op, code }, value: count })),
  );
  const causes = watch && Object.entries(watch.resyncs);
  return [
    gauge("flannel_store_connected", "1 while etcd answers.", flag(store.connected)),
    gauge("flannel_store_last_answer_timestamp_seconds", "When etcd has last answered.", since(store.lastAnswer)),
    histogram(
      "flannel_store_request_duration_seconds",
      "Requests to etcd that were answered.",
      requests.map(({ op, seconds }) => ({ labels: { op }, histogram: seconds })),
    ),
    counter("flannel_store_errors_total", "Requests to etcd that failed, by the kind of failure.", errors),
    counter(
      "flannel_watch_restarts_total",
      "How often the watch of the leases was had again after the connection was lost.",
      watch ? [{ labels: {}, value: watch.restarts }] : [],
    ),
    counter(
      "flannel_resyncs_total",
      "Full lists in place of the watch: the history was compacted, or a count did not agree.",
      (causes ?? []).map(([cause, value]) => ({ labels: { cause }, value })),
    ),
    histogram(
      "flannel_propagation_seconds",
      "From when a change of a lease has come to when the kernel has it.",
      propagation ? [{ labels: {}, histogram: propagation }] : [],
    ),
    gauge(
      "flannel_tls_certificate_expiry_timestamp_seconds",
      "When a certificate ends that is in use with etcd.",
      certificates.map(({ whose, name, expires }) => ({ labels: { whose, name }, value: secondsOf(expires) })),
    ),
  ];
}
