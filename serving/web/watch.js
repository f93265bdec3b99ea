// The watch: what /ops/summary says, in sentences, tables and pictures.

import { simulated } from "./card.js";
import { counted, find, make, percent, words } from "./elements.js";
import { dayChart, driftChart, figureChart } from "./findings.js";
import { complained, quiet, say } from "./notices.js";
import { ask, key } from "./service.js";

let found = null;

const VERDICTS = {
  drift: { drift: ["high", "Drift"], none: ["low", "No drift seen"], unseen: ["medium", "Not seen"] },
  performance: { worse: ["high", "Worse than expected"], as_expected: ["low", "As expected"],
    better: ["low", "Better than expected"], unseen: ["medium", "Not known yet"] },
  history: { lost: ["high", "Lost"], there: ["low", "There"], unseen: ["medium", "Not seen"], unused: ["low", "Not used"] },
  decided: { retrain: ["high", "Train again"], warn: ["medium", "Warning"], nothing: ["low", "Nothing to do"] },
};

async function start() {
  find("key").value = key.get();
  say("");
  try {
    found = await ask("ops/summary");
  } catch (error) {
    find("answering").textContent = "The watch cannot be shown.";
    return complained(error, start);
  }
  quiet();
  document.title = `${found.title} Watch`;
  find("title").textContent = found.title;
  const { looked } = found.health;
  find("answering").textContent = looked ? `What the store said at ${time(looked)}` : "The store was not seen yet";
  show();
}

function show() {
  if (!found) return;
  const width = Math.max(Math.min(find("main").clientWidth - 86, 620), 230);
  find("told").replaceChildren(...[health(), verdicts(), drift(width), performance(width), predictions(width), decision()]);
}

const time = (text) => (text ? `${text.slice(0, 16).replace("T", " ")} UTC` : "no time yet");
const number = (value, digits = 3) => (typeof value === "number" ? value.toFixed(digits) : "not known");
const list = (sentences) => (sentences.length ? make("ul", {}, sentences.map((each) => make("li", {}, each))) : null);
const chip = (kinds, word) => {
  const [colour, text] = kinds[word] ?? ["medium", "Not known yet"];
  return make("span", { class: `chip ${colour}` }, text);
};

function part(id, title, ...children) {
  return make("section", { "aria-labelledby": id }, make("h2", { id }, title), make("div", { class: "card" }, ...children));
}

const chart = (drawn, caption) =>
  make("figure", { class: "chart" }, drawn, make("figcaption", { class: "quiet" }, caption));

function table(caption, heads, rows) {
  return make("div", { class: "wide-table" }, make("table", {}, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, rows.map(([first, ...rest]) => make("tr", {}, make("th", { scope: "row" }, first),
      rest.map((cell) => make("td", {}, cell)))))));
}

function health() {
  const { well, says, parts } = found.health;
  return part("health", "How it is",
    well ? make("p", { class: "strong" }, "All that can be seen is well.") : list(says),
    make("details", {}, make("summary", {}, "Part by part"),
      make("dl", { class: "facts" }, Object.entries(parts).map(([name, text]) =>
        make("div", {}, make("dt", {}, words(name)), make("dd", {}, text))))));
}

function verdicts() {
  const { model } = found.model;
  const tile = (name, ...told) => make("div", {}, make("dt", {}, name), make("dd", {}, ...told));
  return make("dl", { class: "tiles" },
    tile("Model", model ? `version ${model.version}, ${number(model.age_days, 0)} days old` : "none answers",
      model ? simulated(model) : null),
    tile("Histories", chip(VERDICTS.history, found.drift.history.verdict)),
    tile("Drift", chip(VERDICTS.drift, found.drift.drift.verdict)),
    tile("Performance", chip(VERDICTS.performance, found.performance.performance.verdict)),
    tile("Training again", chip(VERDICTS.decided, found.check.verdict)),
    tile("Watch looked up to", time(found.drift.to)));
}

function drift(width) {
  const { drift: told, says, windows, history } = found.drift;
  const down = new Map((history.windows ?? []).map((each) => [each.window, each.down]));
  const features = [...(told.features ?? []), ...(told.prediction ? [told.prediction] : [])]
    .sort((one, other) => (other.psi ?? -1) - (one.psi ?? -1));
  const shown = features.filter((each) => !each.ignored).slice(0, 12); // what moves by itself would set the scale
  return part("drift", "Drift", list(says),
    shown.some((each) => each.psi !== null)
      ? chart(driftChart(shown, width), "PSI of the newest window against what the champion was trained on. The mark is " +
        `what chance alone exceeds: ${percent(told.false_alarms ?? 0)} of all windows without drift show one at all.`) : null,
    features.length ? table("Every feature, the farthest first", ["Feature", "PSI", "By chance", "Windows that agree", "Missing", ""],
      features.map((each) => [words(each.feature), number(each.psi), number(each.threshold), `${each.agreed ?? 0} of ${told.of}`,
        percent(each.missing ?? 0), standing(each)])) : null,
    windows.length ? table("Windows, the newest first", ["Window", "From", "Predictions", "Without histories", "Enough to say anything"],
      windows.map((each) => [`${each.window}`, time(each.first).slice(0, 10), each.rows.toLocaleString("en"),
        typeof down.get(each.window) === "number" ? percent(down.get(each.window), 1) : "not known", each.seen])) : null,
    reports());
}

function standing(each) {
  if (each.ignored) return each.says;
  if (each.matters) return "matters";
  return each.drifted ? "drifted" : each.says || "";
}

function performance(width) {
  const told = found.performance.performance;
  const some = (figures) => figures && ["tested", "estimated", "realised", "naive"].some((kind) => figures[kind]);
  const { calibration } = told;
  return part("performance", "Performance",
    make("p", {}, typeof told.labels === "number"
      ? `${counted(told.labels, "outcome")} known, ${counted(told.new_labels ?? 0, "new one")}, ${counted(told.called ?? 0, "patient")} called.`
      : "No outcomes are known yet."),
    some(told.auc) ? chart(figureChart(told.auc, "auc", width),
      `How well it ranks (AUC), with 95% intervals. Realised: ${told.method ?? "all"}; naive counts calls that worked against the score.`) : null,
    some(told.ece) ? chart(figureChart(told.ece, "ece", width), "How far its numbers are off (calibration error); less is better.") : null,
    calibration ? make("p", {}, `Observed over expected: ${number(calibration.ratio, 2)} (${number(calibration.low, 2)} to ${number(calibration.high, 2)}).`) : null,
    told.slices?.length ? table("By group", ["Group", "Outcomes", "AUC", "Interval"], told.slices.map((each) =>
      [`${words(each.slice)}: ${each.part}`, each.labels ?? each.rows, number(each.auc?.value), each.auc ? `${number(each.auc.low)} to ${number(each.auc.high)}` : ""])) : null);
}

function predictions(width) {
  const { days, newest, collected, says, since } = found.predictions;
  return part("predictions", "Predictions", list(says),
    days.length ? chart(dayChart(days, width), `By day and band of risk, of this instance since ${time(since)}.`)
      : make("p", {}, "This instance has predicted nothing yet."),
    newest.length ? table("The newest predictions", ["When", "Probability", "Band", "Version", "On record as"], newest.map((each) =>
      [time(each.at), percent(each.score, 1), words(each.band), `${each.version}`, each.id])) : null,
    collected ? make("p", {}, `The watch collected ${counted(collected.predictions ?? 0, "prediction")} up to ${time(collected.to)}.`) : null,
    collected?.outcomes ? table("Outcomes that were collected", ["Kind", "Count"],
      Object.entries(collected.outcomes).map(([kind, count]) => [words(kind), count.toLocaleString("en")])) : null);
}

function decision() {
  const told = found.check;
  return part("decision", "Training again",
    make("p", {}, chip(VERDICTS.decided, told.verdict), ` decided at ${time(told.decided)}.`),
    list([...told.says, ...told.reasons.map((each) => `${words(each.rule)}: ${each.says}`), ...(told.held ? [told.held] : [])]),
    make("details", {}, make("summary", {}, "What it would take"), list(told.takes)),
    told.asked.length ? table("Asked for", ["Training", "When", "Why", "How far"], told.asked.map((each) =>
      [each.training, time(each.at), each.says.join("; "), each.state])) : null,
    make("form", { id: "retrain", autocomplete: "off", onsubmit: retrain },
      make("div", { class: "field" }, make("label", { for: "reason" }, "Train again because"),
        make("input", { id: "reason", maxlength: "200", required: true, "aria-describedby": "reason-hint" }),
        make("small", { id: "reason-hint" }, `${told.by_hand} The same reason starts one training. Name no patient.`)),
      make("p", {}), make("button", { type: "submit" }, "Train again")));
}

async function retrain(event) {
  event.preventDefault();
  const button = event.target.querySelector("button");
  button.disabled = true;
  say("Asking…");
  try {
    const answer = await ask("ops/retrain", { reason: find("reason").value });
    quiet();
    say(`${answer.training} is ${answer.state}. ${answer.says}`);
  } catch (error) {
    say("");
    complained(error);
  } finally {
    button.disabled = false;
  }
}

// A link carries no key, so with one the report is fetched and saved.
function reports() {
  const names = { "ops/report": "Report", "ops/report/evidently": "Evidently’s report" };
  return make("p", {}, Object.entries(names).map(([path, name]) => [(key.get()
    ? make("button", { type: "button", class: "plain", onclick: () => saved(path) }, `Save: ${name}`)
    : make("a", { href: path, target: "_blank", rel: "noopener" }, name)), " "]));
}

async function saved(path) {
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${key.get()}` }, cache: "no-store", credentials: "omit" });
  if (!answer.ok) return say((await answer.json().catch(() => ({}))).error ?? `The service answered ${answer.status}.`);
  const url = URL.createObjectURL(await answer.blob());
  make("a", { href: url, download: `${path.split("/").at(-1)}.html` }).click();
  URL.revokeObjectURL(url);
  return say("Saved.");
}

function listen() {
  find("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    key.set(find("key").value.trim());
    find("access").open = false;
    start();
  });
  find("forget").addEventListener("click", () => {
    key.set("");
    find("key").value = "";
    find("told").replaceChildren();
    found = null;
    say("No key is sent any more.");
  });
  let before = 0;
  new ResizeObserver(() => {
    const now = find("main").clientWidth;
    if (now !== before && !find("reason")?.value) show();
    before = now;
  }).observe(find("main"));
}

listen();
start();
