// The drawings of the watch: drift by feature, how good it was by who says so, and the days. Colours are the style sheet's.

import { counted, draw, percent, words } from "./elements.js";

const ROW = 30;

const drawing = (id, width, height, sentence, ...parts) =>
  draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": id },
    draw("title", { id }, sentence), ...parts);

// A bar for each feature's PSI; the mark is what chance alone exceeds as rarely as was asked for.
export function driftChart(features, width) {
  const rows = features.filter((each) => each.psi !== null);
  const left = Math.min(150, width * 0.4);
  const top = Math.max(0.1, ...rows.map((each) => Math.max(each.psi, each.threshold ?? 0))) * 1.05;
  const x = (value) => left + (Math.min(value, top) / top) * (width - left - 56);
  const height = rows.length * ROW + 8;
  const beyond = rows.filter((each) => each.drifted).map((each) => words(each.feature));
  return drawing("drift-told", width, height,
    `PSI of ${counted(rows.length, "feature")}; beyond chance: ${beyond.join(", ") || "none"}. The figures are in the table below.`,
    rows.map((each, at) => {
      const y = at * ROW + 4;
      const kind = each.matters ? "shift matters" : each.drifted ? "shift drifted" : "shift";
      return draw("g", {},
        draw("text", { x: left - 8, y: y + 17, "text-anchor": "end" }, short(words(each.feature), left)),
        draw("rect", { class: kind, x: left, y: y + 4, width: Math.max(x(each.psi) - left, 1), height: ROW - 12 }),
        draw("text", { x: x(Math.max(each.psi, each.threshold ?? 0)) + 6, y: y + 17 }, each.psi.toFixed(3)),
        typeof each.threshold === "number"
          ? draw("line", { class: "chance", x1: x(each.threshold), x2: x(each.threshold), y1: y, y2: y + ROW - 4 }) : null);
    }));
}

const short = (text, left) => {
  const most = Math.floor((left - 8) / 6.6);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
};

const KINDS = { tested: "in its own test", estimated: "estimated now", realised: "realised", naive: "naive" };

// A point with its interval for each who says how good it is.
export function figureChart(figures, name, width) {
  const rows = Object.keys(KINDS).filter((kind) => figures[kind]).map((kind) => ({ kind, ...figures[kind] }));
  const ends = rows.flatMap((each) => [each.low ?? each.value, each.high ?? each.value]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const [left, room] = [104, (high - low || 0.1) * 0.1];
  const x = (value) => left + ((value - low + room) / (high - low + 2 * room)) * (width - left - 70);
  return drawing(`${name}-told`, width, rows.length * ROW + 8,
    `${name.toUpperCase()}: ${rows.map((each) => `${KINDS[each.kind]} ${each.value.toFixed(3)}`).join(", ")}.`,
    rows.map((each, at) => {
      const y = at * ROW + 18;
      return draw("g", { class: "point" },
        draw("text", { x: left - 10, y: y + 4, "text-anchor": "end" }, KINDS[each.kind]),
        typeof each.low === "number" ? draw("line", { x1: x(each.low), x2: x(each.high), y1: y, y2: y }) : null,
        draw("circle", { cx: x(each.value), cy: y, r: 5 }),
        draw("text", { x: width - 4, y: y + 4, "text-anchor": "end" }, each.value.toFixed(3)));
    }));
}

const BANDS = ["low", "medium", "high"];

// A bar for each day, its bands one on another, the oldest at the left.
export function dayChart(days, width) {
  const rows = [...days].reverse();
  const total = (each) => BANDS.reduce((sum, band) => sum + (each[band] ?? 0), 0);
  const top = Math.max(1, ...rows.map(total));
  const [height, left] = [170, 44];
  const wide = Math.min(48, (width - left) / rows.length);
  const y = (count) => height - 26 - (count / top) * (height - 46);
  return drawing("days-told", width, height,
    rows.map((each) => `${each.day}, version ${each.version}: ${counted(total(each), "prediction")}, ` +
      `${percent((each.high ?? 0) / Math.max(total(each), 1))} of high risk`).join("; ") + ".",
    draw("text", { x: left - 6, y: y(top) + 4, "text-anchor": "end" }, top.toLocaleString("en")),
    rows.map((each, at) => {
      let below = 0;
      return BANDS.map((band) => {
        const count = each[band] ?? 0;
        below += count;
        return draw("rect", { class: `level ${band}`, x: left + at * wide + 1, y: y(below), width: wide - 2,
          height: (count / top) * (height - 46) });
      });
    }),
    draw("text", { x: left, y: height - 8 }, rows[0].day),
    rows.length > 3 ? draw("text", { x: left + rows.length * wide, y: height - 8, "text-anchor": "end" }, rows.at(-1).day) : null);
}
