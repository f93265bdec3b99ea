// One appointment typed by hand, in the fields that the schema names.

import { find, make } from "./elements.js";
import { value } from "./sheet.js";

export function fields(schema) {
  return Object.entries(schema.properties).map(([name, kind]) => {
    const needed = schema.required.includes(name);
    const hint = `${name}-hint`;
    return make("div", { class: "field" },
      make("label", { for: `field-${name}` }, kind.title,
        needed ? make("span", { class: "needed" }, " (needed)") : null),
      input(name, kind, {
        ...{ id: `field-${name}`, name, required: needed, autocomplete: "off" },
        "aria-describedby": `${hint} ${name}-wrong`,
      }),
      make("small", { id: hint, class: "quiet" }, brief(kind)),
      make("small", { id: `${name}-wrong`, class: "wrong" }));
  });
}

function input(name, kind, shared) {
  const known = (kind["x-known"] ?? []).map((word) => [word, word]);
  const choices = kind["x-type"] === "flag" ? [["yes", "Yes"], ["no", "No"]] : known;
  if (choices.length) {
    const options = [["", "Not known"], ...choices];
    return make("select", shared, options.map(([given, text]) => make("option", { value: given }, text)));
  }
  if (kind["x-type"] === "date") return make("input", { ...shared, type: "date" });
  if (kind["x-type"] === "timestamp") return make("input", { ...shared, type: "datetime-local" });
  const number = ["integer", "number"].includes(kind["x-type"]);
  return make("input", { ...shared, type: "text", inputmode: number ? "decimal" : null, spellcheck: "false" });
}

// Only numbers have bounds to tell; days have their own pickers, and choices speak for themselves.
const brief = (kind) => (["integer", "number"].includes(kind["x-type"]) ? kind.description : "");

export function typed(form, schema) {
  const pairs = Object.entries(schema.properties).map(([name, kind]) => [name, value(form.elements[name].value, kind)]);
  return Object.fromEntries(pairs.filter(([, given]) => given !== null));
}

export function fill(form, schema, row) {
  for (const [name, kind] of Object.entries(schema.properties)) {
    const given = row[name];
    const flag = kind["x-type"] === "flag" ? (given ? "yes" : "no") : given;
    form.elements[name].value = kind["x-type"] === "timestamp" ? String(given).slice(0, 16) : (flag ?? "");
  }
}

// Says beside each field what is wrong with it, and goes to the first; true if any field could be told.
export function complain(form, faults) {
  for (const place of form.querySelectorAll(".wrong")) place.textContent = "";
  for (const element of form.elements) element.removeAttribute("aria-invalid");
  const there = faults.filter((fault) => form.elements[fault.field]);
  for (const fault of there) {
    find(`${fault.field}-wrong`).textContent = `Want ${fault.wanted}.`;
    form.elements[fault.field].setAttribute("aria-invalid", "true");
  }
  if (there.length) form.elements[there[0].field].focus();
  return there.length > 0;
}
