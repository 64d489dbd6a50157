// The map of addresses: a cell for each subnet, or for some of them where there are many. One cell is current, and the keys
// move it; the list itself has the focus, so that no cell needs to be reached by Tab.

import { cellRange } from "./addresses.js";
import { byId, h, keepList, setAttributes, setText } from "./dom.js";
import { duration, plural, until } from "./words.js";

const KINDS = [
  ["free", "", "free"],
  ["leased", "■", "leased"],
  ["reserved", "R", "reserved, no end"],
  ["expiring", "!", "ends within 30 minutes, nobody renews it"],
  ["bad", "×", "a record that is no lease"],
];
const SIGNS = Object.fromEntries(KINDS.map(([kind, sign]) => [kind, sign]));

/** @type {import("../overlay.ts").AddressMap | null} */
let shown = null;
let current = 0;
/** By index. @type {Map<number, import("../overlay.ts").MapCell>} */
let taken = new Map();
let drawn = new Map();
/** @type {Map<string, import("../overlay.ts").HostState>} */
let hostsBySubnet = new Map();

export function openMap() {
  const list = byId("map");
  byId("legend").append(
    ...KINDS.map(([kind, sign, text]) =>
      h("li", {}, h("span", { class: "cell", "data-kind": kind, "aria-hidden": "true" }, sign), ` ${text}`),
    ),
  );
  list.addEventListener("keydown", onKey);
  list.addEventListener("click", (event) => {
    const cell = event.target instanceof Element && event.target.closest("[role=option]");
    if (cell instanceof HTMLElement) choose(Number(cell.dataset.index));
  });
}

/** @param {import("../overlay.ts").Overlay} overlay */
export function showMap({ map, hosts, bad, store }) {
  hostsBySubnet = new Map(hosts.map((host) => [host.subnet, host]));
  showBad(map?.outside ?? [], bad);
  if (!map) {
    shown = null;
    byId("map").replaceChildren();
    setText(byId("map-note"), store.configProblem ?? "What is free cannot be told yet.");
    setText(byId("cell"), "");
    return;
  }
  if (!shown || shown.cells !== map.cells || shown.group !== map.group || shown.first !== map.first) drawAll(map);
  shown = map;
  taken = new Map(map.taken.map((cell) => [cell.index, cell]));
  // Only what differs is touched: a network can have four thousand cells.
  for (const index of new Set([...drawn.keys(), ...taken.keys()])) drawCell(index);
  setText(byId("map-note"), noteOf(map));
  describe();
}

function drawAll(map) {
  const cells = Array.from({ length: map.cells }, (_, index) =>
    h("div", {
      role: "option",
      class: "cell",
      id: `cell-${index}`,
      "data-index": index,
      "data-kind": "free",
      "aria-selected": "false",
      "aria-label": `${labelOf(map, index)}: free`,
    }),
  );
  byId("map").replaceChildren(...cells);
  byId("map").dataset.size = map.cells > 1024 ? "small" : "large";
  drawn = new Map();
  current = map.taken[0]?.index ?? 0;
  select(current, true);
}

function labelOf(map, index) {
  const { first, last, count } = cellRange(map, index);
  return count === 1 ? first : `${first} to ${last}`;
}

function drawCell(index) {
  const cell = taken.get(index);
  const kind = cell?.kind ?? "free";
  const text = cell ? `${kind} ${cell.count}` : "free";
  if (drawn.get(index) === text) return;
  const element = byId(`cell-${index}`);
  const { count } = cellRange(shown, index);
  const many = cell && count > 1;
  setAttributes(element, {
    "data-kind": kind,
    "aria-label": `${labelOf(shown, index)}: ${many ? `${cell.count} of ${count} taken, ${kind}` : kind}`,
  });
  setText(element, many ? String(cell.count) : SIGNS[kind]);
  if (cell) drawn.set(index, text);
  else drawn.delete(index);
}

function noteOf({ total, group, subnetLen, cells }) {
  const subnets = `${plural(total, "subnet")} of /${subnetLen}`;
  return group === 1 ? `${subnets}.` : `${subnets}; each of the ${cells} cells stands for ${group} of them.`;
}

function showBad(outside, bad) {
  const items = [
    ...bad.map(({ key, reason }) => ({ key: `bad ${key}`, text: `× record ${key}: ${reason}` })),
    ...outside.map((subnet) => ({ key: `outside ${subnet}`, text: `${subnet} has no place in the network` })),
  ];
  keepList(byId("bad"), items.slice(0, 50), {
    keyOf: ({ key }) => key,
    create: () => h("li"),
    update: (element, { text }) => setText(element, text),
  });
}

function onKey(event) {
  if (!shown || event.ctrlKey || event.metaKey || event.altKey) return;
  const columns = getComputedStyle(byId("map")).gridTemplateColumns.split(" ").length;
  const next = targetOf(event.key, columns);
  if (next === null) return;
  event.preventDefault();
  choose(Math.min(shown.cells - 1, Math.max(0, next)));
}

function targetOf(key, columns) {
  switch (key) {
    case "ArrowLeft":
      return current - 1;
    case "ArrowRight":
      return current + 1;
    case "ArrowUp":
      return current < columns ? current : current - columns;
    case "ArrowDown":
      return current + columns < shown.cells ? current + columns : current;
    case "PageUp":
      return current - 8 * columns;
    case "PageDown":
      return current + 8 * columns;
    case "Home":
      return 0;
    case "End":
      return shown.cells - 1;
    case "n":
    case "N":
      return (shown.taken.find(({ index }) => index > current) ?? shown.taken[0])?.index ?? current;
    default:
      return null;
  }
}

function choose(index) {
  select(current, false);
  current = index;
  select(current, true);
  byId(`cell-${index}`).scrollIntoView({ block: "nearest" });
  describe();
}

function select(index, isSelected) {
  const element = byId(`cell-${index}`);
  if (element) setAttributes(element, { "aria-selected": isSelected });
  if (isSelected) setAttributes(byId("map"), { "aria-activedescendant": `cell-${index}` });
}

function describe() {
  const cell = taken.get(current);
  const lines = cell ? cell.subnets.map((subnet) => subnetText(subnet, cell)) : ["free"];
  const more = cell && cell.count > cell.subnets.length ? [`and ${cell.count - cell.subnets.length} more`] : [];
  setText(byId("cell"), [`${labelOf(shown, current)}: ${[...lines, ...more].join("; ")}`].join(" "));
}

/**
 * @param {string} subnet
 * @param {import("../overlay.ts").MapCell} cell
 */
function subnetText(subnet, cell) {
  const host = hostsBySubnet.get(subnet);
  if (!host) return `${subnet}: ${KINDS.find(([kind]) => kind === cell.kind)[2]}`;
  const end = host.kind === "reserved" ? "reserved" : "leased";
  const both = host.subnet6 === null || host.subnet6 === subnet ? subnet : `${subnet} and ${host.subnet6}`;
  const left = host.expires === null ? "" : `, ends in ${duration(until(host.expires))}`;
  return `${both} ${end} by ${host.publicIp} (${host.backend})${left}, host ${host.condition}`;
}
