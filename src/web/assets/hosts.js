// The table of hosts: those that need a look first.

import { byId, find, h, keepList, setAttributes, setText, svg } from "./dom.js";
import { bytes, clockTime, duration, plural, until } from "./words.js";

/** More rows are slow to draw and not read; the filter finds the others. */
const MOST_ROWS = 100;

const SYMBOLS = { ready: "●", degraded: "▲", "not ready": "✖", unknown: "?", awaited: "–" };
const ORDER = ["not ready", "degraded", "unknown", "ready", "awaited"];

/** On a phone rows are drawn as blocks, and browsers then no longer take it for a table unless they are told. */
export function openHosts() {
  const table = find("hosts", HTMLTableElement);
  table.setAttribute("role", "table");
  for (const group of [table.tHead, table.tBodies[0]]) group.setAttribute("role", "rowgroup");
  table.rows[0].setAttribute("role", "row");
  for (const cell of table.rows[0].cells) cell.setAttribute("role", "columnheader");
}

/**
 * @param {import("../overlay.ts").Overlay} overlay
 * @param {string} filter
 */
export function showHosts({ hosts }, filter) {
  const words = filter.trim().toLowerCase();
  const found = words === "" ? hosts : hosts.filter((host) => textOf(host).includes(words));
  // Few fit on a screen and stay where they are; of many the worst come first.
  const sorted = hosts.length > MOST_ROWS ? found.toSorted((a, b) => rank(a) - rank(b)) : found;
  const shown = sorted.slice(0, MOST_ROWS);
  keepList(find("hosts", HTMLTableElement).tBodies[0], shown, {
    keyOf: ({ subnet }) => subnet,
    create: createRow,
    update: updateRow,
  });
  setText(byId("hosts-note"), noteOf(hosts.length, found.length, shown.length));
}

/** @param {import("../overlay.ts").HostState} host */
function textOf({ subnet, subnet6, publicIp, condition, kind, backend, reasons, problem }) {
  return [subnet, subnet6 ?? "", publicIp, condition, kind, backend, ...reasons, problem ?? ""].join(" ").toLowerCase();
}

function rank({ condition }) {
  return ORDER.indexOf(condition);
}

function noteOf(all, found, shown) {
  if (all === 0) return "No host has a lease.";
  if (shown < found) return `${shown} of ${found} hosts are shown, those that need a look first.`;
  return found < all ? `${found} of ${plural(all, "host")}.` : "";
}

function createRow() {
  const cell = (label, name) => h("td", { role: "cell", "data-label": label, class: name });
  return h(
    "tr",
    { role: "row" },
    cell("State", "state"),
    h("th", { role: "rowheader", scope: "row", "data-label": "Subnet" }),
    cell("Host", "host"),
    cell("Lease", "lease"),
    cell("Peers", "peers"),
    cell("Traffic", "traffic"),
    cell("Daemon", "daemon"),
  );
}

function updateRow(row, host) {
  const [state, subnet, address, lease, peers, traffic, daemon] = row.cells;
  setAttributes(row, { "data-condition": host.condition });
  showState(state, host);
  setText(subnet, [host.subnet4, host.subnet6].filter((part) => part !== null).join(" "));
  setText(address, host.publicIp);
  setText(lease, leaseText(host));
  setText(peers, host.daemon ? peersText(host.daemon.peers) : "–");
  showTraffic(traffic, host);
  setText(daemon, daemonText(host.daemon));
}

/**
 * @param {HTMLElement} cell
 * @param {import("../overlay.ts").HostState} host
 */
function showState(cell, { condition, reasons, problem, heard }) {
  if (!cell.firstChild) cell.append(h("strong"), h("small"));
  const [name, why] = cell.children;
  setText(name, `${SYMBOLS[condition]} ${condition}`);
  const since = heard ? [`heard last at ${clockTime(heard)}`] : [];
  setText(why, [...reasons, ...(problem ? [`not used: ${problem}`] : []), ...since].join("; "));
}

/** @param {import("../overlay.ts").HostState} host */
function leaseText({ kind, expires }) {
  if (kind === "reserved") return "reserved, no end";
  return expires === null ? "leased" : `ends in ${duration(until(expires))}`;
}

function peersText({ programmed, missing, held, refused }) {
  const others = [
    [missing, "missing"],
    [held, "held"],
    [refused, "refused"],
  ].filter(([count]) => count > 0);
  return [`${programmed} programmed`, ...others.map(([count, name]) => `${count} ${name}`)].join(", ");
}

/** @param {import("../overlay.ts").DaemonFacts | null} daemon */
function daemonText(daemon) {
  if (!daemon) return "–";
  const { version, device, mtu, repaired } = daemon;
  const repairs = repaired ? `, ${plural(repaired, "repair")}` : "";
  return `${version}${device ? `, ${device}` : ""}${mtu ? ` mtu ${mtu}` : ""}${repairs}`;
}

const WIDTH = 80;
const HEIGHT = 20;

/**
 * @param {HTMLElement} cell
 * @param {import("../overlay.ts").HostState} host
 */
function showTraffic(cell, { daemon, condition }) {
  const traffic = daemon?.traffic;
  if (!traffic || condition === "unknown") {
    cell.replaceChildren(traffic ? "unknown" : "–");
    return;
  }
  if (!cell.querySelector("svg")) {
    const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "spark", "aria-hidden": "true" });
    chart.append(svg("polyline", { class: "in" }), svg("polyline", { class: "out" }));
    cell.replaceChildren(h("span"), chart);
  }
  const [text, chart] = cell.children;
  const [receiving, sending] = [traffic.receiving.at(-1), traffic.sending.at(-1)];
  setText(text, receiving === undefined ? "…" : `↓ ${bytes(receiving)}/s ↑ ${bytes(sending)}/s`);
  setAttributes(cell, { title: `${bytes(traffic.receivedBytes)} received, ${bytes(traffic.sentBytes)} sent in all` });
  const most = Math.max(1, ...traffic.receiving, ...traffic.sending);
  setAttributes(chart.children[0], { points: points(traffic.receiving, most) });
  setAttributes(chart.children[1], { points: points(traffic.sending, most) });
}

/** The newest at the right edge, one step for each. */
function points(rates, most) {
  const step = WIDTH / 59;
  const start = WIDTH - (rates.length - 1) * step;
  const y = (rate) => HEIGHT - 1 - (rate / most) * (HEIGHT - 2);
  return rates.map((rate, index) => `${(start + index * step).toFixed(1)},${y(rate).toFixed(1)}`).join(" ");
}
