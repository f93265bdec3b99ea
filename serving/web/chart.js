// The drawings: the list's risk, and how far the model can be believed. Colours are the style sheet's.

import { counted, draw, percent } from "./elements.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [44, 18, 14, 34];
const SINGLE = 80; // bars of their own; a longer list is an outline

export function riskChart(risks, model, width) {
  const height = 240;
  const top = ceiling(Math.max(risks[0], model.threshold, model.bands.high) * 1.08);
  const x = (at) => LEFT + (at / risks.length) * (width - LEFT - RIGHT);
  const y = (share) => height - BOTTOM - (share / top) * (height - TOP - BOTTOM);
  const called = risks.filter((share) => share >= model.threshold).length;
  const limit = percent(model.threshold, 1);
  return drawing("risk-told", width, height,
    `${told(risks)} ${counted(called, "lies", "lie")} above the capacity line at ${limit}.`,
    zones(model.bands, top, y, width),
    scale(top, y, width),
    risks.length <= SINGLE ? bars(risks, called, x, y) : outlines(risks, called, x, y),
    draw("line", { class: "capacity", x1: LEFT, x2: width - RIGHT, y1: y(model.threshold), y2: y(model.threshold) }),
    draw("text", { class: "capacity-told", x: width - RIGHT - 4, y: y(model.threshold) - 6, "text-anchor": "end" },
      `capacity: call from ${limit} on`),
    draw("text", { x: LEFT, y: height - 12 }, "riskiest"),
    draw("text", { x: width - RIGHT, y: height - 12, "text-anchor": "end" }, counted(risks.length, "appointment")),
  );
}

// A drawing is told in a sentence to whoever does not see it.
const drawing = (id, width, height, sentence, ...parts) =>
  draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": id },
    draw("title", { id }, sentence), ...parts);

const told = (risks) =>
  `${counted(risks.length, "appointment")} by risk, from ${percent(risks[0])} down to ${percent(risks.at(-1))}.`;

function zones(bands, top, y, width) {
  const edges = [["low", 0, bands.low], ["medium", bands.low, bands.high], ["high", bands.high, top]];
  return edges.map(([name, from, to]) =>
    draw("rect", { class: `zone ${name}`, x: LEFT, y: y(to), width: width - LEFT - RIGHT,
      height: Math.max(y(from) - y(to), 0) }));
}

function bars(risks, called, x, y) {
  const wide = Math.min(x(1) - x(0), 48);
  return risks.map((share, at) =>
    draw("rect", { class: at < called ? "bar call" : "bar", x: x(at) + wide * 0.1, y: y(share), width: wide * 0.8,
      height: Math.max(y(0) - y(share), 1) }));
}

function outlines(risks, called, x, y) {
  const all = [[0, called, "bar call"], [called, risks.length, "bar"]];
  return all.filter(([from, to]) => to > from).map(([from, to, name]) =>
    draw("path", { class: name, d: outline(risks, from, to, x, y) }));
}

// One step for every pixel or so: nobody sees more of a hundred thousand appointments.
function outline(risks, from, to, x, y) {
  const stride = Math.max(1, Math.floor(risks.length / 800));
  let path = `M${x(from)} ${y(0)}`;
  for (let at = from; at < to; at += stride) {
    path += `H${x(at).toFixed(1)}V${y(risks[at]).toFixed(1)}H${x(Math.min(at + stride, to)).toFixed(1)}`;
  }
  return `${path}V${y(0)}Z`;
}

function scale(top, y, width) {
  return ticks(top).map((share) => draw("g", { class: "tick" },
    draw("line", { x1: LEFT, x2: width - RIGHT, y1: y(share), y2: y(share) }),
    draw("text", { x: LEFT - 6, y: y(share) + 4, "text-anchor": "end" }, percent(share))));
}

const ceiling = (share) => Math.min(1, Math.max(0.1, Math.ceil(share * 10) / 10));

function ticks(top) {
  const step = top > 0.6 ? 0.2 : top > 0.2 ? 0.1 : 0.05;
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, at) => at * step);
}

// Were the appointments that were given 30% missed in 30 of 100 cases? A point on the diagonal says yes.
export function reliabilityChart(points, width) {
  const height = Math.min(width, 340);
  const top = ceiling(Math.max(...points.map((point) => Math.max(point.predicted, point.high ?? point.observed))));
  const x = (share) => LEFT + (share / top) * (width - LEFT - RIGHT);
  const y = (share) => height - BOTTOM - 14 - (share / top) * (height - TOP - BOTTOM - 14);
  const farthest = Math.max(...points.map((point) => Math.abs(point.predicted - point.observed)));
  return drawing("reliability-told", width, height,
    `Predicted against observed for ${counted(points.length, "group")} of appointments; the farthest is ` +
      `${percent(farthest, 1)} off. The figures are in the table below.`,
    scale(top, y, width),
    ticks(top).map((share) =>
      draw("text", { x: x(share), y: y(0) + 18, "text-anchor": "middle" }, percent(share))),
    draw("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(top), y2: y(top) }),
    draw("text", { x: x(top), y: height - 6, "text-anchor": "end" }, "predicted →"),
    draw("text", { x: LEFT + 6, y: TOP + 10 }, "↑ observed"),
    points.map((point) => draw("g", { class: "point" },
      point.low === null ? null : draw("line",
        { x1: x(point.predicted), x2: x(point.predicted), y1: y(point.low), y2: y(point.high) }),
      draw("circle", { cx: x(point.predicted), cy: y(point.observed), r: 5 }))),
  );
}
