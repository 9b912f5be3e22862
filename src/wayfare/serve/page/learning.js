// How far learning has come: the shares of the sides over time, what is certified, alarms, policies and challengers.

import { get } from "./api.js";
import { chart } from "./chart.js";
import { announce, facts, h, refusal, section, table, words } from "./dom.js";
import { count, moment, number, percent, side, when } from "./format.js";

const SIDES = ["baseline", "incumbent", "challenger"];
const PAGE = 25;

export async function learning() {
  const [floor, history, stats, { policies }] = await Promise.all([
    get("floor"), get("floor/history", { limit: PAGE }), get("stats"), get("policies"),
  ]);
  return {
    title: "Learning",
    announce: `Learning: ${percent(floor.rho)} of the tasks follow what was learned; certified ${number(floor.certified, 2)} of the baseline`,
    node: [
      standing(floor),
      section("Shares of the sides", shares(history)),
      section("Sides", sides(floor, stats.sides ?? {}, policies)),
      section("What happened", happened(history.events)),
      section("Policies", used(policies)),
    ],
  };
}

function standing(floor) {
  const least = 1 - floor.alpha;
  const notes = [
    floor.frozen ? "Frozen: recall goes on as it stands, and nothing is learned until it is thawed." : null,
    floor.suspended ? "Certificates are set aside: outcomes are posted for one side more often than for the other, so who is credited is not who was helped." : null,
    floor.shares.challenger > 0 ? "A challenger is on trial." : null,
  ].filter(Boolean);
  return h("div", {},
    facts([
      ["Learned share", h("strong", {}, percent(floor.rho))], ["Baseline keeps", percent(floor.shares.baseline)],
      ["Certified", floor.certified > 0 ? `at least ${number(floor.certified, 2)} × the baseline` : "nothing yet"],
      ["Promise", `at least ${number(least, 2)} × the baseline (δ ${number(floor.delta, 2)})`],
      ["Outcomes seen", number(floor.outcomes_seen)], ["Epoch", number(floor.epoch)],
      ["State", floor.frozen ? "frozen" : floor.suspended ? "certificates set aside" : "learning"],
    ]),
    notes.map((note) => h("p", { class: "note" }, note)));
}

function shares({ steps, events }) {
  if (!steps.length) return h("p", { class: "empty" }, "No task has begun under the safe mixture yet.");
  const points = steps.map((step) => ({ time: step.since, step }));
  const end = steps.at(-1);
  if (end.until > end.since) points.push({ time: end.until, step: end });
  const tell = (i) => {
    const { step } = points[i];
    const parts = SIDES.filter((name) => step.shares[name] > 0).map((name) => `${name} ${percent(step.shares[name])}`);
    return `${moment(points[i].time)}: ${parts.join(", ")}; ${count(step.tasks, "task")} began so, ${step.credited} with an outcome`;
  };
  const present = SIDES.filter((name) => steps.some((step) => step.shares[name] > 0));
  return chart({
    title: "Share of the tasks by side, over time", stacked: true, step: true, times: points.map((point) => point.time),
    series: present.map((name) => ({ name, kind: name, values: points.map(({ step }) => step.shares[name] ?? 0) })),
    marks: events.filter((event) => grave(event)).map((event) => ({ time: event.time, text: words_of(event) })),
    marked: "alarm, promotion, freeze or rollback (below)",
    tell, point: "Step",
    columns: [
      { head: "Since", lead: true, cell: (i) => when(points[i].time) },
      ...present.map((name) => ({ head: name[0].toUpperCase() + name.slice(1), num: true, cell: (i) => percent(points[i].step.shares[name] ?? 0) })),
      { head: "Tasks", num: true, cell: (i) => number(points[i].step.tasks) },
      { head: "Credited", num: true, cell: (i) => number(points[i].step.credited) },
    ],
  });
}

function sides(floor, counts, policies) {
  const rules = Object.fromEntries(policies.map((policy) => [policy.id, policy.rule]));
  const rows = [...SIDES.filter((name) => floor.policies[name] || counts[name]), ...Object.keys(counts).filter((name) => !SIDES.includes(name))];
  return table("Sides", [
    { head: "Side", lead: true, cell: (name) => side(name) },
    { head: "Policy", cell: (name) => (floor.policies[name] ? h("code", {}, floor.policies[name]) : h("span", { class: "dim" }, name === "fixed" ? "named by the caller" : "none now")) },
    { head: "Rule", cell: (name) => rules[floor.policies[name]] ?? h("span", { class: "dim" }, "–") },
    { head: "Share now", num: true, cell: (name) => percent(floor.shares[name] ?? null) },
    { head: "Tasks", num: true, cell: (name) => number(counts[name]?.tasks ?? 0) },
    { head: "Credited", num: true, cell: (name) => number(counts[name]?.credited ?? 0) },
    { head: "Mean reward", num: true, title: "of the credited tasks, rewards from 0 to 1", cell: (name) => number(counts[name]?.mean ?? null, 3) },
  ], rows);
}

const grave = (event) => ["alarm", "retired", "promoted"].includes(event.reason) || ["ROLLBACK", "FREEZE", "REEMBED"].includes(event.op);

/** An event in words. */
function words_of(event) {
  const { detail } = event;
  const who = detail.side ?? "incumbent";
  if (event.op === "FLOOR") {
    if (event.reason === "certified") return `the ${who} has proved at least ${number(detail.ratio, 2)} × the baseline, in ${count(detail.tasks, "task")}`;
    if (event.reason === "promoted") return `the challenger has proved to be better and is the incumbent now, after ${count(detail.tasks, "task")}`;
    if (event.reason === "retired") return `the ${who} was found to be worse and is taken back`;
    if (event.reason === "alarm") return `alarm: the incumbent earns less than the baseline; its certificates (${number(detail.ratio, 2)}) are given back`;
  }
  const said = {
    FREEZE: "learning was frozen", THAW: "learning was thawed", ROLLBACK: `${detail.policy} is the incumbent again`,
    CHALLENGE: `${detail.policy} was put on trial`, RESET: `utilities of ${count(detail.records ?? 0, "memory", "memories")} were forgotten`,
    VOID: `${count(detail.outcomes ?? 0, "outcome")} taken out, utilities of ${count(detail.records ?? 0, "memory", "memories")} replayed`,
    REEMBED: "moved to other vectors: a new policy, without certificates",
  };
  return said[event.op] ?? event.op.toLowerCase();
}

function happened(first) {
  const all = [...first];
  const box = h("div", { tabindex: "-1" });
  const columns = [
    { head: "When", cell: (event) => when(event.time) },
    { head: "What", lead: true, cell: (event) => [h("span", { class: grave(event) ? "notable" : null }, words_of(event)),
      event.reason && event.op !== "FLOOR" ? h("span", { class: "dim" }, ": ", words(event.reason, 200)) : null] },
    { head: "By", cell: (event) => (event.actor === "floor" ? "the floor" : event.actor ? words(event.actor, 60) : "the owner") },
  ];
  const show = (more) => {
    const button = more ? h("button", { type: "button", onclick: async () => {
      try {
        const { events } = await get("floor/history", { before: all.at(-1).seq, limit: PAGE });
        all.push(...events);
        show(events.length === PAGE);
        announce(`${count(events.length, "earlier event")}`);
        box.focus();
      } catch (error) {
        box.append(refusal(error));
      }
    } }, "Earlier") : null;
    box.replaceChildren(...[table("What happened", columns, all, { empty: "Nothing yet: certificates come with outcomes." }), button].filter(Boolean));
  };
  show(first.length === PAGE);
  return box;
}

function used(policies) {
  return table("Policies", [
    { head: "Id", lead: true, cell: (policy) => h("code", {}, policy.id) }, { head: "Rule", cell: (policy) => policy.rule },
    { head: "Role", cell: (policy) => (policy.role === "former" ? h("span", { class: "dim" }, "former") : side(policy.role)) },
    { head: "Used since", num: true, cell: (policy) => when(policy.created_at) },
    { head: "Numbers", cell: (policy) => h("details", {}, h("summary", {}, "Show"), h("pre", { class: "meta" }, JSON.stringify(policy.body, null, 1))) },
  ], policies, { empty: "None has been used yet." });
}
