// Numbers, times and names as they are shown.

import { h } from "./dom.js";

const two = (number) => String(number).padStart(2, "0");

/** A number: with so many digits after the point, or a whole one as it is and any other with three. */
export function number(value, digits) {
  if (value === null || value === undefined) return "–";
  if (digits === undefined && Number.isInteger(value)) return value.toLocaleString("en-GB");
  const text = value.toFixed(digits ?? 3);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** A share as a percentage. A chance that is not quite 0 or 1 does not pass for it. */
export function percent(value) {
  if (value === null || value === undefined) return "–";
  if (value > 0 && value < 0.001) return "< 0.1 %";
  if (value < 1 && value > 0.999) return "> 99.9 %";
  return `${(100 * value).toFixed(value === 0 || value === 1 ? 0 : 1)} %`;
}

/** A time in words of this machine's zone, as precise as `span` seconds ask for. */
export function moment(seconds, span = 0) {
  const date = new Date(1000 * seconds);
  if (Number.isNaN(date.getTime())) return String(seconds);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (span > 4 * 86400) return day;
  if (span > 86400) return `${day.slice(5)} ${time}`;
  if (span > 600) return time;
  return span > 0 ? `${time}:${two(date.getSeconds())}` : `${day} ${time}`;
}

/** A time, as an element. */
export function when(seconds) {
  if (seconds === null || seconds === undefined) return null;
  const date = new Date(1000 * seconds);
  if (Number.isNaN(date.getTime())) return String(seconds);
  return h("time", { datetime: date.toISOString(), title: date.toISOString() }, moment(seconds));
}

/** [from, to] in words; open ends are said. */
export function interval(from, to) {
  if (from === null && to === null) return null;
  if (from === to) return when(from);
  return h("span", {}, from === null ? "always" : when(from), " to ", to === null ? "now on" : when(to));
}

/** The side of a task, with its colour beside its name. */
export function side(name) {
  return h("span", { class: `side ${["baseline", "incumbent", "challenger"].includes(name) ? name : "fixed"}` }, name);
}

/** An id that can be followed. */
export function link(view, id, text = id) {
  return h("a", { href: address(view, id), class: text === id ? "id" : null }, text);
}

/** The address of a thing on this page. */
export function address(view, id, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${view}${id === null || id === undefined ? "" : `/${encodeURIComponent(id)}`}${search}`;
}

/** How many of what. */
export function count(many, one, more = `${one}s`) {
  return `${many.toLocaleString("en-GB")} ${many === 1 ? one : more}`;
}
