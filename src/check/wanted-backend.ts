// What a network config wants of a host. Pure.

import { backendSettings, createBackend } from "../backends/registry.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import type { WantedBackend } from "./facts.ts";

export function wantedBackend(backend: NetworkConfig["backend"]): WantedBackend {
  const port = backendSettings(backend)["Port"];
  return { backend: createBackend(backend), port: typeof port === "number" ? port : null };
}
