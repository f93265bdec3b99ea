// A list goes to the service in parts, for a body has a limit; all of it is answered by one model.

import { Refused, ask } from "./service.js";

const PART = 10_000; // appointments of a request
const TRIES = 3; // of a list, while one model takes over from another

// Each try is on record, so it ends after a few: in a rolling update two models may answer by turns for minutes.
export async function predictions(rows) {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const answers = await answered(rows);
    if (answers.every((answer) => answer.bundle === answers[0].bundle)) {
      return { ...answers[0], predictions: answers.flatMap((answer) => answer.predictions) };
    }
  }
  throw new Refused(0, { error: "Another model took over while the list was sent. Try again in a minute." });
}

// The answers to all parts, or to those before the model changed.
async function answered(rows) {
  const answers = [];
  for (let from = 0; from < rows.length; from += PART) {
    answers.push(await part(rows, from));
    if (answers.at(-1).bundle !== answers[0].bundle) break;
  }
  return answers;
}

async function part(rows, from) {
  try {
    return await ask("predict", { appointments: rows.slice(from, from + PART) });
  } catch (error) {
    for (const fault of error.fields ?? []) if ("row" in fault) fault.row += from;
    throw error;
  }
}
