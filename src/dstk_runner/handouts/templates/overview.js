"use strict";
const every = Number(document.body.dataset.reload);
const asOf = Date.parse(document.getElementById("as-of").dateTime);
const age = document.getElementById("age");
function tellAge() {
  const seconds = Math.max(0, Math.round((Date.now() - asOf) / 1000));
  // a look at a large class takes a while
  const stale = seconds > Math.max(120, 4 * every);
  document.body.classList.toggle("stale", stale);
  const minutes = Math.floor(seconds / 60);
  const words = minutes < 1 ? seconds + " s" : minutes < 120 ? minutes + " min" : Math.floor(minutes / 60) + " h";
  age.textContent = stale ? "not refreshed for " + words : ", " + words + " ago";
}
tellAge();
setInterval(tellAge, 1000);
setInterval(() => {
  // not while somebody copies a link
  if (getSelection().isCollapsed) location.reload();
}, every * 1000);
