// Elements by description, and lists whose elements are kept as long as what they show. Text from outside becomes text
// and never markup.

const SVG = "http://www.w3.org/2000/svg";

/** h("td", { class: "state", "data-label": "State" }, "ready") */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/**
 * The element of the page that is of this kind.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function find(id, kind) {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`the page has no ${id}`);
}

export function byId(id) {
  return find(id, HTMLElement);
}

/** Touches the document only if it says something else: what is selected or read aloud stays. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Null takes the attribute away. */
export function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
  }
}

/**
 * The children of `parent` become one element for each item, in order. `keyOf(item)` tells items apart, `create(item)`
 * makes an element, `update(element, item)` brings it up to date.
 */
export function keepList(parent, items, { keyOf, create, update }) {
  const known = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  const seen = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    // Of two that cannot be told apart the first is shown.
    if (seen.has(key)) continue;
    seen.add(key);
    let element = known.get(key);
    known.delete(key);
    if (!element) {
      element = create(item);
      element.dataset.key = key;
    }
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const element of known.values()) element.remove();
}
