// What changed from one text to the next, word by word; line by line where there are too many words.

import { h } from "./dom.js";

const MOST = 1500;

/** [[kind, text], ...] with kind "same", "gone" or "come". */
export function difference(before, after) {
  for (const parts of [/\s+|[^\s]+/gu, /[^\n]*\n|[^\n]+/gu]) {
    const old = before.match(parts) ?? [];
    const now = after.match(parts) ?? [];
    let start = 0;
    while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
    let end = 0;
    while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
    const [left, right] = [old.slice(start, old.length - end), now.slice(start, now.length - end)];
    if (left.length > MOST || right.length > MOST) continue;
    const found = [];
    const put = (kind, text) => {
      if (!text) return;
      if (found.length && found.at(-1)[0] === kind) found.at(-1)[1] += text;
      else found.push([kind, text]);
    };
    put("same", old.slice(0, start).join(""));
    for (const [kind, text] of longest(left, right)) put(kind, text);
    put("same", end ? old.slice(old.length - end).join("") : "");
    return found;
  }
  return [["gone", before], ["come", after]];
}

// Longest common subsequence: lengths from the ends, then a walk from the beginning.
function longest(left, right) {
  const wide = right.length + 1;
  const lengths = new Uint16Array((left.length + 1) * wide);
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      lengths[i * wide + j] = left[i] === right[j] ? lengths[(i + 1) * wide + j + 1] + 1
        : Math.max(lengths[(i + 1) * wide + j], lengths[i * wide + j + 1]);
    }
  }
  const found = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      found.push(["same", left[i]]);
      i += 1;
      j += 1;
    } else if (j >= right.length || (i < left.length && lengths[(i + 1) * wide + j] >= lengths[i * wide + j + 1])) {
      found.push(["gone", left[i]]);
      i += 1;
    } else {
      found.push(["come", right[j]]);
      j += 1;
    }
  }
  return found;
}

/** The difference, as an element. */
export function compared(before, after) {
  const parts = difference(before, after).map(([kind, text]) =>
    kind === "same" ? text : h(kind === "gone" ? "del" : "ins", {}, text));
  return h("div", { class: "text", dir: "auto", tabindex: "0", role: "group", "aria-label": "What changed" }, parts);
}
