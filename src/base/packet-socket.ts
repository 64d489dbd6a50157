// The port to a socket that sends frames through a device as they are: implemented by the addon.

import type { Ipv4 } from "./ip.ts";

export interface PacketSocket extends Disposable {
  /**
   * Of a checksum that is left to the device: the first octet that it covers, and where in what it covers it stands; null
   * when all are complete. Throws an error whose code is the errno's name.
   */
  send(frame: Uint8Array, left: { readonly start: number; readonly offset: number } | null): void;
  /** The beginning of the next frame, or null when there is none yet. */
  receive(): Buffer | null;
}

/**
 * Receives what comes through the device to `address`, by TCP from `port` or by ICMP. Throws an error whose code is the
 * errno's name.
 */
export type OpenPacketSocket = (device: string, address: Ipv4, port: number) => PacketSocket;
