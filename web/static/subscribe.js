// Lets this browser be told of requests: only after a tap, and only where the browser can.
// @ts-check

const box = /** @type {HTMLElement} */ (document.getElementById("notify"));
const button = /** @type {HTMLButtonElement} */ (box.querySelector("button"));
const status = /** @type {HTMLElement} */ (box.querySelector("[role=status]"));
const home = /** @type {HTMLElement} */ (box.querySelector("[data-home]"));
const { key = "", base = "", csrf = "" } = box.dataset;
box.hidden = false;

/** @param {string} code @param {boolean} [bad] */
function say(code, bad) {
  status.textContent = status.dataset[code] ?? status.dataset.generic ?? "";
  status.classList.toggle("bad", !!bad);
}

// Registering a worker takes an address that a policy vouches for; ours knows one.
const types = /** @type {any} */ (window).trustedTypes;
const worker = types ? types.createPolicy("worker", { createScriptURL: () => `${base}/sw.js` }).createScriptURL("") : `${base}/sw.js`;
const bytes = Uint8Array.from(atob(key.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

/** Tells the server where this browser is reached. @param {PushSubscription} s */
async function tell(s) {
  const { endpoint, keys } = s.toJSON();
  const res = await fetch(`${base}/account/approvers/push`, {
    method: "POST", headers: { "Content-Type": "application/json", "X-CSRF": csrf },
    body: JSON.stringify({ endpoint, p256dh: keys?.p256dh, auth: keys?.auth }),
  });
  if (!res.ok) throw new Error(String(res.status));
  say("on");
  button.hidden = true;
}

async function turnOn() {
  try {
    if (await Notification.requestPermission() !== "granted") return say("blocked", true);
    await navigator.serviceWorker.register(worker, { updateViaCache: "none" });
    const { pushManager } = await navigator.serviceWorker.ready;
    await tell(await pushManager.getSubscription() ?? await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes }));
  } catch {
    say("generic", true);
  }
}

const apple = /iPad|iPhone|iPod/.test(navigator.userAgent) || navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1;
if ("PushManager" in window && "serviceWorker" in navigator && "Notification" in window) {
  button.hidden = false;
  button.addEventListener("click", turnOn);
  // What the browser has changed meanwhile the server learns here.
  if (Notification.permission === "granted") {
    navigator.serviceWorker.getRegistration(`${base}/`).then((r) => r?.pushManager.getSubscription()).then((s) => s && tell(s)).catch(() => {});
  }
} else if (apple && !matchMedia("(display-mode: standalone)").matches) {
  home.hidden = false;
} else {
  say("none");
}
