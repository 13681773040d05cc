  /* Numbers on their way, each on a plate, most of them copies from the stage; what they become is written when they have come. */
  let undo = []; // puts an end to what is on its way
  settle = () => undo.splice(0).forEach((end) => end());
  recall = () => new Map([...written].map(([element, words]) => [element, words.now]));
  const svg = (name, attributes) => {
    const made = document.createElementNS(picture.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const copyOf = (text) => {
    const shown = "said" in text.dataset && !text.hasAttribute("data-shown") ? text.nextElementSibling : text;
    const { x, y, width, height } = shown.getBBox();
    const copy = svg("g", { transform: `translate(${-x - width / 2} ${-y - height / 2})` });
    copy.append(shown.cloneNode(true));
    return copy;
  };
  const lettered = (role, words) => {
    const text = svg("text", { class: role, y: "0.36em" });
    text.textContent = words;
    return text;
  };
  const fly = ([what, said, color, [width, height], times, places, seen], rate) => {
    const [begin, end, until] = times.map((time) => time / rate);
    const plate = svg("g", { class: "flying", visibility: "hidden", "aria-hidden": "true" });
    const rect = svg("rect", { x: -width / 2, y: -height / 2, width, height, rx: Math.min(7, height / 2) });
    rect.style.stroke = `var(--${color || `${said}-line`})`;
    plate.append(rect, typeof what === "string" ? lettered(what, said) : copyOf(parts[what].texts.get(said)[0]));
    const frames = [];
    for (let i = 0; i < places.length; i += 2) {
      const offset = ((end - begin) / (until - begin)) * (i / (places.length - 2));
      const opacity = seen?.[i / 2] ?? 1;
      frames.push({ offset, opacity, visibility: "visible", transform: `translate(${places[i]}px, ${places[i + 1]}px)` });
    }
    if (until > end) frames.push({ ...frames.at(-1), offset: 1 });
    picture.append(plate);
    plate.animate(frames, { delay: begin, duration: until - begin }).finished.then(() => plate.remove(), () => {});
    undo.push(() => plate.remove());
  };
  const hold = (part, lines, roles, before, rate) => {
    for (const [role, time] of Object.entries(lines)) for (const element of part.texts.get(role) ?? []) {
      const now = written.get(element).now;
      inscribe(part, element, before.get(element), roles);
      const show = () => {
        inscribe(part, element, now, roles);
        describe(part);
        inspected();
      };
      const timer = setTimeout(show, time / rate);
      undo.push(() => (clearTimeout(timer), show()));
    }
    describe(part);
  };
  depart = ({ moves = [], held = [] }, state, before, rate) => {
    moves.forEach((move) => fly(move, rate));
    for (const [number, lines] of held) hold(parts[number], lines, [...state.get(number).texts.keys()], before, rate);
  };
