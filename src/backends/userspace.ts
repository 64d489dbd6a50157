// What a backend whose packets are carried by threads of this process wants of them, beside its plan.

import type { DatapathOptions, DatapathTunnel, ForwardRoute } from "../base/datapath.ts";
import type { Underlay } from "../net/underlay.ts";
import type { NetworkView } from "./backend.ts";

export interface Userspace {
  options(underlay: Underlay): DatapathOptions;
  tunnel(view: NetworkView): DatapathTunnel;
  routes(view: NetworkView): readonly ForwardRoute[];
}
