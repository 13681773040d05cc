    /* The camera of a film: a view fills what the overview leaves of the stage, and every point goes straight there. */
    const overview = find(".gad-overview");
    let aimed = null; // what it looks at; null: the whole
    const clear = () => {
      const [wide, high] = [picture.clientWidth, picture.clientHeight];
      if (!aimed) return { left: 0, top: 0, wide, high };
      const above = full.width >= 3 * full.height;
      const [aside, down] = above ? [0, overview.offsetHeight + 8] : [overview.offsetWidth + 8, 0];
      return { left: 0, top: down, wide: wide - aside, high: high - down };
    };
    const outline = () => {
      const room = clear();
      const scale = picture.clientWidth / view.width;
      const seen = overview.querySelector(".gad-seen");
      const set = (name, value) => seen.setAttribute(name, value);
      const [x, y] = [Math.max(view.x + room.left / scale, 0), Math.max(view.y + room.top / scale, 0)];
      set("x", x);
      set("y", y);
      set("width", Math.max(Math.min(view.x + (room.left + room.wide) / scale, full.width) - x, 1));
      set("height", Math.max(Math.min(view.y + (room.top + room.high) / scale, full.height) - y, 1));
    };
    const place = (goal) => {
      const room = clear();
      const scale = Math.min(room.wide / goal.width, room.high / goal.height);
      const [wide, high] = [picture.clientWidth / scale, picture.clientHeight / scale];
      const x = goal.x + goal.width / 2 - (room.left + room.wide / 2) / scale;
      return [x, goal.y + goal.height / 2 - (room.top + room.high / 2) / scale, wide, high];
    };
    const fitOf = ([x, y, width]) => [1 / width, -x / width, -y / width];
    const travel = (seconds) => {
      cancelAnimationFrame(going);
      const goal = place(aimed ?? full);
      if (!seconds || calm.matches || !picture.clientWidth) return look(...goal);
      const shape = goal[3] / goal[2];
      const [from, to] = [fitOf([view.x, view.y, view.width]), fitOf(goal)];
      const start = performance.now();
      const go = (now) => {
        const time = clamp((now - start) / (seconds * 1000), 0, 1);
        const share = time * time * (3 - 2 * time);
        const [scale, x, y] = from.map((value, i) => value + (to[i] - value) * share);
        look(-x / scale, -y / scale, 1 / scale, shape / scale);
        if (time < 1) going = requestAnimationFrame(go);
      };
      going = requestAnimationFrame(go);
    };
    const names = [...picture.querySelectorAll(".gad-names")];
    let ended = true; // it shows the last step
    const call = () => { // names over the whole, in letters that can be read
      const seen = names.length > 0 && !aimed && Math.min(view.width / full.width, view.height / full.height) > 0.98;
      picture.toggleAttribute("data-named", seen);
      for (const one of names) one.style.display = seen && ended === (one.dataset.when === "end") ? "inline" : "none";
    };
    looked = () => {
      outline();
      call();
    };
    aim = (wanted, seconds, ends = ended) => {
      ended = ends;
      call();
      if (String(wanted) === String(aimed?.from)) return;
      aimed = wanted ? { x: wanted[0], y: wanted[1], width: wanted[2], height: wanted[3], from: wanted } : null;
      overview.hidden = !aimed;
      travel(seconds);
    };
    window.addEventListener("resize", () => travel(0));
