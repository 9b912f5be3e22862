// One memory: its text, where it came from, what changed, what credit taught of it and where it was recalled.

import { allows, at, get } from "./api.js";
import { chart } from "./chart.js";
import { compared } from "./diff.js";
import { announce, facts, h, refusal, section, table, words } from "./dom.js";
import { forget, revise } from "./dialogs.js";
import { address, count, interval, link, moment, number, percent, side, when } from "./format.js";
import { tags } from "./memories.js";

const LONG = 20_000;
const CREDITS = 100;
const DONE = {
  ADD: "written", UPDATE: "revised", MERGE: "took in others", MERGED: "was merged into another", UNMERGE: "given back from a merge",
  SUPERSEDE: "superseded", ARCHIVE: "archived", DELETE: "forgotten", RESTORE: "restored", PURGE: "purged",
};

export async function memory(id) {
  const steps = get(at`memories/${id}/history`);
  let record;
  try {
    record = await get(at`memories/${id}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    return forgotten(id, (await steps).versions);
  }
  const [history, links, course, credits, recalls] = await Promise.all([
    steps, get(at`memories/${id}/links`), get(at`memories/${id}/utility`), get(at`memories/${id}/credits`),
    get(at`memories/${id}/recalls`, { limit: 10 }),
  ]);
  return {
    title: `Memory ${id}`,
    heading: h("h1", { tabindex: "-1" }, "Memory ", h("code", {}, id)),
    announce: `Memory, version ${record.version}, ${record.status}`,
    node: [
      h("div", { class: "split" },
        h("div", {}, text(record.content), actions(record)),
        facts([
          ["Kind", record.kind], ["Tags", record.tags.length ? tags(record.tags) : null],
          ["Status", record.status], ["Version", String(record.version)], ["Written", when(record.created_at)],
          ["Changed", record.version > 1 ? when(record.updated_at) : null],
          ["Happened", interval(record.event_from, record.event_to)], ["Holds", interval(record.valid_from, record.valid_to)],
          ["Namespace", record.namespace], ["Form", record.form === "token" ? null : record.form],
          ["Meta", Object.keys(record.meta).length ? h("pre", { class: "meta", dir: "auto" }, JSON.stringify(record.meta, null, 1)) : null],
        ])),
      section("Utility", utility(record.utility, course.points)),
      section("Where it was recalled", recalled(id, recalls)),
      section("Outcomes credited to it", credited(credits.credits)),
      section("Versions", versions(history.versions)),
      section("Where it comes from", provenance(record.provenance), linked(id, links.links)),
    ],
  };
}

function forgotten(id, steps) {
  return {
    title: `Memory ${id}`, announce: "This memory has been forgotten.",
    node: [h("p", {}, "This memory has been forgotten: it is not recalled, searched or listed."), section("Versions", versions(steps))],
  };
}

/** A text as it is, the first part of a very long one. */
function text(content) {
  const shown = h("div", { class: "text", dir: "auto", tabindex: "0", role: "group", "aria-label": "Text" }, content.slice(0, LONG));
  if (content.length <= LONG) return shown;
  const rest = h("button", { type: "button", onclick: () => {
    shown.textContent = content;
    shown.focus();
    rest.remove();
  } }, `Show all ${number(content.length)} characters`);
  return h("div", {}, shown, rest);
}

function actions(record) {
  const buttons = [];
  if (allows("write") && record.status === "active") buttons.push(h("button", { type: "button", onclick: () => revise(record) }, "Revise…"));
  if (allows("forget")) buttons.push(h("button", { type: "button", onclick: () => forget(record) }, "Forget…"));
  return buttons.length ? h("div", { class: "actions" }, buttons) : null;
}

function utility(now, points) {
  const told = facts([
    ["Mean reward", number(now.mean, 3)], ["Credited weight", number(now.n, 2)], ["Moving average", number(now.q, 3)],
    ["Recalled", count(now.recalled, "time")], ["Acted upon", count(now.used, "time")], ["Last credit", when(now.last_credit)],
  ]);
  if (!points.length) return [told, h("p", { class: "empty" }, "No outcome has been credited to it yet.")];
  const tell = (i) => `${moment(points[i].time)}: mean ${number(points[i].mean, 3)} of weight ${number(points[i].n, 2)}, moving average ${number(points[i].q, 3)}; this task earned ${number(points[i].reward)}`;
  return [told, chart({
    title: "Utility over time, rewards from 0 to 1", step: true,
    times: points.map((point) => point.time),
    series: [
      { name: "mean of all credits", kind: "mean", values: points.map((point) => point.mean) },
      { name: "moving average", kind: "moving", values: points.map((point) => point.q) },
    ],
    tell, point: "Credit",
    columns: [
      { head: "Time", lead: true, cell: (i) => when(points[i].time) }, { head: "Task", cell: (i) => link("tasks", points[i].task) },
      { head: "Reward", num: true, cell: (i) => number(points[i].reward, 2) },
      { head: "Weight", num: true, cell: (i) => number(points[i].granted, 2) },
      { head: "Mean", num: true, cell: (i) => number(points[i].mean, 3) },
      { head: "Moving average", num: true, cell: (i) => number(points[i].q, 3) },
    ],
  })];
}

function recalled(id, page) {
  const chance = (receipt) => receipt.shown.find((each) => each.id === id)?.propensity ?? null;
  const columns = [
    { head: "Query", lead: true, cell: (receipt) => h("a", { href: address("tasks", receipt.task), class: "text-link" }, receipt.query ? words(receipt.query, 120) : "(purged)") },
    { head: "Task", cell: (receipt) => link("tasks", receipt.task) },
    { head: "Side", cell: (receipt) => side(receipt.side) },
    { head: "Place", num: true, cell: (receipt) => `${1 + receipt.shown.findIndex((each) => each.id === id)} of ${receipt.shown.length}` },
    { head: "Chance", num: true, title: "of being shown", cell: (receipt) => percent(chance(receipt)) },
    { head: "When", num: true, cell: (receipt) => when(receipt.time) },
  ];
  const box = h("div", {});
  const all = [...page.receipts];
  const show = (next) => {
    const more = next === null ? null : h("button", { type: "button", onclick: async () => {
      try {
        const further = await get(at`memories/${id}/recalls`, { before: next, limit: 50 });
        all.push(...further.receipts);
        show(further.next);
        announce(`${count(further.receipts.length, "more recall")} found`);
        (box.querySelector("button") ?? box).focus();
      } catch (error) {
        box.append(refusal(error));
      }
    } }, "Look further back");
    box.tabIndex = -1;
    box.replaceChildren(...[table("Where it was recalled", columns, all, { empty: "It was not recalled lately." }), more].filter(Boolean));
  };
  show(page.next);
  return box;
}

function credited(credits) {
  const rows = credits.slice(-CREDITS).reverse();
  const note = credits.length > rows.length ? h("p", { class: "dim" }, `The last ${rows.length} of ${number(credits.length)}.`) : null;
  return [note, table("Outcomes credited to it", [
    { head: "Task", lead: true, cell: (row) => link("tasks", row.task) },
    { head: "Source", cell: (row) => row.source }, { head: "Actor", cell: (row) => row.actor || h("span", { class: "dim" }, "owner") },
    { head: "Reward", num: true, cell: (row) => number(row.reward, 2) },
    { head: "Share", num: true, cell: (row) => number(row.base, 2) },
    { head: "Counted", num: true, title: "of the share; less where the cap on an actor was reached",
      cell: (row) => (row.voided ? h("s", {}, number(row.granted, 2)) : number(row.granted, 2)) },
    { head: "When", num: true, cell: (row) => when(row.time) },
  ], rows, { empty: "None." })];
}

function versions(steps) {
  const list = steps.map((step, i) => {
    const before = i ? steps[i - 1].memory : null;
    const changed = before && step.memory && before.content !== step.memory.content;
    const other = before && step.memory ? differing(before, step.memory) : [];
    const what = step.memory === null ? h("p", { class: "dim" }, "The text of this version is gone.")
      : changed ? compared(before.content, step.memory.content)
        : i === 0 ? h("div", { class: "text", dir: "auto" }, step.memory.content.slice(0, LONG)) : null;
    return h("li", { value: step.version },
      h("p", { class: "step" }, h("strong", {}, `Version ${step.version}`), " ", DONE[step.op] ?? step.op.toLowerCase(), " by ",
        step.actor ? words(step.actor, 60) : "the owner", ", ", when(step.time),
        step.reason ? h("span", {}, ": ", words(step.reason, 300)) : null),
      other.length ? h("p", { class: "dim" }, other.join("; ")) : null,
      what && i < steps.length - 1 && !changed ? h("details", {}, h("summary", {}, "Text"), what) : what);
  });
  return h("ol", { class: "versions", reversed: true }, list.reverse());
}

function differing(before, after) {
  const found = [];
  for (const name of ["kind", "status", "tags", "meta", "event_from", "event_to", "valid_from", "valid_to"]) {
    const [old, now] = [before[name], after[name]].map((value) => JSON.stringify(value));
    if (old !== now) found.push(`${name}: ${old.slice(0, 80)} → ${now.slice(0, 80)}`);
  }
  return found;
}

function provenance(list) {
  if (!list.length) return h("p", { class: "empty" }, "No source was named.");
  return h("ul", { class: "plain" }, list.map((each) => h("li", {},
    each.uri ? words(each.uri, 300) : "unnamed source", each.span ? `, characters ${each.span[0]} to ${each.span[1]}` : "",
    each.actor ? [", by ", words(each.actor, 60)] : null,
    each.parents.length ? [", made from ", each.parents.map((id, i) => [i ? ", " : "", link("memories", id)])] : null)));
}

function linked(id, links) {
  return table("Links", [
    { head: "Direction", cell: (row) => (row.source === id ? "to" : "from") },
    { head: "Memory", lead: true, cell: (row) => link("memories", row.source === id ? row.target : row.source) },
    { head: "Type", cell: (row) => row.type }, { head: "Weight", num: true, cell: (row) => number(row.weight, 2) },
    { head: "Holds", cell: (row) => interval(row.valid_from, row.valid_to) ?? h("span", { class: "dim" }, "always") },
  ], links, { empty: "It has no links.", shown: true });
}
