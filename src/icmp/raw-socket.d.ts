// The part of the npm package raw-socket that is used here; it has no types of its own.

declare module "raw-socket" {
  import type { EventEmitter } from "node:events";

  export interface Socket extends EventEmitter {
    /** `after` gets the error's text only; the status is lost. */
    send(
      buffer: Buffer,
      offset: number,
      length: number,
      address: string,
      after: (error: Error | null, bytes: number) => void,
    ): this;
    setOption(level: number, option: number, value: number): void;
    setOption(level: number, option: number, value: Buffer, length: number): void;
    close(): this;
  }

  export function createSocket(options: {
    readonly protocol: number;
    /** 1 is IPv4, 2 is IPv6. */
    readonly addressFamily: 1 | 2;
    readonly bufferSize: number;
  }): Socket;
}
