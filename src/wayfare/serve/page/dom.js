// Elements made from texts. Strings become text nodes and attributes, never markup: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "width" && element.style && !(element instanceof SVGElement)) element.style.inlineSize = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element. attributes: `onclick` and the like are listeners; false, null and undefined leave one out. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Tell those who listen instead of looking. */
export function announce(text) {
  const live = document.getElementById("live");
  live.textContent = "";
  setTimeout(() => (live.textContent = text), 30); // a change that comes at once is not heard
}

/** A text that somebody wrote: in its own direction, cut to so many characters. */
export function words(text, most = 240) {
  const cut = text.length > most ? Array.from(text.slice(0, most)).join("") + "…" : text;
  return h("bdi", { dir: "auto" }, cut);
}

let numbers = 0;
/** An id that nothing else on the page has. */
export function unique(stem) {
  numbers += 1;
  return `${stem}-${numbers}`;
}

/**
 * A table. columns: {head, cell(row, i), num, lead, title}: num is set to the right, lead heads its row.
 * On a narrow screen each row becomes a card; the roles are said again because CSS takes them from tables laid otherwise.
 */
export function table(caption, columns, rows, { empty = "Nothing here.", shown = false } = {}) {
  if (!rows.length) return h("p", { class: "empty" }, empty);
  const cell = (column, row, i) =>
    h(column.lead ? "th" : "td", {
      role: column.lead ? "rowheader" : "cell", scope: column.lead ? "row" : null, "data-head": column.head,
      class: column.num ? "num" : null,
    }, h("div", {}, column.cell(row, i)));
  const made = h("table", { role: "table", class: "cards" },
    h("caption", { class: shown ? null : "hidden" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((column) =>
      h("th", { role: "columnheader", scope: "col", class: column.num ? "num" : null, title: column.title }, column.head)))),
    h("tbody", { role: "rowgroup" }, rows.map((row, i) =>
      h("tr", { role: "row" }, columns.map((column) => cell(column, row, i))))));
  return h("div", { class: "scroll" }, made);
}

/** Names and values. entries: [name, value]; those without a value are left out. */
export function facts(entries) {
  const there = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, there.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** A part of the page under a heading of its own. */
export function section(title, ...children) {
  const id = unique("part");
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

/** What could not be done, and why. */
export function refusal(error) {
  const said = error.problem ?? {};
  const field = said.field && said.allowed ? h("span", { class: "dim" }, ` (${said.field}: ${said.value ?? "nothing"})`) : null;
  return h("p", { class: "refused", role: "alert" }, error.message, field);
}
