/* Steps a film, shows what the reader points at, zooms the stage. Everything lives under one element; nothing is global. */
(() => {
  "use strict";
  const root = document.currentScript.closest(".gad");
  const find = (selector) => root.querySelector(selector);
  const data = JSON.parse(find(".gad-data").textContent);
  const stage = find(".gad-stage");
  const picture = find(".gad-picture");
  const last = data.steps.length - 1;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const alone = () => document.querySelectorAll(".gad").length === 1;

  /* ---- parts: number -> its <g>, its words, and its <text>s by role ---- */
  const parts = data.hover.map((hover) => ({ hover, body: null, words: null, texts: new Map() }));
  const finals = new Map(); // <text> -> what it says in the finished picture
  const written = new Map(); // <text> -> what it says now, and the finished words as they are set
  for (const group of picture.querySelectorAll("[data-part]")) {
    const part = parts[Number(group.dataset.part)];
    part[group.matches(".words") ? "words" : "body"] = group;
    for (const text of group.querySelectorAll("text")) {
      const role = text.classList[0];
      part.texts.set(role, [...(part.texts.get(role) ?? []), text]);
      finals.set(text, text.dataset.text ?? text.textContent);
      written.set(text, { now: finals.get(text), set: [...text.childNodes] });
    }
  }

  /* What is known about a part at the step that is shown: a number only when it stands on the stage. */
  const facts = (part) => part.hover.map((line) => {
    if (typeof line === "string") return line;
    const [text, role] = line;
    const known = part.texts.get(role).every((element) => written.get(element).now === finals.get(element));
    return known ? text : `${text.split(":", 1)[0]}: not computed yet`;
  });
  /* A name is what is seen, so that it can be said to the machine; the facts are its description. */
  const seen = (part) => [...part.body.querySelectorAll("text")].filter((text) => text.textContent && text.checkVisibility());
  const describe = (part) => {
    if (!part.body?.hasAttribute("tabindex")) return;
    const told = facts(part).join("; ");
    const name = seen(part).map((text) => text.textContent).join(" ");
    part.body.setAttribute("aria-label", name || told);
    if (name) part.body.setAttribute("aria-description", told);
  };
  let inspected = () => {}; // brings the open card up to date
  let aim = () => {}; // lets the camera look at what a step shows, after so many seconds on its way
  for (const small of root.querySelectorAll(".gad-overview [data-small]")) parts[Number(small.dataset.small)].small = small;

  /* ---- film: the picture at a step is computed from the opening, whatever was shown before ---- */
  const stateAt = (index) => {
    const state = new Map();
    const changes = [data.opening, ...data.steps.slice(0, index + 1).map((step) => step.changes)];
    for (const [number, emphasis, texts = {}] of changes.flat()) {
      const now = state.get(number) ?? { emphasis: "idle", texts: new Map() };
      if (emphasis !== null) now.emphasis = emphasis;
      for (const [role, text] of Object.entries(texts)) now.texts.set(role, text);
      state.set(number, now);
    }
    return state;
  };

  const write = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const put = (element, text) => {
    const words = written.get(element);
    if (words.now === text) return;
    words.now = text;
    if (text === finals.get(element)) element.replaceChildren(...words.set);
    else element.textContent = text;
  };

  /* Colour grows along an arrow towards the one that receives, for a reader who has not asked for less motion. */
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const grow = (arrow) => {
    if (calm.matches || root.matches(".gad-large")) return;
    for (const shaft of arrow.querySelectorAll(".shaft")) {
      const length = shaft.getTotalLength();
      shaft.animate([{ strokeDasharray: `0 ${length}` }, { strokeDasharray: `${length} 0` }], { duration: 500, easing: "ease-out" });
    }
  };

  const inscribe = (part, element, text, roles) => {
    put(element, text);
    if ("said" in element.dataset) element.toggleAttribute("data-shown", text !== finals.get(element)); // words for cells
    part.words?.toggleAttribute("data-blank", roles.every((role) => (part.texts.get(role) ?? []).every((one) => !written.get(one).now)));
  };

  let settle = () => {}; // numbers on their way are where they end
  let recall = () => {}; // what stands on the stage
  let depart = () => {}; // lets the numbers of a step go on their way

  MOTION;
  const draw = (index, oneOn, rate) => {
    settle();
    const before = recall();
    const state = stateAt(index);
    for (const [number, now] of state) {
      const part = parts[number];
      if (part.body && part.body.dataset.emphasis !== now.emphasis) {
        part.body.dataset.emphasis = now.emphasis;
        if (part.small) part.small.dataset.emphasis = now.emphasis;
        if (oneOn && now.emphasis.startsWith("active-")) grow(part.body);
      }
      const roles = [...now.texts.keys()];
      for (const [role, text] of now.texts) for (const element of part.texts.get(role) ?? []) inscribe(part, element, text, roles);
      if (!roles.length) part.words?.setAttribute("data-blank", "");
      describe(part);
    }
    if (oneOn && !calm.matches) depart(data.steps[index], state, before, rate);
    inspected();
  };

  /* Where the stage is larger than its window, what a step is about comes into view. */
  const follow = (step) => {
    if (stage.scrollWidth <= stage.clientWidth && stage.scrollHeight <= stage.clientHeight) return;
    const around = (wanted) => {
      const boxes = step.changes.filter(wanted).map(([number]) => parts[number].body?.getBoundingClientRect()).filter(Boolean);
      const [left, top] = ["left", "top"].map((side) => Math.min(...boxes.map((box) => box[side])));
      const [right, bottom] = ["right", "bottom"].map((side) => Math.max(...boxes.map((box) => box[side])));
      return { left, top, right, bottom };
    };
    const frame = stage.getBoundingClientRect();
    let about = around(([, emphasis]) => emphasis?.startsWith("active"));
    if (about.right - about.left > frame.width || about.bottom - about.top > frame.height) about = around(([, emphasis]) => emphasis === "active");
    if (about.left > about.right) return; // nothing is active
    stage.scrollBy({
      left: (about.left + about.right - frame.left - frame.right) / 2,
      top: (about.top + about.bottom - frame.top - frame.bottom) / 2,
      behavior: calm.matches ? "auto" : "smooth",
    });
  };

  const startFilm = () => {
    let index = last;
    let timer = 0;
    let leaving = 0;
    let looping = false;
    const play = find("[data-action=play]");
    const scrubber = find(".gad-scrubber input");
    const speed = find(".gad-controls select");
    const help = find(".gad-help");
    const lines = root.querySelectorAll(".gad-transcript li");
    const firstOf = (phase) => data.steps.findIndex((step) => step.phase === phase);
    const phaseName = (step) => data.phases[step.phase] ?? step.phase;

    /* Mathematics: what is upright, in italics, lowered, in turn; or several pieces, some of which are fractions. */
    const made = (tag, nodes, className = "") => {
      const element = Object.assign(document.createElement(tag), { className });
      element.append(...nodes);
      return element;
    };
    const nodes = (words) => {
      if (words.pieces) return words.pieces.flatMap(nodes);
      if (!words.halves) return [words].flat().map((text, i) => (i % 3 ? made(i % 3 > 1 ? "sub" : "i", [text]) : text));
      const [above, below] = words.halves.map((half) => made("span", nodes(half)));
      return [made("span", [above, made("span", ["/"], "slash"), below], "fraction")];
    };
    const set = (element, words) => {
      const fresh = made("p", nodes(words));
      if (element.textContent !== fresh.textContent) element.replaceChildren(...fresh.childNodes);
    };
    const say = (step) => {
      const [rule, numbers, result = ""] = step.caption;
      set(find(".gad-rule span"), rule);
      set(find(".gad-numbers"), numbers);
      set(find(".gad-result"), result);
      write(find(".gad-sentence"), step.sentence ?? "");
    };

    /* Returns whether anything moved, so that a key that did nothing can go on to the page around. */
    const show = (wanted, seconds = 0.6) => {
      const before = index;
      index = clamp(wanted, 0, last);
      const step = data.steps[index];
      aim(step.view, seconds, index === last);
      draw(index, index === before + 1, Number(speed.value));
      follow(step);
      say(step);
      root.dispatchEvent(new CustomEvent("gad-step", { detail: step }));
      const counter = `step ${index + 1}/${last + 1} · ${phaseName(step)}`;
      write(find(".gad-counter"), counter);
      root.dataset.phase = step.phase;
      scrubber.value = index;
      scrubber.setAttribute("aria-valuetext", counter);
      for (const action of ["first", "previous"]) find(`[data-action=${action}]`).setAttribute("aria-disabled", index === 0);
      for (const action of ["next", "last"]) find(`[data-action=${action}]`).setAttribute("aria-disabled", index === last);
      lines[before].removeAttribute("aria-current");
      lines[index].setAttribute("aria-current", "step");
      return index !== before;
    };

    const pause = () => {
      clearTimeout(timer);
      clearTimeout(leaving);
      delete root.dataset.playing;
      play.setAttribute("aria-label", "Play");
      play.title = "Play";
    };
    const wait = () => {
      clearTimeout(timer);
      clearTimeout(leaving);
      if (index === last && !looping) return pause();
      const { seconds, move = 0 } = data.steps[index];
      if (move) leaving = setTimeout(() => aim(data.steps[index + 1].view, move / Number(speed.value)), ((seconds - move) * 1000) / Number(speed.value));
      timer = setTimeout(() => {
        show(index === last ? 0 : index + 1);
        wait();
      }, (seconds * 1000) / Number(speed.value));
    };
    const toggle = () => {
      if ("playing" in root.dataset) return pause();
      if (index === last) show(0);
      root.dataset.playing = "";
      play.setAttribute("aria-label", "Pause");
      play.title = "Pause";
      wait();
    };
    let untouched = true; // the finished picture is shown, from which the first step forward leads to the beginning
    const goTo = (wanted) => {
      untouched = false;
      pause();
      return show(wanted);
    };
    const loop = () => {
      looping = !looping;
      find("[data-action=loop]").setAttribute("aria-pressed", looping);
    };
    const faster = (way) => {
      speed.selectedIndex = clamp(speed.selectedIndex + way, 0, speed.options.length - 1);
      if ("playing" in root.dataset) wait();
    };
    const fullscreen = () => {
      const done = document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen?.();
      done?.catch(() => {}); // a frame may forbid it
    };
    const showHelp = (open) => {
      help.hidden = !open;
      find("[data-action=help]").setAttribute("aria-expanded", open);
    };

    const actions = new Map([
      ["first", () => goTo(0) || true], // never scrolls the page
      ["previous", () => goTo(index - 1)],
      ["play", toggle],
      ["next", () => goTo(untouched && !deck && index === last ? 0 : index + 1)],
      ["last", () => goTo(last) || true],
      ["chapter", (button) => goTo(Number(button.dataset.step))],
      ["chapter-before", () => goTo(data.chapters.findLast((first) => first < index) ?? 0)],
      ["chapter-after", () => goTo(data.chapters.find((first) => first > index) ?? last)],
      ["loop", loop],
      ["fullscreen", fullscreen],
      ["help", () => showHelp(help.hidden)],
      ["slower", () => faster(-1)],
      ["faster", () => faster(1)],
      ["close", () => !help.hidden && (showHelp(false), true)],
    ]);
    const keys = new Map([
      [" ", "play"], ["k", "play"], ["ArrowLeft", "previous"], ["ArrowRight", "next"], ["PageUp", "previous"], ["PageDown", "next"],
      ["[", "chapter-before"], ["]", "chapter-after"], ["Home", "first"], ["End", "last"], ["ArrowUp", "faster"], ["ArrowDown", "slower"], ["l", "loop"], ["f", "fullscreen"], ["?", "help"],
      ["Escape", "close"],
    ]);

    const obey = (event) => {
      const target = event.target;
      const ours = root.contains(target) || (target === document.body && alone());
      if (!ours || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
      if (target.matches("select, summary") && event.key !== "Escape") return; // these have keys of their own
      if (target.matches("button, [role=button]") && event.key === " ") return;
      if (target.matches("input") && /^Arrow(Up|Down)$/.test(event.key)) return;
      const action = keys.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
      if (action && actions.get(action)() !== false) return event.preventDefault();
      const wish = deck && wishes.get(event.key);
      if (!wish) return;
      event.preventDefault();
      deck.postMessage(JSON.stringify({ method: wish }), "*");
    };

    /* On a slide of reveal.js: plays while the slide is shown, and hands on the keys that it has no use for. */
    let deck = null;
    const wishes = new Map([
      ["ArrowRight", "next"], ["PageDown", "next"], ["n", "next"], ["ArrowLeft", "prev"], ["PageUp", "prev"], ["p", "prev"],
      ["Escape", "toggleOverview"], ["o", "toggleOverview"], ["b", "togglePause"], [".", "togglePause"],
    ]);
    window.addEventListener("message", (event) => {
      if (window === parent || event.source !== parent || !alone()) return;
      if (event.data === "slide:stop") pause();
      if (event.data !== "slide:start") return;
      deck = parent;
      if (calm.matches) return; // the finished picture, to step through
      goTo(0);
      toggle();
    });

    const drawTicks = () => {
      const ticks = find(".gad-ticks");
      const place = (tag, at, phase) => {
        const mark = document.createElement(tag);
        mark.style.left = `${(100 * at) / Math.max(last, 1)}%`;
        if (phase) mark.dataset.phase = phase;
        ticks.append(mark);
      };
      if (last < 150) data.steps.forEach((step, i) => place("i", i, step.phase));
      if (firstOf("backward") > 0) place("b", firstOf("backward") - 0.5);
    };

    /* The longest caption reserves its room, so that nothing jumps from step to step. */
    const reserveCaption = () => {
      const caption = find(".gad-caption");
      const length = (step) => JSON.stringify([step.caption, step.sentence]).length;
      caption.style.minHeight = "";
      say(data.steps.reduce((a, b) => (length(b) > length(a) ? b : a)));
      caption.style.minHeight = `${caption.offsetHeight}px`;
      say(data.steps[index]);
    };

    const fromAddress = () => {
      const step = /^#step=(\d+)$/.exec(location.hash);
      if (step && alone()) goTo(Number(step[1]) - 1);
    };

    let beforePrint = last;
    window.addEventListener("beforeprint", () => {
      beforePrint = index;
      pause();
      show(last, 0);
    });
    window.addEventListener("afterprint", () => show(beforePrint));
    window.addEventListener("hashchange", fromAddress);
    window.addEventListener("resize", reserveCaption);
    document.addEventListener("keydown", obey);
    scrubber.addEventListener("input", () => goTo(Number(scrubber.value)));
    speed.addEventListener("change", () => faster(0));
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-action]");
      actions.get(button?.dataset.action)?.(button);
    });
    find(".gad-controls").hidden = false;
    drawTicks();
    reserveCaption();
    show(last, 0);
    fromAddress();
  };

  /* ---- inspector: a card beside the box or arrow under the pointer or the focus; a click keeps it open ---- */
  const startInspector = () => {
    const card = find(".gad-card");
    let pinned = null;
    let hiding = 0;

    /* Of the four sides, the one where the card hides least. */
    const place = (box) => {
      const frame = stage.getBoundingClientRect();
      const { offsetWidth: width, offsetHeight: height } = card;
      const gap = 10;
      const [across, along] = [(box.left + box.right - width) / 2, (box.top + box.bottom - height) / 2];
      const sides = [
        [box.right + gap, along], [across, box.bottom + gap], [box.left - gap - width, along], [across, box.top - gap - height],
      ];
      const within = (value, low, high) => clamp(value, low, Math.max(high, low));
      const inside = ([x, y]) => [within(x, frame.left, frame.right - width), within(y, frame.top, frame.bottom - height)];
      const drawn = [box, ...[...picture.querySelectorAll(".box, .words")].map((other) => other.getBoundingClientRect())];
      const common = (low, high, from, to) => Math.max(0, Math.min(high, to) - Math.max(low, from));
      const area = (x, y, o) => common(x, x + width, o.left, o.right) * common(y, y + height, o.top, o.bottom);
      const hides = ([x, y]) => drawn.reduce((sum, other) => sum + area(x, y, other), 0);
      const [x, y] = sides.map(inside).reduce((best, side) => (hides(side) < hides(best) ? side : best));
      card.style.left = `${x - frame.left + stage.scrollLeft}px`;
      card.style.top = `${y - frame.top + stage.scrollTop}px`;
    };
    const fill = (part) => {
      card.replaceChildren(...facts(part).map((text) => Object.assign(document.createElement("div"), { textContent: text })));
    };
    const open = (part) => {
      clearTimeout(hiding);
      inspected = () => fill(part);
      inspected();
      card.hidden = false;
      place(part.body.getBoundingClientRect());
    };
    const close = () => {
      pinned = null;
      card.hidden = true;
    };
    const leave = () => {
      clearTimeout(hiding);
      hiding = setTimeout(() => (pinned ? open(pinned) : close()), 150);
    };
    const pin = (part) => {
      pinned = pinned === part ? null : part;
      if (pinned) open(part);
      else close();
    };

    for (const part of parts) {
      if (!part.hover.length || !part.body) continue;
      if (part.body.matches(".arrow")) { // a wide line to point at, which nobody sees
        const grip = part.body.querySelector("path").cloneNode();
        grip.setAttribute("class", "grip");
        part.body.prepend(grip);
      }
      part.body.setAttribute("tabindex", "0");
      part.body.setAttribute("role", "button");
      describe(part);
      part.body.addEventListener("pointerenter", () => open(part));
      part.body.addEventListener("pointerleave", leave);
      part.body.addEventListener("focus", () => part.body.matches(":focus-visible") && open(part));
      part.body.addEventListener("blur", leave);
      part.body.addEventListener("click", () => pin(part));
      part.body.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        pin(part);
      });
    }
    card.addEventListener("pointerenter", () => clearTimeout(hiding));
    card.addEventListener("pointerleave", leave);
    root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || card.hidden) return;
      event.preventDefault();
      close();
    });
    stage.addEventListener("click", (event) => event.target.closest("[tabindex], .gad-card, button") || close());
    picture.setAttribute("role", "group"); // an image could not hold buttons
  };

  /* ---- zoom: only the viewBox changes ---- */
  const startZoom = () => {
    const whole = picture.viewBox.baseVal;
    const full = { x: whole.x, y: whole.y, width: whole.width, height: whole.height };
    let view = { ...full };
    const read = root.classList.contains("gad-read"); // in letters that can be read, rather than as a whole
    const still = last < 0 && !read && stage.scrollWidth <= stage.clientWidth; // else wheel and fingers scroll
    if (still) stage.dataset.zoom = "";
    find(".gad-zoom").hidden = last >= 0;

    let looked = () => {}; // shows what is seen
    let going = 0; // of a camera on its way
    const look = (x, y, width, height = (width * view.height) / view.width) => {
      view = { x, y, width, height };
      picture.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
      if (!still) stage.toggleAttribute("data-zoom", width < full.width);
      looked();
    };

    CAMERA;
    const fit = () => {
      if (read) root.classList.toggle("gad-read"); // the whole, and back
      look(full.x, full.y, full.width, full.height);
    };
    const zoom = (factor, x = view.x + view.width / 2, y = view.y + view.height / 2) => {
      cancelAnimationFrame(going);
      const width = clamp(view.width / factor, full.width / 60, full.width * 1.5);
      const kept = width / view.width;
      look(x - (x - view.x) * kept, y - (y - view.y) * kept, width);
    };
    const inPicture = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());

    stage.addEventListener("wheel", (event) => {
      if ((!still && !event.ctrlKey && !event.metaKey) || event.target.closest(".gad-card")) return;
      event.preventDefault();
      const at = inPicture(event);
      zoom(Math.exp(-clamp(event.deltaY, -120, 120) / 400), at.x, at.y);
    }, { passive: false });
    picture.addEventListener("dblclick", fit);

    let hold = null;
    let moved = false;
    const fingers = new Map();
    const spread = ([a, b]) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    const take = (event) => (hold = { x: event.clientX, y: event.clientY, view, scale: picture.getScreenCTM().a });
    picture.addEventListener("pointerdown", (event) => {
      moved = false;
      if (event.button !== 0 || !("zoom" in stage.dataset)) return;
      fingers.set(event.pointerId, event);
      if (fingers.size === 1) take(event);
      else picture.setPointerCapture(event.pointerId);
    });
    const pinch = (event) => {
      const before = [...fingers.values()];
      fingers.set(event.pointerId, event);
      const after = [...fingers.values()];
      const between = { clientX: (after[0].clientX + after[1].clientX) / 2, clientY: (after[0].clientY + after[1].clientY) / 2 };
      const at = inPicture(between);
      moved = true;
      zoom(spread(after) / Math.max(spread(before), 1), at.x, at.y);
      take(after[0]); // the finger that stays goes on from here
    };
    picture.addEventListener("pointermove", (event) => {
      if (!hold) return;
      if (fingers.size === 2 && fingers.has(event.pointerId)) return pinch(event);
      const [dx, dy] = [event.clientX - hold.x, event.clientY - hold.y];
      if (!moved && Math.hypot(dx, dy) < 4) return;
      if (!moved) picture.setPointerCapture(event.pointerId);
      moved = true;
      look(hold.view.x - dx / hold.scale, hold.view.y - dy / hold.scale, hold.view.width);
    });
    for (const end of ["pointerup", "pointercancel"]) picture.addEventListener(end, (event) => {
      fingers.delete(event.pointerId);
      hold = null;
      for (const finger of fingers.values()) take(finger);
    });
    picture.addEventListener("click", (event) => moved && event.stopPropagation(), true); // the end of a drag is no click

    const actions = new Map([["zoom-in", () => zoom(1.4)], ["zoom-out", () => zoom(1 / 1.4)], ["zoom-fit", fit]]);
    const keys = new Map([["+", "zoom-in"], ["=", "zoom-in"], ["-", "zoom-out"], ["0", "zoom-fit"]]);
    stage.addEventListener("click", (event) => actions.get(event.target.closest("[data-action]")?.dataset.action)?.());
    document.addEventListener("keydown", (event) => {
      const ours = root.contains(event.target) || (event.target === document.body && alone());
      const action = keys.get(event.key);
      if (!ours || !action || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("select")) return;
      event.preventDefault();
      actions.get(action)();
    });
  };

  startInspector();
  startZoom();
  if (last >= 0) startFilm();
})();
