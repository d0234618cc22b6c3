// Comforts of the page with new recovery codes: print, download and copy. Without a script the codes are plain text.
// @ts-check

const tools = /** @type {HTMLElement} */ (document.querySelector("[data-codes]"));
const codes = [...document.querySelectorAll("ol.codes li")].map((li) => li.textContent?.trim()).join("\n") + "\n";
const status = /** @type {HTMLElement} */ (tools.querySelector("[role=status]"));

/** @type {Record<string, () => void | Promise<void>>} */
const acts = {
  print: () => window.print(),
  download: () => {
    const a = document.createElement("a");
    a.href = URL.createObjectURL(new Blob([`${tools.dataset.head}\n\n${codes}`], { type: "text/plain" }));
    a.download = "recovery-codes.txt";
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 1000);
  },
  copy: async () => {
    await navigator.clipboard.writeText(codes);
    status.textContent = tools.dataset.copied ?? "";
  },
};

for (const button of tools.querySelectorAll("button")) {
  button.addEventListener("click", () => acts[button.dataset.act ?? ""]?.());
}
tools.hidden = false;
