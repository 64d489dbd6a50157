// Who reaches whom: the matrix of a network that is small, one host's row of one that is large, and the list of what is not
// well.

import { byId, find, h, keepList, setAttributes, setText } from "./dom.js";
import { bytes, clockTime, milliseconds, plural } from "./words.js";

const STATES = [
  ["programmed", "✓", "programmed: packets are sent"],
  ["missing", "✖", "missing: they are not, or not all"],
  ["held", "▲", "held: sent, although the record is gone"],
  ["absent", "○", "absent: not known there yet, or left out"],
  ["awaited", "–", "awaited: reserved for a host that has not come yet"],
  ["unknown", "?", "unknown: the host does not answer"],
  ["self", "·", "itself"],
];
const SIGNS = Object.fromEntries(STATES.map(([state, sign]) => [state, sign]));

/** Of one host's row. */
const MOST_LINES = 40;
/** One host is asked for all of its peers: not with each change elsewhere. */
const ASK_AGAIN_MILLIS = 10_000;

let chosen = null;
let asked = 0;
let askedAt = 0;

export function openReach() {
  byId("reach-legend").append(
    ...STATES.map(([state, sign, text]) =>
      h("li", {}, h("span", { class: "pair", "data-state": state, "aria-hidden": "true" }, sign), ` ${text}`),
    ),
  );
  const select = find("reach-host", HTMLSelectElement);
  select.addEventListener("change", () => {
    chosen = select.value || null;
    byId("matrix").replaceChildren();
    void askRow();
  });
}

/** @param {import("../overlay.ts").Overlay} overlay */
export function showReach(overlay) {
  const { reach, hosts } = overlay;
  byId("reach-choice").hidden = reach.rows !== null;
  if (reach.rows) showMatrix(reach.rows, hosts);
  else showChoice(hosts);
  showTroubles(reach);
}

function showMatrix(rows, hosts) {
  const place = byId("matrix");
  // Another set of hosts is another table; else only its cells are brought up to date.
  const shape = hosts.map(({ subnet }) => subnet).join();
  if (place.dataset.shape !== shape) {
    place.dataset.shape = shape;
    place.replaceChildren(createMatrix(hosts));
  }
  const table = place.querySelector("table");
  for (const [index, { states, rttSeconds, traffic, subnet }] of rows.entries()) {
    const { cells } = table.tBodies[0].rows[index];
    for (const [column, state] of states.entries()) {
      const rtt = rttSeconds?.[column] ?? null;
      const cell = cells[column + 1];
      setText(cell, state === "programmed" && rtt !== null ? `✓ ${milliseconds(rtt)} ms` : SIGNS[state]);
      const measured = [...(rtt === null ? [] : [`${milliseconds(rtt)} ms`]), ...trafficText(traffic?.[column])];
      const label = `${subnet} to ${hosts[column].subnet}: ${[state, ...measured].join(", ")}`;
      setAttributes(cell, { "data-state": state, title: label, "aria-label": label });
    }
  }
}

/** As the host of the row has counted it. */
function trafficText(pair) {
  return pair ? [`received ${bytes(pair[0])}`, `sent ${bytes(pair[1])}`] : [];
}

function createMatrix(hosts) {
  const short = ({ subnet }) => h("span", {}, subnet.replace(/\/.*/, ""));
  const head = h("tr", {}, h("td"), ...hosts.map((host) => h("th", { scope: "col" }, short(host))));
  const rows = hosts.map((host) =>
    h("tr", {}, h("th", { scope: "row" }, short(host)), ...hosts.map(() => h("td", { class: "pair" }))),
  );
  return h("table", { class: "matrix" }, h("thead", {}, head), h("tbody", {}, ...rows));
}

function showChoice(hosts) {
  const select = byId("reach-host");
  const options = [{ subnet: "", publicIp: "" }, ...hosts];
  keepList(select, options, {
    keyOf: ({ subnet }) => subnet,
    create: () => h("option"),
    update: (option, { subnet, publicIp }) => {
      setText(option, subnet === "" ? "choose a host" : `${subnet} ${publicIp}`);
      option.value = subnet;
    },
  });
  byId("matrix").dataset.shape = "";
  if (chosen === null) setText(byId("matrix"), `${hosts.length} hosts are too many for a matrix: choose one.`);
  else if (Date.now() - askedAt > ASK_AGAIN_MILLIS) void askRow();
}

async function askRow() {
  asked += 1;
  askedAt = Date.now();
  const turn = asked;
  if (chosen === null) return;
  const answer = await fetch(`api/row?subnet=${encodeURIComponent(chosen)}`).catch(() => null);
  if (turn !== asked || answer === null) return;
  if (answer.ok) showRow(await answer.json());
  else setText(byId("matrix"), "That host is no longer there.");
}

/** @param {import("../overlay.ts").HostRow} row */
function showRow({ states, rttSeconds, traffic, hosts }) {
  const pairs = states.map((state, index) => ({
    state,
    host: hosts[index],
    rtt: rttSeconds?.[index] ?? null,
    traffic: traffic?.[index] ?? null,
  }));
  const count = (wanted) => pairs.filter(({ state }) => state === wanted).length;
  const summary = STATES.filter(([state]) => state !== "self" && count(state) > 0).map(
    ([state]) => `${count(state)} ${state}`,
  );
  const slowest = pairs.filter(({ rtt }) => rtt !== null).toSorted((a, b) => b.rtt - a.rtt);
  const sum = ({ traffic }) => traffic[0] + traffic[1];
  const busiest = pairs.filter(({ traffic }) => traffic !== null).toSorted((a, b) => sum(b) - sum(a));
  const lines = [
    ...pairs.filter(({ state }) => state !== "programmed" && state !== "self").map(pairText),
    ...slowest
      .slice(0, 5)
      .map(({ host, rtt }) => `${milliseconds(rtt)} ms to ${host.subnet} ${host.publicIp}, among the slowest`),
    ...busiest
      .slice(0, 5)
      .map(
        ({ host, traffic }) => `${host.subnet} ${host.publicIp}: ${trafficText(traffic).join(", ")}, among the busiest`,
      ),
  ];
  const list = lines.slice(0, MOST_LINES).map((line) => h("li", {}, line));
  byId("matrix").replaceChildren(h("p", {}, summary.join(", ")), h("ul", { class: "plain" }, ...list));
}

function pairText({ state, host }) {
  return `${SIGNS[state]} ${host.subnet} ${host.publicIp}: ${state}`;
}

/** @param {import("../overlay.ts").Reach} reach */
function showTroubles({ troubles, troubleCount }) {
  const rest = troubleCount - troubles.length;
  /** @type {{ key: string, text: string, state: string }[]} */
  const items = troubles.map((one) => ({ key: `${one.from} ${one.to}`, text: troubleText(one), state: one.state }));
  if (items.length === 0)
    items.push({ key: "none", text: "Every host that answers has programmed every peer.", state: "none" });
  if (rest > 0) items.push({ key: "rest", text: `and ${plural(rest, "more pair")}`, state: "none" });
  keepList(byId("troubles"), items, {
    keyOf: ({ key }) => key,
    create: () => h("li"),
    update: (element, { text, state }) => {
      setText(element, text);
      setAttributes(element, { "data-state": state });
    },
  });
}

function troubleText({ from, to, state, reason, since }) {
  const when = since ? ` since ${clockTime(since)}` : "";
  return `${SIGNS[state]} ${from} to ${to}: ${state}${when}${reason ? `: ${reason}` : ""}`;
}
