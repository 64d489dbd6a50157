// Gets the model whenever it changes, and shows it. While the server does not answer, what is shown is marked as old.

import { byId, find, h, keepList, setAttributes, setText } from "./dom.js";
import { showEvents } from "./events.js";
import { openHosts, showHosts } from "./hosts.js";
import { openMap, showMap } from "./map.js";
import { openReach, showReach } from "./reach.js";
import { clockTime, number, plural } from "./words.js";

/** The server says at least every ten seconds that it is there. */
const SILENCE_MILLIS = 30_000;
const RETRY_MILLIS = 2000;
/** Times that are left are shown anew. */
const TICK_MILLIS = 10_000;

const filter = find("host-filter", HTMLInputElement);
const level = find("level", HTMLSelectElement);

/** @type {import("../overlay.ts").Overlay | null} */
let overlay = null;
let heard = 0;
/** @type {EventSource | null} */
let source = null;
let isShowing = false;

function show() {
  if (!overlay) return;
  showHead(overlay);
  showHosts(overlay, filter.value);
  showMap(overlay);
  showReach(overlay);
  showEvents(overlay, level.value);
}

/** A page in the background is not drawn: of what comes meanwhile it shows the newest, once. */
function showSoon() {
  if (isShowing) return;
  isShowing = true;
  requestAnimationFrame(() => {
    isShowing = false;
    show();
  });
}

/** @param {import("../overlay.ts").Overlay} overlay */
function showHead({ network, store, counts, reach }) {
  const families = network?.families.map((one) => `${one.network}, subnets of /${one.subnetLen}`) ?? [];
  const facts = network && [...families, network.backend].join(", ");
  setText(byId("network"), `${facts ?? "no network"} at ${store.prefix}`);
  const trouble =
    store.trouble &&
    `${store.trouble}. Shown is what was known at ${store.asOf ? clockTime(store.asOf) : "no time yet"}.`;
  const banner = trouble ?? store.configProblem;
  byId("banner").hidden = !banner;
  setText(byId("banner"), banner ?? "");
  const tiles = [
    ["hosts ready", counts.ready, "ready"],
    ["degraded", counts.degraded, "degraded"],
    ["not ready", counts.notReady, "not ready"],
    ["do not answer", counts.unknown, "unknown"],
    ["leased", counts.leased, "none"],
    ["reserved", counts.reserved, "none"],
    ["subnets free", counts.free === null ? "?" : room(counts.free), "none"],
    ["pairs in trouble", reach.troubleCount, reach.troubleCount > 0 ? "not ready" : "none"],
  ];
  keepList(byId("tiles"), tiles, {
    keyOf: ([name]) => name,
    create: () => h("div", {}, h("dd"), h("dt")),
    update: (element, [name, value, condition]) => {
      setText(element.children[0], String(value));
      setText(element.children[1], name);
      setAttributes(element, { "data-condition": value === 0 ? "none" : condition });
    },
  });
  document.title = `${plural(counts.ready, "host")} ready, flanneld overlay`;
}

/** Of an IPv6 network nobody wants to know it exactly, and a tile has no room for it. */
function room(free) {
  return free > 1_000_000 ? "> 1 million" : number(free);
}

function setLive(state, text) {
  byId("live").dataset.live = state;
  setText(byId("live"), text);
}

/** The browser would try again by itself, but not after every failure, and it does not notice silence. */
function connect() {
  source?.close();
  source = new EventSource("api/stream");
  source.addEventListener("overlay", (event) => {
    overlay = JSON.parse(event.data);
    alive();
    showSoon();
  });
  source.addEventListener("beat", alive);
  source.addEventListener("error", () => {
    lost();
    source.close();
    setTimeout(connect, RETRY_MILLIS);
  });
}

function alive() {
  heard = Date.now();
  if (overlay) setLive("live", "live");
}

function lost() {
  setLive("lost", overlay ? `connection lost; as of ${clockTime(overlay.at)}` : "the server does not answer");
}

// What scrolls can be scrolled with the keys in every browser.
for (const id of ["matrix", "event-list"]) byId(id).tabIndex = 0;
openHosts();
openMap();
openReach();
filter.addEventListener("input", show);
level.addEventListener("change", show);
setInterval(() => {
  show();
  if (heard === 0 || Date.now() - heard <= SILENCE_MILLIS) return;
  heard = Date.now();
  lost();
  connect();
}, TICK_MILLIS);
connect();
