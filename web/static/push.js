// Waits for the answer of another device: asks every two seconds while the page is seen, and shows the time that is left.
// @ts-check

const form = /** @type {HTMLFormElement} */ (document.getElementById("push"));
const waits = /** @type {HTMLElement} */ (document.getElementById("waits"));
const clock = /** @type {HTMLElement} */ (document.querySelector("[data-left]"));
const left = Number(clock.dataset.left);
const begun = performance.now();

/** @type {Record<string, string>} */
const fields = {};
for (const f of form.querySelectorAll("input")) fields[f.name] = f.value;
const { csrf, ...rest } = fields;

let timer = 0;
async function look() {
  clearTimeout(timer);
  if (document.hidden) return;
  let wait = 2000;
  try {
    const res = await fetch(`${waits.dataset.base}/push/state`, {
      method: "POST", headers: { "Content-Type": "application/json", "X-CSRF": csrf }, body: JSON.stringify(rest),
    });
    const answer = res.status < 500 && res.status !== 429 ? await res.json() : { state: "pending" };
    if (!res.ok) wait = 5000;
    if (answer.state !== "pending" && res.status < 500 && res.status !== 429) {
      if (answer.state === "approved") waits.textContent = waits.dataset.approved ?? "";
      return location.reload();
    }
  } catch {
    wait = 5000;
  }
  timer = setTimeout(look, wait);
}
addEventListener("visibilitychange", look);
timer = setTimeout(look, 1000);

// The time in the text runs; it is announced once, shortly before the end.
const time = /** @type {HTMLElement} */ (clock.querySelector("bdi"));
const tick = setInterval(() => {
  const s = Math.max(0, Math.round(left - (performance.now() - begun) / 1000));
  time.textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  if (s === 10) waits.textContent = waits.dataset.soon ?? "";
  if (s === 0) clearInterval(tick);
}, 1000);
