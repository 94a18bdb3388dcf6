// Drawing on a canvas: axes, lines that keep their extremes, bars, hovering.

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const VENUES = ["#D55E00", "#0072B2", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#B8A800", "#7F3C8D"];
const venueColour = (run, venue) => venue === "rest" || venue === "others" ? "#999999" : VENUES[run.venues.indexOf(venue) % VENUES.length];

class Plot {
  constructor(canvas, height) {
    this.canvas = canvas;
    this.height = height;
    this.context = canvas.getContext("2d");
    this.left = 58; this.right = 20; this.top = 6; this.bottom = 18;
  }
  begin() {
    const width = this.canvas.clientWidth || 300, ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(this.height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(this.height * ratio);
      this.canvas.style.height = `${this.height}px`;
    }
    this.width = width;
    const c = this.context;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, this.height);
    c.font = "11px system-ui, sans-serif";
    c.lineJoin = "round";
    return c;
  }
  scale(x0, x1, y0, y1) { Object.assign(this, {x0, x1: x1 > x0 ? x1 : x0 + 1, y0, y1: y1 > y0 ? y1 : y0 + 1}); }
  x(value) { return this.left + (value - this.x0) / (this.x1 - this.x0) * (this.width - this.left - this.right); }
  y(value) { return this.height - this.bottom - (value - this.y0) / (this.y1 - this.y0) * (this.height - this.top - this.bottom); }
  timeAt(pixel) { return this.x0 + (pixel - this.left) / (this.width - this.left - this.right) * (this.x1 - this.x0); }
  axes(run, text) {
    const c = this.context;
    c.strokeStyle = css("--grid"); c.fillStyle = css("--faint"); c.lineWidth = 1;
    c.textAlign = "right"; c.textBaseline = "middle";
    for (const value of ticks(this.y0, this.y1, Math.max(2, this.height / 45))) {
      const y = this.y(value);
      c.beginPath(); c.moveTo(this.left, y); c.lineTo(this.width - this.right, y); c.stroke();
      c.fillText(text(value), this.left - 5, y);
    }
    c.textAlign = "center"; c.textBaseline = "top";
    for (const value of timeTicks(run, this.x0, this.x1, (this.width - this.left) / 75))
      c.fillText(clockText(run, value, this.x1 - this.x0 < 400), this.x(value), this.height - this.bottom + 4);
  }
  // A series by step: one stroke a pixel column from its lowest to its highest, so that a spike is never lost.
  line(run, value, from, to, colour, width = 1.2, dash = []) {
    const c = this.context;
    c.strokeStyle = colour; c.lineWidth = width; c.setLineDash(dash);
    c.beginPath();
    let column = -1, low = 0, high = 0, last = 0, open = false;
    const flush = () => { if (column < 0) return; const x = column; if (!open) c.moveTo(x, this.y(last)); c.lineTo(x, this.y(low)); if (high !== low) c.lineTo(x, this.y(high)); c.lineTo(x, this.y(last)); open = true; };
    for (let s = from; s <= to; s++) {
      const v = value(s);
      if (!isFinite(v) || v === null) continue;
      const x = Math.round(this.x(run.time[s]));
      if (x !== column) { flush(); column = x; low = high = v; } else { if (v < low) low = v; if (v > high) high = v; }
      last = v;
    }
    flush();
    c.stroke(); c.setLineDash([]);
  }
  cursor(t) {
    const c = this.context, x = this.x(t);
    c.strokeStyle = css("--ink"); c.lineWidth = 1; c.setLineDash([3, 3]);
    c.beginPath(); c.moveTo(x, this.top); c.lineTo(x, this.height - this.bottom); c.stroke(); c.setLineDash([]);
  }
}

function ticks(low, high, most) {
  const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw || 1));
  const step = [1, 2, 5, 10].map(k => k * power).find(k => k >= raw) || raw;
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9 * step; v += step) found.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return found.slice(0, 40);
}
function timeTicks(run, low, high, most) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
  const step = steps.find(k => (high - low) / k <= most) || 86400;
  const found = [], shift = run.start % step;
  for (let v = Math.ceil((low + shift) / step) * step - shift; v <= high; v += step) found.push(v);
  return found;
}

const tip = {
  show(event, text) {
    const box = document.getElementById("tip");
    if (!text) { box.hidden = true; return; }
    box.textContent = text;  // text of a run is never markup
    box.hidden = false;
    box.style.left = `${Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8)}px`;
    box.style.top = `${Math.min(event.clientY + 14, innerHeight - box.offsetHeight - 8)}px`;
  },
  hide() { document.getElementById("tip").hidden = true; },
};
function hovering(canvas, text, click) {
  const at = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("mousemove", event => tip.show(event, text(...at(event))));
  canvas.addEventListener("mouseleave", () => tip.hide());
  if (click) canvas.addEventListener("click", event => click(...at(event)));
}
