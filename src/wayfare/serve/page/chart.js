// Lines over time, drawn as SVG at the width that there is. A slider walks along the points, so that every value can be
// read by keyboard; a table holds them all.

import { h, s, table, unique } from "./dom.js";
import { moment } from "./format.js";

const HEIGHT = 220;
const EDGE = { left: 40, right: 12, top: 10, bottom: 24 };

/**
 * title: of the figure        series: [{name, kind, values}] one value a point, null where there is none; kind: a class
 * times: of the points, s since the epoch        y: [low, high]        step: hold a value until the next point
 * stacked: the series are shares of one whole        marks: [{time, text}]; marked: what they are        tell(i): point i in words
 * columns: of the table, as `table` takes them        step names a point for the slider: `point`
 */
export function chart({ title, series, times, y = [0, 1], step = false, stacked = false, marks = [], marked, tell, columns, point }) {
  const plot = h("div", { class: "plot" });
  const output = h("output", { class: "reading" });
  const slider = h("input", { type: "range", min: 0, max: times.length - 1, value: times.length - 1, id: unique("slider") });
  let place = times.length - 1;
  let draw = () => {};
  const walk = (i) => {
    place = Math.min(times.length - 1, Math.max(0, i));
    slider.value = place;
    slider.setAttribute("aria-valuetext", tell(place));
    output.textContent = tell(place);
    draw();
  };
  slider.addEventListener("input", () => walk(Number(slider.value)));
  let wide = 0;
  const observer = new ResizeObserver((entries) => {
    const width = Math.floor(entries[0].contentRect.width);
    if (width < 40 || width === wide) return;
    wide = width;
    const made = drawn({ series, times, y, step, stacked, marks, width });
    draw = () => made.point(place);
    plot.replaceChildren(made.svg);
    draw();
  });
  observer.observe(plot);
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const share = (event.clientX - box.left - EDGE.left) / (box.width - EDGE.left - EDGE.right);
    walk(nearest(times, times[0] + share * ((times.at(-1) - times[0]) || 1)));
  });
  walk(place);
  return h("figure", { class: "chart" },
    h("figcaption", {}, title, h("ul", { class: "legend" }, series.map((each) =>
      h("li", {}, s("svg", { class: "key", viewBox: "0 0 16 8", "aria-hidden": "true" },
        stacked ? s("rect", { class: `area ${each.kind}`, width: 16, height: 8 })
          : s("path", { class: `line ${each.kind}`, d: "M0 4H16" })), each.name)),
      marks.length ? h("li", {}, s("svg", { class: "key", viewBox: "0 0 16 8", "aria-hidden": "true" }, s("path", { class: "mark", d: "M8 0V8" })), marked) : null)),
    plot,
    h("div", { class: "walk" }, h("label", { for: slider.id }, point), slider, output),
    h("details", {}, h("summary", {}, "All values as a table"),
      table(title, columns, times.map((_, i) => i), { shown: false })));
}

function nearest(times, time) {
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low > 0 && time - times[low - 1] < times[low] - time ? low - 1 : low;
}

function drawn({ series, times, y, step, stacked, marks, width }) {
  const [first, last] = [times[0], times.at(-1)];
  const span = last - first || 1;
  const px = (time) => EDGE.left + ((time - first) / span) * (width - EDGE.left - EDGE.right);
  const py = (value) => EDGE.top + (1 - (value - y[0]) / (y[1] - y[0])) * (HEIGHT - EDGE.top - EDGE.bottom);
  const round = (value) => Math.round(10 * value) / 10;
  const svg = s("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
  for (let i = 0; i <= 4; i += 1) {
    const value = y[0] + (i / 4) * (y[1] - y[0]);
    svg.append(s("path", { class: "grid", d: `M${EDGE.left} ${round(py(value))}H${width - EDGE.right}` }),
      s("text", { x: EDGE.left - 6, y: round(py(value)) + 4, "text-anchor": "end" }, value.toFixed(2)));
  }
  const ticks = Math.max(1, Math.min(6, Math.floor(width / 150)));
  for (let i = 0; i <= ticks; i += 1) {
    const time = first + (i / ticks) * (last - first);
    const anchor = i === 0 ? "start" : i === ticks ? "end" : "middle";
    if (i === 0 || last > first) {
      svg.append(s("text", { x: round(px(time)), y: HEIGHT - 6, "text-anchor": anchor }, moment(time, last - first)));
    }
  }
  const path = (values) => {
    let d = "";
    let before = null;
    values.forEach((value, i) => {
      if (value === null) {
        before = null;
        return;
      }
      const [x, to] = [round(px(times[i])), round(py(value))];
      d += before === null ? `M${x} ${to}` : step ? `H${x}V${to}` : `L${x} ${to}`;
      before = value;
    });
    return step && before !== null ? `${d}H${width - EDGE.right}` : d;
  };
  let below = times.map(() => 0);
  for (const each of series) {
    if (!stacked) {
      svg.append(s("path", { class: `line ${each.kind}`, d: path(each.values) }));
      continue;
    }
    const top = each.values.map((value, i) => below[i] + (value ?? 0));
    const back = below;
    let d = path(top);
    for (let i = times.length - 1; i >= 0; i -= 1) {
      const end = i === times.length - 1 ? width - EDGE.right : round(px(times[i + 1]));
      d += step ? `L${end} ${round(py(back[i]))}H${round(px(times[i]))}` : `L${round(px(times[i]))} ${round(py(back[i]))}`;
    }
    svg.append(s("path", { class: `area ${each.kind}`, d: `${d}Z` }));
    below = top;
  }
  for (const mark of marks) {
    if (mark.time < first || mark.time > last) continue;
    const x = round(px(mark.time));
    svg.append(s("path", { class: "mark", d: `M${x} ${EDGE.top}V${HEIGHT - EDGE.bottom}` }, s("title", {}, mark.text)));
  }
  const cursor = s("path", { class: "cursor" });
  const dots = series.map((each) => s("circle", { class: `dot ${each.kind}`, r: stacked ? 0 : 4 }));
  svg.append(cursor, ...dots);
  return {
    svg,
    point(i) {
      const x = round(px(times[i]));
      cursor.setAttribute("d", `M${x} ${EDGE.top}V${HEIGHT - EDGE.bottom}`);
      series.forEach((each, which) => {
        const value = each.values[i];
        dots[which].setAttribute("cx", x);
        dots[which].setAttribute("cy", value === null ? -10 : round(py(value)));
      });
    },
  };
}

/** An interval beside others on one scale: a bar from low to high, a point at the value, lines where `beside` says. */
export function bar({ low, high, value }, [from, to], beside) {
  const px = (at) => 4 + Math.min(1, Math.max(0, (at - from) / (to - from || 1))) * 192;
  return s("svg", { class: "interval", viewBox: "0 0 200 18", width: 200, height: 18, "aria-hidden": "true" },
    beside.filter((each) => each !== null).map((each) => s("path", { class: "beside", d: `M${px(each)} 0V18` })),
    s("path", { class: "span", d: `M${px(low)} 9H${px(high)}` }),
    s("circle", { class: "value", cx: px(value), cy: 9, r: 4 }));
}
