// Goes on as soon as the pages of the apps have loaded, and does not wait for one that hangs: browsers begin to count the
// refresh of the page only after that. Without a script there is a link meanwhile.
"use strict";

const onward = () => location.replace(document.querySelector("a[data-next]").href);
addEventListener("load", onward);
setTimeout(onward, 3000);
