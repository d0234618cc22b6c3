// Answers clients that ask whether their session_state still holds. OpenID Connect Session Management §3.2.
"use strict";

const browserState = () => (/(?:^|; )(?:__Host-)?bs=([^;]*)/.exec(document.cookie) || ["", ""])[1];

async function check(data, origin) {
	const parts = /^(.+) ([0-9a-f]{64})\.([\w-]{1,64})$/.exec(data);
	if (typeof data !== "string" || !parts) return "error";
	const [, client, hash, salt] = parts;
	const text = new TextEncoder().encode(`${client} ${origin} ${browserState()} ${salt}`);
	const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
	const now = Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join("");
	return now === hash ? "unchanged" : "changed";
}

addEventListener("message", async (e) => {
	if (!e.source || e.source === window || e.origin === "null") return;
	const answer = await check(e.data, e.origin).catch(() => "error");
	e.source.postMessage(answer, e.origin);
});
