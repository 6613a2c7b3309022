// The routes of the gateway, and the key of a person. The key stays in this tab.
import { whenSeen } from "/page/ui.js";

const place = "cogflow.key";

export const key = {
  get: () => sessionStorage.getItem(place) ?? "",
  set: (text) => sessionStorage.setItem(place, text),
  clear: () => sessionStorage.removeItem(place),
};

// Refused is an answer that is an error.
export class Refused extends Error {
  constructor(status, message, code = "", request = "", after = 0) {
    super(message);
    Object.assign(this, { status, code, request, after }); // after = seconds until it may be tried again
  }
}

// onReached is told whether the gateway has answered.
let reached = () => {};
export const onReached = (f) => { reached = f; };

// askKey is set by the page: it asks a person for a key, and returns when there is one.
let askKey = () => Promise.reject(new Error("a key is required"));
export const onKeyRequired = (f) => { askKey = f; };

function headers(more = {}) {
  return key.get() ? { ...more, Authorization: "Bearer " + key.get() } : more;
}

// send makes a request and returns the answer, whatever it says.
async function send(path, options = {}) {
  for (;;) {
    let r;
    const used = key.get();
    try {
      r = await fetch(path, { ...options, headers: headers(options.headers), credentials: "omit", cache: options.cache ?? "default" });
    } catch (e) {
      if (e.name === "AbortError") throw e;
      reached(false);
      throw new Refused(0, "The gateway does not answer.", "unreachable");
    }
    reached(true);
    if (r.status !== 401) return r;
    if (key.get() === used) await askKey(used !== "");
  }
}

async function refused(r) {
  const request = r.headers.get("X-Request-Id") ?? "";
  const after = Math.max(0, Number(r.headers.get("Retry-After")) || 0);
  try {
    const body = await r.json();
    return new Refused(r.status, body.error.message, body.error.code, request, after);
  } catch {
    return new Refused(r.status, "The gateway, or a proxy before it, answered " + r.status + ".", "", request, after);
  }
}

// body reads the document of an answer.
async function body(r) {
  let text;
  try {
    text = await r.text();
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Refused(0, "The connection was cut before the answer was complete.", "cut");
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused(r.status, "The answer is not one of cogflow’s gateway. Is this its address?", "no_json");
  }
}

// ask returns the document of a route.
export async function ask(path, options = {}) {
  const r = await send(path, options);
  if (!r.ok) throw await refused(r);
  return r.status === 204 ? null : body(r);
}

// change sends a document.
export function change(method, path, body) {
  return ask(path, { method, headers: { "Content-Type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body) });
}

// upload sends a file.
export function upload(path, file) {
  return ask(path, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
}

// stream returns the body of a route that goes on, such as events.
export async function stream(path, signal) {
  const r = await send(path, { signal, headers: { Accept: "text/event-stream" }, cache: "no-store" });
  if (!r.ok) throw await refused(r);
  return r.body;
}

// probe throws what a route that answers bytes refuses.
export async function probe(path) {
  const r = await send(path, { headers: { Range: "bytes=0-0" } });
  if (!r.ok) throw await refused(r);
}

// query writes the query of a URL. Empty values are left out.
export function query(values) {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of [value].flat()) if (one !== "" && one !== null && one !== undefined) q.append(name, one);
  }
  const text = q.toString();
  return text ? "?" + text : "";
}

// show sets the picture of an image. A browser sends no key with one, so with a key it is fetched, when
// it is on the screen.
export function show(image, path) {
  if (key.get()) whenSeen(image, () => fetched(image, path).catch(() => image.dispatchEvent(new Event("error"))));
  else image.src = path;
}

async function fetched(image, path) {
  const r = await send(path);
  if (!r.ok) throw await refused(r);
  image.src = URL.createObjectURL(await r.blob());
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
}

// download saves what a route answers as a file. It never opens in this page.
export async function download(path, name) {
  const r = await send(path);
  if (!r.ok) throw await refused(r);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await r.blob()], { type: "application/octet-stream" }));
  link.download = name.replace(/[^A-Za-z0-9._-]/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
