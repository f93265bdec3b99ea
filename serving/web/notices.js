// What the page says: how it stands, and what went wrong and what to do about it.

import { find, make } from "./elements.js";
import { Refused } from "./service.js";

export function complained(error, again) {
  if (!(error instanceof Refused)) throw error;
  const text = [make("p", {}, make("strong", {}, error.message))];
  for (const { field, wanted } of error.fields) {
    text.push(make("p", {}, `${field || "What was sent"}: want ${wanted}.`));
  }
  const onclick = () => {
    quiet();
    again();
  };
  if (again) text.push(make("button", { type: "button", onclick }, "Try again"));
  notice(...text);
  if (error.status === 401 || error.status === 403) {
    find("access").open = true;
    find("key").focus();
  }
}

export const stop = (text) => notice(make("p", {}, make("strong", {}, text)));

export function notice(...children) {
  find("trouble").replaceChildren(make("div", { class: "notice wrong" }, ...children));
  find("trouble").focus({ preventScroll: false });
}

export const quiet = () => find("trouble").replaceChildren();

export const say = (text) => { find("status").textContent = text; };

// What is seen elsewhere on the page, for those who hear it.
export const speak = (text) => { find("spoken").textContent = text; };
