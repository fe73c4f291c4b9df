// Everything here is an extra: each page works without it.
(() => {
  "use strict";
  const all = (selector, run, root = document) => root.querySelectorAll(selector).forEach(run);
  const zone = (() => {
    try { return Intl.DateTimeFormat().resolvedOptions().timeZone || ""; } catch { return ""; }
  })();

  // Forms that make an event start with the zone of the person who fills them in.
  all("input[data-own-zone]", (input) => {
    const label = document.querySelector("[data-zone-name]");
    const show = () => { if (label && input.value) label.textContent = input.value; };
    if (zone) input.value = zone;
    show();
    input.addEventListener("change", show);
  });

  // An end before the start cannot be picked.
  all("form[data-event]", (form) => {
    const { start_time: start, end_time: end } = form.elements;
    if (!start || !end) return;
    start.addEventListener("change", () => { end.min = start.value; });
  });

  // The time of the event where the reader is, if the clock shows another one there.
  all("[data-viewer-time]", (place) => {
    const print = (date, options) => date.toLocaleString("en-GB", options).replace(",", "");
    const options = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
    const start = new Date(place.dataset.start);
    try {
      const there = print(start, { ...options, timeZone: place.dataset.zone });
      const here = print(start, options);
      if (there === here) return;
      const sameDay = there.slice(0, -5) === here.slice(0, -5);
      place.textContent = " · " + (sameDay ? here.slice(-5) : here) + " your time";
      place.hidden = false;
    } catch { /* An unknown zone: the event's own time stands alone. */ }
  });

  const copy = async (field) => {
    const done = document.querySelector(`[data-copied="${field.id}"]`);
    field.select();
    let copied = false;
    try {
      await navigator.clipboard.writeText(field.value);
      copied = true;
    } catch {
      copied = document.execCommand("copy");
    }
    if (done) done.textContent = copied ? "Copied" : "Press and hold the link to copy it";
  };
  // Links to keep, also those that come later.
  const keepLinks = (root) => {
    all("button[data-copy]", (button) => {
      const field = document.getElementById(button.dataset.copy);
      if (!field) return;
      button.hidden = false;
      button.addEventListener("click", () => copy(field));
    }, root);
    // The system's own way to share, where there is one; copying stays beside it.
    all("button[data-share]", (button) => {
      const field = document.getElementById(button.dataset.share);
      if (!field || !navigator.share) return;
      button.hidden = false;
      button.addEventListener("click", async () => {
        const what = { url: field.value };
        if (button.dataset.title) what.title = button.dataset.title;
        try {
          await navigator.share(what);
        } catch (error) {
          if (error?.name !== "AbortError") copy(field);
        }
      });
    }, root);
    all(".keep-url", (field) => field.addEventListener("focus", () => field.select()), root);
  };
  keepLinks(document);

  all("[data-stepper]", (stepper) => {
    const input = stepper.querySelector("input");
    const button = (text, label, step) => {
      const element = document.createElement("button");
      element.type = "button";
      element.textContent = text;
      element.setAttribute("aria-label", label);
      element.addEventListener("click", () => {
        const value = (parseInt(input.value, 10) || 0) + step;
        input.value = Math.min(Number(input.max), Math.max(0, value));
        input.dispatchEvent(new Event("input", { bubbles: true }));
      });
      return element;
    };
    stepper.classList.add("has-buttons");
    stepper.prepend(button("\u2212", "One fewer", -1));
    stepper.append(button("+", "One more", 1));
  });

  // The button says what will be sent.
  all("form[data-answer]", (form) => {
    const send = form.querySelector("[data-send]");
    if (!send) return;
    const verb = send.textContent;
    const show = () => {
      const choice = form.querySelector("[name=attendance_status]:checked");
      const party = form.querySelector(".is-party");
      if (!choice) return;
      if (party) party.hidden = choice.value === "no";
      const count = 1 + (parseInt(form.elements.guest_count?.value, 10) || 0);
      const people = choice.value !== "no" && count > 1 ? `, ${count} people` : "";
      send.textContent = `${verb}: ${choice.dataset.says}${people}`;
    };
    form.addEventListener("input", show);
    show();
  });

  // Nothing is sent twice by a second tap.
  all("form[method=post]", (form) => form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  }));
  addEventListener("pageshow", () => all("form[data-sent]", (form) => delete form.dataset.sent));

  // What a host does about a guest changes the card and the numbers in place: the answer to such a
  // form holds the pieces of the page that changed, by their ids.
  const said = document.getElementById("said");
  let fading;
  const tell = (text, refused) => {
    clearTimeout(fading);
    said.classList.toggle("is-alarm", refused);
    said.textContent = text;
    // A refusal stays: there is something to do about it.
    if (!refused) fading = setTimeout(() => { said.textContent = ""; }, 12000);
  };
  // What was unfolded and half written stays so, except what was sent.
  const carry = (old, card, sent) => {
    all("details", (fold) => {
      const same = [...card.querySelectorAll("details")].find((other) => other.className === fold.className);
      if (same && fold.open && (fold.className !== "guest-remove" || fold.contains(sent))) same.open = true;
    }, old);
    all("textarea[id], input[id]:not([readonly])", (field) => {
      const same = card.querySelector("#" + CSS.escape(field.id));
      if (same && field.form !== sent) same.value = field.value;
    }, old);
  };
  const focusIn = (card, action, id) => {
    const button = () => [...card.querySelectorAll("form[data-act]")]
      .find((form) => form.getAttribute("action") === action)?.querySelector("button");
    const goals = [card.querySelector(".keep-url"), id && document.getElementById(id), button(), card.querySelector("summary")];
    const goal = goals.find((goal) => goal && goal.checkVisibility());
    // A new link is to be seen; everything else is where the reader looks already.
    goal?.focus({ preventScroll: !goal.matches(".keep-url") });
  };
  const drop = (card) => {
    const list = card.parentElement;
    const next = card.nextElementSibling || card.previousElementSibling;
    card.remove();
    if (!next) list.remove();
    (next?.querySelector("summary") || document.getElementById("guests-title"))?.focus();
  };
  const takeIn = (html, form) => {
    const held = document.createElement("template");
    held.innerHTML = html;
    const news = held.content.querySelector("#said");
    if (!news) return false;
    const action = form.getAttribute("action");
    const card = form.closest(".guest");
    const focused = card?.contains(document.activeElement) || document.activeElement === document.body;
    const id = document.activeElement?.id;
    [...held.content.children].forEach((piece) => {
      const old = document.getElementById(piece.id);
      if (!old || piece === news) return;
      if (piece.getAttribute("hx-swap-oob") === "delete") return drop(old);
      if (old === card) carry(old, piece, form);
      old.replaceWith(piece);
      keepLinks(piece);
      if (old === card && focused) focusIn(piece, action, id);
    });
    tell(news.textContent, news.classList.contains("is-alarm"));
    return true;
  };
  if (said && window.fetch && "checkVisibility" in said) {
    document.addEventListener("submit", async (event) => {
      const form = event.target;
      if (!form.matches("form[data-act]") || event.defaultPrevented) return;
      event.preventDefault();
      if (form.dataset.busy) return;
      form.dataset.busy = "1";
      try {
        const body = new URLSearchParams(new FormData(form));
        const answer = await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" } });
        const isLater = answer.status === 429 || answer.status === 503;
        if (isLater) tell("That was not taken yet. Nothing you wrote is lost: try again in a minute.", true);
        else if (!takeIn(await answer.text(), form)) tell("That did not work. Load the page again and look what is there now.", true);
      } catch {
        tell("That did not reach the site. Nothing you wrote is lost: try again in a moment.", true);
      }
      delete form.dataset.busy;
      delete form.dataset.sent;
    });
  }

  // A way back to the answer while it is off the screen.
  const jump = document.querySelector("[data-jump]");
  const answer = document.getElementById("answer");
  if (jump && answer && "IntersectionObserver" in window) {
    new IntersectionObserver(([entry]) => { jump.hidden = entry.isIntersecting; }).observe(answer);
  }

  // Links that the reader asked this device to keep, in the form that OpenRSVP 0.16 kept them in:
  // what it left here goes on.
  const KEYS = "openrsvp-keys";
  const readKept = () => {
    try {
      const events = JSON.parse(localStorage.getItem(KEYS))?.events;
      return events && typeof events === "object" ? events : {};
    } catch { return {}; }
  };
  const writeKept = (events) => {
    try { localStorage.setItem(KEYS, JSON.stringify({ events })); return true; } catch { return false; }
  };
  const tokenOf = (entry, kind) => (kind === "admin" ? entry?.adminToken : entry?.rsvp?.token) || "";
  const pathOf = (id, kind, token) => ["/e", id, kind, token].map((part, at) => (at ? encodeURIComponent(part) : part)).join("/");
  const parsePath = (path) => {
    const [, e, id, kind, token] = path.split("/");
    return e === "e" && token ? { id, kind, token } : null;
  };
  const keep = ({ id, kind, token }, { title, when, start }) => {
    const events = readKept();
    const entry = { ...events[id], title, when, start };
    if (kind === "admin") entry.adminToken = token; else entry.rsvp = { ...entry.rsvp, token };
    events[id] = entry;
    return writeKept(events);
  };
  const forget = (id, kind) => {
    const events = readKept();
    if (!events[id]) return;
    delete events[id][kind === "admin" ? "adminToken" : "rsvp"];
    if (!events[id].adminToken && !events[id].rsvp) delete events[id];
    writeKept(events);
  };

  all("[data-remember]", (place) => {
    const link = parsePath(place.dataset.path);
    if (!link) return;
    const button = place.querySelector("[data-toggle]");
    const said = place.querySelector("[data-kept]");
    const isKept = () => tokenOf(readKept()[link.id], link.kind) === link.token;
    const show = () => { button.textContent = isKept() ? "Forget on this device" : "Remember on this device"; };
    if (isKept()) keep(link, place.dataset);
    show();
    place.hidden = false;
    button.addEventListener("click", () => {
      if (isKept()) {
        forget(link.id, link.kind);
        said.textContent = "Forgotten";
      } else {
        said.textContent = keep(link, place.dataset) ? "Remembered" : "This browser keeps nothing. Copy the link.";
      }
      show();
    });
  });

  // What was deleted needs no remembering.
  if (document.querySelector("[data-deleted]")) {
    const gone = parsePath(location.pathname);
    if (gone) for (const kind of gone.kind === "admin" ? ["admin", "rsvp"] : ["rsvp"]) forget(gone.id, kind);
  }

  // The public page leads back to what this device knows of it.
  all("[data-own-links]", (place) => {
    const id = place.dataset.ownLinks.split("/")[2];
    const entry = readKept()[id];
    for (const [kind, words] of [["rsvp", "Open your answer"], ["admin", "Open the host’s page"]]) {
      const token = tokenOf(entry, kind);
      if (!token) continue;
      const link = document.createElement("a");
      link.href = pathOf(id, kind, token);
      link.textContent = words;
      place.append(link);
      place.hidden = false;
    }
  });

  all("[data-kept-list]", (place) => {
    const kind = place.dataset.keptList;
    const list = place.querySelector("ul");
    const forgetAll = place.querySelector("[data-forget-all]");
    const said = place.querySelector("[data-said]");
    const row = (id, entry) => {
      const item = document.createElement("li");
      const what = document.createElement("span");
      const link = document.createElement("a");
      const when = document.createElement("small");
      const button = document.createElement("button");
      what.className = "kept-what";
      link.href = pathOf(id, kind, tokenOf(entry, kind));
      link.dir = "auto";
      link.textContent = entry.title || "An event";
      when.textContent = entry.when || "";
      what.append(link, when);
      button.type = "button";
      button.className = "button is-small";
      button.textContent = "Forget";
      button.setAttribute("aria-label", `Forget ${link.textContent}`);
      button.addEventListener("click", () => { forget(id, kind); said.textContent = "Forgotten"; fill(); });
      item.append(what, button);
      // Version 0.16 kept no titles.
      if (!entry.title) fetch(`/api/v1/events/${encodeURIComponent(id)}`).then(async (answer) => {
        link.textContent = answer.ok ? (await answer.json()).event.title : "An event that is gone";
      }).catch(() => {});
      return item;
    };
    const fill = () => {
      const entries = Object.entries(readKept()).filter(([, entry]) => tokenOf(entry, kind));
      entries.sort(([, a], [, b]) => (b.start || "").localeCompare(a.start || ""));
      list.replaceChildren(...entries.map(([id, entry]) => row(id, entry)));
      all("[data-none]", (none) => { none.hidden = entries.length > 0; }, place);
      forgetAll.hidden = entries.length < 2;
      return entries;
    };
    forgetAll.addEventListener("click", () => {
      if (!confirm("Forget all of these links on this device?")) return;
      fill().forEach(([id]) => forget(id, kind));
      said.textContent = "Forgotten";
      fill();
    });
    place.hidden = false;
    fill();
  });

  // The colours that the reader chose, kept on this device; theme.js puts them on before painting.
  all("[data-look]", (place) => {
    const root = document.documentElement;
    const select = place.querySelector("select");
    const bars = [...document.querySelectorAll("meta[name=theme-color]")].map((bar) => [bar, bar.content]);
    const paint = () => {
      const paper = root.dataset.theme && getComputedStyle(root).getPropertyValue("--paper").trim();
      bars.forEach(([bar, own]) => { bar.content = paper || own; });
      select.value = root.dataset.theme || "";
    };
    const put = (theme) => {
      if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
      paint();
    };
    select.addEventListener("change", () => {
      put(select.value);
      try {
        if (select.value) localStorage.setItem("openrsvp-theme", select.value);
        else localStorage.removeItem("openrsvp-theme");
      } catch { /* It holds for this page alone. */ }
    });
    addEventListener("storage", (event) => { if (event.key === "openrsvp-theme") put(event.newValue); });
    paint();
    place.hidden = false;
  });

  document.querySelector("[data-focus]")?.focus();
})();
