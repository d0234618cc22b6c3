// Passkeys: signing in, confirming and adding. What a page needs stands in the data attributes of its element
// [data-passkey]; the end of the package comment of web/pages describes the four endpoints.
// @ts-check

const box = /** @type {HTMLElement} */ (document.querySelector("[data-passkey]"));
const { passkey: kind, base = "", form: formID = "", arm, known, auto, signal } = box.dataset;
const form = /** @type {HTMLFormElement} */ (document.getElementById(formID));
const button = /** @type {HTMLButtonElement} */ (box.querySelector("button"));
const status = /** @type {HTMLElement} */ (box.querySelector("[role=status]"));
const PKC = window.PublicKeyCredential;

/** Says the text that the status line carries for code; "" says nothing. @param {string} code @param {boolean} [bad] */
function say(code, bad) {
  status.textContent = code && (status.dataset[code] ?? status.dataset.generic ?? "");
  status.classList.toggle("bad", !!bad);
}

/** A no of the server; code is the error that it names. */
class Refusal extends Error {
  /** @param {{error?: string, to?: string}} answer */
  constructor(answer) {
    super(answer.error);
    this.code = answer.error ?? "";
    this.to = answer.to;
  }
}

/** @param {string} path @param {object} [body] @returns {Promise<any>} */
async function post(path, body) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const f of form.querySelectorAll("input")) if (f.type === "hidden" && f.name !== "username") fields[f.name] = f.value;
  const { csrf, ...rest } = fields;
  const res = await fetch(`${base}/webauthn/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF": csrf },
    body: JSON.stringify({ ...rest, ...body }),
  });
  const answer = await res.json().catch(() => ({}));
  if (!res.ok || answer.error) throw new Refusal(answer);
  return answer;
}

// The one ceremony of this page: while a get() is pending, every other get() and create() fails.
/** @type {AbortController | undefined} */
let pending;
function begin() {
  pending?.abort();
  pending = new AbortController();
  return pending.signal;
}

/** @param {CredentialRequestOptions & {uiMode?: string}} how @param {string} [identifier] */
async function get(how, identifier) {
  const signal = begin();
  const { options, handle } = await post("get/options", identifier ? { identifier } : {});
  await telling;
  if (signal.aborted) return;
  const lapse = how.mediation && options.timeout && setTimeout(() => !signal.aborted && ready(), options.timeout * 0.9);
  const publicKey = PKC.parseRequestOptionsFromJSON?.(options) ?? decode(options);
  asked = Date.now();
  const found = /** @type {any} */ (await navigator.credentials.get({ publicKey, ...how, ...(!how.uiMode && { signal }) }));
  clearTimeout(lapse);
  say("checking");
  try {
    await leave(await post("get", { handle, response: encode(found) }));
  } catch (e) {
    if (e.code === "unknown") await PKC.signalUnknownCredential?.({ rpId: options.rpId, credentialId: found.id }).catch(() => {});
    throw Object.assign(e, { chosen: true });
  }
}

/** @param {CredentialCreationOptions & {mediation?: string}} how */
async function create(how) {
  const signal = begin();
  const { options, handle } = await post("create/options", how.mediation && { conditional: true });
  await telling;
  if (signal.aborted) return;
  const publicKey = PKC.parseCreationOptionsFromJSON?.(options) ?? decode(options);
  const made = await navigator.credentials.create({ publicKey, signal, ...how });
  say("checking");
  await leave(await post("create", { handle, response: encode(made), ...(how.mediation && { conditional: true }) }));
}

/** Goes on to where the server says, which is a path of this origin. @param {{to: string, signal?: object}} answer */
async function leave(answer) {
  if (answer.signal) await tell(answer.signal);
  const to = new URL(answer.to, location.origin);
  if (to.origin !== location.origin) throw new Refusal({});
  say("done");
  location.assign(to);
}

// A signal is a request too, so that the next get() or create() waits for it, but not long.
/** @type {Promise<unknown> | undefined} */
let telling;

/** Tells the password managers which passkeys are still good, and whose they are. @param {any} s */
function tell({ rpId, userId, allAcceptedCredentialIds, name, displayName }) {
  const told = (async () => {
    await PKC.signalAllAcceptedCredentials?.({ rpId, userId, allAcceptedCredentialIds });
    await PKC.signalCurrentUserDetails?.({ rpId, userId, name, displayName });
  })().catch(() => {}); // a courtesy
  return telling = Promise.race([told, new Promise((r) => setTimeout(r, 1000))]);
}

/** Shows what went wrong; false where there is nothing to show, since another ceremony took over. @param {any} e */
function fail(e) {
  if (e.name === "AbortError") return false;
  if (e.to && new URL(e.to, location.origin).origin === location.origin) location.assign(e.to);
  const code = e instanceof Refusal && e.code; // that of a DOMException is a number
  say(code || (e.name === "NotAllowedError" ? "cancel" : e.name === "InvalidStateError" ? "exists" : "generic"), true);
  return true;
}

// Where the browser can: what this device itself holds, without a picture for a phone to scan, and when it was asked. Only
// a click may ask for it.
let quick = false, asked = 0;

/** What the person asked for by a button. */
async function press() {
  say("wait");
  const typed = /** @type {HTMLInputElement | null} */ (form.querySelector("input[name=identifier]"))?.value.trim();
  const now = quick && !typed;
  try {
    await (kind !== "get" ? create({}) : now ? get({ uiMode: "immediate" }) : get({}, typed || known));
  } catch (e) {
    // Where it holds nothing Chromium says so after half a second: nobody closes a dialogue that fast.
    if (now && e.name === "NotAllowedError" && Date.now() - asked < 700) {
      quick = false;
      press();
    } else if (fail(e)) ready();
  }
}

/** Arms the autofill of the identifier. */
async function ready() {
  if (arm === undefined || !(await PKC.isConditionalMediationAvailable?.())) return;
  try {
    await get({ mediation: "conditional" });
  } catch (e) { // of what the person did not ask for, they see only what became of a passkey that they chose
    if (e.chosen && fail(e)) ready();
  }
}

/** What happens without being asked: nothing that opens a dialogue where there is no passkey. */
async function start() {
  const can = await PKC.getClientCapabilities?.().catch(() => ({})) ?? {};
  // Tells the server that it may offer a passkey after a sign-in by password: this browser can make one.
  const pk = /** @type {HTMLInputElement | null} */ (form.querySelector("input[name=pk]"));
  if (pk && await PKC.isUserVerifyingPlatformAuthenticatorAvailable?.()) pk.value = "1";
  quick = !!known && can.immediateGet;
  // Where this is aborted it is by the button, whose words stay.
  if (auto !== undefined && can.conditionalCreate) await create({ mediation: "conditional" }).catch((e) => e.name === "AbortError" || say(""));
  if (kind === "offer" && !(await PKC.isUserVerifyingPlatformAuthenticatorAvailable())) later();
  if (signal) tell(JSON.parse(signal));
  ready();
}

/** Leaves an offer that this browser cannot take. */
function later() {
  form.requestSubmit();
}

// Browsers before 2025 lack the two parsers and toJSON.
/** @param {string} s */
const bytes = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
/** @param {ArrayBuffer | null | undefined} b */
const text = (b) => b ? btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "") : undefined;

/** @param {any} o @returns {any} */
function decode(o) {
  const list = (/** @type {any} */ l) => l?.map((/** @type {any} */ c) => ({ ...c, id: bytes(c.id) }));
  return {
    ...o, challenge: bytes(o.challenge), user: o.user && { ...o.user, id: bytes(o.user.id) },
    allowCredentials: list(o.allowCredentials), excludeCredentials: list(o.excludeCredentials),
  };
}

/** @param {any} c */
function encode(c) {
  try {
    if (c.toJSON) return c.toJSON();
  } catch { /* an extension of the browser stands in for the credential */ }
  const r = c.response;
  return {
    id: c.id, rawId: c.id, type: c.type, authenticatorAttachment: c.authenticatorAttachment ?? undefined,
    clientExtensionResults: c.getClientExtensionResults(),
    response: {
      clientDataJSON: text(r.clientDataJSON), attestationObject: text(r.attestationObject), transports: r.getTransports?.(),
      authenticatorData: text(r.authenticatorData ?? r.getAuthenticatorData?.()), signature: text(r.signature), userHandle: text(r.userHandle),
    },
  };
}

if (PKC && navigator.credentials) {
  button?.addEventListener("click", press);
  if (form.dataset.bare !== undefined) form.addEventListener("submit", (e) => {
    if (/** @type {HTMLButtonElement | null} */ (e.submitter)?.name) return;
    e.preventDefault();
    press();
  });
  addEventListener("pageshow", (e) => e.persisted && (say(""), ready()));
  start();
} else if (kind === "offer") {
  later();
} else {
  box.classList.add("off");
  say("nosupport");
}
