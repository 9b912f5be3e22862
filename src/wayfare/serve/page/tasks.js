// What was recalled and why: the tasks, and of one its candidates, their scores and chances, and what came of it.

import { allows, at, get } from "./api.js";
import { credit } from "./dialogs.js";
import { facts, h, section, table, words } from "./dom.js";
import { address, count, link, number, percent, side, when } from "./format.js";

const PAGE = 50;

export async function tasks(_, query) {
  const { tasks: rows } = await get("tasks", { before: query.get("before"), limit: PAGE });
  const older = rows.length === PAGE ? h("a", { class: "button", href: address("tasks", null, { before: rows.at(-1).last }) }, "Older") : null;
  const first = query.get("before") ? h("a", { class: "button", href: address("tasks") }, "Newest") : null;
  return {
    title: "Recalls",
    announce: `Recalls: ${count(rows.length, "task")} shown`,
    node: [
      h("p", { class: "dim" }, "Tasks that recalled something, the last first. A coin with known shares settles the side of each."),
      table("Tasks", [
        { head: "Query", lead: true, cell: (task) => h("a", { href: address("tasks", task.id), class: "text-link" }, task.query ? words(task.query, 160) : "(purged)") },
        { head: "Task", cell: (task) => h("code", {}, task.id) },
        { head: "Side", cell: (task) => side(task.side) },
        { head: "Recalls", num: true, cell: (task) => number(task.receipts) },
        { head: "Shown", num: true, title: "memories in its last recall", cell: (task) => number(task.shown) },
        { head: "Reward", num: true, title: "of the outcome that counts", cell: (task) => (task.reward === null ? h("span", { class: "dim" }, "none") : number(task.reward, 2)) },
        { head: "When", num: true, cell: (task) => when(task.opened_at) },
      ], rows, { empty: "Nothing has been recalled yet." }),
      first || older ? h("nav", { class: "pages", "aria-label": "Pages" }, first, older) : null,
    ],
  };
}

export async function task(id) {
  const { task: seen, receipts, outcomes } = await get(at`tasks/${id}`);
  const whys = await Promise.all(receipts.slice(-5).map((receipt) => get(at`receipts/${receipt.id}/candidates`)));
  const last = receipts.slice(-5);
  const shown = new Map();
  whys.forEach((why) => why.candidates.filter((each) => each.place !== null).forEach((each) => shown.set(each.id, each.memory)));
  receipts.forEach((receipt) => receipt.shown.forEach((each) => shown.has(each.id) || shown.set(each.id, null)));
  return {
    title: `Task ${id}`,
    heading: h("h1", { tabindex: "-1" }, "Task ", h("code", {}, words(id, 80))),
    announce: `Task, side ${seen.side}, ${count(receipts.length, "recall")}, ${count(outcomes.length, "outcome")}`,
    node: [
      facts([
        ["Side", side(seen.side)], ["Policy", seen.policies[seen.side] ? h("code", {}, seen.policies[seen.side]) : null],
        ["Coin", Object.entries(seen.shares).filter(([, share]) => share > 0).map(([name, share]) => `${name} ${percent(share)}`).join(", ")],
        ["Began", when(seen.opened_at)], ["First outcome", when(seen.closed_at)],
        ["Reward", seen.reward === null ? "none yet" : number(seen.reward)],
      ]),
      section("Outcomes", said(outcomes, shown),
        allows("credit") ? h("div", { class: "actions" }, h("button", { type: "button", onclick: () => credit(id, shown) }, "Credit…")) : null),
      last.map((receipt, i) => section(last.length > 1 ? `Recall ${receipts.length - last.length + i + 1}` : "Recall", recall(receipt, whys[i]))),
      receipts.length > last.length ? h("p", { class: "dim" }, `Earlier recalls of this task: ${receipts.length - last.length}.`) : null,
    ],
  };
}

function said(outcomes, shown) {
  const standing = (row) => (row.voided !== null ? "taken out" : row.replaced !== null ? "corrected" : row.counted ? "counts" : "does not count");
  return table("Outcomes", [
    { head: "Source", lead: true, cell: (row) => words(row.source, 60) }, { head: "Rank", cell: (row) => row.rank },
    { head: "Actor", cell: (row) => (row.actor ? words(row.actor, 60) : h("span", { class: "dim" }, "owner")) },
    { head: "Reward", num: true, cell: (row) => number(row.reward, 2) },
    { head: "Standing", cell: (row) => h("span", { class: row.counted ? null : "notable" }, standing(row)) },
    { head: "Fell to", cell: (row) => (row.credits.length ? h("ul", { class: "plain" }, row.credits.map((each) =>
      h("li", {}, number(each.base, 2), " ", h("a", { href: address("memories", each.id) }, shown.get(each.id) ? words(shown.get(each.id).content, 60) : each.id), each.granted !== each.base ? ` (counted ${number(each.granted, 2)})` : ""))) : row.basis === "used" ? "none was used" : "none") },
    { head: "When", num: true, cell: (row) => when(row.time) },
  ], outcomes, { empty: "Nobody has said how it went." });
}

function recall(receipt, why) {
  const sides = Object.keys(receipt.sides);
  const head = facts([
    ["Query", receipt.query ? words(receipt.query, 2000) : "(purged)"], ["When", when(receipt.time)],
    ["Chance of this set", `${percent(receipt.probability)} (${sides.map((name) => `${name} ${percent(receipt.sides[name])}`).join(", ")})`],
    ["Receipt", h("code", {}, receipt.id)],
  ]);
  if (why.candidates.length) return [head, considered(why.candidates, sides)];
  const note = receipt.shown.length ? "Its candidates are not kept: the receipt is old, or the memories were shown by other means than recall." : "Nothing was relevant enough to be recalled.";
  return [head, h("p", { class: "dim" }, note), receipt.shown.length ? table("Shown", [
    { head: "Place", num: true, cell: (_, i) => String(i + 1) }, { head: "Memory", lead: true, cell: (row) => link("memories", row.id) },
    { head: "Chance", num: true, cell: (row) => percent(row.propensity) }], receipt.shown) : null];
}

function considered(candidates, sides) {
  const rows = [...candidates].sort((a, b) => (a.place ?? 99) - (b.place ?? 99));
  const channel = (name, title) => ({ head: name[0].toUpperCase() + name.slice(1), num: true, title, cell: (row) => number(row.features[name], 2) });
  const chance = (value) => h("span", { class: "chance" }, h("span", { class: "amount", "aria-hidden": "true" }, h("span", { width: `${100 * (value ?? 0)}%` })), percent(value));
  return table(`Candidates, ${count(rows.length, "memory", "memories")}: those shown first, then by relevance`, [
    { head: "Shown", num: true, title: "place in the prompt", cell: (row) => (row.place === null ? h("span", { class: "dim" }, "no") : String(row.place)) },
    { head: "Memory", lead: true, cell: (row) => h("a", { href: address("memories", row.id), class: "text-link" }, row.memory ? words(row.memory.content, 120) : h("code", {}, row.id)) },
    { head: "Chance", num: true, title: "of being shown, under the whole mixture", cell: (row) => chance(row.chance) },
    ...(sides.length > 1 ? sides.map((name) => ({ head: name[0].toUpperCase() + name.slice(1), num: true, title: `chance of being shown on the side ${name}`, cell: (row) => percent(row.chances[name]) })) : []),
    { head: "Relevance", num: true, title: "what the searches make of it together, from 0 to 1", cell: (row) => number(row.relevance, 2) },
    channel("words", "score of the search by words"), channel("vectors", "score of the search by vectors"), channel("links", "score by links to the best"),
    { head: "Utility", num: true, title: "posterior mean and deviation when it was recalled", cell: (row) => `${number(row.mean, 2)} ± ${number(row.width, 2)}` },
    { head: "Credit", num: true, title: "credited weight when it was recalled", cell: (row) => number(row.n, 1) },
  ], rows, { shown: true });
}
