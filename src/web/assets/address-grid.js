// The map of one family: a cell for each subnet, or for some of them where there are many. One cell is current, and the keys
// move it; the list itself has the focus, so that no cell needs to be reached by Tab.

import { cellRange } from "./addresses.js";
import { h, setAttributes, setText } from "./dom.js";
import { duration, number, plural, until } from "./words.js";

export const KINDS = [
  ["free", "", "free"],
  ["leased", "■", "leased"],
  ["reserved", "R", "reserved, no end"],
  ["expiring", "!", "ends within 30 minutes, nobody renews it"],
  ["bad", "×", "a record that is no lease"],
];
const SIGNS = Object.fromEntries(KINDS.map(([kind, sign]) => [kind, sign]));

/** A larger number has no room in a cell; what is there exactly is said below the map. */
const MOST_IN_CELL = 99;

/**
 * @typedef {ReadonlyMap<string, import("../overlay.ts").HostState>} HostsBySubnet
 * @typedef {import("../overlay.ts").AddressMap} AddressMap
 * @typedef {import("../overlay.ts").MapCell} MapCell
 */

/**
 * The elements, and what they show. The page has one grid of each family at most.
 * @typedef {ReturnType<typeof createGrid>} AddressGrid
 * @param {string} family "IPv4" or "IPv6"
 */
export function createGrid(family) {
  const name = family.toLowerCase();
  const title = h("h3", { id: `map-${name}-title` }, family);
  const note = h("p", { class: "note" });
  const described = { "aria-labelledby": title.id, "aria-describedby": "map-help" };
  const list = h("div", { id: `map-${name}`, class: "map", role: "listbox", tabindex: "0", ...described });
  const details = h("div", { id: `cell-${name}`, class: "details", role: "status" });
  const element = h("section", { "aria-labelledby": title.id }, title, note, list, details);
  const grid = {
    ...{ name, element, note, list, details },
    /** @type {AddressMap | null} */
    shown: null,
    current: 0,
    /** By index. @type {Map<number, MapCell>} */
    taken: new Map(),
    drawn: new Map(),
    /** @type {HostsBySubnet} */
    hosts: new Map(),
  };
  list.addEventListener("keydown", (event) => onKey(grid, event));
  list.addEventListener("click", (event) => {
    const cell = event.target instanceof Element && event.target.closest("[role=option]");
    if (cell instanceof HTMLElement) choose(grid, Number(cell.dataset.index));
  });
  return grid;
}

/**
 * @param {AddressGrid} grid
 * @param {AddressMap} map
 * @param {HostsBySubnet} hosts
 */
export function showGrid(grid, map, hosts) {
  const { shown } = grid;
  grid.shown = map;
  grid.hosts = hosts;
  grid.taken = new Map(map.taken.map((cell) => [cell.index, cell]));
  if (!isDrawnAlike(shown, map)) drawAll(grid);
  // Only what differs is touched: a network can have four thousand cells.
  for (const index of new Set([...grid.drawn.keys(), ...grid.taken.keys()])) drawCell(grid, index);
  setText(grid.note, noteOf(map));
  describe(grid);
}

/** @param {AddressGrid} grid */
function drawAll(grid) {
  const { name, list, shown } = grid;
  const cells = Array.from({ length: shown.cells }, (_, index) =>
    h("div", {
      role: "option",
      class: "cell",
      id: `cell-${name}-${index}`,
      "data-index": index,
      "data-kind": "free",
      "aria-selected": "false",
      "aria-label": `${labelOf(shown, index)}: free`,
    }),
  );
  list.replaceChildren(...cells);
  list.dataset.size = shown.cells > 1024 ? "small" : "large";
  grid.drawn = new Map();
  grid.current = shown.taken[0]?.index ?? 0;
  select(grid, grid.current, true);
}

/** @param {AddressGrid} grid */
function drawCell({ list, shown, taken, drawn }, index) {
  const cell = taken.get(index);
  const kind = cell?.kind ?? "free";
  const text = cell ? `${kind} ${cell.count}` : "free";
  if (drawn.get(index) === text) return;
  const { count } = cellRange(shown, index);
  const many = cell && count > 1;
  const label = many ? `${number(cell.count)} of ${number(count)} taken, ${kind}` : kind;
  const element = list.children[index];
  setAttributes(element, { "data-kind": kind, "aria-label": `${labelOf(shown, index)}: ${label}` });
  setText(element, many ? (cell.count > MOST_IN_CELL ? "+" : String(cell.count)) : SIGNS[kind]);
  if (cell) drawn.set(index, text);
  else drawn.delete(index);
}

/** @param {AddressGrid} grid */
function onKey(grid, event) {
  const { list, shown, current } = grid;
  if (!shown || event.ctrlKey || event.metaKey || event.altKey) return;
  const columns = getComputedStyle(list).gridTemplateColumns.split(" ").length;
  const next = targetOf(event.key, current, columns, shown);
  if (next === null) return;
  event.preventDefault();
  choose(grid, Math.min(shown.cells - 1, Math.max(0, next)));
}

/** @param {AddressGrid} grid */
function choose(grid, index) {
  select(grid, grid.current, false);
  grid.current = index;
  select(grid, index, true);
  grid.list.children[index].scrollIntoView({ block: "nearest" });
  describe(grid);
}

/** @param {AddressGrid} grid */
function select({ list }, index, isSelected) {
  const cell = list.children[index];
  if (cell) setAttributes(cell, { "aria-selected": isSelected });
  if (cell && isSelected) setAttributes(list, { "aria-activedescendant": cell.id });
}

/** @param {AddressGrid} grid */
function describe({ details, shown, current, taken, hosts }) {
  setText(details, detailsText(shown, current, taken.get(current) ?? null, hosts));
}

/**
 * What a cell holds.
 * @param {AddressMap} map
 * @param {number} index
 * @param {MapCell | null} cell null: free
 * @param {HostsBySubnet} hosts
 */
export function detailsText(map, index, cell, hosts) {
  const lines = cell ? cell.subnets.map((subnet) => subnetText(subnet, cell, hosts)) : ["free"];
  const more = cell && cell.count > cell.subnets.length ? [`and ${cell.count - cell.subnets.length} more`] : [];
  const all = [...lines, ...more];
  const label = labelOf(map, index);
  // A host's line begins with its subnet: it is not said twice.
  if (all.length === 1 && all[0].startsWith(label)) return all[0];
  return `${label}:${all.length > 1 ? "\n" : " "}${all.join("\n")}`;
}

function labelOf(map, index) {
  const { first, last, count } = cellRange(map, index);
  return count === 1 ? first : `${first} to ${last}`;
}

function isDrawnAlike(a, b) {
  return a !== null && a.cells === b.cells && a.group === b.group && a.first === b.first && a.subnetLen === b.subnetLen;
}

/** @param {AddressMap} map */
function noteOf({ network, total, group, subnetLen, cells }) {
  const subnets = `${network}: ${plural(total, "subnet")} of /${subnetLen}`;
  if (group === 1) return `${subnets}.`;
  const each = `each of the ${number(cells)} cells stands for ${number(group)} of them`;
  return `${subnets}; ${each}, and says how many are taken (+ for more than ${MOST_IN_CELL}).`;
}

function targetOf(key, current, columns, { cells, taken }) {
  switch (key) {
    case "ArrowLeft":
      return current - 1;
    case "ArrowRight":
      return current + 1;
    case "ArrowUp":
      return current < columns ? current : current - columns;
    case "ArrowDown":
      return current + columns < cells ? current + columns : current;
    case "PageUp":
      return current - 8 * columns;
    case "PageDown":
      return current + 8 * columns;
    case "Home":
      return 0;
    case "End":
      return cells - 1;
    case "n":
    case "N":
      return (taken.find(({ index }) => index > current) ?? taken[0])?.index ?? current;
    default:
      return null;
  }
}

/**
 * @param {string} subnet
 * @param {MapCell} cell
 * @param {HostsBySubnet} hosts
 */
function subnetText(subnet, cell, hosts) {
  const host = hosts.get(subnet);
  if (!host) return `${subnet}: ${KINDS.find(([kind]) => kind === cell.kind)[2]}`;
  const end = host.kind === "reserved" ? "reserved for" : "leased by";
  const both = host.subnet6 === null || host.subnet6 === subnet ? subnet : `${subnet} and ${host.subnet6}`;
  const left = host.expires === null ? "" : `, ends in ${duration(until(host.expires))}`;
  return `${both} ${end} ${host.publicIp} (${host.backend})${left}, host ${host.condition}`;
}
