// The memories: a page of them by filters, or what a search finds.

import { get, session } from "./api.js";
import { h, table, unique, words } from "./dom.js";
import { address, count, number, when } from "./format.js";

const PAGE = 50;
const STATUSES = [["active", "active"], ["superseded", "superseded"], ["archived", "archived"], ["all", "any status"]];

/** Seconds at the beginning of a day as a date field gives it; null for none. */
function day(text) {
  if (!text) return null;
  const time = new Date(`${text}T00:00:00`).getTime();
  return Number.isNaN(time) ? null : time / 1000;
}

export async function memories(_, query) {
  const asked = {
    kind: query.get("kind"), tags: query.get("tag"), since: day(query.get("since")), until: day(query.get("until")),
  };
  const q = (query.get("q") ?? "").trim();
  const answer = q
    ? await get("search", { ...asked, q, limit: PAGE })
    : await get("memories", { ...asked, status: query.get("status"), after: query.get("after"), newest: true, limit: PAGE });
  const rows = q ? answer.found : answer.memories.map((memory) => ({ memory }));
  const title = q ? "Search" : "Memories";
  const said = q ? `${count(rows.length, "memory", "memories")} found, best first; looking leaves no receipt and counts as no recall`
    : `${count(rows.length, "memory", "memories")} shown, newest first${answer.next ? ", more on the next page" : ""}`;
  return {
    title,
    announce: `${title}: ${said}`,
    node: [
      filters(query),
      h("p", { class: "dim" }, said),
      table(title, columns(q !== ""), rows, { empty: q ? "No memory is relevant to that." : "No memory answers to these filters." }),
      pages(query, q ? null : answer.next),
    ],
  };
}

function columns(searched) {
  const relevance = {
    head: "Relevance", num: true, title: "of the search, from 0 to 1",
    cell: (row) => h("span", { title: Object.entries(row.by).map(([name, score]) => `${name} ${number(score, 2)}`).join(", ") },
      number(row.relevance, 2)),
  };
  return [
    { head: "Text", lead: true, cell: ({ memory }) => h("a", { href: address("memories", memory.id), class: "text-link" }, words(memory.content)) },
    ...(searched ? [relevance] : []),
    { head: "Kind", cell: ({ memory }) => memory.kind },
    { head: "Tags", cell: ({ memory }) => tags(memory.tags) },
    { head: "Status", cell: ({ memory }) => h("span", { class: memory.status === "active" ? "dim" : "notable" }, memory.status) },
    { head: "Utility", num: true, title: "mean credited reward, from 0 to 1", cell: ({ memory }) => number(memory.utility.mean, 2) },
    { head: "Credit", num: true, title: "weight of the outcomes that were credited to it", cell: ({ memory }) => number(memory.utility.n, 1) },
    { head: "Recalled", num: true, title: "times shown", cell: ({ memory }) => number(memory.utility.recalled) },
    { head: "Written", num: true, cell: ({ memory }) => when(memory.created_at) },
  ];
}

/** Tags, each of which lists what is filed under it. */
export function tags(names) {
  if (!names.length) return h("span", { class: "dim" }, "–");
  return h("span", { class: "tags" }, names.map((name) => h("a", { class: "tag", href: address("memories", null, { tag: name }) }, name)));
}

function filters(query) {
  const field = (label, control) => {
    control.id = unique("filter");
    return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
  };
  const select = (name, options) => h("select", { name }, options.map(([value, text]) =>
    h("option", { value, selected: (query.get(name) ?? options[0][0]) === value }, text)));
  const kinds = new Set([...Object.keys(session.kinds), ...(query.get("kind") ? [query.get("kind")] : [])]);
  const status = select("status", STATUSES);
  const search = h("input", {
    type: "search", name: "q", value: query.get("q") ?? "", autocomplete: "off", dir: "auto",
    oninput: () => (status.disabled = search.value.trim() !== ""),
  });
  status.disabled = search.value.trim() !== "";
  const form = h("form", { class: "filters", role: "search", "aria-label": "Memories", onsubmit: (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(form));
    if (given.status === "active") given.status = "";
    location.hash = address("memories", null, given);
  } },
    h("div", { class: "row" }, h("div", { class: "grow" }, field("Search", search)),
      h("button", { type: "submit", class: "primary" }, "Show"), h("a", { class: "button", href: address("memories") }, "Clear")),
    narrowed(query, h("div", { class: "row" }, field("Kind", select("kind", [["", "any kind"], ...Array.from(kinds, (kind) => [kind, kind])])),
    field("Tag", h("input", { type: "text", name: "tag", value: query.get("tag") ?? "", autocomplete: "off" })),
    field("Status", status),
    field("From day", h("input", { type: "date", name: "since", value: query.get("since") ?? "" })),
    field("To before", h("input", { type: "date", name: "until", value: query.get("until") ?? "" })))));
  return form;
}

/** The filters, folded away where there is little room and none is set. */
function narrowed(query, fields) {
  const wide = matchMedia("(min-width: 761px)");
  const set = ["kind", "tag", "status", "since", "until"].some((name) => query.get(name));
  const made = h("details", { class: "folded", open: wide.matches || set }, h("summary", {}, "Filters"), fields);
  wide.addEventListener("change", () => wide.matches && (made.open = true));
  return made;
}

function pages(query, next) {
  const given = Object.fromEntries(query);
  const first = query.get("after") ? h("a", { class: "button", href: address("memories", null, { ...given, after: "" }) }, "Newest") : null;
  const older = next ? h("a", { class: "button", href: address("memories", null, { ...given, after: next }) }, "Older") : null;
  return first || older ? h("nav", { class: "pages", "aria-label": "Pages" }, first, older) : null;
}

