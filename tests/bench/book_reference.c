/* A book as the engine has it, in C: the yardstick of the book benchmark.
 *
 * The same records (orders, levels, messages, fills), the same sorted live levels, and the same work for a message to
 * a perpetual's book: handles with generations and names, self-trade check, price-time priority, value and fees of
 * both sides rounded up, positions with entry value, open interest, the accounts' lists and sums of open orders, the
 * book's record of the step and the tape. Left out, because the stream never asks for it: margin and balance (the
 * accounts are exempt), bands, expiry, reduce-only, fill-or-kill, spot.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NONE (-1)
#define LEVEL_BITS 24
#define LEVEL_MASK ((1 << LEVEL_BITS) - 1)
#define SLOT_BITS 24
#define SLOT_MASK ((1 << SLOT_BITS) - 1)
#define RATE 100000000LL
#define MAX_PRICE (1LL << 31)
#define MAX_LOTS (1LL << 46)

typedef struct {
    int64_t arrive, tie, price, qty, expiry, cause, handle, tag;
    int32_t row, book, ref;
    uint8_t op;
    int8_t side;
    uint8_t flags, kind;
} message;

typedef struct __attribute__((aligned(64))) {
    int64_t price, qty, gen;
    int32_t row, book, level, next, prev, row_next, row_prev, position, ref;
    int8_t side;
    uint8_t flags, kind, live;
    int64_t expiry, cause, tag;
    int32_t wheel, wheel_next, wheel_prev;
} order;

typedef struct { int64_t qty; int32_t head, tail, count, next; } level;
typedef struct { int64_t time, price, qty, cause; int32_t maker, taker, book; int8_t side; uint8_t kind; } fill;
typedef struct { int64_t cash, lots, entry, buys, sells; int32_t owner, orders, open, touched; } account;

typedef struct {
    order *orders;
    level *levels;
    int64_t *keys[2];
    int64_t *refs;
    account *accounts;
    fill *fills;
    int32_t *touched;
    int32_t n[2], used, free_order, used_levels, free_level, stp, n_touched;
    int64_t n_fills, cap, unit, maker_fee, taker_fee, fees;
    int64_t volume, value, taker_buy, trades, low, high, last, open_interest, resting, rejected;
    int64_t max_open;
} book;

book *book_new(int64_t orders, int64_t cap, int64_t names, int64_t accounts, int64_t fills, int64_t unit,
               int64_t maker_fee, int64_t taker_fee, int64_t stp) {
    book *b = calloc(1, sizeof *b);
    b->orders = aligned_alloc(64, orders * sizeof(order));
    memset(b->orders, 0, orders * sizeof(order));
    b->levels = calloc(orders, sizeof(level));
    for (int i = 0; i < 2; i++) b->keys[i] = calloc(cap, sizeof(int64_t));
    b->refs = malloc(names * sizeof(int64_t));
    memset(b->refs, 0xff, names * sizeof(int64_t));
    b->accounts = calloc(accounts, sizeof(account));
    for (int64_t i = 0; i < accounts; i++) {
        b->accounts[i].orders = NONE;
        b->accounts[i].owner = (int32_t)i;
    }
    b->touched = calloc(accounts, sizeof(int32_t));
    b->fills = calloc(fills, sizeof(fill));
    memset(b->fills, 0, fills * sizeof(fill));
    b->free_order = b->free_level = NONE;
    b->cap = cap, b->unit = unit, b->maker_fee = maker_fee, b->taker_fee = taker_fee, b->stp = (int32_t)stp;
    b->max_open = 100000;
    return b;
}

void book_free(book *b) {
    free(b->orders), free(b->levels), free(b->keys[0]), free(b->keys[1]), free(b->refs);
    free(b->accounts), free(b->touched), free(b->fills), free(b);
}

static inline int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}

static inline int64_t at_rate_up(int64_t amount, int64_t rate) {
    int64_t x = -amount, whole = floor_div(x, RATE);
    return -(whole * rate + floor_div((x - whole * RATE) * rate, RATE));
}

static inline int64_t mul_div(int64_t a, int64_t b, int64_t c) {
    __int128 p = (__int128)a * b;
    int64_t q = (int64_t)(p / c);
    return q - (p % c != 0 && p < 0);
}

static inline int find(const int64_t *keys, int n, int64_t rank) {
    int64_t low = rank * (1 << LEVEL_BITS);
    int nearest = n > 8 ? n - 8 : 0, i = n;
    for (; i > nearest; i--)
        if (keys[i - 1] < low) return i;
    int lo = 0, hi = i;
    while (lo < hi) {
        int middle = (lo + hi) >> 1;
        if (keys[middle] < low) lo = middle + 1; else hi = middle;
    }
    return lo;
}

static inline int64_t best(const book *b, int side) {
    int k = side > 0 ? 0 : 1;
    return b->n[k] ? side * (b->keys[k][b->n[k] - 1] >> LEVEL_BITS) : 0;
}

static void remove_order(book *b, int32_t slot) {
    order *o = &b->orders[slot];
    account *a = &b->accounts[o->row];
    level *l = &b->levels[o->level];
    if (o->side > 0) a->buys -= o->qty; else a->sells -= o->qty;
    if (o->prev != NONE) b->orders[o->prev].next = o->next; else l->head = o->next;
    if (o->next != NONE) b->orders[o->next].prev = o->prev; else l->tail = o->prev;
    l->qty -= o->qty;
    l->count--;
    if (l->head == NONE) {
        int k = o->side > 0 ? 0 : 1, n = b->n[k], i = find(b->keys[k], n, o->side * o->price);
        for (int j = i; j < n - 1; j++) b->keys[k][j] = b->keys[k][j + 1];
        b->n[k] = n - 1;
        l->next = b->free_level;
        b->free_level = o->level;
    }
    if (o->row_prev != NONE) b->orders[o->row_prev].row_next = o->row_next; else a->orders = o->row_next;
    if (o->row_next != NONE) b->orders[o->row_next].row_prev = o->row_prev;
    a->open--;
    b->resting--;
    o->live = 0;
    o->gen++;
    o->next = b->free_order;
    b->free_order = slot;
}

static void rest(book *b, const message *m, int64_t qty) {
    int32_t slot = b->free_order;
    if (slot != NONE) b->free_order = b->orders[slot].next; else slot = b->used++;
    order *o = &b->orders[slot];
    o->price = m->price, o->qty = qty, o->expiry = m->expiry, o->cause = m->cause, o->tag = m->tag;
    o->row = m->row, o->book = m->book, o->position = m->row, o->ref = m->ref;
    o->side = m->side, o->flags = m->flags, o->kind = m->kind, o->live = 1;
    int k = o->side > 0 ? 0 : 1, n = b->n[k];
    int64_t *keys = b->keys[k], rank = o->side * o->price;
    int i = find(keys, n, rank);
    int32_t number;
    if (i < n && (keys[i] >> LEVEL_BITS) == rank) {
        number = keys[i] & LEVEL_MASK;
        o->prev = b->levels[number].tail;
        b->orders[o->prev].next = slot;
    } else {
        number = b->free_level;
        if (number != NONE) b->free_level = b->levels[number].next; else number = b->used_levels++;
        for (int j = n; j > i; j--) keys[j] = keys[j - 1];
        keys[i] = rank * (1 << LEVEL_BITS) | number;
        b->n[k] = n + 1;
        b->levels[number].qty = 0;
        b->levels[number].count = 0;
        b->levels[number].head = slot;
        o->prev = NONE;
    }
    b->levels[number].tail = slot;
    b->levels[number].qty += qty;
    b->levels[number].count++;
    o->next = NONE;
    o->level = number;
    account *a = &b->accounts[o->row];
    if (o->side > 0) a->buys += qty; else a->sells += qty;
    o->row_prev = NONE;
    o->row_next = a->orders;
    if (a->orders != NONE) b->orders[a->orders].row_prev = slot;
    a->orders = slot;
    a->open++;
    b->resting++;
    if (o->ref >= 0) b->refs[o->ref] = o->gen << SLOT_BITS | slot;
}

static inline void change_position(book *b, account *a, int64_t lots, int64_t value) {
    int64_t q = a->lots, size = lots > 0 ? lots : -lots;
    if (q == 0 || (q > 0) == (lots > 0)) {
        a->entry += lots > 0 ? value : -value;
    } else {
        int64_t held = q > 0 ? q : -q;
        if (size < held) {
            a->entry -= mul_div(a->entry, size, held);
        } else {
            int64_t opened = value - mul_div(value, held, size);
            a->entry = lots > 0 ? opened : -opened;
        }
    }
    a->lots = q + lots;
    b->open_interest += (a->lots > 0 ? a->lots : 0) - (q > 0 ? q : 0);
}

static inline void touch(book *b, int32_t row) {
    if (!b->accounts[row].touched) {
        b->accounts[row].touched = 1;
        b->touched[b->n_touched++] = row;
    }
}

static void settle(book *b, const message *m, const order *o, int64_t lots) {
    int side = m->side;
    account *taker = &b->accounts[m->row], *maker = &b->accounts[o->row];
    int64_t value = o->price * lots * b->unit;
    int64_t tf = at_rate_up(value, b->taker_fee), mf = at_rate_up(value, b->maker_fee);
    taker->cash -= side * value + tf;
    maker->cash += side * value - mf;
    b->fees += tf + mf;
    change_position(b, taker, side * lots, value);
    change_position(b, maker, -side * lots, value);
    touch(b, m->row);
    touch(b, o->row);
    b->last = o->price;
    b->volume += lots, b->value += value, b->trades++;
    if (side > 0) b->taker_buy += value;
    if (b->low == 0 || o->price < b->low) b->low = o->price;
    if (o->price > b->high) b->high = o->price;
    fill *f = &b->fills[b->n_fills++];
    f->price = o->price, f->qty = lots, f->cause = m->cause, f->maker = o->row, f->taker = m->row;
    f->book = m->book, f->side = m->side, f->kind = m->kind;
}

static void place(book *b, const message *m, int64_t price, int waits) {
    int side = m->side, k = side > 0 ? 1 : 0;
    int64_t left = m->qty;
    if (price < 1 || price >= MAX_PRICE || left < 1 || left > MAX_LOTS) { b->rejected++; return; }
    if (waits && (b->accounts[m->row].open >= b->max_open)) { b->rejected++; return; }
    while (left > 0 && b->n[k] > 0) {
        int64_t key = b->keys[k][b->n[k] - 1];
        if (side * (-side * (key >> LEVEL_BITS)) > side * price) break;
        int32_t slot = b->levels[key & LEVEL_MASK].head;
        order *o = &b->orders[slot];
        if (b->stp && b->accounts[o->row].owner == b->accounts[m->row].owner) { remove_order(b, slot); continue; }
        int64_t lots = o->qty < left ? o->qty : left;
        account *maker = &b->accounts[o->row];
        if (o->side > 0) maker->buys -= lots; else maker->sells -= lots;
        settle(b, m, o, lots);
        o->qty -= lots;
        b->levels[o->level].qty -= lots;
        left -= lots;
        if (o->qty == 0) remove_order(b, slot);
    }
    if (left > 0 && waits) {
        if (b->n[1 - k] >= b->cap) { b->rejected++; return; }
        rest(b, m, left);
    }
}

/* Messages first..last-1: limit (0), market (1), and a named quote of size zero (5), which cancels. */
void book_process(book *b, const message *messages, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) {
        const message *m = &messages[i];
        if (m->op == 0) {
            place(b, m, m->price, 1);
        } else if (m->op == 1) {
            place(b, m, m->side > 0 ? MAX_PRICE - 1 : 1, 0);
        } else {
            int64_t handle = b->refs[m->ref], slot = handle & SLOT_MASK;
            if (handle < 0 || slot >= b->used) continue;
            order *o = &b->orders[slot];
            if (o->live && o->gen == handle >> SLOT_BITS && o->row == m->row) remove_order(b, (int32_t)slot);
        }
    }
}

int64_t book_fills(const book *b) { return b->n_fills; }
const fill *book_tape(const book *b) { return b->fills; }
int64_t book_cash(const book *b, int64_t row) { return b->accounts[row].cash; }
int64_t book_lots(const book *b, int64_t row) { return b->accounts[row].lots; }

/* The same messages through another book's C functions (orderly-chaos' C interface); its trades are counted. */
typedef int32_t (*limit_fn)(void *, int32_t, uint64_t, uint32_t, uint64_t, uint32_t *);
typedef int32_t (*market_fn)(void *, int32_t, uint64_t, uint32_t, uint32_t *);
typedef int32_t (*cancel_fn)(void *, uint64_t);

void drive(void *other, limit_fn limit, market_fn market, cancel_fn cancel, const message *messages, int64_t first,
           int64_t last) {
    for (int64_t i = first; i < last; i++) {
        const message *m = &messages[i];
        uint32_t filled;
        int32_t side = m->side > 0;
        if (m->op == 0) limit(other, side, m->ref, (uint32_t)m->qty, m->price, &filled);
        else if (m->op == 1) market(other, side, m->ref, (uint32_t)m->qty, &filled);
        else cancel(other, m->ref);
    }
}

typedef struct { uint64_t taker, maker, price; uint32_t quantity, remaining; int32_t side; } trade;
void note_trade(const trade *t, void *sum) { ((int64_t *)sum)[0]++, ((int64_t *)sum)[1] += t->quantity; }
