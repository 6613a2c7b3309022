// What changes while a person looks at it: lists that are asked for again, and events of a job.
import { ask, stream } from "/page/api.js";

// changed has lists look again now, because the page has changed something.
export const changed = () => dispatchEvent(new Event("changed"));

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

// again reports whether a failure can pass: the gateway or its workers do not answer now.
const again = (e) => e.name !== "AbortError" && !(e.status >= 400 && e.status < 500);

// follow shows the document of a route whenever it has changed, and asks every so many seconds. What is shown stays while the gateway is
// away; only the first answer must come.
export async function follow(path, seconds, signal, show) {
  for (let before = null; ; await pause(1000 * seconds, signal)) {
    try {
      const found = await ask(path, { signal, cache: "no-store" });
      const text = JSON.stringify(found);
      if (text !== before) show(found);
      before = text;
    } catch (e) {
      if (before === null || !again(e)) throw e;
    }
  }
}

// followJob calls show with each event of a job until its end, and cut when the connection breaks.
export async function followJob(path, signal, show, cut) {
  let last = "";
  for (let wait = 500; ; wait = Math.min(2 * wait, 10000)) {
    try {
      for await (const e of events(path + (last ? "?after=" + encodeURIComponent(last) : ""), signal)) {
        if (e.event === "error") break;
        last = e.id;
        wait = 500;
        show(e.job);
        if (e.event === "end") return e.job;
      }
    } catch (e) {
      if (!again(e)) throw e;
    }
    cut();
    await pause(wait, signal);
  }
}

// events reads server-sent events. EventSource sends no key.
async function* events(at, signal) {
  const reader = (await stream(at, signal)).pipeThrough(new TextDecoderStream()).getReader();
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
