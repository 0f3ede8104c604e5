// Requests to the server, and server-sent events read from a POST.

/** The server sends a comment every ten seconds; three missing ones mean that it is gone. */
const SILENCE_MS = 35_000;

/** The server answered, but with a refusal; `message` is written for people. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The server could not be reached, or the stream broke off. */
export class Lost extends Error {}

export async function getJson(path) {
  const response = await reach(path, { headers: { accept: "application/json" } });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/** POST a JSON body that is answered without content. Throws Refusal or Lost. */
export async function post(path, body) {
  const response = await reach(path, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw await refusal(response);
}

/**
 * POST a JSON body and yield the events of the answer as {event, data}.
 * Throws Refusal, Lost, or AbortError when `signal` was aborted by the caller.
 */
export async function* postStream(path, body, signal) {
  const watch = new AbortController();
  const abort = () => watch.abort();
  signal.addEventListener("abort", abort);
  let timer = setTimeout(abort, SILENCE_MS);
  const calm = () => {
    clearTimeout(timer);
    timer = setTimeout(abort, SILENCE_MS);
  };
  try {
    const response = await reach(path, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify(body),
      signal: watch.signal,
    });
    if (!response.ok) throw await refusal(response);
    yield* events(response.body, calm);
  } catch (error) {
    if (signal.aborted) throw new DOMException("stopped by the reader", "AbortError");
    throw error instanceof Refusal ? error : new Lost("The connection was lost.");
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    watch.abort();
  }
}

async function reach(path, init) {
  try {
    return await fetch(path, { ...init, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Lost("The server cannot be reached.");
  }
}

async function refusal(response) {
  const body = await response.json().catch(() => null);
  return new Refusal(response.status, body?.error?.message ?? `The server answered ${response.status}.`);
}

/** Split a byte stream into events; comments and half lines are handled as the format says. */
async function* events(body, calm) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  let event = "message";
  let data = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    calm();
    buffer += value;
    const rows = buffer.split(/\r\n|\n|\r/);
    buffer = rows.pop();
    for (const row of rows) {
      if (row === "") {
        if (data.length) yield { event, data: JSON.parse(data.join("\n")) };
        event = "message";
        data = [];
      } else if (row.startsWith("event:")) event = row.slice(6).trim();
      else if (row.startsWith("data:")) data.push(row.slice(5).replace(/^ /, ""));
    }
  }
}

/** A random id; crypto.randomUUID exists on secure pages only, and a home server is often plain http. */
export function messageId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
