// The player: one clock for all panels of one or two runs.

const SPEEDS = [1, 5, 15, 60, 120, 300, 600];
const WINDOWS = [[0, "whole run"], [3600, "last hour"], [900, "last 15 min"], [300, "last 5 min"], [60, "last minute"]];

class Player {
  constructor(runs) {
    this.runs = runs;
    this.end = Math.max(...runs.map(run => run.end));
    this.t = 0; this.playing = false; this.window = 0; this.coin = runs[0].coin;
    this.speed = SPEEDS.find(speed => this.end / speed <= 120) || 600;
    this.frames = 0;
    this.scales = new Map();
    this.columns = runs.map(run => this.column(run));
    document.getElementById("runs").classList.toggle("two", runs.length > 1);
    this.controls();
    this.rescale();
    this.seek(0);
    requestAnimationFrame(now => this.tick(now));
  }
  column(run) {
    const panels = [Prices, Ladder, Flow, Queue, Tape, Inventories, Network, Story].map(Kind => new Kind(run, this));
    const [prices, ladder, flow, queue, tape, inventories, network, story] = panels;
    const grid = element("div", {class: "panels"}, prices.box, ladder.box, flow.box, queue.box, story.box, tape.box, network.box, inventories.box);
    const which = this.runs.length > 1 ? `${"AB"[this.runs.indexOf(run)]}: ` : "";
    const head = element("h1", {}, which, run.title, " ", element("small", {text: `${run.name}, seed ${run.seed}, digest ${run.digest}`}));
    const seconds = run.every * run.step_seconds;
    const thinned = run.every > 1 ? [element("p", {class: "note", text: `Prices and marks every ${figures(seconds)} s, so that the file stays small; what happened is told to the step.`})] : [];
    if (run.gathered) thinned.push(element("p", {class: "note", text: `${run.gathered.toLocaleString("en")} small positions of winners, closed by auto-deleveraging, are told together with others of their moment: sums are whole, who they were is in the run's own record.`}));
    const differs = (run.differs || []).map(one => `${one.path} = ${one.b} instead of ${one.a}`).join("; ");
    const note = differs ? [element("p", {class: "note", text: `set differently from A: ${differs}`})] : [];
    document.getElementById("runs").append(element("div", {class: "run"}, head, element("div", {}, ...note, ...thinned), grid));
    return {run, panels, story};
  }
  span(run) { return this.window ? [Math.max(0, this.t - this.window), Math.max(this.t, this.window)] : [0, this.end]; }
  bookIn(run) { return run.books.indexOf(this.book); }
  scale(run) {  // dollars of a dot of one pixel: the largest closings are nine
    if (!this.scales.has(run)) {
      let most = 1;
      for (let k = 0; k < run.a.e_time.length; k++) if (run.forced.has(run.a.e_kind[k])) most = Math.max(most, run.a.e_value[k] || 0);
      this.scales.set(run, most / 81);
    }
    return this.scales.get(run);
  }
  controls() {
    const get = name => document.getElementById(name), run = this.runs[0];
    const options = (select, pairs, chosen, change) => {
      select.replaceChildren(...pairs.map(([value, text]) => { const one = element("option", {value, text}); one.selected = value === chosen; return one; }));
      select.onchange = () => change(select.value);
    };
    get("play").onclick = () => this.play(!this.playing);
    options(get("speed"), SPEEDS.map(speed => [speed, `${speed} x`]), this.speed, value => { this.speed = +value; });
    options(get("window"), WINDOWS, 0, value => { this.window = +value; this.rescale(); this.draw(); });
    const marks = this.runs.flatMap((one, r) => one.marked.map(mark => ({...mark, word: this.runs.length > 1 ? `${"AB"[r]}: ${mark.word}` : mark.word}))).sort((p, q) => p.time - q.time);
    this.marks = marks;
    options(get("jump"), [["", "..."], ...marks.map((mark, k) => [k, `${clockText(run, mark.time)}  ${mark.word}`])], "", value => { if (value !== "") this.seek(marks[+value].time); });
    options(get("coin"), run.coins().map(coin => [coin, coin]), this.coin, value => { this.coin = value; this.pickBooks(); this.rescale(); this.draw(); });
    this.pickBooks = () => {
      const books = run.booksOf(this.coin), traded = b => { let sum = 0; for (let k = 0; k < run.coarseSteps; k += 7) sum += coarse(run.a.volume[b * run.coarseSteps + k]); return sum; };
      const perps = books.filter(b => run.isPerp(b) && !["rest", "others"].includes(run.venueOf(b)));
      this.book = run.books[(perps.length ? perps : books).reduce((p, q) => traded(q) > traded(p) ? q : p)];
      options(get("book"), books.map(b => [run.books[b], run.books[b]]), this.book, value => { this.book = value; this.rescale(); this.draw(); });
    };
    this.pickBooks();
    const scrub = get("scrub");
    scrub.max = this.end;
    scrub.oninput = () => this.seek(+scrub.value);
    get("look").onclick = () => this.look(document.documentElement.dataset.look === "dark" ? "light" : "dark");
    const find = get("find"), found = get("found");
    const suggest = () => {
      const any = !find.value.trim(), closed = new Map(any ? largest(run, 14) : []);
      const hint = element("div", {class: "note", text: any ? "of whom most was closed by force:" : ""});
      found.replaceChildren(hint, ...search(run, find.value).map(owner => element("button", {
        text: run.who(owner) + (closed.has(owner) ? `  ${money(closed.get(owner))}` : ""), onclick: () => { found.hidden = true; this.choose(owner, run); }})));
      found.hidden = false;
    };
    find.oninput = find.onfocus = suggest;
    find.onkeydown = event => {
      if (event.key === "Enter") { const [owner] = search(run, find.value); if (owner !== undefined) { found.hidden = true; this.choose(owner, run); } }
      if (event.key === "Escape") found.hidden = true;
    };
    document.addEventListener("click", event => { if (!found.contains(event.target) && event.target !== find) found.hidden = true; });
    document.addEventListener("keydown", event => {
      if (event.target === find || event.target.tagName === "SELECT") return;
      const step = run.step_seconds;
      if (event.key === " ") { event.preventDefault(); this.play(!this.playing); }
      if (event.key === "ArrowRight" || event.key === "ArrowLeft") { event.preventDefault(); this.seek(this.t + (event.key === "ArrowRight" ? 1 : -1) * (event.shiftKey ? 60 : step)); }
    });
    this.strip = new Plot(get("strip"), 46);
    Object.assign(this.strip, {left: 8, right: 8, top: 2, bottom: 16});
    hovering(get("strip"), x => this.nearMark(x), x => this.seek(this.strip.timeAt(x)));
    window.addEventListener("resize", () => { this.rescale(); this.draw(); });
    this.look(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  }
  look(name) { document.documentElement.dataset.look = name; if (this.columns && this.strip) { this.rescale(); this.draw(); } }
  nearMark(x) {
    const near = this.marks.filter(mark => Math.abs(this.strip.x(mark.time) - x) < 8);
    return near.length ? near.map(mark => `${clockText(this.runs[0], mark.time)}  ${mark.word}`).join("\n") : clockText(this.runs[0], Math.max(0, this.strip.timeAt(x)));
  }
  play(on) {
    if (on && this.t >= this.end) this.t = 0;
    this.playing = on;
    this.before = performance.now();
    document.getElementById("play").textContent = on ? "Pause" : "Play";
  }
  tick(now) {
    if (this.playing) {
      const passed = Math.max(0, Math.min(0.25, (now - this.before) / 1000));
      this.before = Math.max(this.before, now);  // a frame may have begun before play was pressed
      this.t = Math.min(this.end, this.t + passed * this.speed);
      if (this.t >= this.end) this.play(false);
      this.draw();
    }
    requestAnimationFrame(next => this.tick(next));
  }
  seek(t) { this.t = Math.min(this.end, Math.max(0, t)); this.draw(); }
  choose(owner, run) {
    if (owner < 0) return;
    const name = run.who(owner);
    document.getElementById("find").value = name;
    for (const {run: one, story} of this.columns) story.tell(one === run ? owner : one.owner.indexOf(name));
    const box = this.columns[0].story.box, top = box.getBoundingClientRect().top;
    if (top < 0 || top > innerHeight - 200) box.scrollIntoView();  // below what is seen nobody would look for it
  }
  rescale() { for (const {panels} of this.columns) for (const panel of panels) if (panel.rescale) panel.rescale(); }
  draw() {
    if (!this.columns) return;
    document.getElementById("clock").textContent = clockText(this.runs[0], this.t);
    document.getElementById("scrub").value = this.t;
    for (const {run, panels} of this.columns) { const step = run.step(this.t); for (const panel of panels) panel.draw(this.t, step); }
    this.drawStrip();
    this.frames++;
  }
  drawStrip() {  // the whole run: price of the coin's first book, and the moments to jump to
    const plot = this.strip, c = plot.begin(), run = this.runs[0], b = Math.max(0, this.bookIn(run));
    let low = Infinity, high = 0;
    for (let s = 0; s < run.n; s += Math.max(1, Math.floor(run.n / 800))) { const v = run.mark(b, s); if (v > 0) { low = Math.min(low, v); high = Math.max(high, v); } }
    plot.scale(0, this.end, low, high);
    plot.line(run, s => run.mark(b, s) || NaN, 0, run.n - 1, css("--faint"), 1);
    c.textAlign = "left"; c.textBaseline = "bottom"; c.fillStyle = css("--faint");
    let free = -1;
    for (const mark of this.marks) {
      const x = plot.x(mark.time), wide = c.measureText(mark.word).width;
      c.strokeStyle = css("--accent"); c.beginPath(); c.moveTo(x, 0); c.lineTo(x, 36); c.stroke();
      if (x > free && x + wide < plot.width) { c.fillText(mark.word, x + 2, 46); free = x + wide + 10; }
    }
    plot.cursor(this.t);
  }
}

async function begin() {
  const runs = [];
  for (const script of document.querySelectorAll("script.run")) {
    runs.push(new Run(await unpacked(bytesOf(script.textContent), runs.length ? runs[0].a : null)));
    script.remove();
  }
  for (const run of runs) run.step_seconds = run.seconds;
  window.player = new Player(runs);
  const place = new URLSearchParams(location.hash.slice(1));  // FILE#t=440&account=longs/126 opens there
  if (place.has("t")) player.seek(Number(place.get("t")) || 0);
  if (place.has("account")) player.choose(runs[0].owner.indexOf(place.get("account")), runs[0]);
  document.documentElement.dataset.ready = "yes";
}
if (typeof document !== "undefined") begin();
