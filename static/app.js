/* Improves pages that work without it: dialogs, copying, choosing many, times. Holds no state and keeps no secret. */
(() => {
  "use strict";
  const root = document.documentElement;
  const dialog = document.getElementById("dialog");
  const body = document.getElementById("dialog-body");
  const spoken = document.getElementById("dialog-live");
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  root.dataset.scripted = "";

  /* -- secrets: gone from the page when the dialog closes, when the page is left, and when it comes back from a cache -- */
  const scrub = (from) => {
    for (const part of all("[data-secret]", from)) {
      if ("value" in part) { part.value = ""; part.removeAttribute("value"); }
      part.remove();
    }
  };
  addEventListener("pagehide", () => scrub(document));
  addEventListener("pageshow", (event) => { if (event.persisted) { scrub(document); location.reload(); } });

  /* -- the dialog -- */
  const open = () => {
    if (!dialog.open) { dialog.showModal(); }
    const first = body.querySelector("[autofocus]");
    if (first) { first.focus(); }
  };
  const box = () => body.querySelector("[data-secret-box]");
  const leave = (from) => {
    const home = from && from.dataset.return;
    scrub(document);
    if (dialog.open) { dialog.close(); }
    if (home) { location.assign(home); }
  };
  if (dialog) {
    dialog.addEventListener("close", () => {
      const home = box() && box().dataset.return;
      scrub(dialog);
      body.replaceChildren();
      spoken.textContent = "";
      if (home) { location.assign(home); }
    });
    // `closedby=none` keeps Esc from closing anything. A plain question closes on Esc all the same; a secret does not:
    // there, Esc leads to the way out and says what it costs.
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") { return; }
      event.preventDefault();
      if (!box()) { dialog.close(); return; }
      const saved = body.querySelector("[data-leave]");
      if (saved) { saved.focus(); }
      spoken.textContent = "You won't see this again. Close it with “" + (saved ? saved.textContent.trim() : "Close") + "”.";
    });
    dialog.addEventListener("cancel", (event) => { if (box()) { event.preventDefault(); } });
  }
  // What refreshes itself does so only while somebody can see it, and never takes the focus.
  const isLive = (event) => {
    const ctx = event.detail && event.detail.ctx;
    return [ctx && ctx.sourceElement, ctx && ctx.target, event.target].some((part) => part instanceof Element && part.matches("[data-live]"));
  };
  document.addEventListener("htmx:before:request", (event) => {
    if (isLive(event) && (document.hidden || (dialog && dialog.open))) { event.preventDefault(); }
  });
  document.addEventListener("htmx:after:swap", (event) => {
    if (body && body.childElementCount > 0 && !isLive(event)) { open(); }
    ready();
  });
  document.addEventListener("htmx:error", (event) => {
    if (isLive(event)) { return; }
    const line = dialog && dialog.open ? spoken : document.getElementById("live");
    if (line) { line.textContent = "The server could not be reached. Nothing was changed; try again."; }
  });

  /* -- copying: also where the page is served over plain http and the browser offers no clipboard -- */
  const say = (button, text) => {
    const place = button.closest("[data-secret-box], [data-copy-box]");
    const line = place && place.querySelector("[data-said]");
    if (line) { line.textContent = ""; line.textContent = text; }
  };
  const select = (part) => {
    if (part.select) { part.focus(); part.select(); part.setSelectionRange(0, part.value.length); return; }
    const range = document.createRange();
    range.selectNodeContents(part);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  const copied = async (part) => {
    const text = "value" in part ? part.value : part.textContent;
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      select(part);
      try { return document.execCommand("copy"); } catch { return false; }
    }
  };
  const copy = async (button) => {
    const part = document.getElementById(button.dataset.copy);
    if (!part) { return; }
    if (await copied(part)) {
      say(button, "Copied.");
      if ("thenClose" in button.dataset) { leave(button.closest("[data-secret-box]")); } else { button.focus(); }
    } else {
      select(part);
      say(button, "Press Ctrl+C (⌘C on a Mac) to copy.");
    }
  };

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) { return; }
    for (const menu of all("details[data-menu][open]")) { if (!menu.contains(target)) { menu.open = false; } }
    const link = target.closest("a[data-dialog]");
    // With a key held down, or another button, people want a tab or a window of its own.
    if (link && body && window.htmx && !(event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)) {
      event.preventDefault();
      htmx.ajax("GET", link.getAttribute("href"), { source: link, target: body });
      return;
    }
    const button = target.closest("[data-copy]");
    if (button) { copy(button); return; }
    const out = target.closest("[data-close], [data-leave]");
    if (out && dialog.open && dialog.contains(out)) {
      event.preventDefault();
      if ("leave" in out.dataset) { leave(out.closest("[data-secret-box]")); } else { dialog.close(); }
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") { return; }
    for (const menu of all("details[data-menu][open]")) { menu.open = false; menu.querySelector("summary").focus(); }
  });

  /* -- choosing many -- */
  const count = () => {
    const boxes = all("input[name=ids][form=bulk]");
    const chosen = boxes.filter((one) => one.checked).length;
    const line = document.querySelector("[data-bulk-count]");
    const every = document.querySelector("[data-select-all]");
    const bar = document.getElementById("bulk");
    if (bar) { bar.dataset.chosen = chosen; }
    if (line) { line.textContent = chosen === 1 ? "1 key chosen." : chosen + " keys chosen."; }
    if (every) { every.checked = chosen > 0 && chosen === boxes.length; every.indeterminate = chosen > 0 && chosen < boxes.length; }
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) {
      for (const one of all("input[name=ids][form=bulk]")) { one.checked = event.target.checked; }
    }
    if (event.target.matches("[data-select-all], input[name=ids]")) { count(); }
  });

  /* -- times: “5 min ago” grows older while the page stays open -- */
  const ago = (then) => {
    const seconds = Math.floor((Date.now() - then) / 1000);
    if (seconds < 60) { return "just now"; }
    if (seconds < 3600) { return Math.floor(seconds / 60) + " min ago"; }
    if (seconds < 86400) { return Math.floor(seconds / 3600) + " h ago"; }
    return null;
  };
  setInterval(() => {
    for (const time of all("time[data-ago]")) {
      const text = ago(Date.parse(time.dateTime));
      if (text) { time.textContent = text; }
    }
  }, 60000);

  /* -- one-time links carry their code after the #, where no server or log sees it -- */
  const takeCode = () => {
    const code = location.hash.slice(1);
    const field = document.querySelector("[data-from-fragment]");
    if (!field || !code || document.getElementById(code)) { return; }
    field.value = code;
    history.replaceState(null, "", location.pathname + location.search);
  };
  addEventListener("hashchange", takeCode);
  takeCode();

  /* -- live logs: the server sends rows, drawn and escaped as those of the page are -- */
  const ROWS_MAX = 500;
  const follow = (bar) => {
    const part = (name) => bar.querySelector("[data-live-" + name + "]");
    const [state, pause, errors, said] = ["state", "pause", "errors", "said"].map(part);
    const rows = document.getElementById("rows");
    let paused = false;
    let held = [];
    const tell = (text, kind) => {
      state.dataset.s = kind;
      if (state.textContent !== text) { state.textContent = text; }
    };
    const put = (html) => {
      const holder = document.createElement("template");
      holder.innerHTML = html;
      const row = holder.content.querySelector("tr");
      if (!row) { return; }
      const old = document.getElementById(row.id);
      if (old) { old.replaceWith(row); } else { rows.prepend(row); }
      while (rows.childElementCount > ROWS_MAX) { rows.lastElementChild.remove(); }
      rows.closest("table").hidden = false;
      document.getElementById("no-rows")?.remove();
      if (errors.checked && "error" in row.dataset) {
        said.textContent = row.querySelector(".status").textContent + ", " + row.querySelector("th").textContent.trim();
      }
    };
    const label = () => {
      const count = held.filter((one) => one.isNew).length;
      pause.textContent = !paused ? "Pause" : count > 0 ? count + " new, resume" : "Resume";
    };
    const take = (event) => {
      if (!paused) { put(event.data); return; }
      held.push({ html: event.data, isNew: event.type === "check" });
      if (held.length > 2 * ROWS_MAX) { held.shift(); }
      label();
    };
    pause.addEventListener("click", () => {
      paused = !paused;
      if (!paused) { held.forEach((one) => put(one.html)); held = []; }
      label();
    });
    const source = new EventSource(bar.dataset.live);
    source.addEventListener("open", () => tell("Connected", "active"));
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) { tell("Stopped. Load the page again to go on.", "revoked"); }
      else { tell("Reconnecting", "rotating"); }
    });
    source.addEventListener("check", take);
    source.addEventListener("outcome", take);
    addEventListener("pagehide", () => source.close());
  };
  for (const bar of all("#live-bar")) { follow(bar); }

  const ready = () => { if (document.getElementById("bulk")) { count(); } };
  ready();
})();
