// The command `web`: a page that shows the overlay, for as long as the command runs.

import { seconds } from "../base/brand.ts";
import { FlannelError } from "../base/errors.ts";
import { formatAddress, type HttpAddress } from "../base/http-listener.ts";
import { systemRandom } from "../base/random.ts";
import { runTasks } from "../base/tasks.ts";
import { parseGoInteger } from "../cli/go-flags.ts";
import { textOf, type VerbCall } from "../cli/verbs.ts";
import { createAskHost } from "../web/ask-host.ts";
import { ASSETS } from "../web/assets.ts";
import { createHostBook } from "../web/host-book.ts";
import { isLoopback, parseListenAddress } from "../web/listen-address.ts";
import { createRowDesk } from "../web/row-desk.ts";
import { openWeb } from "../web/server.ts";
import { createStreams } from "../web/streams.ts";
import { createOverlayWatch } from "../web/watch-overlay.ts";
import { printJson, printLines, printWarnings } from "./print.ts";
import { configKey, type OperatorCalls, withStore } from "./session.ts";
import type { OperatorPorts } from "./verb.ts";
import { createLookForPage } from "./web-look.ts";

interface WebSettings {
  readonly listen: HttpAddress;
  readonly healthPort: number;
}

/** A page that is open says so by keeping its stream; shorter than what proxies close connections after. */
const BEAT = seconds(10);

/** Resolves to 0 when it is interrupted: that is how it ends. */
export async function showPage(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const settings = readSettings(call);
  return await withStore(call, ports, (store) => servePage(settings, store, call, ports, signal));
}

async function servePage(
  { listen, healthPort }: WebSettings,
  store: OperatorCalls,
  call: VerbCall,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<number> {
  const { clock } = ports;
  const { prefix } = call.etcd;
  const askHost = createAskHost(healthPort, clock);
  const deps = { clock, random: systemRandom, prefix };
  const watch = createOverlayWatch({
    ...deps,
    book: createHostBook({ ...deps, askHost }),
    lookAtStore: createLookForPage(store, configKey(call), clock),
  });
  const streams = createStreams();
  const overlay = () => {
    watch.want();
    return watch.current(signal);
  };
  const desk = { assets: ASSETS, overlay, row: createRowDesk({ overlay, askHost, prefix }, signal) };
  const onOpen = () => watch.want();
  await using server = await openWeb(listen, { ...desk, onOpen }, streams);
  using _ = watch.onChange((changed) => streams.send(JSON.stringify(changed)));
  announce({ ...listen, port: server.port }, call, ports);
  const keepAlive = async (scope: AbortSignal) => {
    for (;;) {
      await clock.sleep(BEAT, scope);
      if (streams.count() > 0) watch.want();
      streams.beat();
    }
  };
  await runTasks({ watch: watch.run, "keep alive": keepAlive }, signal);
  return 0;
}

function announce(address: HttpAddress, { json }: VerbCall, { out, err }: OperatorPorts): void {
  const url = `http://${formatAddress(address)}/`;
  if (json) printJson(out, { url });
  else printLines(out, [`the overlay is shown at ${url} until Ctrl-C`]);
  if (isLoopback(address)) return;
  printWarnings(err, [
    "whoever reaches this address can see the hosts and their addresses: there is no password, and no encryption",
  ]);
}

/** Throws `usage.invalid`. */
function readSettings(call: VerbCall): WebSettings {
  const [listenText, portText] = [textOf(call, "listen") ?? "", textOf(call, "health-port") ?? ""];
  const listen = parseListenAddress(listenText);
  const healthPort = parseGoInteger(portText) ?? 0;
  const problems = [
    ...(listen ? [] : [`-listen=${listenText}: must be an address and a port, such as 127.0.0.1:8470`]),
    ...(healthPort >= 1 && healthPort <= 65_535 ? [] : [`-health-port=${portText}: must be between 1 and 65535`]),
  ];
  if (!listen || problems.length > 0) throw new FlannelError("usage.invalid", { problems });
  return { listen, healthPort };
}
