// SPDX-License-Identifier: Apache-2.0
// Keeps the page current: asks for the same address each 5 s with what it has (ETag), and changes in place only what differs, so
// that nothing flickers, and focus, opened details and typed words stay. Without this script the page is whole as well.
(() => {
  "use strict";
  const every = 5000;
  const live = () => document.getElementById("live");
  const made = () => Date.parse(document.querySelector("time.made").dateTime);
  let etag = "", busy = false, ahead = made() - Date.now();  // Of the agent's clock before ours.

  const ago = milliseconds => {
    const seconds = Math.floor(Math.abs(milliseconds) / 1000);
    const span = seconds < 120 ? seconds + " s" : seconds < 7200 ? Math.floor(seconds / 60) + " min"
      : seconds < 172800 ? Math.floor(seconds / 3600) + " h" : Math.floor(seconds / 86400) + " days";
    return milliseconds < 0 ? "in " + span : span + " ago";
  };
  const say = (node, text) => { if (node && node.textContent !== text) node.textContent = text; };
  const tellTimes = () => {
    const now = Date.now() + ahead;
    for (const time of document.querySelectorAll("time.age")) say(time, ago(now - Date.parse(time.dateTime)));
    for (const time of document.querySelectorAll("time:not([data-local])")) {
      time.dataset.local = "";
      time.title = new Date(time.dateTime).toLocaleString(undefined, {dateStyle: "medium", timeStyle: "long"}) + " (your time)";
    }
  };

  const kept = (from, name) => name === "data-local" || (name === "title" && from.nodeName === "TIME") || (name === "open" && from.nodeName === "DETAILS");
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
  const become = (from, to) => {
    if (from.nodeType !== Node.ELEMENT_NODE) { if (from.data !== to.data) from.data = to.data; return; }
    if (from.id === "live" || from.isEqualNode(to)) return;
    if (from.nodeName === "TIME" && from.dateTime !== to.dateTime) delete from.dataset.local;
    for (const {name} of [...from.attributes]) if (!to.hasAttribute(name) && !kept(from, name)) from.removeAttribute(name);
    for (const {name, value} of to.attributes) if (from.getAttribute(name) !== value && !kept(from, name)) from.setAttribute(name, value);
    let child = from.firstChild;
    for (const next of [...to.childNodes]) {
      if (child && !alike(child, next) && next.id) {
        const found = [...from.children].find(one => alike(one, next));
        if (found) { from.insertBefore(found, child); child = found; }
      }
      if (child && alike(child, next)) { become(child, next); child = child.nextSibling; }
      else from.insertBefore(document.importNode(next, true), child);
    }
    while (child) { const gone = child; child = child.nextSibling; gone.remove(); }
  };

  const show = text => {
    const focus = document.activeElement, next = new DOMParser().parseFromString(text, "text/html");
    document.title = next.title;
    for (const part of ["header.top", "main", "footer"]) become(document.querySelector(part), next.querySelector(part));
    ahead = made() - Date.now();
    tellTimes();
    // Whoever stood on what has gone goes on from the page's beginning, not from nowhere.
    if (focus && focus !== document.body && !focus.isConnected) document.getElementById("content").focus({preventScroll: true});
  };
  const look = async () => {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const answer = await fetch(location.pathname + location.search, {headers: etag ? {"If-None-Match": etag} : {}, cache: "no-store"});
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(answer.status);
        show(await answer.text());
        etag = answer.headers.get("ETag") || "";
      }
      live().className = "";
      say(live(), "Live ·");
    } catch (error) {
      live().className = "bad";
      say(live(), "The agent does not answer: what you see is old ·");
    } finally { busy = false; }
  };
  live().setAttribute("role", "status");
  tellTimes();
  setInterval(tellTimes, 1000);
  setInterval(look, every);
  document.addEventListener("visibilitychange", look);
})();
