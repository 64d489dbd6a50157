// Keeps the certificates of a running daemon up to date: looks at the files every ten seconds and when told to, has new
// connections use what is new, and moves what is connected to them once they have been seen to work. Files that are of
// no use, such as a certificate whose key is still to be written, change nothing and are told. It also knows how long
// all certificates last.
// The files are looked at rather than watched: a symbolic link that is turned, a file that is replaced and one on another
// machine all look the same then.

import { type Millis, millis, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createComplaint } from "../base/complaint.ts";
import { createDoorbell, waitAtMost } from "../base/doorbell.ts";
import { FlannelError, isRetryable } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { EtcdOptions } from "../cli/options.ts";
import type { CertificateExpiry } from "../subnet/lease-store.ts";
import { createExpiryWarnings } from "./expiry.ts";
import { readServerExpiries } from "./server-certificate.ts";
import { fingerprintTlsFiles, readTlsMaterial, type TlsMaterial } from "./tls.ts";
import type { EtcdTransport } from "./transport.ts";

export interface TlsUpkeep extends AsyncDisposable {
  material(): TlsMaterial;
  certificates(): readonly CertificateExpiry[];
  /** Why the files as they are now are not in use, but what was read before; null when they are. */
  refused(): string | null;
  /** Looks now, also at files that seem not to have changed. */
  reload(): void;
}

export interface UpkeepDeps {
  readonly transport: Pick<EtcdTransport, "secure" | "renewWatches">;
  /** Throws what a call throws unless etcd can be reached, and lets us read, on new connections. */
  readonly prove: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

const LOOK_EVERY = seconds(10);
/** For the certificates of the servers. */
const INSPECT_EVERY = seconds(3600);
/** When one of them was away. */
const INSPECT_AGAIN = seconds(60);

/** `first` is what the transport was opened with. Works until disposed of. */
export function startTlsUpkeep(options: EtcdOptions, first: TlsMaterial, deps: UpkeepDeps): TlsUpkeep {
  const stop = new AbortController();
  const bell = createDoorbell();
  const files = createTlsFiles(options, first, deps);
  const servers = createServerLook(options, deps);
  const warn = createExpiryWarnings(deps);
  const certificates = () => [...files.material().expiries, ...servers.seen(files.material())];
  const run = async () => {
    const { signal } = stop;
    for (let rung: ReadonlySet<string> = new Set(); ; rung = await waitAtMost(LOOK_EVERY, bell, deps.clock, signal)) {
      const isNew = await files.look(rung.has(RELOAD));
      await files.prove(signal);
      await servers.look(files.material(), isNew, signal);
      warn(certificates());
    }
  };
  const running = run().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  return {
    material: files.material,
    certificates,
    refused: files.refused,
    reload: () => bell.ring(RELOAD),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

const RELOAD = "reload";

interface TlsFiles {
  material(): TlsMaterial;
  refused(): string | null;
  /** Resolves to whether there was something new. */
  look(isForced: boolean): Promise<boolean>;
  /** Once the newest material has been seen to work, everything moves to it. */
  prove(signal: AbortSignal): Promise<void>;
}

function createTlsFiles({ tls }: EtcdOptions, first: TlsMaterial, deps: UpkeepDeps): TlsFiles {
  const reader = createTlsReader(tls, deps);
  const unproven = createComplaint(
    {
      raised: "etcd cannot be reached with the new TLS files; what is connected stays",
      settled: "etcd can be reached with the new TLS files",
    },
    deps,
  );
  let material = first;
  let fingerprint = "";
  let isProven = true;
  return {
    material: () => material,
    refused: reader.refused,
    async look(isForced) {
      // Taken before the files are read: what is written meanwhile is found at the next look.
      const now = await fingerprintTlsFiles(tls);
      if (now === fingerprint && !isForced && reader.refused() === null) return false;
      const found = await reader.read();
      if (found === null) return false;
      fingerprint = now;
      if (isSame(found, material)) {
        if (isForced) deps.log.info("read the TLS files for etcd again; they are as they were");
        return false;
      }
      material = found;
      isProven = false;
      deps.transport.secure(material);
      deps.log.info("read new TLS files for etcd", expiryFields(material));
      return true;
    },
    async prove(signal) {
      if (isProven) return;
      try {
        await deps.prove(signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isRetryable(error)) throw error;
        return unproven.raise(error.message);
      }
      isProven = true;
      unproven.settle();
      deps.transport.renewWatches();
    },
  };
}

interface TlsReader {
  /** Null when the files are of no use, which is told. */
  read(): Promise<TlsMaterial | null>;
  /** Why they were of no use at the last reading, as a sentence; null when they were good. */
  refused(): string | null;
}

function createTlsReader(tls: EtcdOptions["tls"], deps: UpkeepDeps): TlsReader {
  const useless = createComplaint(
    {
      raised: "the new TLS files for etcd are of no use; going on with the old ones",
      settled: "the TLS files for etcd are good again",
    },
    deps,
  );
  let refused: string | null = null;
  return {
    refused: () => refused,
    async read() {
      try {
        const material = await readTlsMaterial(tls);
        refused = null;
        useless.settle();
        return material;
      } catch (error) {
        if (!(error instanceof FlannelError)) throw error;
        refused = error.message;
        useless.raise(refused);
        return null;
      }
    },
  };
}

function isSame(a: TlsMaterial, b: TlsMaterial): boolean {
  const texts = ({ ca, client }: TlsMaterial) => [ca, client?.cert, client?.key].map((pem) => pem?.toString("latin1"));
  const others = texts(b);
  return texts(a).every((text, index) => text === others[index]);
}

function expiryFields({ expiries }: TlsMaterial): { readonly expires?: string } {
  const ends = expiries.map(({ expires }) => expires);
  return ends.length === 0 ? {} : { expires: new Date(Math.min(...ends)).toISOString() };
}

interface ServerLook {
  /** As last seen; without the authorities whose end the operator's own CA file tells already. */
  seen(tls: TlsMaterial): readonly CertificateExpiry[];
  look(tls: TlsMaterial, isNew: boolean, signal: AbortSignal): Promise<void>;
}

function createServerLook({ endpoints }: EtcdOptions, { clock }: UpkeepDeps): ServerLook {
  const seen = new Map<string, readonly CertificateExpiry[]>();
  let nextAt: Millis | null = null;
  return {
    seen(tls) {
      const told = new Set(tls.expiries.filter(({ whose }) => whose === "authority").map(({ expires }) => expires));
      return [...seen.values()].flat().filter(({ whose, expires }) => whose === "server" || !told.has(expires));
    },
    async look(tls, isNew, signal) {
      if (!isNew && nextAt !== null && clock.monotonic() < nextAt) return;
      const found = await Promise.all(endpoints.map((url) => readServerExpiries(url, tls, clock, signal)));
      for (const [index, url] of endpoints.entries()) {
        const expiries = found[index] ?? [];
        // Of one that is away, the last word stays.
        if (expiries.length > 0) seen.set(url, expiries);
      }
      const isComplete = found.every((expiries) => expiries.length > 0);
      nextAt = millis(clock.monotonic() + (isComplete ? INSPECT_EVERY : INSPECT_AGAIN));
    },
  };
}
