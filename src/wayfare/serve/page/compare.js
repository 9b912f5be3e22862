// What other policies would have earned on the tasks that are logged: estimates with intervals, or why there is none.

import { get, session } from "./api.js";
import { bar } from "./chart.js";
import { announce, h, section, table, unique } from "./dom.js";
import { count, number, percent } from "./format.js";

const RULES = ["similarity", "memrl", "epsilon", "inverse gap", "boltzmann", "ucb", "thompson"];
const NAMES = {
  dr: "doubly robust", snips: "self-normalised", ips: "inverse propensities", additive: "pseudo-inverse",
  "additive-dr": "doubly robust pseudo-inverse", item: "item by item",
};

export async function compare(_, query) {
  const { policies } = await get("policies");
  const wanted = query.getAll("policy").slice(0, 20);
  const explore = query.get("explore");
  const level = query.get("level") ?? "0.95";
  const results = h("div", { class: "results", "aria-busy": wanted.length ? "true" : null, tabindex: "-1" });
  if (wanted.length) estimate(wanted, explore, level, results);
  return {
    title: "Compare",
    announce: wanted.length ? `Estimating ${count(wanted.length, "policy", "policies")}` : "Compare: choose policies",
    node: [
      h("p", { class: "dim" }, "What a policy would have earned per task, in the situations recorded, with the memory as it stood then; not what the memory would have become."),
      form(policies, wanted.length ? wanted : ["similarity", "thompson"], explore, level),
      wanted.length ? section("Estimates", results) : null,
    ],
  };
}

function form(policies, wanted, explore, level) {
  const box = (value, text, hint) => {
    const id = unique("policy");
    return h("li", {}, h("input", { type: "checkbox", name: "policy", value, id, checked: wanted.includes(value) }),
      h("label", { for: id }, text, hint ? h("span", { class: "dim" }, ` ${hint}`) : null));
  };
  const number_id = unique("explore");
  const level_id = unique("level");
  const error = h("p", { class: "refused", role: "alert", hidden: true }, "Choose one policy at least.");
  const made = h("form", { class: "compare", "aria-label": "Policies to compare", onsubmit: (event) => {
    event.preventDefault();
    const given = new FormData(made);
    error.hidden = given.getAll("policy").length > 0;
    if (!error.hidden) return;
    const next = new URLSearchParams(Array.from(given).filter(([, value]) => value !== ""));
    const to = `#/compare?${next}`;
    if (to === location.hash) dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = to;
  } },
    h("fieldset", {}, h("legend", {}, "Rules"), h("ul", { class: "boxes" }, RULES.map((rule) => box(rule, rule)))),
    policies.length ? h("fieldset", {}, h("legend", {}, "Used here"), h("ul", { class: "boxes" }, policies.map((policy) =>
      box(policy.id, h("code", {}, policy.id), policy.role)))) : null,
    h("div", { class: "row" },
      h("div", { class: "field" }, h("label", { for: number_id }, "Explore (items; empty: the policy's own)"),
        h("input", { id: number_id, name: "explore", type: "number", min: "0.01", max: "50", step: "any", value: explore ?? "" })),
      h("div", { class: "field" }, h("label", { for: level_id }, "Level of the intervals"),
        h("select", { id: level_id, name: "level" }, ["0.8", "0.9", "0.95", "0.99"].map((each) => h("option", { selected: each === level }, each)))),
      h("div", { class: "field" }, h("button", { type: "submit", class: "primary" }, "Estimate"))),
    error);
  return made;
}

async function estimate(wanted, explore, level, results) {
  const rows = wanted.map((policy) => ({ policy, told: null, error: null }));
  const show = () => results.replaceChildren(overview(rows), ...rows.filter((row) => row.told).map(closer));
  show();
  for (const row of rows) {
    try {
      row.told = await get("evaluate", { policy: row.policy, explore, level });
    } catch (error) {
      row.error = error;
    }
    if (!results.isConnected && rows.indexOf(row) > 0) return; // the reader has gone on
    show();
  }
  results.removeAttribute("aria-busy");
  const told = rows.filter((row) => row.told).length;
  announce(`${count(told, "estimate")}, ${count(rows.length - told, "refusal")}`);
}

function overview(rows) {
  const logged = rows.find((row) => row.told)?.told;
  const ends = rows.filter((row) => row.told).flatMap(({ told }) => [told.low, told.high, told.logged]);
  const range = ends.length ? [Math.min(...ends), Math.max(...ends)] : session.rewards;
  const estimates = (row) => row.told && row.told.estimates[row.told.recommended];
  const cell = (tell) => (row) => (row.told ? tell(row.told, estimates(row)) : row.error ? "–" : "…");
  return h("div", {},
    logged ? h("p", {}, `The log earned ${number(logged.logged, 3)} per task, in ${count(logged.tasks, "task")} with an outcome`,
      logged.baseline === null ? "." : `; the most relevant memories alone would have earned ${number(logged.baseline, 3)}.`) : null,
    table("Estimates", [
      { head: "Policy", lead: true, cell: (row) => [h("code", {}, row.policy), row.error ? h("p", { class: "refused" }, "Refused: ", row.error.message,
        row.error.problem.value ? `; it is ${row.error.problem.value}.` : ".") : null] },
      { head: "Per task", num: true, title: "estimated reward, and its interval", cell: cell((told) => [number(told.value, 3), h("span", { class: "dim" }, ` [${number(told.low, 3)}, ${number(told.high, 3)}]`)]) },
      { head: `${number(range[0], 2)} to ${number(range[1], 2)}`, title: "point: the value; bar: its interval; line: what the log earned", cell: cell((told) => bar(told, range, [told.logged])) },
      { head: "Against the log", num: true, title: "difference, and its interval", cell: cell((told) => verdict(told.gain)) },
      { head: "Effective sample", num: true, title: "tasks of the policy's own that would say as much", cell: cell((_, best) => number(Math.round(best.effective_sample_size ?? 0))) },
      { head: "Without support", num: true, title: "share of what the policy would show that the log could not have shown", cell: cell((_, best) => percent(best.without_support)) },
      { head: "By", cell: cell((told) => NAMES[told.recommended] ?? told.recommended) },
    ], rows));
}

function verdict([more, low, high]) {
  const sign = low > 0 ? "more" : high < 0 ? "less" : "no clear difference";
  return [`${more >= 0 ? "+" : ""}${number(more, 3)} `, h("span", { class: "dim" }, `[${number(low, 3)}, ${number(high, 3)}]`), h("div", {}, sign)];
}

function closer({ policy, told }) {
  const rows = [
    ...Object.entries(told.estimates).map(([name, each]) => ({ name, each, why: null })),
    ...Object.entries(told.refused).map(([name, why]) => ({ name, each: null, why })),
  ];
  const cell = (tell) => (row) => (row.each ? tell(row.each) : "");
  return h("details", {}, h("summary", {}, "All estimates of ", h("code", {}, policy)),
    h("p", { class: "said" }, told.text),
    table(`All estimates of ${policy}`, [
      { head: "Estimate", lead: true, cell: (row) => [NAMES[row.name] ?? row.name, row.name === told.recommended ? h("span", { class: "dim" }, " recommended") : null,
        row.why ? h("p", { class: "refused" }, "Refused: ", row.why) : null] },
      { head: "Value", num: true, cell: cell((each) => number(each.value, 3)) },
      { head: "Interval", num: true, cell: cell((each) => `${number(each.low, 3)} to ${number(each.high, 3)}`) },
      { head: "Tasks", num: true, cell: cell((each) => number(each.tasks)) },
      { head: "Effective sample", num: true, cell: cell((each) => number(Math.round(each.effective_sample_size ?? 0))) },
      { head: "Without support", num: true, cell: cell((each) => percent(each.without_support)) },
      { head: "Largest weight", num: true, cell: cell((each) => number(each.largest_weight, 1)) },
    ], rows));
}
