/* Shows as many points of the chart of losses as are known at a step. */
(() => {
  "use strict";
  const root = document.currentScript.closest(".gad");
  const chart = root.querySelector(".gad-losses");
  const [titles, passes] = JSON.parse(root.querySelector(".gad-data").textContent).losses;
  const [title, pass] = chart.querySelectorAll("text");
  root.addEventListener("gad-step", (event) => {
    const { known } = event.detail;
    for (const part of chart.querySelectorAll("[data-loss]")) part.style.display = Number(part.dataset.loss) < known ? "" : "none";
    title.textContent = titles[known];
    pass.textContent = passes[known];
  });
})();
