// Begins: who is signed in, which view the address names, and what of it is told to those who listen.

import { Problem, get, session, token } from "./api.js";
import { compare } from "./compare.js";
import { announce, h, refusal, unique } from "./dom.js";
import { learning } from "./learning.js";
import { memories } from "./memories.js";
import { memory } from "./memory.js";
import { task, tasks } from "./tasks.js";

const VIEWS = { memories: [memories, memory], tasks: [tasks, task], learning: [learning], compare: [compare] };
const main = document.getElementById("main");
const views = document.getElementById("views");
const leave = document.getElementById("leave");
let turn = 0;
let fresh = true;

function place() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [view, ...id] = path.split("/");
  let name = null;
  try {
    name = id.length ? decodeURIComponent(id.join("/")) : null;
  } catch { /* an address that somebody typed */ }
  return { view: view || "memories", id: name, query: new URLSearchParams(search) };
}

async function show() {
  const mine = (turn += 1);
  const { view, id, query } = place();
  for (const link of views.querySelectorAll("a")) {
    if (link.hash === `#/${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.setAttribute("aria-busy", "true");
  const [whole, one] = VIEWS[view] ?? [];
  const render = id === null ? whole : one;
  let made;
  try {
    if (!render) throw new Problem(404, { detail: "There is nothing under this address." });
    made = id === null ? await render(null, query) : await render(id, query);
  } catch (error) {
    if (error.status === 401 || mine !== turn) return;
    if (!(error instanceof Error) || error.status === undefined) console.error(error);
    made = { title: "Not to be had", announce: error.message, node: [refusal(error)] };
  }
  if (mine !== turn) return; // the reader has gone on
  document.title = `${made.title} – Wayfare memory`;
  const heading = made.heading ?? h("h1", { tabindex: "-1" }, made.title);
  main.replaceChildren(heading, ...made.node.flat(3).filter(Boolean));
  main.setAttribute("aria-busy", "false");
  announce(made.announce);
  if (!fresh) {
    scrollTo(0, 0);
    heading.focus({ preventScroll: true });
  }
  fresh = false;
}

function signIn(why) {
  turn += 1;
  session.owner = null;
  views.hidden = true;
  leave.hidden = true;
  document.getElementById("who").textContent = "";
  document.title = "Sign in – Wayfare memory";
  const said = h("div", { "aria-live": "assertive" }, why ? h("p", { class: "refused", role: "alert" }, why) : null);
  const input = h("input", { type: "password", id: unique("token"), name: "token", required: true, autocomplete: "off", spellcheck: "false" });
  const form = h("form", { class: "sign", onsubmit: async (event) => {
    event.preventDefault();
    token.set(input.value.trim());
    fresh = false;
    try {
      await begin();
    } catch (error) {
      token.drop();
      said.replaceChildren(refusal(error));
      input.select();
    }
  } },
    h("h1", { tabindex: "-1" }, "Sign in"),
    h("p", {}, "This memory asks for a token. ", h("code", {}, "wayfare memory token create"), " makes one; this tab keeps it until it is closed."),
    h("div", { class: "field" }, h("label", { for: input.id }, "Token"), input), said,
    h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Sign in")));
  main.replaceChildren(form);
  main.setAttribute("aria-busy", "false");
  input.focus();
}

async function begin() {
  beginning = true;
  try {
    const owner = await get("token");
    const stats = owner.scopes.includes("read") ? await get("stats") : {};
    session.owner = owner;
    session.rewards = stats.reward_range ?? [0, 1];
    session.kinds = stats.kinds ?? {};
  } finally {
    beginning = false;
  }
  const { owner } = session;
  const who = document.getElementById("who");
  who.replaceChildren(h("code", {}, owner.namespace), token.get() === null ? " no token is needed on this machine" : ` ${owner.name}: ${owner.scopes.join(", ")}`);
  views.hidden = false;
  leave.hidden = token.get() === null;
  await show();
}

let beginning = false;
addEventListener("hashchange", () => {
  if (session.owner) show();
});
addEventListener("signed-out", (event) => {
  if (beginning || session.owner === null) return; // at the door already: several requests may be refused at once
  const had = token.get() !== null;
  token.drop();
  signIn(had ? event.detail.message : "");
});
leave.addEventListener("click", () => {
  token.drop();
  signIn("");
  announce("Signed out.");
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the view
  main.focus();
});

try {
  await begin();
} catch (error) {
  const had = token.get() !== null;
  token.drop();
  signIn(error.status === 401 ? (had ? error.message : "") : error.message);
}
