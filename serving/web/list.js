// The list as a table: the highest risk first, the capacity line, and why, for whoever asks.

import { counted, draw, make, percent, risk, words } from "./elements.js";

export const PAGE = 200;

// Which fields tell one appointment from another: who, and when.
export function telling(schema) {
  const names = Object.keys(schema.properties);
  const of = (type) => names.filter((name) => schema.properties[name]["x-type"] === type);
  const days = names.filter((name) => schema.required.includes(name)).reverse();
  return [...of("identifier"), ...days];
}

export function heads(entries, schema) {
  const own = telling(schema).map((name, at) => head(schema.properties[name].title, at ? "wide" : null));
  return make("tr", {}, head("Rank", "number"), head("Risk"), own, noted(entries) ? head("Notes", "wide") : null,
    head("Reasons"));
}

const head = (text, name) => make("th", { scope: "col", class: name }, text);

const noted = (entries) => entries.some(({ said }) => notes(said));

// The rows up to `most`, with the line between those to call and the others.
export function rows(entries, schema, model, most, why) {
  const names = telling(schema);
  const called = entries.filter((entry) => entry.said.call).length;
  const note = noted(entries);
  const found = entries.slice(0, most).map((entry, at) => row(entry, at + 1, names, note, why));
  if (called <= most) found.splice(called, 0, line(called, model, names.length + (note ? 4 : 3)));
  return found;
}

function line(called, model, wide) {
  const limit = percent(model.threshold, 1);
  const text = called
    ? `Capacity line: the ${counted(called, "appointment")} above it to call, risk ${limit} or more`
    : `Capacity line: nobody to call, no risk reaches ${limit}`;
  return make("tr", { class: "line" }, make("td", { colspan: wide }, make("span", {}, text)));
}

function row(entry, rank, names, note, why) {
  const { said } = entry;
  const spoken = { "aria-expanded": "false", "aria-label": `Why, rank ${rank}` };
  const button = make("button", { type: "button", class: "plain why", ...spoken }, "Why");
  const shown = names.map((name, at) => at
    ? make("td", { class: "wide" }, moment(entry.row[name]))
    : make("th", { scope: "row" }, moment(entry.row[name])));
  const found = make("tr", { class: said.call ? "call" : null, "data-id": said.id },
    make("td", { class: "number" }, String(rank)),
    make("td", { class: "risk" },
      make("span", { class: "share" }, risk(said.probability)), gauge(said), chip(said.band),
      said.call ? make("span", { class: "unseen" }, ", to call") : null),
    shown, note ? make("td", { class: "wide" }, notes(said)) : null, make("td", {}, button));
  button.addEventListener("click", () => why(entry, rank, found, button));
  return found;
}

export const told = (given) => {
  if (given === undefined || given === null) return "–";
  if (typeof given === "boolean") return given ? "yes" : "no";
  return String(given).replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*$/, "$1 $2");
};

// A day stays on one line.
const moment = (given) =>
  /^\d{4}-\d\d-\d\d/.test(given ?? "") ? make("span", { class: "day" }, told(given)) : told(given);

const chip = (band) => make("span", { class: `chip ${band}` }, band);

function gauge(said) {
  const bar = (name, width) => draw("rect", { class: name, width, height: 8, rx: 4 });
  return draw("svg", { class: `gauge ${said.band}`, viewBox: "0 0 60 8", width: 60, height: 8, "aria-hidden": "true" },
    bar("rail", 60), bar("level", Math.max(60 * said.probability, 3)));
}

export function notes(said) {
  const found = said.unknown.map((name) => `${words(name)} is not known to the model`);
  if (said.history === "unknown") found.unshift("no earlier visits known");
  if (said.history === "down") found.unshift("earlier visits could not be looked up");
  return found.join("; ");
}

// What opens under a row: the reasons, and the appointment as it was given.
export function reasons(entry, schema, found, wide, id) {
  const given = Object.entries(entry.row).map(([name, value]) =>
    make("div", {}, make("dt", {}, schema.properties[name]?.title ?? name), make("dd", {}, told(value))));
  const note = notes(entry.said);
  const why = make("div", {}, make("h4", {}, "Why this risk"), items(found),
    found.length ? make("p", { class: "quiet" }, "By SHAP values, the strongest first.") : null,
    note ? make("p", { class: "quiet" }, `Note: ${note}.`) : null);
  const what = make("div", {}, make("h4", {}, "The appointment"), make("dl", { class: "given" }, given));
  return make("tr", { class: "opened", id },
    make("td", { colspan: wide }, make("div", { class: "why-told" }, why, what)));
}

function items(found) {
  if (!found.length) return make("p", {}, "Nothing about this appointment moves its risk from the average.");
  return make("ul", { class: "reasons" }, found.map(({ text, effect }) => {
    const up = effect.startsWith("raises");
    return make("li", { class: up ? "up" : "down" },
      make("span", { class: "arrow", "aria-hidden": "true" }, up ? "▲" : "▼"),
      make("span", {}, make("strong", {}, text), `: ${effect}`));
  }));
}

export function tiles(entries, model, answered) {
  const count = (test) => entries.filter(({ said }) => test(said)).length;
  const expected = entries.reduce((sum, { said }) => sum + said.probability, 0);
  const bands = ["high", "medium", "low"].map((band) => [count((said) => said.band === band), band]);
  const pairs = [
    ["Appointments", entries.length.toLocaleString("en")],
    ["To call", count((said) => said.call).toLocaleString("en")],
    ["Expected to be missed", expected < 10 ? expected.toFixed(1) : Math.round(expected).toLocaleString("en")],
    ["Bands", bands.map(([many, band]) =>
      make("span", { class: `chip ${band}` }, `${many.toLocaleString("en")} ${band}`))],
    ...(entries.some(({ said }) => said.history !== "none")
      ? [["History known up to", answered.history_as_of ?? "not available"]] : []),
  ];
  return pairs.map(([name, said]) => make("div", {}, make("dt", {}, name), make("dd", {}, said)));
}
