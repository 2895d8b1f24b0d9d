// Requests to the API. A key is asked for only when the server wants one, and lives as long as the tab.

import { askForKey } from "./key.js";
import { readEvents } from "./sse.js";

const KEY = "why.key";

/** What the server answered instead of what was asked for; `message` is for the reader. */
export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const getJson = async (path, signal) => (await request(path, { signal })).json();

/** A GET whose body says what is the matter, so that the status doesn't count (`/readyz`). */
export async function getAnyJson(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  return response.json();
}

export const postJson = async (path, body) =>
  (await request(path, { method: "POST", body, headers: { "Idempotency-Key": token() } })).json();

/** POST, and read the answer as events: `onEvent(name, value)`. */
export async function postForEvents(path, body, onEvent, signal) {
  const headers = { Accept: "text/event-stream" };
  const response = await request(path, { method: "POST", body, headers, signal });
  await readEvents(response.body, ({ event, data }) => onEvent(event, JSON.parse(data)));
}

async function request(path, { method = "GET", body, headers = {}, signal }) {
  for (let refused = false; ; refused = true) {
    const key = sessionStorage.getItem(KEY);
    const response = await sent(path, {
      method,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: {
        Accept: "application/json",
        "X-Why-Client": "web",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(key ? { Authorization: `Bearer ${key}` } : {}),
        ...headers,
      },
    });
    if (response.ok) return response;
    if (response.status !== 401) throw await problemOf(response);
    // Another request may have been given a key meanwhile.
    if (sessionStorage.getItem(KEY) !== key) continue;
    const given = await askForKey(refused || key !== null);
    if (given === null) throw new Problem(401, "This server wants an API key.");
    sessionStorage.setItem(KEY, given);
  }
}

async function sent(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(
      0,
      "The server does not answer. Is `why serve` running, and the network there?",
    );
  }
}

async function problemOf(response) {
  let said = {};
  try {
    said = await response.json();
  } catch {
    // Not ours: a proxy's page, say. The status has to do.
  }
  const wait = response.headers.get("Retry-After");
  const again = response.status === 429 && wait ? ` Try again in ${wait} s.` : "";
  const text = said.detail || said.title || response.statusText || "no answer";
  return new Problem(response.status, `${text}${again}`);
}

/** 128 random bits: `crypto.randomUUID` is missing on plain http. */
function token() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
