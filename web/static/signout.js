// Goes on as soon as the pages of the apps have loaded; without a script the page goes on by itself after a moment.
"use strict";

addEventListener("load", () => location.replace(document.querySelector("a[data-next]").href));
