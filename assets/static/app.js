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
  });
  all(".keep-url", (field) => field.addEventListener("focus", () => field.select()));

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

  // A way back to the answer while it is off the screen.
  const jump = document.querySelector("[data-jump]");
  const answer = document.getElementById("answer");
  if (jump && answer && "IntersectionObserver" in window) {
    new IntersectionObserver(([entry]) => { jump.hidden = entry.isIntersecting; }).observe(answer);
  }

  document.querySelector("[data-focus]")?.focus();
})();
