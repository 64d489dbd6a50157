// What iperf3 -J says at the end of a test of ours. Pure.

export interface TcpReport {
  /** That have arrived. */
  readonly gigabits: number;
  readonly gigabitsPerSecond: number;
  readonly retransmits: number;
}

export interface UdpReport {
  readonly sentPerSecond: number;
  /** As the server has counted. */
  readonly receivedPerSecond: number;
  readonly lossPercent: number;
}

interface Sum {
  readonly seconds: number;
  readonly bytes: number;
  readonly retransmits?: number;
  readonly packets?: number;
}

interface Report {
  readonly error?: string;
  readonly end?: { readonly sum_sent?: Sum; readonly sum_received?: Sum };
}

/** Throws a sentence when the test has failed. */
export function parseTcpReport(json: string): TcpReport {
  const { sent, received } = parseSums(json);
  const gigabits = (received.bytes * 8) / 1e9;
  return { gigabits, gigabitsPerSecond: gigabits / received.seconds, retransmits: sent.retransmits ?? 0 };
}

/** The same for datagrams of `payload` bytes. Those that arrived are counted by their bytes: "packets" of the server's
 * sum is the highest number seen, so that a loss at the very end would not count as one. */
export function parseUdpReport(json: string, payload: number): UdpReport {
  const { sent, received } = parseSums(json);
  const sentPackets = sent.packets ?? 0;
  const arrived = received.bytes / payload;
  return {
    sentPerSecond: sentPackets / sent.seconds,
    receivedPerSecond: arrived / received.seconds,
    lossPercent: sentPackets === 0 ? 0 : Math.max(0, (1 - arrived / sentPackets) * 100),
  };
}

function parseSums(json: string): { readonly sent: Sum; readonly received: Sum } {
  const { error, end } = parseReport(json);
  if (error !== undefined) throw new Error(`iperf3: ${error}`);
  const { sum_sent: sent, sum_received: received } = end ?? {};
  if (!sent || !received) throw new Error("iperf3 gives no sums of both sides; version 3.12 and later do");
  return { sent, received };
}

function parseReport(text: string): Report {
  try {
    return JSON.parse(text) as Report;
  } catch {
    throw new Error(`iperf3 gives no report: ${text.slice(0, 200) || "it said nothing"}`);
  }
}
