// Shows that something waits, and opens it. It never approves: what is on a lock screen is no answer.
// @ts-check
"use strict";

const sw = /** @type {any} */ (self);
/** @param {string} [to] */
const page = (to) => {
  const inbox = new URL("approve", sw.registration.scope);
  const url = to ? new URL(to, inbox) : inbox;
  return url.origin === inbox.origin ? url.href : inbox.href;
};

sw.addEventListener("push", (/** @type {any} */ e) => {
  let n = { title: "Postern", body: "", tag: "", lang: "", navigate: "" };
  try {
    n = e.data.json().notification;
  } catch { /* a push without words still says that something waits */ }
  e.waitUntil(sw.registration.showNotification(n.title, { body: n.body, tag: n.tag, lang: n.lang, requireInteraction: true, data: n.navigate }));
});

sw.addEventListener("notificationclick", (/** @type {any} */ e) => {
  e.notification.close();
  const url = page(e.notification.data);
  e.waitUntil((async () => {
    const open = await sw.clients.matchAll({ type: "window", includeUncontrolled: true });
    const found = open.find((/** @type {any} */ c) => c.url === url);
    return found ? found.focus() : sw.clients.openWindow(url);
  })());
});

sw.addEventListener("pushsubscriptionchange", (/** @type {any} */ e) => {
  e.waitUntil((async () => {
    const s = e.newSubscription ?? await sw.registration.pushManager.subscribe(e.oldSubscription.options);
    const { endpoint, keys } = s.toJSON();
    const text = await (await fetch(new URL("account/approvers", sw.registration.scope))).text();
    const csrf = /data-csrf="([^"]+)"/.exec(text)?.[1] ?? "";
    await fetch(new URL("account/approvers/push", sw.registration.scope), {
      method: "POST", headers: { "Content-Type": "application/json", "X-CSRF": csrf },
      body: JSON.stringify({ endpoint, p256dh: keys.p256dh, auth: keys.auth }),
    });
  })());
});
