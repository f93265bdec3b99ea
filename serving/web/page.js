// The page: what came in, what the service said of it, and what is shown. The list lives in this tab's memory alone.

import { card, simulated } from "./card.js";
import { riskChart } from "./chart.js";
import { counted, find, make, save } from "./elements.js";
import { complain, fields, fill, typed } from "./form.js";
import { PAGE, heads, notes, reasons, rows, tiles } from "./list.js";
import { complained, notice, quiet, say, speak, stop } from "./notices.js";
import { predictions } from "./parts.js";
import { ask, key } from "./service.js";
import { read, written } from "./sheet.js";

let schema = null;
let model = null;
let answered = null; // which model said what stands in `entries`
let entries = []; // {row, line, said}, the highest risk first
let most = PAGE;
let busy = false;

async function start() {
  find("key").value = key.get();
  try {
    [schema, model] = await Promise.all([ask("schema"), ask("model")]);
  } catch (error) {
    find("answering").textContent = "No model answers yet.";
    return complained(error, () => start());
  }
  document.title = model.title;
  find("title").textContent = model.title;
  find("answering").replaceChildren(...[`${model.name}, version ${model.version} `, simulated(model)].filter(Boolean));
  find("fields").replaceChildren(...fields(schema));
  find("file-hint").textContent =
    `A table as CSV, one appointment a line, with at least ${schema.required.join(" and ")}. ` +
    "It goes to this service and nowhere else.";
  showCard();
}

function showCard() {
  const width = Math.max(Math.min(find("card").clientWidth - 42, 490), 240);
  if (model) find("card").replaceChildren(...card(model, width));
}

// Sends what is new; a list is answered by one model, so where that changed meanwhile all of it is asked about again.
async function predict(news, before, { quietly = false } = {}) {
  if (busy || !news.length) return false;
  busy = true;
  say(`Asking about ${counted(news.length, "appointment")}…`);
  try {
    let found = await told(news);
    if (before.length && found.bundle !== answered.bundle) {
      [news, before] = [[...before, ...news], []];
      found = await told(news);
    }
    if (found.bundle !== model.bundle) await start();
    const said = news.map((entry, at) => ({ row: entry.row, line: entry.line, said: found.predictions[at] }));
    entries = [...before, ...said].sort((one, other) => other.said.probability - one.said.probability);
    answered = found;
  } finally {
    busy = false;
    say("");
  }
  show();
  if (!quietly) find("table").scrollIntoView({ block: "nearest" });
  const called = entries.filter((entry) => entry.said.call).length;
  say(`${counted(entries.length, "appointment")} by risk; ${called ? `${called} to call` : "none to call"}.`);
  return true;
}

const told = (news) => predictions(news.map((entry) => entry.row));

function show() {
  const only = find("only").checked;
  const shown = only ? entries.filter((entry) => entry.said.call) : entries;
  find("result").hidden = !entries.length;
  if (!entries.length) return;
  find("tiles").replaceChildren(...tiles(entries, model, answered));
  find("heads").replaceChildren(heads(shown, schema));
  find("rows").replaceChildren(...rows(shown, schema, model, most, why));
  find("more").hidden = shown.length <= most;
  find("more").textContent = `Show ${Math.min(PAGE, shown.length - most)} more of ${shown.length.toLocaleString("en")}`;
  showRisk();
}

function showRisk() {
  const figure = find("risk");
  if (!entries.length) return;
  const style = getComputedStyle(figure);
  const width = figure.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const risks = entries.map((entry) => entry.said.probability);
  figure.replaceChildren(riskChart(risks, model, Math.max(width, 240)),
    make("figcaption", { class: "quiet" },
      "The list from the riskiest on. Those above the capacity line are the ones to call."));
}

async function why(entry, rank, row, button) {
  const id = `why-${entry.said.id}`;
  if (find(id)) {
    find(id).remove();
    button.setAttribute("aria-expanded", "false");
    return;
  }
  button.disabled = true;
  try {
    entry.reasons ??= await reasoned(entry);
    if (find(id) || !row.isConnected) return;
    row.after(reasons(entry, schema, entry.reasons, row.children.length, id));
    button.setAttribute("aria-expanded", "true");
    button.setAttribute("aria-controls", id);
    speak(`Rank ${rank}: ${entry.reasons.map((reason) => `${reason.text}: ${reason.effect}`).join("; ")}.`);
  } catch (error) {
    complained(error);
  } finally {
    button.disabled = false;
    button.focus();
  }
}

// The prediction on record is explained; where another instance keeps that record, the appointment is asked about anew.
async function reasoned(entry) {
  try {
    return (await ask("explain", { id: entry.said.id })).reasons;
  } catch (error) {
    if (error.status !== 404) throw error;
    const again = await ask("predict?explain=true", { appointments: [entry.row] });
    return again.predictions[0].reasons;
  }
}

async function upload(file) {
  if (!file) return;
  if (!schema) return stop("No model answers yet, so nothing can be predicted.");
  quiet();
  const found = read(await file.text(), schema);
  const names = (list) => list.join(", ");
  if (!found.rows.length) return stop(`${file.name} has no appointments in it.`);
  if (found.missing.length) {
    return stop(`${file.name} has no column ${names(found.missing)}. ` +
      "“Get an empty one” shows what a table looks like.");
  }
  if (found.twice.length) return stop(`${file.name} has more than one column ${names(found.twice)}; keep one.`);
  const news = found.rows.map((row, at) => ({ row, line: found.lines[at] }));
  return uploaded(file.name, news, found.ignored, 0);
}

async function uploaded(name, news, ignored, left) {
  most = PAGE;
  try {
    if (!(await predict(news, []))) return;
  } catch (error) {
    wrong(error, name, news, ignored, left);
    return;
  }
  const more = [];
  if (left) more.push(`${counted(left, "line")} left out.`);
  if (ignored.length) more.push(`Columns not used: ${ignored.join(", ")}.`);
  say([find("status").textContent, ...more].join(" "));
}

// Says for each line what is wrong with it; a list is answered whole, so the wrong ones are left out or mended.
function wrong(error, name, news, ignored, left) {
  const faults = (error.fields ?? []).filter((fault) => news[fault.row]);
  if (!faults.length) return complained(error);
  const items = faults.map((fault) =>
    make("li", {}, `Line ${news[fault.row].line}, ${fault.field || "the appointment"}: `,
      "value" in fault ? make("code", {}, JSON.stringify(fault.value)) : "missing", `; want ${fault.wanted}.`));
  const out = new Set(faults.map((fault) => fault.row));
  const onclick = () => {
    quiet();
    uploaded(name, news.filter((_, at) => !out.has(at)), ignored, left + out.size);
  };
  const these = out.size === 1 ? "this line" : `these ${out.size} lines`;
  notice(make("p", {}, make("strong", {}, `${name} was not predicted: some lines cannot be right.`)),
    make("ul", {}, items),
    out.size < news.length ? make("button", { type: "button", onclick }, `Go on without ${these}`) : "");
}

function kept() {
  const names = Object.keys(schema.properties);
  const table = entries.map(({ row, said }, at) => [
    ...[at + 1, said.probability.toFixed(4), said.band, said.call ? "yes" : "no"],
    ...names.map((name) => row[name]),
    ...[notes(said), said.id],
  ]);
  save("list.csv", written([["rank", "risk", "band", "call", ...names, "notes", "prediction"], ...table]));
}

function listen() {
  const form = find("form");
  find("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    upload(file).finally(() => { event.target.value = ""; });
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    find("drop").addEventListener(kind, (event) => {
      event.preventDefault();
      find("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop") upload(event.dataTransfer.files[0]);
    });
  }
  find("template").addEventListener("click", () => {
    const [example] = schema?.examples ?? [];
    if (example) save("appointments.csv", written([Object.keys(example), Object.values(example)]));
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!schema) return;
    quiet();
    complain(form, []);
    try {
      if (await predict([{ row: typed(form, schema) }], entries, { quietly: true })) form.reset();
    } catch (error) {
      if (!complain(form, error.fields ?? [])) complained(error);
    }
  });
  find("example").addEventListener("click", () => schema && fill(form, schema, schema.examples[0]));
  find("only").addEventListener("change", show);
  find("more").addEventListener("click", () => { most += PAGE; show(); });
  find("save").addEventListener("click", kept);
  find("print").addEventListener("click", () => {
    most = entries.length;
    show();
    window.print();
  });
  find("clear").addEventListener("click", () => {
    [entries, most] = [[], PAGE];
    quiet();
    show();
    say("The list is empty.");
    find("file").focus();
  });
  find("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    key.set(find("key").value.trim());
    find("access").open = false;
    quiet();
    say(key.get() ? "The key is used from now on." : "No key is sent any more.");
  });
  find("forget").addEventListener("click", () => {
    key.set("");
    find("key").value = "";
    say("No key is sent any more.");
  });
  new ResizeObserver(() => { showRisk(); showCard(); }).observe(find("main"));
}

listen();
start();
