// Unpacking what `packing.py` packed, and a run as arrays.

const TYPES = {u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array, i4: Int32Array, f4: Float32Array};

const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%,()*+-;.=>?@^_`{|}~";

function bytesOf(text) {  // five letters are four bytes, the first the heaviest; the last five may be cut short
  const place = new Uint8Array(128), letters = text.trim(), groups = Math.ceil(letters.length / 5);
  for (let k = 0; k < 85; k++) place[LETTERS.charCodeAt(k)] = k;
  const bytes = new Uint8Array(4 * groups), view = new DataView(bytes.buffer);
  for (let k = 0; k < groups; k++) {
    let value = 0;
    for (let i = 5 * k; i < 5 * k + 5; i++) value = 85 * value + (i < letters.length ? place[letters.charCodeAt(i)] : 84);
    view.setUint32(4 * k, value);
  }
  return bytes.subarray(0, bytes.length - (5 * groups - letters.length));
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Header and arrays: bytes of one weight lie together, differences run along the last axis with their sign in the lowest
// bit, and some rows are differences to those of the `first` run.
async function unpacked(packed, first) {
  const begin = 4 + new DataView(packed.buffer, packed.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(await inflated(packed.subarray(4, begin))));
  const arrays = {};
  let at = begin;
  for (const entry of header.arrays) {
    const raw = await inflated(packed.subarray(at, at + entry.size));
    arrays[entry.name] = valuesOf(entry, raw, first && first[entry.name]);
    at += entry.size;
  }
  return {header, arrays};
}

function valuesOf(entry, raw, first) {
  const Kind = TYPES[entry.type], wide = Kind.BYTES_PER_ELEMENT, count = raw.length / wide;
  const bytes = new Uint8Array(raw.length);
  for (let w = 0; w < wide; w++) for (let k = 0; k < count; k++) bytes[k * wide + w] = raw[w * count + k];
  const values = new Kind(bytes.buffer);
  if (!entry.delta && !entry.rows.length) return values;
  const row = entry.shape[entry.shape.length - 1], all = 2 ** (8 * wide) - 1;
  for (let k = 0; k < count; k++) {
    const folded = values[k] & all;
    values[k] = (folded >>> 1) ^ -(folded & 1);
    if (entry.delta && k % row) values[k] += values[k - 1];
  }
  for (const n of entry.rows) for (let k = n * row; k < (n + 1) * row; k++) values[k] += first[k];
  return values;
}

// Names that were written as [stem, first number, how many].
function names(listed) {
  const found = [];
  for (const [stem, number, count] of listed) for (let k = 0; k < count; k++) found.push(number < 0 ? stem : stem + (number + k));
  return found;
}

const coarse = q => q ? 10 ** ((q - 1) / 20) : 0;
const fine = q => Math.sign(q) * Math.expm1(Math.abs(q) / 1000);
const against = (q, base) => q ? base * Math.exp(q / 1e4) : NaN;

// The place of the last entry that is not after `value` in a rising array; -1: none.
function upTo(array, value) {
  let low = 0, high = array.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (array[middle] <= value) low = middle + 1; else high = middle;
  }
  return low - 1;
}

class Run {
  constructor({header, arrays}) {
    Object.assign(this, header);
    this.a = arrays;
    this.time = arrays.time;
    this.n = this.time.length;
    this.end = this.time[this.n - 1];
    this.owner = names(this.owners);
    this.keptSteps = Math.ceil(this.n / this.every);
    this.coarseSteps = Math.ceil(this.n / this.stride);
    this.kind = Object.fromEntries(this.kinds.map((name, k) => [name, k]));
    this.forced = new Set(["liquidation", "takeover", "adl"].map(name => this.kind[name]));
    this._byOwner = null;
    arrays.e_quantity.forEach((quantity, k) => { if (isNaN(arrays.e_value[k])) arrays.e_value[k] = quantity * arrays.e_price[k]; });
  }
  step(t) { return Math.max(0, upTo(this.time, t + 1e-6)); }
  _steps(name, book, step) { return this.a[name][book * this.keptSteps + Math.floor(step / this.every)]; }
  last(book, step) { return this._steps("last", book, step) * this.unit[book]; }
  mark(book, step) { return (this._steps("last", book, step) + this._steps("mark", book, step)) * this.unit[book] || this.last(book, step); }
  thin(name, member, step) { return this.a[name][member * this.coarseSteps + Math.floor(step / this.stride)]; }
  coinOf(book) { return this.books[book].split(":")[1].replace(/-[A-Z]+$/, ""); }
  quoteOf(book) { return this.quotes[this.venues.indexOf(this.venueOf(book))] || ""; }
  isPerp(book) { return this.books[book].endsWith("-PERP"); }
  venueOf(book) { return this.books[book].split(":")[0]; }
  coins() { return [...new Set(this.books.map((_, b) => this.coinOf(b)))]; }
  booksOf(coin) { return this.books.map((_, b) => b).filter(b => this.coinOf(b) === coin); }
  eventsUpTo(t) { return upTo(this.a.e_time, Math.round(t * 1000)); }
  who(owner) { return owner >= 0 ? this.owner[owner] || `owner ${owner}` : ""; }
  worth(owner, label) {
    let q = 0;
    for (let k = 0; k <= label; k++) q += this.a.o_worth[k * this.owner.length + owner];
    return fine(q);
  }
  // Places of all events in which an owner is one side.
  eventsOf(owner) {
    if (!this._byOwner) {
      this._byOwner = new Map();
      const add = (o, k) => { if (o >= 0) { if (!this._byOwner.has(o)) this._byOwner.set(o, []); this._byOwner.get(o).push(k); } };
      for (let k = 0; k < this.a.e_time.length; k++) {
        const one = this.a.e_owner[k], two = this.a.e_other_owner[k];
        add(one, k);
        if (two !== one) add(two, k);
      }
    }
    return this._byOwner.get(owner) || [];
  }
  positionsOf(owner) {
    if (!this.a.p_owner) return [];
    let k = upTo(this.a.p_owner, owner - 1) + 1;
    const found = [];
    for (; k < this.a.p_owner.length && this.a.p_owner[k] === owner; k++) found.push(k);
    return found;
  }
  // Shares of what moved a failing account's mark, largest first: [word, share].
  shares(failure, name) {
    const n = this.a.f_event.length;
    return this.failure_kinds.map((word, k) => [word, this.a[name][k * n + failure] / 250])
      .filter(pair => pair[1] >= 0.005).sort((a, b) => b[1] - a[1]);
  }
  parents(failure) {
    const n = this.a.f_event.length, found = [];
    for (let k = 0; k < this.a.f_parent.length / n; k++) {
      const parent = this.a.f_parent[k * n + failure];
      if (parent >= 0) found.push([parent, this.a.f_share[k * n + failure] / 250]);
    }
    return found;
  }
}
