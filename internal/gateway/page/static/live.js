// What changes while a person looks at it: lists that are asked for again, and events of a job.
import { ask, stream } from "/page/api.js";

// changed has lists look again now, because the page has changed something.
export const changed = () => dispatchEvent(new Event("changed"));

// stale tells that what is shown could not be asked for again.
const stale = (e) => dispatchEvent(new CustomEvent("stale", { detail: e.message }));

// pause ends after a time, when something has changed, or when the view is left, with an error.
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const left = () => end(() => reject(new DOMException("left", "AbortError")));
    const look = () => end(resolve);
    const timer = setTimeout(look, ms);
    const end = (f) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", left);
      removeEventListener("changed", look);
      f();
    };
    signal.addEventListener("abort", left);
    addEventListener("changed", look);
  });
}

// again reports whether a failure can pass: the gateway or its workers do not answer now, or were asked too often.
const again = (e) => e.name !== "AbortError" && ([408, 429].includes(e.status) || !(e.status >= 400 && e.status < 500));

// follow shows the document of a route whenever it has changed, and asks every so many seconds. What is shown stays while the gateway is
// away; only the first answer must come.
export async function follow(path, seconds, signal, show) {
  let before = null;
  for (let ago = 0, wait = seconds; ; ago += wait, await pause(1000 * wait, signal)) {
    wait = seconds;
    try {
      const found = await ask(path, { signal, cache: "no-store" });
      const text = JSON.stringify(found);
      if (text === before && ago < 60) continue; // times such as "3 min ago" change by the minute
      show(found);
      [before, ago] = [text, 0];
    } catch (e) {
      if (before === null || !again(e)) throw e;
      wait = Math.max(seconds, e.after);
      stale(e);
    }
  }
}

// followJob calls show with each event of a job until its end, cut when the connection breaks, and attached when
// there is one.
export async function followJob(path, signal, show, cut, attached) {
  let last = "";
  for (let wait = 500; ; wait = Math.min(2 * wait, 10000)) {
    try {
      for await (const e of events(path + (last ? "?after=" + encodeURIComponent(last) : ""), signal, attached)) {
        if (e.event === "error") break;
        last = e.id;
        wait = 500;
        show(e.job);
        if (e.event === "end") return e.job;
      }
    } catch (e) {
      if (!again(e)) throw e;
      wait = Math.max(wait, 1000 * (e.after ?? 0));
    }
    cut();
    await pause(wait, signal);
  }
}

// events reads server-sent events. EventSource sends no key.
async function* events(at, signal, attached) {
  const reader = (await stream(at, signal)).pipeThrough(new TextDecoderStream()).getReader();
  attached();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const all = text.split("\n\n");
    text = all.pop();
    for (const block of all) {
      const e = { event: "message", id: "", data: "" };
      for (const line of block.split("\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) e[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
      }
      if (e.data) yield { event: e.event, id: e.id, job: JSON.parse(e.data) };
    }
  }
}
