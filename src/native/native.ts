// The native addon, typed: what Node cannot do itself. The only file that touches the .node; the C beside it offers
// handles and functions, this makes disposable objects of them. Errors carry the errno's name as their code.

import { closeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { OpenDatapath } from "../base/datapath.ts";
import { FlannelError, messageOf } from "../base/errors.ts";
import { ipv4Number } from "../base/ip.ts";
import type { OpenPacketSocket } from "../base/packet-socket.ts";
import { type DatapathExports, openDatapath } from "./udp-datapath.ts";

/** A netlink socket for requests. */
export interface NetlinkSocket extends Disposable {
  /** What the kernel writes into the notifications that our requests cause (nlmsg_pid). */
  readonly portId: number;
  /**
   * Sends one or more framed messages and returns all that the kernel answers. With `limit`, reading stops once that many
   * bytes are there; what is left would be mixed into the next answer, so the socket must be disposed of then.
   */
  request(messages: Uint8Array, limit?: number): Buffer;
}

/** Gets every datagram that arrived, one after the other, and whether the kernel had to drop some. */
export type NetlinkListener = (messages: Buffer, overrun: boolean) => void;

export interface LockHolder {
  readonly pid: number;
  readonly uid: number;
}

export interface MemoryFile extends Disposable {
  readonly descriptor: number;
}

export interface NativeAddon {
  /** Of NETLINK_ROUTE when no other protocol is named. */
  openNetlinkSocket(receiveBuffer: number, protocol?: number): NetlinkSocket;
  /**
   * Listens to multicast groups (RTNLGRP_*, or those of another protocol) until disposed of. Does not keep the process
   * alive.
   */
  openNetlinkMonitor(
    groups: readonly number[],
    receiveBuffer: number,
    listener: NetlinkListener,
    protocol?: number,
  ): Disposable;
  /** Makes a persistent TUN device, down. Throws with the code EEXIST when there is a device of that name. */
  createTun(name: string): void;
  readonly openDatapath: OpenDatapath;
  /** ethtool's tx-checksumming of a device. */
  checksumOffload(device: string): boolean;
  setChecksumOffload(device: string, on: boolean): void;
  readonly openPacketSocket: OpenPacketSocket;
  /** Takes a name of the abstract name space, at most 107 bytes, until disposed of; null when it is taken. */
  takeLock(name: string): Disposable | null;
  /** The process that has the name: its id, 0 when that cannot be told, -1 when nobody has it; and its user. */
  lockHolder(name: string): LockHolder;
  /**
   * To a Unix socket: `path` as in NOTIFY_SOCKET of sd_notify(3), "@name" for an abstract address. Waits for nobody: throws
   * with the code EAGAIN when whoever reads there has not read.
   */
  sendDatagram(path: string, bytes: Buffer): void;
  /** Of an open descriptor: what is written to it has no reader any longer. False for a file. */
  isHungUp(descriptor: number): boolean;
  /** To a stream socket: how many bytes it has taken at once; 0 when it has no room. */
  sendNow(descriptor: number, bytes: Buffer): number;
  /** A pipe takes PIPE_BUF bytes at once, a file anything. True also when the write will fail. */
  isWritable(descriptor: number): boolean;
  /** A file in memory with these bytes, at its beginning. */
  openMemoryFile(bytes: Buffer): MemoryFile;
  /** Gives the kernel what the allocator keeps and nobody uses. */
  releaseFreeMemory(): void;
}

interface Handle {
  readonly portId: number;
}

interface Exports extends DatapathExports {
  netlinkOpen(protocol: number, receiveBuffer: number): Handle;
  netlinkRequest(handle: Handle, messages: Uint8Array, limit: number): Buffer;
  netlinkClose(handle: Handle): void;
  monitorOpen(protocol: number, groups: readonly number[], receiveBuffer: number, listener: NetlinkListener): object;
  monitorClose(handle: object): void;
  datagramSend(path: string, bytes: Buffer): void;
  isHungUp(descriptor: number): boolean;
  sendNow(descriptor: number, bytes: Buffer): number;
  isWritable(descriptor: number): boolean;
  memoryFile(bytes: Buffer): number;
  releaseFreeMemory(): void;
  lockTake(name: string): object | null;
  lockRelease(handle: object): void;
  lockHolder(name: string): readonly [number, number];
  tunCreate(name: string): void;
  checksumOffload(device: string): boolean;
  setChecksumOffload(device: string, on: boolean): void;
  packetOpen(device: string, address: number, port: number): object;
  packetSend(handle: object, frame: Uint8Array, start: number, offset: number): void;
  packetReceive(handle: object): Buffer | null;
  packetClose(handle: object): void;
}

const NETLINK_ROUTE = 0;

/** The one beside the program. Throws `native.unavailable`. */
export function installedNative(installDirectory: string): NativeAddon {
  return loadNative(join(installDirectory, "flannel.node"));
}

/** Throws `native.unavailable`. */
export function loadNative(path: string): NativeAddon {
  const addon = load(path);
  return {
    sendDatagram: addon.datagramSend,
    isHungUp: addon.isHungUp,
    sendNow: addon.sendNow,
    isWritable: addon.isWritable,
    openMemoryFile(bytes) {
      const descriptor = addon.memoryFile(bytes);
      return { descriptor, [Symbol.dispose]: () => closeSync(descriptor) };
    },
    releaseFreeMemory: addon.releaseFreeMemory,
    createTun: addon.tunCreate,
    takeLock(name) {
      const handle = addon.lockTake(name);
      return handle && { [Symbol.dispose]: () => addon.lockRelease(handle) };
    },
    lockHolder(name) {
      const [pid, uid] = addon.lockHolder(name);
      return { pid, uid };
    },
    openDatapath: (options, listener) => openDatapath(addon, options, listener),
    checksumOffload: addon.checksumOffload,
    setChecksumOffload: addon.setChecksumOffload,
    openPacketSocket(device, address, port) {
      const handle = addon.packetOpen(device, ipv4Number(address), port);
      return {
        send: (frame, left) => addon.packetSend(handle, frame, left?.start ?? 0, left?.offset ?? 0),
        receive: () => addon.packetReceive(handle),
        [Symbol.dispose]: () => addon.packetClose(handle),
      };
    },
    openNetlinkSocket(receiveBuffer, protocol = NETLINK_ROUTE) {
      const handle = addon.netlinkOpen(protocol, receiveBuffer);
      return {
        portId: handle.portId,
        request: (messages, limit = Number.MAX_SAFE_INTEGER) => addon.netlinkRequest(handle, messages, limit),
        [Symbol.dispose]: () => addon.netlinkClose(handle),
      };
    },
    openNetlinkMonitor(groups, receiveBuffer, listener, protocol = NETLINK_ROUTE) {
      const handle = addon.monitorOpen(protocol, groups, receiveBuffer, listener);
      return { [Symbol.dispose]: () => addon.monitorClose(handle) };
    },
  };
}

function load(path: string): Exports {
  try {
    // A path of our own, so that bundlers leave the call alone.
    return createRequire(path)(path) as Exports;
  } catch (error) {
    const [reason = ""] = messageOf(error).split("\n");
    throw new FlannelError("native.unavailable", { path, reason }, { cause: error });
  }
}
