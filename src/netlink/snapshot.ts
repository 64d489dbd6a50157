// One reading of the kernel's state: dumps of exactly what the scope asks for, filtered by the kernel, kept as bytes.
// What changes by itself (counters, lifetimes, when an entry was last used) is taken out, so that the digest over the
// bytes says whether anything is different; objects are made of them only when somebody asks.

import { createHash } from "node:crypto";
import type { Family } from "../base/ip.ts";
import type { NetSnapshot } from "../net/kernel-net.ts";
import {
  BOOT_PROTOCOL,
  FLANNEL_PROTOCOL,
  type Link,
  type LinkName,
  type NetKind,
  type NetObject,
  type RouteProtocol,
} from "../net/objects.ts";
import type { NetScope } from "../net/plan.ts";
import { decodeAddress, IFADDRMSG, requestAddresses, VOLATILE_OF_ADDRESS } from "./address.ts";
import { decodeBlackholes, readBlackholes } from "./blackhole.ts";
import { HEADER_LENGTH, type Message, messagesOf, type Request, walkAttributes } from "./codec.ts";
import { type Connection, refusedTo } from "./connection.ts";
import { decodeFdbEntry, requestFdb } from "./fdb.ts";
import type { LinkRecord } from "./link.ts";
import {
  decodeNeighbour,
  isPermanent,
  NDMSG,
  neighbourIndex,
  requestNeighbours,
  VOLATILE_OF_NEIGHBOUR,
} from "./neighbour.ts";
import { readLink } from "./read-links.ts";
import { decodeRoute, decodeSiblings, maskRoute, requestRoutes } from "./route.ts";

/** A kind of object that is dumped device by device. */
interface Table {
  readonly kind: NetKind;
  readonly request: (index: number) => Request;
  /** Whether a message belongs to the reading; also takes out of it what changes by itself. */
  readonly keep: (buffer: Buffer, message: Message, index: number) => boolean;
  readonly decode: (buffer: Buffer, message: Message, dev: LinkName) => NetObject | null;
  /** What is told at once although it is several, and each can be deleted by itself. */
  readonly decodeSeveral?: (buffer: Buffer, message: Message, dev: LinkName, index: number) => readonly NetObject[];
}

interface Section {
  readonly table: Table;
  readonly dev: LinkName;
  readonly index: number;
  readonly messages: Buffer;
}

function addressesOf(family: Family): Table {
  return {
    kind: "address",
    request: (index) => requestAddresses(index, family),
    keep(buffer, message) {
      mask(buffer, message, IFADDRMSG, VOLATILE_OF_ADDRESS);
      return true;
    },
    decode: decodeAddress,
  };
}

function neighboursOf(family: Family): Table {
  const request = (index: number) => requestNeighbours(index, family);
  return { kind: "neighbour", request, keep: keepEntry, decode: decodeNeighbour };
}

const FDB: Table = { kind: "fdb", request: requestFdb, keep: keepEntry, decode: decodeFdbEntry };

interface FamilyTables {
  /** Of a device of ours. */
  readonly own: readonly Table[];
  /** Of one on which routes of ours may be left. */
  readonly routes: readonly Table[];
}

const TABLES: Readonly<Record<Family, FamilyTables>> = { ipv4: tablesOf("ipv4"), ipv6: tablesOf("ipv6") };

function tablesOf(family: Family): FamilyTables {
  return {
    own: [addressesOf(family), neighboursOf(family), routesOf(family, null)],
    routes: [routesOf(family, FLANNEL_PROTOCOL), routesOf(family, BOOT_PROTOCOL)],
  };
}

/** Of every protocol when it is null. */
function routesOf(family: Family, protocol: RouteProtocol | null): Table {
  return {
    kind: "route",
    request: (index) => requestRoutes({ family, index, protocol }),
    keep(buffer, message) {
      maskRoute(buffer, message);
      return true;
    },
    decode: decodeRoute,
    decodeSeveral: decodeSiblings,
  };
}

function keepEntry(buffer: Buffer, message: Message, index: number): boolean {
  if (!isPermanent(buffer, message) || neighbourIndex(buffer, message) !== index) return false;
  mask(buffer, message, NDMSG, VOLATILE_OF_NEIGHBOUR);
  return true;
}

function mask(buffer: Buffer, message: Message, fixedPart: number, types: readonly number[]): void {
  walkAttributes(buffer, message.start + fixedPart, message.end, (type, start, end) => {
    if (types.includes(type)) buffer.fill(0, start, end);
  });
}

/** A device that does not exist, or goes while we look, has nothing. */
const NO_DEVICE: readonly string[] = ["ENODEV", "ENOENT"];

export function readSnapshot(scope: NetScope, connection: Connection): NetSnapshot {
  const links: Link[] = [];
  const sections: Section[] = [];
  const read = (record: LinkRecord, tables: readonly Table[]) => {
    for (const table of tables) {
      if (scope.kinds.includes(table.kind)) sections.push(readSection(table, record, connection));
    }
  };
  for (const record of existing(scope.devices, connection)) {
    if (scope.kinds.includes("link")) links.push(record.link);
    read(record, [FDB, ...scope.families.flatMap((family) => TABLES[family].own)]);
  }
  const others = scope.routeDevices.filter((name) => !scope.devices.includes(name));
  for (const record of existing(others, connection)) {
    read(
      record,
      scope.families.flatMap((family) => TABLES[family].routes),
    );
  }
  const blackholes = scope.kinds.includes("blackhole")
    ? scope.families.map((family) => condense(readBlackholes(family, connection), () => true))
    : [];
  return {
    digest: digestOf(links, sections, blackholes),
    objects: () => [...links, ...sections.flatMap(decodeSection), ...blackholes.flatMap(decodeBlackholes)],
  };
}

function existing(names: readonly LinkName[], connection: Connection): readonly LinkRecord[] {
  const records = [...new Set(names)].map((name) => readLink({ name }, connection));
  return records.filter((record) => record !== null);
}

function readSection(table: Table, { name, index }: LinkRecord, connection: Connection): Section {
  const { refusal, messages } = connection.dump(table.request(index));
  if (refusal && !NO_DEVICE.includes(refusal.errno)) throw refusedTo(`reading ${table.kind}s of ${name}`, refusal);
  return { table, dev: name, index, messages: condense(messages, (message) => table.keep(messages, message, index)) };
}

/** The messages that are kept, moved together in place, without the numbers of the request that they answer. */
function condense(messages: Buffer, keep: (message: Message) => boolean): Buffer {
  let end = 0;
  for (const message of messagesOf(messages)) {
    if (!keep(message)) continue;
    const from = message.start - HEADER_LENGTH;
    const to = Math.min((message.end + 3) & ~3, messages.length);
    if (from !== end) messages.copyWithin(end, from, to);
    messages.fill(0, end + 8, end + HEADER_LENGTH);
    end += to - from;
  }
  return messages.subarray(0, end);
}

function digestOf(links: readonly Link[], sections: readonly Section[], blackholes: readonly Buffer[]): string {
  const hash = createHash("sha256").update(JSON.stringify(links));
  for (const { table, dev, messages } of sections) hash.update(`\n${table.kind} ${dev}\n`).update(messages);
  for (const messages of blackholes) hash.update("\nblackhole\n").update(messages);
  return hash.digest("hex");
}

function decodeSection({ table, dev, index, messages }: Section): NetObject[] {
  const objects: NetObject[] = [];
  for (const message of messagesOf(messages)) {
    const object = table.decode(messages, message, dev);
    if (object) objects.push(object);
    else objects.push(...(table.decodeSeveral?.(messages, message, dev, index) ?? []));
  }
  return objects;
}
