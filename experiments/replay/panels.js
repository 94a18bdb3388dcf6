// What is shown of a run at a moment: each panel draws itself for the time of the player's clock.

function element(tag, attributes = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...inside);
  return made;
}

class Panel {
  constructor(run, player, title, wide, height = 0) {
    this.run = run; this.player = player;
    this.heading = element("h2", {text: title});
    this.box = element("section", {class: `panel ${wide}`}, this.heading);
    if (height) {
      this.canvas = element("canvas");
      this.box.append(this.canvas);
      this.plot = new Plot(this.canvas, height);
    }
  }
  title(text, small = "") { this.heading.replaceChildren(text, " ", element("small", {text: small})); }
  span() { return this.player.span(this.run); }
  // This panel of every run: what stands beside each other is drawn to one scale.
  beside() { return this.player.columns.flatMap(one => one.panels).filter(one => one.constructor === this.constructor); }
}

class Prices extends Panel {
  constructor(run, player) {
    super(run, player, "Prices", "w4", 300);
    this.legend = element("div", {class: "legend"});
    this.box.append(this.legend);
    hovering(this.canvas, (x, y) => this.say(x, y), (x, y) => this.click(x, y));
  }
  rescale() {  // what only changes with coin, window and width
    const {run} = this, books = run.booksOf(this.player.coin);
    this.books = books.filter(b => run.isPerp(b)).concat(books.filter(b => !run.isPerp(b)));
    const units = [...new Set(this.books.map(b => run.quoteOf(b)))].filter(Boolean).join(" or ");
    this.title(`${this.player.coin} by venue, latest trade, ${units}`, "dots: closed by force, longs orange, shorts blue, purple against winners (ADL); the larger, the more dollars");
    this.legend.replaceChildren(...this.books.map(b => {
      const dot = element("span", {class: "dot"});
      dot.style.background = venueColour(run, run.venueOf(b));
      return element("span", {}, dot, run.books[b] + (run.isPerp(b) ? "" : " (dashed)"));
    }));
  }
  draw(t, step) {
    const {run, plot} = this, c = plot.begin(), [from, to] = this.span();
    const first = run.step(from), last = run.step(to);
    let low = Infinity, high = -Infinity;
    const jump = Math.max(1, Math.floor((last - first) / 1500));
    for (const one of this.beside()) for (const b of one.books) for (let s = first; s <= last; s += jump) {
      const v = one.run.last(b, s);
      if (v > 0) { if (v < low) low = v; if (v > high) high = v; }
    }
    if (!(high > 0)) { low = 0; high = 1; }
    const room = 0.04 * (high - low) || high * 0.001;
    plot.scale(from, to, low - room, high + room);
    plot.axes(run, priceText);
    for (const b of this.books) {
      const dash = run.isPerp(b) ? [] : [4, 3], colour = venueColour(run, run.venueOf(b)), value = s => run.last(b, s) || NaN;
      c.globalAlpha = 0.22;
      if (last > step) plot.line(run, value, Math.max(step, first), last, colour, 1, dash);
      c.globalAlpha = 1;
      plot.line(run, value, first, Math.min(step, last), colour, 1.3, dash);
    }
    this.dots = this.closings(t, from);
    for (const dot of this.dots) {
      c.beginPath(); c.arc(dot.x, dot.y, dot.r, 0, 7);
      c.fillStyle = dot.colour; c.globalAlpha = 0.7; c.fill();
      if (dot.r > 2.5) { c.strokeStyle = css("--ink"); c.lineWidth = 0.5; c.stroke(); }
    }
    c.globalAlpha = 1;
    plot.cursor(t);
  }
  closings(t, from) {
    const {run, plot} = this, a = run.a, shown = new Set(this.books), found = [];
    const end = run.eventsUpTo(t);
    for (let k = end; k >= 0 && a.e_time[k] >= from * 1000 && found.length < 4000; k--) {
      if (!run.forced.has(a.e_kind[k]) || !shown.has(a.e_book[k]) || !(a.e_value[k] > 0)) continue;
      const price = a.e_price[k] || a.e_mark[k];
      const adl = a.e_kind[k] === run.kind.adl;
      found.push({k, x: plot.x(a.e_time[k] / 1000), y: Math.max(plot.top, Math.min(plot.height - plot.bottom, plot.y(price))),
        r: 1.2 + Math.min(9, Math.sqrt(a.e_value[k] / this.player.scale(run))), colour: adl ? css("--adl") : css(a.e_side[k] > 0 ? "--long" : "--short")});
    }
    return found.reverse();
  }
  nearest(x, y) {
    let best = null, least = 81;
    for (const dot of this.dots || []) {
      const away = (dot.x - x) ** 2 + (dot.y - y) ** 2;
      if (away < least + dot.r) { least = away; best = dot; }
    }
    return best;
  }
  say(x, y) {
    const {run} = this, dot = this.nearest(x, y);
    if (dot) return [`${clockText(run, run.a.e_time[dot.k] / 1000)}  ${told(run, dot.k)}`, why(run, dot.k), "(click: the story of this account)"].filter(Boolean).join("\n");
    const t = this.plot.timeAt(x);
    if (t < this.plot.x0 || t > this.plot.x1) return "";
    const step = run.step(t);
    return [clockText(run, run.time[step]), ...this.books.map(b => `${run.books[b]}  ${priceText(run.last(b, step))}` +
      (run.isPerp(b) ? `   mark ${priceText(run.mark(b, step))}` : ""))].join("\n");
  }
  click(x, y) {
    const dot = this.nearest(x, y);
    if (dot) this.player.choose(this.run.a.e_owner[dot.k], this.run); else this.player.seek(this.plot.timeAt(x));
  }
}

class Ladder extends Panel {
  constructor(run, player) {
    super(run, player, "Depth", "w2", 300);
    this.plot.bottom = 20; this.plot.left = 44;
    hovering(this.canvas, (x, y) => this.say(y));
  }
  rescale() { this.most = 0; }  // another book, another depth
  per(one) { return one.dollars / (10 * Math.abs(one.far - one.near)); }
  levels(step) {
    const {run} = this, b = this.player.bookIn(run), found = [];
    if (b < 0) return found;
    const names = ["050", "100", "200", "500"];
    for (const [side, sign] of [["ask", 1], ["bid", -1]]) {
      let inner = 0, near = 0;
      names.forEach((band, k) => {
        const all = coarse(run.thin(`${side}_${band}`, b, step)), far = run.bands[k];
        found.push({side, near: sign * near, far: sign * far, dollars: Math.max(0, all - inner), all});
        inner = all; near = far;
      });
    }
    return found;
  }
  // Single price levels of a book that kept them, the best first: [{side, price, dollars}]; null where there are none.
  rungs(b, step) {
    const {run} = this, place = run.ladder.books.indexOf(b);
    if (place < 0) return null;
    const {levels: n, stride, ticks} = run.ladder, wide = Math.ceil(run.n / stride), at = Math.floor(step / stride), found = [];
    ["bid", "ask"].forEach((side, s) => {
      for (let k = 0; k < n; k++) {
        const cell = ((place * 2 + s) * n + k) * wide + at, price = run.a.l_price[cell] * ticks[place];
        if (price > 0) found.push({side, price, dollars: coarse(run.a.l_value[cell])});
      }
    });
    return found;
  }
  drawRungs(rungs, step, b) {
    const {run, plot} = this, c = plot.context, [asks, bids] = ["ask", "bid"].map(side => rungs.filter(one => one.side === side).slice(0, 10));
    this.title(`Levels of ${run.books[b]}`, `mark ${priceText(run.mark(b, step))}, dollars at each price`);
    this.rows = [...asks.reverse(), null, ...bids];
    const most = Math.max(1, ...this.rows.map(one => one ? one.dollars : 0));
    const high = (plot.height - plot.top - plot.bottom) / 21, from = plot.left + 26, width = plot.width - plot.right - from;
    this.rowTop = plot.top + (10 - asks.length) * high; this.rowHigh = high;
    c.textBaseline = "middle";
    this.rows.forEach((one, k) => {
      const y = this.rowTop + k * high;
      if (!one) { c.strokeStyle = css("--ink"); c.beginPath(); c.moveTo(plot.left, y + high / 2); c.lineTo(plot.width - plot.right, y + high / 2); c.stroke(); return; }
      c.fillStyle = css(one.side === "bid" ? "--bid" : "--ask");
      c.fillRect(from, y + 1, width * one.dollars / most, high - 2);
      c.fillStyle = css("--ink"); c.textAlign = "left"; c.fillText(money(one.dollars), from + 4, y + high / 2);
      c.fillStyle = css("--faint"); c.textAlign = "right"; c.fillText(priceText(one.price), from - 4, y + high / 2);
    });
  }
  draw(t, step) {
    const {run, plot, player} = this, b = player.bookIn(run), c = plot.begin();
    if (b < 0) { this.title("Depth", "this run has no such book"); return; }
    const rungs = this.rungs(b, step);
    this.rows = null;
    if (rungs) { this.drawRungs(rungs, step, b); return; }
    this.title(`Depth of ${run.books[b]}`, `mark ${priceText(run.mark(b, step))}, dollars per 0.1 % of price`);
    const levels = this.levels(step);
    for (const each of this.beside()) each.most = Math.max(each.most, ...each.levels(each.run.step(t)).map(one => this.per(one)));
    plot.scale(0, Math.max(...this.beside().map(one => one.most)) || 1, -5.4, 5.4);
    c.fillStyle = css("--faint"); c.textAlign = "right"; c.textBaseline = "middle";
    for (const away of [-5, -2, -1, 0, 1, 2, 5]) c.fillText(`${away > 0 ? "+" : ""}${away} %`, plot.left - 4, plot.y(away));
    for (const one of levels) {
      const top = plot.y(Math.max(one.near, one.far)), bottom = plot.y(Math.min(one.near, one.far));
      c.fillStyle = css(one.side === "bid" ? "--bid" : "--ask");
      c.fillRect(plot.left, top + 1, Math.max(0, plot.x(this.per(one)) - plot.left), bottom - top - 2);
      if (bottom - top > 9) { c.fillStyle = css("--ink"); c.textAlign = "left"; c.fillText(money(one.dollars), plot.left + 4, (top + bottom) / 2); }
    }
    c.strokeStyle = css("--ink"); c.beginPath(); c.moveTo(plot.left, plot.y(0)); c.lineTo(plot.width - plot.right, plot.y(0)); c.stroke();
  }
  say(y) {
    if (this.rows) {
      const one = this.rows[Math.floor((y - this.rowTop) / this.rowHigh)];
      return one ? `${one.side} ${priceText(one.price)}: about ${money(one.dollars)} rest there` : "";
    }
    const away = this.plot.y0 + (this.plot.height - this.plot.bottom - y) / (this.plot.height - this.plot.top - this.plot.bottom) * (this.plot.y1 - this.plot.y0);
    const one = this.levels(this.run.step(this.player.t)).find(one => away * Math.sign(one.far) > Math.abs(one.near) && away * Math.sign(one.far) <= Math.abs(one.far));
    return one ? `${one.side}s from ${Math.abs(one.near)} to ${Math.abs(one.far)} % of the middle: about ${money(one.dollars)}\nall within ${Math.abs(one.far)} %: about ${money(one.all)}` : "";
  }
}

class Flow extends Panel {
  constructor(run, player) {
    super(run, player, "Closed by force, all venues", "w4", 190);
    this.title("Closed by force, all venues and coins", "longs orange, shorts blue, purple: winners by auto-deleveraging (ADL)");
    hovering(this.canvas, x => this.say(x), x => player.seek(this.plot.timeAt(x)));
  }
  rescale() {
    const {run} = this, a = run.a, [from, to] = this.span();
    this.wide = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find(k => (to - from) / k <= 160) || 3600;
    const bins = Math.ceil((to - from) / this.wide) + 1;
    this.sums = ["long", "short", "adl"].map(() => new Float64Array(bins));
    this.from = from;
    for (let k = 0; k < a.e_time.length; k++) {
      if (!run.forced.has(a.e_kind[k])) continue;
      const bin = Math.floor((a.e_time[k] / 1000 - from - 1e-6) / this.wide);
      if (bin < 0 || bin >= bins) continue;
      this.sums[a.e_kind[k] === run.kind.adl ? 2 : a.e_side[k] > 0 ? 0 : 1][bin] += a.e_value[k] || 0;
    }
  }
  draw(t) {
    if (this.player.window) this.rescale();
    const {run, plot} = this, c = plot.begin(), [from, to] = this.span();
    let most = 1;
    for (const {sums} of this.beside()) for (let k = 0; k < sums[0].length; k++) most = Math.max(most, sums[0][k] + sums[1][k] + sums[2][k]);
    plot.scale(from, to, 0, most * 1.05);
    plot.axes(run, money);
    for (let k = 0; k < this.sums[0].length; k++) {
      let base = 0;
      const x = plot.x(this.from + k * this.wide), wide = Math.max(1, plot.x(this.from + (k + 1) * this.wide) - x - 0.5);
      c.globalAlpha = this.from + k * this.wide < t ? 1 : 0.22;
      [["--long", 0], ["--short", 1], ["--adl", 2]].forEach(([name, which]) => {
        const value = this.sums[which][k];
        if (!value) return;
        c.fillStyle = css(name);
        c.fillRect(x, plot.y(base + value), wide, plot.y(base) - plot.y(base + value));
        base += value;
      });
    }
    c.globalAlpha = 1;
    plot.cursor(t);
  }
  say(x) {
    const k = Math.floor((this.plot.timeAt(x) - this.from) / this.wide);
    if (k < 0 || k >= this.sums[0].length) return "";
    return `${clockText(this.run, this.from + k * this.wide)}, ${this.wide} s\nlongs ${money(this.sums[0][k])}\nshorts ${money(this.sums[1][k])}\nwinners closed ${money(this.sums[2][k])}`;
  }
}

class Rows extends Panel {
  constructor(run, player, title, wide) {
    super(run, player, title, wide);
    this.rows = element("div", {class: "rows"});
    this.box.append(this.rows);
    this.key = null;
  }
  line(text, owner, hint, classes = "") {
    const made = element("button", {text, class: classes, onclick: () => this.player.choose(owner, this.run)});
    made.addEventListener("mousemove", event => tip.show(event, hint()));
    made.addEventListener("mouseleave", () => tip.hide());
    return made;
  }
}

class Tape extends Rows {
  constructor(run, player) { super(run, player, "Tape", "w3"); this.title("What happens", "the latest first; hover: why; click: the story of the account"); }
  draw(t) {
    const {run} = this, a = run.a, end = run.eventsUpTo(t);
    if (this.key === end) return;
    this.key = end;
    const quiet = new Set(["transfer_sent", "transfer_arrived", "funding", "none"].map(name => run.kind[name]));
    const found = [];
    for (let k = end; k >= 0 && found.length < 14; k--) if (!quiet.has(a.e_kind[k])) found.push(k);
    this.rows.replaceChildren(...found.map(k => this.line(`${clockText(run, a.e_time[k] / 1000)}  ${told(run, k)}`, a.e_owner[k],
      () => [told(run, k), why(run, k), a.e_owner[k] >= 0 ? "(click: the story of this account)" : ""].filter(Boolean).join("\n"))));
    if (!found.length) this.rows.append(element("div", {class: "none", text: "nothing yet"}));
  }
}

class Queue extends Rows {
  constructor(run, player) { super(run, player, "ADL queue", "w2"); }
  draw(t, step) {
    const {run} = this, a = run.a, b = this.player.bookIn(run), end = run.eventsUpTo(t);
    const kept = run.queues.filter(one => one.book === b && one.time <= t + 1e-6);
    const time = Math.max(...kept.map(one => one.time));
    const now = kept.filter(one => one.time === time);
    const key = `${b} ${time} ${end}`;
    if (key === this.key) return;
    this.key = key;
    this.title(`ADL queue of ${b >= 0 ? run.books[b] : "-"}`, "winners whom the venue would close first, to pay for losers" + (now.length ? `; as kept at ${clockText(run, time)}, crossed out: closed since` : ""));
    const closed = new Map();
    for (let k = end; k >= 0 && a.e_time[k] > time * 1000; k--)
      if (a.e_kind[k] === run.kind.adl && a.e_book[k] === b && a.e_other_owner[k] >= 0) closed.set(a.e_other_owner[k], (closed.get(a.e_other_owner[k]) || 0) + a.e_value[k]);
    const lines = [];
    for (const one of now.sort((p, q) => Math.max(...q.profit) - Math.max(...p.profit))) {
      lines.push(element("div", {class: "none", text: `${one.side > 0 ? "longs" : "shorts"} in profit, first to be closed first`}));
      one.owner.forEach((owner, k) => lines.push(this.line(
        `${k + 1}. ${run.who(owner)}  ${money(one.value[k])}, profit ${money(one.profit[k])}` + (closed.has(owner) ? `  closed ${money(closed.get(owner))}` : ""), owner,
        () => `score ${one.score[k]} by the venue's rule\n(click: the story of this account)`, closed.has(owner) ? "gone" : "")));
    }
    const more = [...closed].sort((p, q) => q[1] - p[1]).slice(0, 8);
    if (more.length) lines.unshift(element("div", {class: "none", text: `closed against failures since then: ${closed.size} winners, ${money([...closed.values()].reduce((p, q) => p + q, 0))}`}));
    if (!lines.length) lines.push(element("div", {class: "none", text: run.missing.accounts || "nobody is ranked here: no winner, or a rule without a formula"}));
    if (run.missing.moments) lines.push(element("div", {class: "none", text: run.missing.moments}));
    this.rows.replaceChildren(...lines);
  }
}

class Inventories extends Panel {
  constructor(run, player) {
    super(run, player, "Inventories", "wide", 170);
    this.note = element("div", {class: "note"});
    this.box.append(this.note);
    this.note.textContent = run.missing.makers ? `makers: ${run.missing.makers}` : "";
    hovering(this.canvas, x => this.say(x), x => player.seek(this.plot.timeAt(x)));
    const wide = Math.ceil(run.n / run.venue_stride);
    const at = (name, v, every = run.venue_stride) => s => fine(run.a[name][v * Math.ceil(run.n / every) + Math.floor(s / every)]);
    this.lines = [];
    run.venues.forEach((venue, v) => {
      let any = false;
      for (let k = 0; k < wide && !any; k++) any = run.a.fund_inventory[v * wide + k] !== 0;
      if (any) this.lines.push({word: `${venue}'s fund`, colour: venueColour(run, venue), dash: [], value: at("fund_inventory", v)});
    });
    (run.makers || []).forEach((maker, m) => run.books.forEach((book, b) => {
      if (run.isPerp(b)) this.lines.push({word: `${maker} in ${book}`, colour: venueColour(run, run.venueOf(b)), dash: [3, 3], book: b, value: at("maker_inventory", m * run.books.length + b, run.maker_stride)});
    }));
    this.title("Positions of funds and makers at the mark", "long above zero; makers dashed; colours of the venues as above, hover for names");
  }
  shown() { return this.lines.filter(one => one.book === undefined || this.run.coinOf(one.book) === this.player.coin); }
  draw(t, step) {
    const {run, plot} = this, [from, to] = this.span(), first = run.step(from), last = run.step(to), lines = this.shown();
    let low = 0, high = 1;
    const jump = Math.max(run.venue_stride, Math.floor((last - first) / 400));
    for (const one of this.beside().flatMap(each => each.shown())) for (let s = first; s <= last; s += jump) { const v = one.value(s); if (v < low) low = v; if (v > high) high = v; }
    const c = plot.begin();
    plot.scale(from, to, low * 1.05, high * 1.05);
    plot.axes(run, money);
    for (const one of lines) {
      c.globalAlpha = 0.2; if (last > step) plot.line(run, one.value, Math.max(first, step), last, one.colour, 1, one.dash);
      c.globalAlpha = 1; plot.line(run, one.value, first, Math.min(step, last), one.colour, 1.4, one.dash);
    }
    plot.cursor(t);
  }
  say(x) {
    const step = this.run.step(this.plot.timeAt(x));
    return [clockText(this.run, this.run.time[step]), ...this.shown().map(one => `${one.word}  ${money(one.value(step))}`)].join("\n");
  }
}

class Network extends Panel {
  constructor(run, player) {
    super(run, player, "Network", "w3", 260);
    this.title("Network", "width: dollars that arrived in a minute; blue: nobody waits, orange to red: transfers wait; dashed: shut");
    hovering(this.canvas, (x, y) => this.say(x, y));
    this.steps = run.pairs.length ? Math.ceil(run.n / run.network_stride) : 0;
    this.most = 0;
    for (let k = 0; k < run.pairs.length * this.steps; k++) this.most = Math.max(this.most, run.a.moved[k]);
    this.most = coarse(this.most);
  }
  state(pair, step) {
    const {run} = this, span = Math.max(1, Math.round(60 / (run.network_stride * run.step_seconds))), now = Math.floor(step / run.network_stride);
    let moved = 0;
    for (let k = Math.max(0, now - span + 1); k <= now; k++) moved += coarse(run.a.moved[pair * this.steps + k]);
    return {moved, queue: run.a.queue[pair * this.steps + now], shut: run.a.shut[pair * this.steps + now]};
  }
  place(node) {
    const [x, y] = this.run.places[node];
    return [40 + (x + 1) / 2 * (this.plot.width - 80), 22 + (1 - y) / 2 * (this.plot.height - 44)];
  }
  draw(t, step) {
    const {run, plot} = this, c = plot.begin();
    if (!run.pairs.length) { c.fillStyle = css("--faint"); c.fillText("this scenario has no network", 10, 20); return; }
    this.curves = [];
    run.pairs.forEach(([source, target], p) => {
      if (source === target) return;
      const now = this.state(p, step), [x0, y0] = this.place(source), [x1, y1] = this.place(target);
      const mx = (x0 + x1) / 2 + 0.14 * (y1 - y0), my = (y0 + y1) / 2 - 0.14 * (x1 - x0);
      this.curves.push({p, x0, y0, x1, y1, mx, my, now});
      c.setLineDash(now.shut ? [5, 4] : []);
      c.lineWidth = 0.6 + 9 * Math.sqrt(Math.min(1, now.moved / (this.most || 1)));
      c.strokeStyle = now.shut ? css("--shut") : now.queue ? heat(now.queue) : now.moved ? css("--accent") : css("--grid");
      c.beginPath(); c.moveTo(x0, y0); c.quadraticCurveTo(mx, my, x1, y1); c.stroke();
    });
    c.setLineDash([]);
    c.textAlign = "center"; c.textBaseline = "middle";
    for (const node of Object.keys(run.places)) {
      const [x, y] = this.place(node), wide = c.measureText(node).width / 2 + 6;
      c.fillStyle = css("--page"); c.strokeStyle = css("--ink"); c.lineWidth = 1;
      c.beginPath(); c.roundRect(x - wide, y - 10, 2 * wide, 20, run.venues.includes(node) ? 10 : 2); c.fill(); c.stroke();
      c.fillStyle = css("--ink"); c.fillText(node, x, y);
    }
  }
  say(x, y) {
    const {run} = this;
    let best = null, least = 120;
    for (const one of this.curves || []) for (let u = 0.1; u < 0.95; u += 0.05) {
      const a = (1 - u) ** 2, b = 2 * u * (1 - u), d = u * u;
      const away = (a * one.x0 + b * one.mx + d * one.x1 - x) ** 2 + (a * one.y0 + b * one.my + d * one.y1 - y) ** 2;
      if (away < least) { least = away; best = one; }
    }
    if (!best) return "";
    const [source, target] = run.pairs[best.p], {moved, queue, shut} = best.now;
    return `${source} to ${target}: ${run.pair_edges[best.p]} channels\narrived in a minute: about ${money(moved)}\nwaiting: ${queue} transfers` + (shut ? `\nshut: ${shut}` : "");
  }
}
const heat = queue => queue < 3 ? "#E69F00" : queue < 20 ? "#D55E00" : "#A00000";
