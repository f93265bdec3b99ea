// The model's card: what it is, how good it was found to be, and how far it can be believed.

import { reliabilityChart } from "./chart.js";
import { counted, make, percent, words } from "./elements.js";

const FIGURES = {
  auc: ["Ranks a missed appointment above a kept one", "AUC; 0.5 is chance, 1 is never wrong"],
  ece: ["Off on average, predicted against observed", "calibration error (ECE)"],
  brier: ["Squared error of the probability", "Brier score; lower is better"],
  precision_at_capacity: ["Of those called, would have missed", "precision at capacity"],
  recall_at_capacity: ["Of those who missed, are called", "recall at capacity"],
};
const SHARES = new Set(["ece", "precision_at_capacity", "recall_at_capacity"]);

export function card(model, width) {
  const all = [facts(model), figures(model), reliability(model, width), gates(model), features(model), told(model)];
  return all.filter(Boolean);
}

// A model that learned from invented rows says so wherever it is named.
export function simulated(model) {
  return model.origin === "simulated" ? make("span", { class: "chip medium" }, "simulated data") : null;
}

function facts(model) {
  const tested = model.tested.rows
    ? `${counted(model.tested.rows, "appointment")}, ${model.tested.first} to ${model.tested.last}`
    : "not known here";
  const pairs = [
    ["Model", `${model.name}, version ${model.version}${model.stage ? ` (${model.stage})` : ""}`],
    ["Made", model.made.slice(0, 10)],
    ["Learned from", simulated(model) ?? "a table that was given"],
    ["Predicts", `at the moment “${words(model.moment)}”`],
    ["Tested on", tested],
    ["To call", `from ${percent(model.threshold, 1)} on, for a capacity of ${percent(model.capacity)}`],
    ["Bundle", make("code", { title: model.bundle }, model.bundle.slice(0, 12))],
  ];
  return make("dl", { class: "card facts" },
    pairs.map(([name, said]) => make("div", {}, make("dt", {}, name), make("dd", {}, said))));
}

function figures(model) {
  const shown = Object.keys(FIGURES).filter((name) => model.metrics[name]);
  const rest = Object.keys(model.metrics).filter((name) => !FIGURES[name]);
  if (!shown.length && !rest.length) return null;
  const those = (names, caption) =>
    table(caption, ["Figure", "Value", "95% interval"], names.map((name) => figure(name, model)));
  return panel("How good it was found to be",
    those(shown, "On appointments that it had not seen, with 95% intervals"),
    rest.length ? folded("All other figures", those(rest, "The other figures")) : null);
}

function figure(name, model) {
  const { value, low, high } = model.metrics[name];
  const shown = (number) => (number === null ? "–" : SHARES.has(name) ? percent(number, 1) : number.toFixed(3));
  const [text, hint] = FIGURES[name] ?? [words(name), ""];
  const label = make("span", {}, text, hint ? make("small", {}, hint) : null);
  return [label, shown(value), low === null ? "–" : `${shown(low)} – ${shown(high)}`];
}

function reliability(model, width) {
  const points = model.reliability;
  if (!points.length) return null;
  const rows = points.map((point) => [percent(point.predicted, 1), percent(point.observed, 1),
    point.low === null ? "–" : `${percent(point.low, 1)} – ${percent(point.high, 1)}`,
    point.rows.toLocaleString("en")]);
  return panel("How far it can be believed",
    make("figure", { class: "chart" }, reliabilityChart(points, width),
      make("figcaption", { class: "quiet" }, "Each point is a group of like risks; bars are 95% intervals. " +
        "On the dashed line, what was predicted happened.")),
    folded("The figures of this plot",
      table("Predicted and observed", ["Predicted", "Observed", "95% interval", "Appointments"], rows)));
}

function gates(model) {
  if (!model.gates.length) return null;
  const chip = ({ verdict, blocks }) => {
    if (verdict === "pass") return ["low", "pass"];
    return blocks ? ["high", verdict] : ["medium", "warns"];
  };
  const row = (each) => {
    const { gate, value, bound } = each;
    const [colour, word] = chip(each);
    return [words(gate), value === null ? "–" : String(Number(value.toPrecision(3))), bound,
      make("span", { class: `chip ${colour}` }, word)];
  };
  return panel("What it had to pass",
    table("Gates before its release", ["Gate", "Value", "Wanted", "Verdict"], model.gates.map(row)));
}

function features(model) {
  const found = Object.entries(model.importance).sort((one, other) => other[1] - one[1]);
  if (!found.length) return null;
  const row = ([name, share]) => [words(name), make("span", { class: "meter" },
    make("meter", { min: 0, max: found[0][1], value: Math.max(share, 0), "aria-hidden": "true" }),
    share.toFixed(3))];
  const titles = ["Feature", "AUC lost without it"];
  return panel("What it looks at",
    table("How much worse the model ranks when a feature is shuffled", titles, found.slice(0, 8).map(row)),
    found.length > 8
      ? folded(`${found.length - 8} more`, table("The other features", titles, found.slice(8).map(row))) : null);
}

function told(model) {
  const title = make("h3", {}, "What it is for, and what not");
  return make("details", { class: "card prose" }, make("summary", {}, title), prose(model.card));
}

const folded = (title, ...children) => make("details", {}, make("summary", {}, title), ...children);

const panel = (title, ...children) => make("div", { class: "card" }, make("h3", {}, title), ...children);

function table(caption, heads, rows) {
  const cells = ([first, ...more]) => [make("th", { scope: "row" }, first), more.map((cell) => make("td", {}, cell))];
  return make("div", { class: "wide-table" }, make("table", {}, make("caption", { class: "unseen" }, caption),
    make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, rows.map((row) => make("tr", {}, cells(row))))));
}

// As much of Markdown as a card needs: headings, lists, paragraphs, **strong** and `code`.
export function prose(text) {
  return text.split(/\n\s*\n/).map((block) => {
    const head = block.match(/^(#+)\s+(.*)/);
    if (head) return head[1].length > 1 ? make("h4", {}, head[2]) : make("p", { class: "strong" }, head[2]);
    const items = block.split(/\n(?=- )/);
    if (items.some((item) => !item.startsWith("- "))) return make("p", {}, inline(block));
    return make("ul", {}, items.map((item) => make("li", {}, inline(item.slice(2)))));
  });
}

const inline = (text) => text.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((part) => {
  if (part.startsWith("**")) return make("strong", {}, part.slice(2, -2));
  return part.startsWith("`") ? make("code", {}, part.slice(1, -1)) : part;
});
