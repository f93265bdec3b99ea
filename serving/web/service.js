// Asks the service; the key is the only thing that outlives a reload, and only in this tab.

const KEY = "rounds-key";
const TRIES = 5;

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

export class Refused extends Error {
  constructor(status, told) {
    super(told.error ?? `The service answered ${status}.`);
    this.status = status;
    this.fields = told.fields ?? [];
  }
}

// A busy service says when to come back; what it refused is not on record, so asking again is safe.
export async function ask(path, body, wait = pause) {
  for (let tries = 1; ; tries += 1) {
    const answer = await sent(path, body);
    if (answer.status === 503 && tries < TRIES) {
      await wait(Number(answer.headers.get("retry-after")) || 1);
      continue;
    }
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return told;
    throw new Refused(answer.status, told);
  }
}

async function sent(path, body) {
  const headers = key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
  const asked = { headers, cache: "no-store", credentials: "omit" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(asked, { method: "POST", body: JSON.stringify(body) });
  }
  try {
    return await fetch(path, asked);
  } catch {
    throw new Refused(0, { error: "The service does not answer. Is it running, and are you connected to it?" });
  }
}

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
