// Finding an account, and its story: what it had, what was done to it, and why.

function search(run, text, most = 14) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return largest(run, most).map(pair => pair[0]);
  const begins = [], holds = [];
  for (let o = 0; o < run.owner.length && begins.length < most; o++) {
    const name = run.owner[o].toLowerCase();
    if (name === wanted) begins.unshift(o);
    else if (name.startsWith(wanted)) begins.push(o);
    else if (holds.length < most && name.includes(wanted)) holds.push(o);
  }
  return [...begins, ...holds].slice(0, most);
}

// Whom to look at first: those of whom most was closed; not the venues themselves.
function largest(run, most) {
  const a = run.a, sum = new Map();
  const venues = run.species.indexOf("exchange");
  for (let k = 0; k < a.e_time.length; k++)
    if (run.forced.has(a.e_kind[k]) && a.e_owner[k] >= 0 && a.o_participant && a.o_participant[a.e_owner[k]] !== venues) sum.set(a.e_owner[k], (sum.get(a.e_owner[k]) || 0) + a.e_value[k]);
  return [...sum].sort((p, q) => q[1] - p[1]).slice(0, most);
}

class Story extends Panel {
  constructor(run, player) {
    super(run, player, "An account", "wide story", 150);
    this.text = element("div", {class: "told"});
    this.box.append(this.text);
    hovering(this.canvas, x => this.say(x), x => player.seek(this.plot.timeAt(x)));
    this.owner = -1;
    this.tell(-1);
  }
  link(owner) {
    return element("a", {text: this.run.who(owner), onclick: () => this.player.choose(owner, this.run)});
  }
  tell(owner) {
    const {run} = this;
    this.owner = owner;
    this.canvas.hidden = owner < 0;
    if (owner < 0 || owner >= run.owner.length) {
      this.title("An account");
      this.text.replaceChildren(element("p", {class: "note", text: owner < 0
        ? run.missing.accounts || "Choose an account: click a dot, a line of what happens or of the queue, or search its name above."
        : "there is no such account in this run"}));
      return;
    }
    const species = run.species[run.a.o_participant[owner]] || "";
    this.title(run.who(owner), `${species.replaceAll("_", " ")}, owner ${owner}; dots: what was closed of it by force`);
    this.held = run.positionsOf(owner);
    this.mine = run.eventsOf(owner).filter(k => run.kinds[run.a.e_kind[k]] !== "funding");
    this.book = this.mainBook();
    this.text.replaceChildren(...this.worthLines(), ...this.positionLines(), ...this.eventLines());
    this.draw(this.player.t, run.step(this.player.t));
  }
  mainBook() {
    const {run} = this, a = run.a;
    const failed = this.mine.find(k => run.forced.has(a.e_kind[k]) && a.e_book[k] >= 0);
    if (failed !== undefined) return a.e_book[failed];
    return this.held.length ? a.p_book[this.held[0]] : -1;
  }
  worthLines() {
    const {run} = this, parts = run.labels.map((one, k) => `${clockText(run, one.time, false)} ${money(run.worth(this.owner, k))}`);
    return [element("p", {text: `Worth, all accounts and coins: ${parts.join(" · ")}`})];
  }
  positionLines() {
    const {run} = this, a = run.a, step = run.step(run.labels[0] ? run.labels[0].time : 0);
    const lines = this.held.slice(0, 12).map(p => {
      const mark = run.mark(a.p_book[p], step), size = fine(a.p_quantity[p]) / 1e6, entry = against(a.p_entry[p], mark), fails = against(a.p_liquidation[p], mark);
      const where = isFinite(fails) && Math.abs(fails / mark - 1) < 0.9 ? `; liquidated if the mark reaches about ${roughly(fails)}, ${percent(Math.abs(fails / mark - 1))} ${fails < mark ? "below" : "above"}, while nothing else of its account changes` : "";
      return element("p", {text: `Opened ${size > 0 ? "long" : "short"} ${figures(Math.abs(size))} ${run.coinOf(a.p_book[p])} in ${run.books[a.p_book[p]]} ` +
        `(${money(Math.abs(size) * mark)}, entry about ${roughly(entry)}, mark ${priceText(mark)}), ${figures(a.p_leverage[p] / 10)} times its equity${a.p_isolated[p] ? ", isolated" : ""}${where}.`});
    });
    if (!lines.length && run.a.p_owner) lines.push(element("p", {text: "Opened without a position."}));
    return lines;
  }
  eventLines() {
    const {run} = this, a = run.a, lines = [], explained = new Set();
    const forced = this.mine.filter(k => run.forced.has(a.e_kind[k]));
    if (!forced.length) lines.push(element("p", {text: "Nothing of it was closed by force."}));
    const shown = this.mine.slice(0, 60);
    for (const k of shown) {
      const failure = a.e_failure[k];
      if (failure >= 0 && a.e_owner[k] === this.owner && !explained.has(failure)) {
        lines.push(explained.size ? this.again(k, failure) : this.reason(k, failure));
        explained.add(failure);
      }
      const when = element("time", {text: clockText(run, a.e_time[k] / 1000), onclick: () => this.player.seek(a.e_time[k] / 1000)});
      lines.push(element("p", {}, when, told(run, k, this.owner)));
    }
    if (this.mine.length > shown.length) lines.push(element("p", {class: "note", text: `and ${this.mine.length - shown.length} more`}));
    if (forced.length && run.missing.causes) lines.push(element("p", {class: "note", text: `what moved its mark is not known: ${run.missing.causes}`}));
    return lines;
  }
  // Why it failed: how far the mark had gone, and by whose orders, by the rule of `cascade causes`.
  reason(k, failure) {
    const {run} = this, a = run.a, book = a.e_book[k] >= 0 ? a.e_book[k] : this.book;
    const box = element("div", {class: "why"});
    if (book >= 0) {
      const step = run.step(a.e_time[k] / 1000), mark = a.e_mark[k] || run.mark(book, step), opened = run.mark(book, run.step(run.labels[0] ? run.labels[0].time : 0));
      box.append(element("p", {text: `Why at ${clockText(run, a.e_time[k] / 1000)}: the mark of ${run.books[book]}, the price by which margin is reckoned, stood at ${priceText(mark)}, ` +
        `${percent(Math.abs(mark / opened - 1))} ${mark < opened ? "below" : "above"} the start, and its margin no longer reached the maintenance that its venue asks.`}));
    }
    box.append(element("p", {text: `What had moved that mark, in the seconds over which it averages: ${listed(run.shares(failure, "f_direct"))}.`}));
    const parents = run.parents(failure);
    if (parents.length) {
      const line = element("p", {text: "Among these, failures before it: "});
      parents.forEach(([parent, share], n) => line.append(n ? ", " : "", this.link(a.e_owner[a.f_event[parent]]), ` at ${clockText(run, a.e_time[a.f_event[parent]] / 1000)} (${whole(share)})`));
      box.append(line, element("p", {text: `Led back to the first causes: ${listed(run.shares(failure, "f_root"))}.`}));
    }
    const own = fine(a.f_value[failure]), caused = fine(a.f_caused[failure]);
    box.append(element("p", {text: `Closed here: ${money(own)}` + (caused > own * 1.005 ? `; with what followed from it, by the same rule: ${money(caused)}.` : "; nothing followed from it.")}));
    return box;
  }
  again(k, failure) {
    const {run} = this, a = run.a;
    return element("div", {class: "why"}, element("p", {text: `Again at ${clockText(run, a.e_time[k] / 1000)}, mark ${priceText(a.e_mark[k])}: moved by ` +
      `${listed(run.shares(failure, "f_direct").slice(0, 4))}; ${money(fine(a.f_value[failure]))} closed, ${money(fine(a.f_caused[failure]))} with what followed.`}));
  }
  draw(t, step) {
    if (this.owner < 0 || this.book < 0 || this.owner >= this.run.owner.length) return;
    const {run, plot, book} = this, a = run.a, c = plot.begin();
    const lines = this.held.filter(p => a.p_book[p] === book).map(p => against(a.p_liquidation[p], run.mark(book, run.step(run.labels[0].time))));
    let low = Infinity, high = -Infinity;
    for (let s = 0; s < run.n; s += Math.max(1, Math.floor(run.n / 1500))) { const v = run.mark(book, s); if (v > 0) { low = Math.min(low, v); high = Math.max(high, v); } }
    for (const v of lines) if (isFinite(v) && v > 0.7 * low && v < 1.3 * high) { low = Math.min(low, v); high = Math.max(high, v); }
    const room = 0.06 * (high - low) || 1;
    plot.scale(0, run.end, low - room, high + room);
    plot.axes(run, priceText);
    plot.line(run, s => run.mark(book, s) || NaN, 0, run.n - 1, css("--ink"), 1.2);
    c.fillStyle = css("--faint"); c.textAlign = "left"; c.textBaseline = "bottom";
    c.fillText(`mark of ${run.books[book]}`, plot.left + 4, plot.height - plot.bottom - 3);
    for (const v of lines) if (isFinite(v) && v > low - room && v < high + room) {
      c.strokeStyle = css("--shut"); c.setLineDash([6, 4]); c.beginPath(); c.moveTo(plot.left, plot.y(v)); c.lineTo(plot.width - plot.right, plot.y(v)); c.stroke(); c.setLineDash([]);
      c.fillStyle = css("--shut"); c.fillText("its liquidation price at the start", plot.left + 4, plot.y(v) - 2);
    }
    for (const k of this.mine) if (run.forced.has(a.e_kind[k]) && a.e_book[k] === book) {
      c.fillStyle = a.e_kind[k] === run.kind.adl ? css("--adl") : css(a.e_side[k] > 0 ? "--long" : "--short");
      c.beginPath(); c.arc(plot.x(a.e_time[k] / 1000), plot.y(a.e_mark[k] || a.e_price[k]), 4.5, 0, 7); c.fill();
    }
    plot.cursor(t);
  }
  say(x) {
    if (this.book < 0) return "";
    const step = this.run.step(this.plot.timeAt(x));
    return `${clockText(this.run, this.run.time[step])}  mark of ${this.run.books[this.book]} ${priceText(this.run.mark(this.book, step))}`;
  }
}
