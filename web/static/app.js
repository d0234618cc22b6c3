// Small comforts on top of pages that work without them.
"use strict";

// Show what is typed into a password field.
for (const button of document.querySelectorAll("button[data-reveal]")) {
  const input = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.addEventListener("click", () => {
    const show = input.type === "password";
    input.type = show ? "text" : "password";
    button.setAttribute("aria-pressed", String(show));
  });
  // What is submitted goes back to being a password, so that no browser remembers it as text.
  input.form.addEventListener("submit", () => { input.type = "password"; });
}

// Put the cursor into the first field where there is a real keyboard; on a phone it would cover the page.
const first = document.querySelector("[data-focus]");
if (first && matchMedia("(pointer: fine)").matches) first.focus();

// Times are rendered in UTC; show them in the time zone of the browser.
const two = (n) => String(n).padStart(2, "0");
for (const time of document.querySelectorAll("time[data-local]")) {
  const d = new Date(time.dateTime);
  if (!isNaN(d)) {
    time.textContent = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}`;
  }
}
