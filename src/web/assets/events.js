// What has happened on all hosts, newest first.

import { byId, h, keepList, setText } from "./dom.js";
import { clockTime } from "./words.js";

const SIGNS = { error: "✖ error", warn: "▲ warn", info: "● info" };
const LEVELS = ["error", "warn", "info"];

/**
 * @param {import("../overlay.ts").Overlay} overlay
 * @param {string} level
 */
export function showEvents({ events }, level) {
  const wanted = LEVELS.slice(0, LEVELS.indexOf(level) + 1);
  const shown = events.filter((event) => wanted.includes(event.level));
  keepList(byId("event-list"), shown, {
    keyOf: ({ host, seq, at }) => `${host} ${seq} ${at}`,
    create: createEvent,
    // What has happened does not change.
    update: () => {},
  });
}

/** @param {import("../overlay.ts").OverlayEvent} event */
function createEvent({ at, level, host, kind, detail }) {
  const item = h(
    "li",
    { "data-level": level },
    h("time", { datetime: at }, clockTime(at)),
    h("strong", {}, SIGNS[level] ?? level),
    h("span", { class: "host" }, host),
    h("span", { class: "kind" }, kind),
    h("small"),
  );
  setText(item.lastElementChild, detail);
  return item;
}
