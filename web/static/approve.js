// Approving: takes the number to the server, has a passkey sign what is asked, and goes where the server says.
// @ts-check

const form = /** @type {HTMLFormElement} */ (document.getElementById("answer"));
const said = /** @type {HTMLElement} */ (document.getElementById("said"));
const field = /** @type {HTMLInputElement | null} */ (document.getElementById("number"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("button[data-can]"));
const PKC = /** @type {any} */ (window.PublicKeyCredential);

/** @param {string} code @param {boolean} [bad] */
function say(code, bad) {
  said.textContent = said.dataset[code] ?? said.dataset.generic ?? "";
  said.classList.toggle("bad", !!bad);
}

/** Posts to a path below the page; what the server refuses is thrown. @param {string} path @param {object} body @returns {Promise<any>} */
async function post(path, body) {
  const csrf = /** @type {HTMLInputElement} */ (form.elements.namedItem("csrf")).value;
  const res = await fetch(`${form.action}/${path}`, {
    method: "POST", headers: { "Content-Type": "application/json", "X-CSRF": csrf }, body: JSON.stringify(body),
  });
  const answer = await res.json().catch(() => ({}));
  if (!res.ok) throw { code: answer.error ?? "generic", to: answer.to };
  return answer;
}

/** @param {string} to */
function go(to) {
  const url = new URL(to, location.origin);
  if (url.origin === location.origin) location.replace(url);
}

let busy = false;
async function approve() {
  const number = field?.value.normalize("NFKC").replace(/\D/g, "") ?? "";
  if (field && number.length !== Number(field.dataset.digits)) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
    return say("empty", true);
  }
  if (busy) return;
  busy = true;
  say("wait");
  try {
    const { options, handle } = await post("options", { number });
    const found = /** @type {any} */ (await navigator.credentials.get({ publicKey: PKC.parseRequestOptionsFromJSON(options) }));
    say("checking");
    go((await post("sign", { handle, response: found.toJSON() })).to);
  } catch (/** @type {any} */ e) {
    if (e.to) return go(e.to);
    say(e.name === "NotAllowedError" || e.name === "AbortError" ? "cancel" : e.code, true);
  } finally {
    busy = false;
  }
}

if (PKC?.parseRequestOptionsFromJSON) {
  for (const e of form.querySelectorAll("[data-can]")) /** @type {HTMLElement} */ (e).hidden = false;
  button.addEventListener("click", approve);
  // Return in the field approves, and never denies.
  form.addEventListener("keydown", (e) => {
    if (e.key !== "Enter" || e.target !== field) return;
    e.preventDefault();
    approve();
  });
  field?.addEventListener("input", () => field.removeAttribute("aria-invalid"));
} else {
  say("nosupport", true);
}
