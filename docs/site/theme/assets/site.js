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

// The theme opens its menu by a label, which no key reaches; and its pictures say nothing more than
// the words beside them.
addEventListener("DOMContentLoaded", () => {
  for (const label of document.querySelectorAll("label.md-header__button")) {
    label.tabIndex = 0;
    label.setAttribute("role", "button");
    label.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      label.click();
    });
  }
  for (const picture of document.querySelectorAll("svg")) {
    if (!picture.closest(".output")) picture.setAttribute("aria-hidden", "true");
  }
});
