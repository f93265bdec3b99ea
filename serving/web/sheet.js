// A CSV file as appointments: whatever separates its cells, whatever it calls its columns.

// As the pipeline reads cells (rounds/decoding.py).
const NULLS = new Set(
  ["", "NULL", "Null", "null", "NA", "na", "N/A", "n/a", "#N/A", "<NA>", "NAN", "NaN", "Nan", "nan", "NONE", "None"]
    .concat(["none", "NaT", "NAT", "nat", "NIL", "nil", "\\N"]),
);
const FLAGS = { 1: true, "1.0": true, true: true, yes: true, t: true, y: true };
const NOT = { 0: false, "0.0": false, false: false, no: false, f: false, n: false };

// Every record with the number of the line that it starts on.
export function records(text) {
  const found = [];
  const mark = separator(text);
  let [cells, cell, quoted, line, begun] = [[], "", false, 1, 1];
  const close = () => {
    cells.push(cell);
    if (cells.length > 1 || cell.trim()) found.push({ line: begun, cells });
    [cells, cell] = [[], ""];
  };
  for (let at = text.charCodeAt(0) === 0xfeff ? 1 : 0; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === "\n" || (letter === "\r" && text[at + 1] !== "\n")) line += 1;
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else quoted = false;
    } else if (letter === '"' && !cell) quoted = true;
    else if (letter === mark) [cell] = ["", cells.push(cell)];
    else if (letter === "\n" || letter === "\r") {
      if (letter === "\r" && text[at + 1] === "\n") continue;
      close();
      begun = line;
    } else cell += letter;
  }
  close();
  return found;
}

function separator(text) {
  const first = text.slice(0, Math.max(text.search(/[\r\n]/), 0) || text.length);
  const count = (mark) => first.split(mark).length;
  return [",", ";", "\t"].reduce((best, mark) => (count(mark) > count(best) ? mark : best));
}

// The appointments of a table, and the columns that mean nothing here or are missing.
export function read(text, schema) {
  const [head, ...lines] = records(text);
  if (!head) return { rows: [], lines: [], ignored: [], missing: schema.required };
  const names = head.cells.map((cell) => field(cell, schema));
  const twice = names.filter((name, at) => name && names.indexOf(name) !== at);
  return {
    rows: lines.map(({ cells }) => appointment(names, cells, schema)),
    lines: lines.map(({ line }) => line),
    ignored: head.cells.filter((cell, at) => !names[at] && cell.trim()),
    missing: schema.required.filter((name) => !names.includes(name)),
    twice: [...new Set(twice)],
  };
}

const plain = (name) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

function field(cell, schema) {
  const spelt = (name, kind) => [name, kind["x-from"] ?? "", kind.title ?? ""].map(plain);
  const found = Object.entries(schema.properties).find(([name, kind]) => spelt(name, kind).includes(plain(cell)));
  return plain(cell) && found ? found[0] : null;
}

function appointment(names, cells, schema) {
  const pairs = names.map((name, at) => [name, name && value(cells[at] ?? "", schema.properties[name])]);
  return Object.fromEntries(pairs.filter(([name, given]) => name && given !== null));
}

// A cell as the service wants it; what cannot be read goes as it is, and the service says what it wanted.
export function value(cell, kind) {
  const text = cell.trim();
  if (NULLS.has(text) && !(kind["x-known"] ?? []).includes(text)) return null;
  const read = READERS[kind["x-type"]] ?? ((same) => same);
  if (kind["x-decimal"] !== ",") return read(inOrder(text, kind["x-format"]));
  const number = read(swapped(text));
  return typeof number === "number" ? number : text;
}

// Point and comma change places, as ingest does: 3,14 is read, and 3.14 or 1.000,5 is no number.
const swapped = (text) => text.replace(/[.,]/g, (mark) => (mark === "," ? "." : ","));

// A day of the format that problem.yaml names, as year, month, day; any other text as it is.
function inOrder(text, format) {
  const parts = format && text.match(/^(\d{1,2})([/.-])(\d{1,2})\2(\d{4})([T ].*)?$/);
  if (!parts || parts[2] !== format[2]) return text;
  const [first, second] = [parts[1].padStart(2, "0"), parts[3].padStart(2, "0")];
  const [day, month] = format.startsWith("DD") ? [first, second] : [second, first];
  return `${parts[4]}-${month}-${day}${(parts[5] ?? "").replace(/^(.)(\d:)/, "$10$2")}`;
}

const READERS = {
  integer: (text) => (/^-?\d{1,15}(\.0+)?$/.test(text) ? Number(text) : text),
  number: (text) => (/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?$/i.test(text) && isFinite(text) ? Number(text) : text),
  flag: (text) => ({ ...FLAGS, ...NOT })[text.toLowerCase()] ?? text,
  date: (text) => (/^\d{4}-\d\d-\d\d[T ]00:00:00(\.0+)?(Z|[+-]\d\d:?\d\d)?$/.test(text) ? text.slice(0, 10) : text),
  timestamp: (text) => text.replace(/^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?!:)/, "$1T$2:00").replace(" ", "T"),
};

export function written(table) {
  return table.map((cells) => cells.map(cell).join(",") + "\r\n").join("");
}

// A formula at the start of a cell, or of what a spreadsheet takes for one: many split at semicolons and tabs too.
const FORMULA = /(^|[;\t\r\n])([\s"]*)([=+\-@＝＋－＠])/g;

// A spreadsheet must not take a patient's text for a formula; `list.csv` is written by the same rule.
function harmless(text) {
  const marked = text.replace(FORMULA, "$1$2'$3");
  return /^[\t\r]/.test(marked) ? `'${marked}` : marked;
}

function cell(given) {
  const text = given === null || given === undefined ? "" : String(given);
  const safe = typeof given === "string" ? harmless(text) : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
