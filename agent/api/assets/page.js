// SPDX-License-Identifier: Apache-2.0
// Replaces the figures each 3 s; leaves them alone while a field of a form has the focus or words in it. Only <main> is parsed:
// the answer's style has a nonce of its own, which our policy refuses.
setInterval(async () => {
  const main = document.querySelector("main");
  if (!main || [...main.querySelectorAll("input")].some(i => i === document.activeElement || i.value)) return;
  try {
    const answer = await fetch("/", {headers: {Accept: "text/html"}});
    if (!answer.ok) throw new Error(answer.status);
    const text = await answer.text();
    const part = text.slice(text.indexOf("<main>"), text.indexOf("</main>") + 7);
    const next = new DOMParser().parseFromString(part, "text/html").querySelector("main");
    const opened = [...main.querySelectorAll("details[open]")].map(d => d.id);
    main.replaceWith(next);
    for (const id of opened) { const d = document.getElementById(id); if (d) d.open = true; }
  } catch (e) {
    document.getElementById("stale").hidden = false;
  }
}, 3000);
