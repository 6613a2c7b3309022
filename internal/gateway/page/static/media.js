// Players cannot send a key. With one, a service worker adds it to the requests of players, so that
// a video is read in parts. It runs where the browser trusts the address: over TLS or on this host.
import { key } from "/page/api.js";

let ready = Promise.resolve(false);

// withKey prepares players, if there is a key.
export function withKey() {
  if (!key.get() || !("serviceWorker" in navigator)) return;
  ready = navigator.serviceWorker.register("/page/worker.js", { scope: "/" })
    .then(() => navigator.serviceWorker.ready)
    .then(() => navigator.serviceWorker.controller ? true : new Promise((resolve) => {
      navigator.serviceWorker.addEventListener("controllerchange", () => resolve(true), { once: true });
    }));
  navigator.serviceWorker.addEventListener("message", (e) => {
    if (e.data === "key") e.ports[0].postMessage(key.get());
  });
}

// play sets the source of a player.
export async function play(player, path) {
  if (key.get() && !(await ready)) {
    player.dispatchEvent(new CustomEvent("refused", { detail: "With a key, videos are played over TLS or on this host only. This address is neither." }));
    return;
  }
  player.src = path;
}
