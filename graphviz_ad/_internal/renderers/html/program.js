/* Lights the lines of the program that a step is about, and those that call them; the list scrolls as little as it can. */
(() => {
  "use strict";
  const root = document.currentScript.closest(".gad");
  const code = root.querySelector(".gad-program ol");
  root.addEventListener("gad-step", (event) => {
    const [lit, calling] = event.detail.lit;
    [...code.children].forEach((line, i) => {
      line.toggleAttribute("data-lit", lit.includes(i));
      line.toggleAttribute("data-calls", calling.includes(i));
      if (lit.includes(i)) line.setAttribute("aria-current", "true");
      else line.removeAttribute("aria-current");
    });
    if (!lit.length) return;
    const [first, end] = [code.children[lit[0]], code.children[lit.at(-1)]];
    const [top, bottom] = [first.offsetTop, end.offsetTop + end.offsetHeight];
    if (top < code.scrollTop) code.scrollTop = top - first.offsetHeight;
    else if (bottom > code.scrollTop + code.clientHeight) code.scrollTop = Math.min(top, bottom + end.offsetHeight - code.clientHeight);
  });
})();
