// The maps of addresses, one for each family that the network has, and below them what has no place on them.

import { createGrid, KINDS, showGrid } from "./address-grid.js";
import { byId, h, keepList, setText } from "./dom.js";

/** By family. @type {Map<string, import("./address-grid.js").AddressGrid>} */
const grids = new Map();

export function openMap() {
  byId("legend").append(
    ...KINDS.map(([kind, sign, text]) =>
      h("li", {}, h("span", { class: "cell", "data-kind": kind, "aria-hidden": "true" }, sign), ` ${text}`),
    ),
  );
}

/** @param {import("../overlay.ts").Overlay} overlay */
export function showMap({ maps, outside, hosts, bad, store }) {
  const hostsBySubnet = new Map(hosts.map((host) => [host.subnet, host]));
  keepList(byId("maps"), maps, {
    keyOf: ({ family }) => family,
    create: ({ family }) => {
      const grid = createGrid(family);
      grids.set(family, grid);
      return grid.element;
    },
    update: (_, map) => showGrid(grids.get(map.family), map, hostsBySubnet),
  });
  const nothing = store.configProblem ?? "What is free cannot be told yet.";
  setText(byId("map-note"), maps.length === 0 ? nothing : "");
  byId("map-help").hidden = maps.length === 0;
  showBad(outside, bad);
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
