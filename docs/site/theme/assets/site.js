"use strict";

// A page that was opened as a file may start no worker. The search then runs in a frame, which has
// the same messages: what one side posts, the other is told.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(address) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.waiting = [];
      document.documentElement.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => this.onmessage?.({ data });
      const script = inside.document.createElement("script");
      script.src = new URL(address, location.href).href;
      script.onload = () => {
        for (const data of this.waiting) inside.onmessage({ data });
        this.waiting = null;
      };
      script.onerror = (event) => this.onerror?.(event);
      inside.document.head.append(script);
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else setTimeout(() => this.frame.contentWindow?.onmessage({ data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}

// The theme opens its menus by labels, which no key reaches. On a wide screen those of the sections
// are headings.
const narrow = matchMedia("(max-width: 76.234375em)");

function reached(label) {
  const box = document.getElementById(label.htmlFor);
  const tell = () => label.setAttribute("aria-expanded", box.checked);
  const change = () => {
    const is = narrow.matches || label.matches(".md-header__button");
    label.tabIndex = is ? 0 : -1;
    if (is) label.setAttribute("role", "button");
    else label.removeAttribute("role");
    if (is) tell();
    else label.removeAttribute("aria-expanded");
  };
  label.addEventListener("keydown", (event) => {
    if (event.key !== " ") return; // the theme itself heeds Enter
    event.preventDefault();
    label.click();
  });
  box.addEventListener("change", change);
  narrow.addEventListener("change", change);
  change();
}

// Its pictures say nothing more than the words beside them.
addEventListener("DOMContentLoaded", () => {
  const labels =
    ".md-header__button, .md-nav__link:not(.md-nav__link--active), .md-nav__title:not([for=__drawer])";
  for (const label of document.querySelectorAll(labels)) {
    if (document.getElementById(label.htmlFor)) reached(label);
  }
  for (const picture of document.querySelectorAll("svg")) {
    if (!picture.closest(".output")) picture.setAttribute("aria-hidden", "true");
  }
});
