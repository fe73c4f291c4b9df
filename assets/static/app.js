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

  // Links to keep, also those that come later.
  const keepLinks = (root) => {
    all("button[data-copy]", (button) => {
      const field = document.getElementById(button.dataset.copy);
      const done = document.querySelector(`[data-copied="${button.dataset.copy}"]`);
      if (!field) return;
      button.hidden = false;
      button.addEventListener("click", async () => {
        field.select();
        let copied = false;
        try {
          await navigator.clipboard.writeText(field.value);
          copied = true;
        } catch {
          copied = document.execCommand("copy");
        }
        if (done) done.textContent = copied ? "Copied" : "Press and hold the link to copy it";
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
        if (!takeIn(await answer.text(), form)) tell("That did not work. Load the page again and look what is there now.", true);
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

  document.querySelector("[data-focus]")?.focus();
})();
