// Writes leases of hosts that do not exist, as fast as etcd takes them. Run inside the lab, where etcd can be reached:
// node write-leases.js ENDPOINT FIRST COUNT. Prints the time of the last answer, in milliseconds since the epoch.

import { Etcd3 } from "etcd3";

const PREFIX = "/coreos.com/network/subnets/";
const IN_FLIGHT = 64;

const [endpoint = "", first = "", count = ""] = process.argv.slice(2);
const client = new Etcd3({ hosts: endpoint });
let next = Number(first);
const end = next + Number(count);

/** The n-th lease of 10.0.0.0/8 with a public IP and a MAC of its own. */
function record(n: number): { readonly key: string; readonly value: string } {
  const [high, low] = [n >> 8, n & 255];
  const mac = `02:42:00:00:${[high, low].map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`;
  const data = { VNI: 1, VtepMAC: mac };
  const attrs = { PublicIP: `172.20.${high}.${low}`, PublicIPv6: null, BackendType: "vxlan", BackendData: data };
  return { key: `${PREFIX}10.${high}.${low}.0-24`, value: JSON.stringify(attrs) };
}

async function write(): Promise<void> {
  while (next < end) {
    const { key, value } = record(next++);
    await client.put(key).value(value);
  }
}

await Promise.all(Array.from({ length: IN_FLIGHT }, write));
console.log(Date.now());
client.close();
