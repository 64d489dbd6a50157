// What the fuzzers begin with: packets as they are, in the form of each target's input (fuzz/tun.c, fuzz/peer.c).
// Checksums are left out; the targets have none to check or make them right.

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;
const FRAGMENT = 44;

interface Packet {
  readonly protocol: number;
  readonly destination?: string;
  readonly ttl?: number;
  readonly fragment?: number;
  readonly id?: number;
  readonly sequence?: number;
  readonly flags?: number;
  /** Of the payload, in words; 8 is right. */
  readonly dataOffset?: number;
  readonly payload: number;
}

const PEER_POD = "10.0.2.5";

function ipv4(packet: Packet): Buffer {
  const transport = transportOf(packet);
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(header.length + transport.length, 2);
  header.writeUInt16BE(packet.id ?? 0, 4);
  header.writeUInt16BE(packet.fragment ?? 0, 6);
  header[8] = packet.ttl ?? 64;
  header[9] = packet.protocol;
  header.set([10, 0, 1, 5], 12);
  header.set((packet.destination ?? PEER_POD).split(".").map(Number), 16);
  return Buffer.concat([header, transport]);
}

function transportOf({ protocol, sequence, flags, dataOffset, payload }: Packet): Buffer {
  const bytes = Buffer.alloc(payload, 0x61);
  if (protocol === TCP) {
    const header = Buffer.alloc(32, 1);
    header.writeUInt32BE(sequence ?? 1, 4);
    header.set([(dataOffset ?? 8) << 4, flags ?? 0x10, 1, 0xf5, 0, 0, 0, 0], 12);
    return Buffer.concat([header, bytes]);
  }
  if (protocol === UDP) {
    const header = Buffer.from([0, 53, 0, 53, 0, 0, 1, 1]);
    header.writeUInt16BE(header.length + payload, 4);
    return Buffer.concat([header, bytes]);
  }
  return Buffer.concat([Buffer.from([8, 0, 0, 0]), bytes]);
}

/** Addresses as packets.h has them: fd00:0:<IPv4 address>::1. */
function ipv6Address(text: string): readonly number[] {
  return [0xfd, 0, 0, 0, ...text.split(".").map(Number), 0, 0, 0, 0, 0, 0, 0, 1];
}

/** With the extension headers, as bytes, between the header and the transport; the first of them is of that kind. */
function ipv6(packet: Packet, extensions: Buffer = Buffer.alloc(0), kind = packet.protocol): Buffer {
  const transport = transportOf(packet);
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(extensions.length + transport.length, 4);
  header[6] = kind;
  header[7] = packet.ttl ?? 64;
  header.set(ipv6Address("10.0.1.5"), 8);
  header.set(ipv6Address(packet.destination ?? PEER_POD), 24);
  return Buffer.concat([header, extensions, transport]);
}

/** Little-endian, as struct virtio_net_hdr is on the machines that we know. */
function virtioHeader(flags: number, type: number, size: number, start: number, offset: number): Buffer {
  const header = Buffer.alloc(10);
  header.set([flags, type]);
  header.writeUInt16LE(size, 4);
  header.writeUInt16LE(start, 6);
  header.writeUInt16LE(offset, 8);
  return header;
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const NO_OFFLOAD = virtioHeader(0, 0, 0, 0, 0);
const LARGE_TCP = virtioHeader(1, 1, 300, 20, 16);
const LARGE_UDP = virtioHeader(1, 5, 300, 20, 6);

const LARGE_TCP6 = virtioHeader(1, 4, 300, 40, 16);
const LARGE_UDP6 = virtioHeader(1, 5, 300, 40, 6);

/** Options that go before any protocol, a fragment, a routing header that is used up and one that is not. */
const extended = (protocol: number): readonly Buffer[] => [
  ipv6({ protocol, payload: 50 }, Buffer.from([protocol, 0, 1, 4, 0, 0, 0, 0]), 60),
  ipv6({ protocol, payload: 50 }, Buffer.from([60, 0, 1, 4, 0, 0, 0, 0, protocol, 0, 1, 4, 0, 0, 0, 0]), 0),
  ipv6({ protocol, payload: 50 }, Buffer.from([protocol, 0, 0, 1, 0, 0, 0, 7]), FRAGMENT),
  ipv6({ protocol, payload: 50 }, Buffer.from([protocol, 0, 5, 0xd0, 0, 0, 0, 7]), FRAGMENT),
  ipv6({ protocol, payload: 50 }, Buffer.from([protocol, 0, 4, 0, 0, 0, 0, 0]), 43),
  ipv6({ protocol, payload: 50 }, Buffer.from([protocol, 0, 4, 1, 0, 0, 0, 0]), 43),
  ipv6({ protocol, payload: 50 }, Buffer.from([protocol, 200, 1, 4, 0, 0, 0, 0]), 60),
];

const IPV6_PACKETS = [
  ipv6({ protocol: ICMPV6, payload: 56 }),
  ipv6({ protocol: TCP, payload: 20, ttl: 1 }),
  ipv6({ protocol: UDP, payload: 20, destination: "9.9.9.9" }),
  ipv6({ protocol: TCP, payload: 0 }),
  ipv6({ protocol: UDP, payload: 0 }),
  ...extended(TCP),
  ...extended(UDP),
];

/** An ICMP message without a type, to nobody. */
function headerOnly(): Buffer {
  const header = ipv4({ protocol: ICMP, payload: 0, destination: "9.9.9.9" }).subarray(0, 20);
  header.writeUInt16BE(header.length, 2);
  return header;
}

/** Headers that reach to the packet's end or just beyond it. */
const EDGES = [
  ipv4({ protocol: TCP, payload: 0 }),
  ipv4({ protocol: TCP, payload: 0, dataOffset: 9 }),
  ipv4({ protocol: TCP, payload: 4, dataOffset: 10 }),
  ipv4({ protocol: UDP, payload: 0 }),
  headerOnly(),
];

/** Virtio headers and UDP_SEGMENT on; and nothing on. */
function tunSeeds(): readonly Buffer[] {
  const plain = [
    ipv4({ protocol: ICMP, payload: 56 }),
    ipv4({ protocol: TCP, payload: 20, ttl: 1 }),
    ipv4({ protocol: UDP, payload: 20, destination: "9.9.9.9" }),
    ipv4({ protocol: UDP, payload: 20, fragment: 0x2001 }),
  ];
  const large = [
    Buffer.concat([LARGE_TCP, ipv4({ protocol: TCP, payload: 1000, flags: 0x99 })]),
    Buffer.concat([LARGE_UDP, ipv4({ protocol: UDP, payload: 900 })]),
    Buffer.concat([virtioHeader(1, 0, 0, 20, 6), ipv4({ protocol: UDP, payload: 33 })]),
  ];
  const all = [...plain.map((packet) => Buffer.concat([NO_OFFLOAD, packet])), ...large];
  const edges = EDGES.flatMap((packet) => [
    ...[NO_OFFLOAD, LARGE_TCP, LARGE_UDP].map((header) => Buffer.concat([header, packet])),
    ...[packet.length - 2, packet.length - 1, packet.length].map((end) =>
      Buffer.concat([virtioHeader(1, 0, 0, 20, Math.max(end - 20, 0)), packet]),
    ),
  ]);
  const large6 = [
    Buffer.concat([LARGE_TCP6, ipv6({ protocol: TCP, payload: 1000, flags: 0x99 })]),
    Buffer.concat([LARGE_UDP6, ipv6({ protocol: UDP, payload: 900 })]),
    Buffer.concat([virtioHeader(1, 0, 0, 40, 6), ipv6({ protocol: UDP, payload: 33 })]),
    ...extended(TCP).map((packet) => Buffer.concat([LARGE_TCP6, packet])),
  ];
  return [
    Buffer.concat([Buffer.from([3]), ...IPV6_PACKETS.map((packet) => withLength(Buffer.concat([NO_OFFLOAD, packet])))]),
    Buffer.concat([Buffer.from([3]), ...large6.map(withLength)]),
    Buffer.concat([Buffer.from([0]), ...IPV6_PACKETS.map(withLength)]),
    ...edges.map((edge) => Buffer.concat([Buffer.from([3]), withLength(edge)])),
    Buffer.concat([Buffer.from([0]), ...plain.map(withLength)]),
    Buffer.concat([Buffer.from([3]), ...all.map(withLength)]),
    Buffer.concat([Buffer.from([7]), ...large.map(withLength)]),
  ];
}

/** A message of peer 0 whose checksums are made right if they shall be; with a size it is a train. */
function message(datagrams: readonly Buffer[], size: number | null, mend = true): Buffer {
  const bytes = Buffer.concat(datagrams);
  const header = Buffer.alloc(size === null ? 3 : 5);
  header[0] = (size === null ? 0 : 4) + (mend ? 8 : 0);
  header.writeUInt16BE(bytes.length, 1);
  if (size !== null) header.writeUInt16BE(size, 3);
  return Buffer.concat([header, bytes]);
}

function stream(protocol: number, make: (packet: Packet) => Buffer = ipv4): readonly Buffer[] {
  return Array.from({ length: 5 }, (_, index) =>
    make({ protocol, payload: index < 4 ? 80 : 50, id: index, sequence: 1 + index * 80 }),
  );
}

/** With everything coalesced and sources checked, nothing, and large writes refused. */
function peerSeeds(): readonly Buffer[] {
  const messages = [TCP, UDP].flatMap((protocol) => {
    const datagrams = stream(protocol);
    const alone = datagrams.map((datagram) => message([datagram], null));
    return [message(datagrams, datagrams[0]?.length ?? 0), ...alone];
  });
  const large = message([ipv4({ protocol: UDP, payload: 1600, fragment: 0x4000 })], null);
  const edges = EDGES.map((packet) => message([packet], null));
  const wrong = stream(UDP).map((datagram) => message([datagram], null, false));
  const streams6 = [TCP, UDP].flatMap((protocol) => {
    const datagrams = stream(protocol, ipv6);
    return [message(datagrams, datagrams[0]?.length ?? 0), ...datagrams.map((datagram) => message([datagram], null))];
  });
  const large6 = message([ipv6({ protocol: UDP, payload: 1600 })], null);
  const others6 = IPV6_PACKETS.map((packet) => message([packet], null));
  return [
    ...[7, 0, 11].map((switches) => Buffer.concat([Buffer.from([switches]), ...streams6, large6, ...others6])),
    ...edges.map((edge) => Buffer.concat([Buffer.from([7]), edge])),
    Buffer.concat([Buffer.from([7]), ...wrong]),
    ...[7, 0, 11].map((switches) => Buffer.concat([Buffer.from([switches]), ...messages, large])),
  ];
}

export function seedsOf(target: "tun" | "peer"): readonly Buffer[] {
  switch (target) {
    case "tun":
      return tunSeeds();
    case "peer":
      return peerSeeds();
  }
}
