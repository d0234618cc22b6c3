// Proves a key that this browser keeps and no script can read, so that a copied cookie is not enough. On a page of its own
// it goes on afterwards; on other pages it renews the proof while they are open.
// @ts-check

const me = /** @type {HTMLElement} */ (document.querySelector("script[data-bind]"));
const { bind: base = "", csrf = "", to, skip = "" } = me.dataset;
const url = `${location.origin}${base}/device-key/prove`;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** @template T @param {IDBRequest<T>} r @returns {Promise<T>} */
const done = (r) => new Promise((ok, no) => {
  r.onsuccess = () => ok(r.result);
  r.onerror = () => no(r.error);
});

/** The key, which is made if there is none and make says so. @param {boolean} make @returns {Promise<CryptoKeyPair>} */
async function key(make) {
  const opening = indexedDB.open("postern", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
  const db = await done(opening);
  /** @param {IDBTransactionMode} mode */
  const keys = (mode) => db.transaction("keys", mode).objectStore("keys");
  try {
    let pair = await done(keys("readonly").get(base));
    if (!pair && make) {
      const made = await crypto.subtle.generateKey(algorithm, false, ["sign"]);
      // Of two tabs that make one, the first keeps it.
      await done(keys("readwrite").add(made, base)).catch(() => {});
      pair = await done(keys("readonly").get(base));
    }
    if (!pair) throw new Error("no key");
    return pair;
  } finally {
    db.close();
  }
}

/** @param {Uint8Array<ArrayBuffer>} b */
const b64 = (b) => btoa(String.fromCharCode(...b)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
/** @param {object} o */
const part = (o) => b64(new TextEncoder().encode(JSON.stringify(o)));

/** @param {CryptoKeyPair} pair @param {string} challenge */
async function sign(pair, challenge) {
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const input = `${part({ typ: "postern-device-key+jwt", alg: "ES256", jwk: { kty, crv, x, y } })}.${part({ aud: url, jti: challenge })}`;
  return `${input}.${b64(new Uint8Array(await crypto.subtle.sign(algorithm, pair.privateKey, new TextEncoder().encode(input))))}`;
}

/** @param {object} body */
async function post(body) {
  const res = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json", "X-CSRF": csrf }, body: JSON.stringify(body) });
  return res.json();
}

/** Returns for how many seconds the proof counts; 0 where the browser proves a better key by itself. */
async function prove() {
  let a = await post({});
  if (a.challenge) a = await post({ proof: await sign(await key(a.make), a.challenge) });
  if (!a.left && !a.done) throw new Error(a.error);
  return a.left ?? 0;
}

const last = `key${base}`; // until when, shared by all pages
let timer = 0;
async function keep() {
  clearTimeout(timer);
  try {
    let left = (Number(localStorage.getItem(last)) - Date.now()) / 1000;
    if (!(left > 120)) {
      left = await prove();
      if (!left) return;
      localStorage.setItem(last, String(Date.now() + left * 1000));
    }
    timer = setTimeout(keep, Math.max(left - 120, 5) * 1000);
  } catch {
    localStorage.removeItem(last);
  }
}

if (to !== undefined) {
  try {
    const left = await prove();
    localStorage.setItem(last, String(Date.now() + left * 1000));
    location.replace(to);
  } catch {
    location.replace(skip);
  }
} else {
  keep();
  addEventListener("visibilitychange", () => document.hidden || keep());
  addEventListener("pageshow", (e) => e.persisted && keep());
}
