// What changes a memory: revise, forget, credit. Each asks first, says for which version it speaks, and shows a conflict.

import { at, get, post, session } from "./api.js";
import { compared } from "./diff.js";
import { announce, h, refusal, unique, words } from "./dom.js";
import { address, number } from "./format.js";

/** A dialog with a form. act(data) does it; it stays open with the refusal where that fails. */
function ask(title, fields, { confirm, danger = false, act, done }) {
  const id = unique("dialog");
  const said = h("div", { "aria-live": "assertive" });
  const go = h("button", { type: "submit", class: danger ? "danger" : "primary" }, confirm);
  const dialog = h("dialog", { "aria-labelledby": id, onclose: () => {
    dialog.remove();
    if (from?.isConnected) from.focus();
  } });
  const from = document.activeElement;
  const form = h("form", { onsubmit: async (event) => {
    event.preventDefault();
    go.disabled = true;
    said.replaceChildren();
    try {
      const told = await act(new FormData(form), said, go);
      if (told === undefined) return;
      dialog.close();
      announce(told);
      done(told);
    } catch (error) {
      said.replaceChildren(refusal(error));
    } finally {
      go.disabled = false;
    }
  } },
    h("h2", { id }, title), fields, said,
    h("div", { class: "actions" }, go, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel")));
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  return { form, dialog };
}

function field(label, control, hint) {
  control.id = unique("field");
  const note = hint ? h("p", { class: "dim", id: unique("hint") }, hint) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, note);
}

const again = () => dispatchEvent(new HashChangeEvent("hashchange"));
const list = (text) => text.split(",").map((each) => each.trim()).filter(Boolean);

export function revise(record) {
  let version = record.version;
  const text = h("textarea", { name: "text", rows: 10, required: true, dir: "auto" });
  text.value = record.content;
  ask("Revise this memory", [
    field("Text", text),
    field("Kind", h("input", { name: "kind", value: record.kind, required: true, maxlength: 200 })),
    field("Tags", h("input", { name: "tags", value: record.tags.join(", ") }), "Separated by commas."),
    field("Reason", h("input", { name: "reason", maxlength: 1000 }), "For the history."),
  ], {
    confirm: "Write a new version",
    done: again,
    async act(given, said, go) {
      const body = { id: record.id, reason: given.get("reason") };
      // A form's lines end in CR LF; a text's end as they were.
      const now = record.content.includes("\r") ? given.get("text") : given.get("text").replaceAll("\r\n", "\n");
      if (now !== record.content) body.text = now;
      if (given.get("kind") !== record.kind) body.kind = given.get("kind");
      const tags = list(given.get("tags"));
      if (tags.join("\n") !== record.tags.join("\n")) body.tags = tags;
      if (Object.keys(body).length === 2) {
        said.replaceChildren(h("p", { class: "note" }, "Nothing was changed."));
        return undefined;
      }
      try {
        const done = await post("revise", body, version);
        return `Version ${done.version ?? version} is written.`;
      } catch (error) {
        if (error.status !== 412) throw error;
        const present = await get(at`memories/${record.id}`);
        said.replaceChildren(conflict(version, present, now));
        version = present.version;
        go.textContent = `Write over version ${version}`;
        return undefined;
      }
    },
  });
}

function conflict(version, present, mine) {
  return h("div", { class: "refused", role: "alert" },
    h("p", {}, h("strong", {}, "Conflict: "), `somebody wrote version ${present.version} while you worked on version ${version}; nothing was changed. `,
      "This is how your text differs from theirs. Write over it, or cancel and look at it first."),
    compared(present.content, mine));
}

export function forget(record) {
  const purge = h("input", { type: "checkbox", name: "purge", value: "1" });
  const sure = h("input", { name: "sure", autocomplete: "off", disabled: true });
  purge.addEventListener("change", () => {
    sure.disabled = !purge.checked;
    if (purge.checked) sure.focus();
  });
  const mark = unique("purge");
  purge.id = mark;
  ask("Forget this memory", [
    h("p", {}, "It will not be recalled, searched or listed any more: ", words(record.content, 160)),
    field("Reason", h("input", { name: "reason", maxlength: 1000 }), "For the history."),
    h("div", { class: "check" }, purge, h("label", { for: mark }, "Purge: leave no byte of its text, in no version. This cannot be undone.")),
    field("To purge, type the word purge", sure),
  ], {
    confirm: "Forget", danger: true,
    done: () => (location.hash = address("memories")),
    async act(given, said) {
      if (purge.checked && sure.value.trim() !== "purge") {
        said.replaceChildren(h("p", { class: "refused", role: "alert" }, "Type the word purge, or leave the box empty."));
        sure.select();
        return undefined;
      }
      const body = { id: record.id, reason: given.get("reason"), purge: purge.checked };
      try {
        const done = await post("forget", body, purge.checked ? undefined : record.version);
        return done.purged ? `Purged; ${number(done.scanned_bytes)} bytes were looked through.` : "Forgotten.";
      } catch (error) {
        if (error.status !== 412) throw error;
        said.replaceChildren(h("p", { class: "refused", role: "alert" }, h("strong", {}, "Conflict: "),
          `it is not version ${record.version} any more; nothing was changed. Close this and look at it again.`));
        return undefined;
      }
    },
  });
}

/** shown: id -> memory or null, of what the task recalled */
export function credit(task, shown) {
  const [low, high] = session.rewards;
  const correct = h("input", { type: "checkbox", name: "correct", value: "1", id: unique("correct") });
  const row = h("div", { class: "check", hidden: true }, correct, h("label", { for: correct.id }, "Replace what this source has said before."));
  const known = h("select", { name: "known", onchange: () => (boxes.hidden = known.value !== "these") },
    h("option", { value: "unknown" }, "not known"), h("option", { value: "these" }, "those marked below"));
  const boxes = h("fieldset", { hidden: true }, h("legend", {}, "Acted upon"), h("ul", { class: "boxes" }, Array.from(shown, ([id, memory]) => {
    const box = h("input", { type: "checkbox", name: "used", value: id, id: unique("used") });
    return h("li", {}, box, h("label", { for: box.id }, memory ? words(memory.content, 80) : id));
  })));
  ask("Credit this task", [
    field("Reward", h("input", { name: "reward", type: "number", required: true, min: low, max: high, step: "any" }), `From ${number(low)} to ${number(high)}.`),
    field("Source", h("input", { name: "source", value: "human", required: true, maxlength: 200 }), "Who says so: human, harness, agent, or a name of your own."),
    field("Which memories were acted upon", known), boxes, row,
  ], {
    confirm: "Credit",
    done: again,
    async act(given, said) {
      const body = { reward: Number(given.get("reward")), source: given.get("source") };
      if (given.get("known") === "these") body.used = given.getAll("used");
      if (correct.checked) body.correct = true;
      try {
        const done = await post("credit", { task, ...body });
        return done.repeated ? "That had been said before; nothing changed." : done.counted ? "Credited." : "Noted; a higher-ranked source has spoken, or learning is frozen.";
      } catch (error) {
        if (error.status === 409) row.hidden = false;
        throw error;
      }
    },
  });
}
