// A service worker that adds the key of a tab to the requests of its players. It keeps nothing: it
// asks the tab each time.
addEventListener("install", () => self.skipWaiting());
addEventListener("activate", (e) => e.waitUntil(self.clients.claim()));

addEventListener("fetch", (e) => {
  const url = new URL(e.request.url);
  if (url.origin !== self.location.origin || !/^\/videos\/[0-9a-f]{64}\/content$/.test(url.pathname)) return;
  if (e.request.headers.has("Authorization")) return;
  e.respondWith(withKey(e));
});

async function withKey(e) {
  const headers = new Headers();
  for (const name of ["Range", "If-Range"]) {
    const value = e.request.headers.get(name);
    if (value) headers.set(name, value);
  }
  const key = await ask(e.clientId);
  if (key) headers.set("Authorization", "Bearer " + key);
  return fetch(e.request.url, { headers, credentials: "omit", signal: e.request.signal });
}

async function ask(id) {
  const tab = id ? await self.clients.get(id) : null;
  if (!tab) return "";
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = (m) => resolve(m.data);
    tab.postMessage("key", [channel.port2]);
  });
}
