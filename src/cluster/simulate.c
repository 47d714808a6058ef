#include "cluster/simulate.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static const int64_t SECOND = 1000000000;
static const double most_seconds = 1e9; /* of all items: nanoseconds fit into 63 bits */
/* A steady clock does not begin at 0: the first look is due at once, as in a run. */
static const int64_t CLOCK = INT64_C(1) << 56;

/* What comes next in time. Of events at the same time the one that was made first comes first. */
typedef enum happening { STEP_ENDS, ARRIVES, ANSWERED } happening;
typedef struct event {
  int64_t at, number;
  int64_t rank;
  happening what;
  vw_queue_request request;
} event;

typedef struct worker {
  vw_queue_side side;
  int64_t item, begin, length; /* in nanoseconds; item -1: none */
  int64_t step;                /* the step whose end comes next, of those at which something may be due */
  int64_t asked;               /* when the take began that it waits for */
  bool waits, has_left;
  bool is_here[VW_QUEUE_REQUESTS];
  int64_t before[VW_QUEUE_REQUESTS];
  int64_t busy; /* nanoseconds of items so far */
} worker;

typedef struct simulation {
  const vw_simulated *in;
  vw_simulation *out;
  worker *workers;
  event *heap;
  int64_t n_events, number;
  int64_t travel, service;      /* nanoseconds of a way, of a request */
  int64_t word[VW_QUEUE_WORDS]; /* on rank 0 */
  int64_t free_at;              /* when rank 0 has served what came so far */
  int64_t second, in_second;    /* requests that came in this second */
  int64_t requests, last_end, first_left, waited, longest_wait;
  int64_t *rank_of;
  double *begins;
} simulation;

/* ---- events in the order of time --------------------------------------------------------------------------------- */

static bool is_before(const event *a, const event *b) {
  return a->at != b->at ? a->at < b->at : a->number < b->number;
}

/* A rank has one step and one request of each kind under way at most: there is room. */
static void push(simulation *s, event e) {
  int64_t i = s->n_events++;
  e.number = s->number++;
  for (; i > 0 && is_before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
  s->heap[i] = e;
}

static event pop(simulation *s) {
  const event first = s->heap[0], last = s->heap[--s->n_events];
  int64_t i = 0;
  for (int64_t child = 1; child < s->n_events; child = 2 * i + 1) {
    if (child + 1 < s->n_events && is_before(&s->heap[child + 1], &s->heap[child])) child++;
    if (!is_before(&s->heap[child], &last)) break;
    s->heap[i] = s->heap[child];
    i = child;
  }
  s->heap[i] = last;
  return first;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void send_due(simulation *s, int64_t rank, vw_queue_request what, int64_t now) {
  if (!vw_queue_side_sends(&s->workers[rank].side, what, CLOCK + now)) return;
  push(s, (event){.at = now + (rank ? s->travel : 0), .rank = rank, .what = ARRIVES, .request = what});
}

/* Rank 0 serves a request: first come, first served. */
static void serve(simulation *s, const event *e) {
  worker *w = &s->workers[e->rank];
  int64_t *word = &s->word[vw_queue_word_of(e->request)];
  s->free_at = (s->free_at > e->at ? s->free_at : e->at) + s->service;
  w->before[e->request] = *word;
  *word += w->side.add[e->request];
  s->requests++;
  if (e->at / SECOND != s->second) s->second = e->at / SECOND, s->in_second = 0;
  if (++s->in_second > s->out->most_in_a_second) s->out->most_in_a_second = s->in_second;
  push(s,
       (event){.at = s->free_at + (e->rank ? s->travel : 0), .rank = e->rank, .what = ANSWERED, .request = e->request});
}

static void hear(worker *w, vw_queue_request what) {
  if (!w->is_here[what]) return;
  w->is_here[what] = false;
  vw_queue_side_hears(&w->side, what, w->before[what]);
}

/* As `advance` of cluster/queue.c. */
static void advance(simulation *s, int64_t rank, int64_t now) {
  worker *w = &s->workers[rank];
  hear(w, VW_QUEUE_LOOK);
  hear(w, VW_QUEUE_REPORT);
  send_due(s, rank, VW_QUEUE_REPORT, now);
}

/* As `hear_stop` there: rank 0 reads its own memory. */
static void look(simulation *s, int64_t rank, int64_t now) {
  advance(s, rank, now);
  if (rank) send_due(s, rank, VW_QUEUE_LOOK, now);
}

/* ---- a rank's item ----------------------------------------------------------------------------------------------- */

static int64_t end_of_step(const worker *w, int64_t step, int64_t steps) {
  return w->begin + (int64_t)((double)w->length * ((double)step / (double)steps));
}

static int64_t parts_of(const simulation *s, const worker *w) {
  return s->in->parts ? s->in->parts[w->item] : 1;
}

/* Is it the step before the last one, when a rank asks for the next item? Something that is one step does not ask. */
static bool is_before_end(const simulation *s, const worker *w, int64_t step) {
  return s->in->steps > 1 && step == s->in->steps * parts_of(s, w) - 1;
}

/* The next step's end at which anything may be due: the first one after the next look, the last of a part, the last but
 * one of all. */
static void go_on(simulation *s, int64_t rank, int64_t after) {
  worker *w = &s->workers[rank];
  const int64_t steps = s->in->steps * parts_of(s, w), look_at = w->side.looked_ns - CLOCK + w->side.look_ns + 1;
  int64_t next = (after / s->in->steps + 1) * s->in->steps;
  if (next == steps && after < steps - 1 && is_before_end(s, w, steps - 1)) next = steps - 1;
  if (rank && look_at < end_of_step(w, next, steps)) {
    const double step = (double)w->length / (double)steps;
    int64_t due = step > 0 ? (int64_t)ceil((double)(look_at - w->begin) / step) : after + 1;
    if (due <= after) due = after + 1;
    if (due < next) next = due;
  }
  w->step = next;
  push(s, (event){.at = end_of_step(w, next, steps), .rank = rank, .what = STEP_ENDS});
}

static void begin_item(simulation *s, int64_t rank, int64_t item, int64_t now) {
  worker *w = &s->workers[rank];
  const double slowness = s->in->slowness ? s->in->slowness[rank] : 1;
  w->item = item, w->begin = now, w->length = llround(s->in->seconds[item] * slowness * (double)SECOND);
  w->busy += w->length;
  s->rank_of[item] = rank, s->begins[item] = (double)now / (double)SECOND;
  go_on(s, rank, 0);
}

/* The answer to a take is here, as vw_queue_take goes on. */
static void taken(simulation *s, int64_t rank, int64_t now) {
  worker *w = &s->workers[rank];
  const int64_t waited = now - w->asked;
  w->waits = false;
  hear(w, VW_QUEUE_TAKE);
  const int64_t index = vw_queue_side_index(&w->side, w->before[VW_QUEUE_TAKE]);
  look(s, rank, now);
  s->waited += waited;
  if (waited > s->longest_wait) s->longest_wait = waited;
  w->has_left = index < 0, w->item = index;
  if (index >= 0) begin_item(s, rank, index, now);
  if (index < 0 && s->first_left < 0) s->first_left = now;
}

static void take(simulation *s, int64_t rank, int64_t now) {
  worker *w = &s->workers[rank];
  w->asked = now, w->waits = true;
  advance(s, rank, now);
  send_due(s, rank, VW_QUEUE_TAKE, now);
  if (w->is_here[VW_QUEUE_TAKE]) taken(s, rank, now);
}

static void end_step(simulation *s, int64_t rank, int64_t now) {
  worker *w = &s->workers[rank];
  if (w->step % s->in->steps == 0) vw_queue_side_did(&w->side, s->in->units ? s->in->units[w->item] : 1);
  advance(s, rank, now);
  if (w->step < s->in->steps * parts_of(s, w)) {
    if (is_before_end(s, w, w->step)) send_due(s, rank, VW_QUEUE_TAKE, now);
    look(s, rank, now);
    go_on(s, rank, w->step);
    return;
  }
  if (now > s->last_end) s->last_end = now;
  take(s, rank, now);
}

/* A rank that has left still waits for what it sent, and sends what is left to report (vw_queue_destroy). */
static void answered(simulation *s, const event *e) {
  worker *w = &s->workers[e->rank];
  w->is_here[e->request] = true;
  if (w->waits && e->request == VW_QUEUE_TAKE) taken(s, e->rank, e->at);
  if (w->has_left) advance(s, e->rank, e->at);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static vw_status check(const vw_simulated *in) {
  VW_CHECK(in->ranks > 0 && in->n >= 0 && in->n < VW_QUEUE_STOP && in->steps > 0, VW_ERR_ARG,
           "simulate: %" PRId64 " ranks, %" PRId64 " items of %" PRId64 " steps", in->ranks, in->n, in->steps);
  VW_CHECK(in->latency >= 0 && in->latency < most_seconds && in->service >= 0 && in->service < most_seconds, VW_ERR_ARG,
           "simulate: a latency of %g s and a service of %g s", in->latency, in->service);
  double slowest = 1, sum = 0;
  for (int64_t r = 0; in->slowness && r < in->ranks; r++) {
    VW_CHECK(in->slowness[r] > 0 && in->slowness[r] < most_seconds, VW_ERR_ARG,
             "simulate: rank %" PRId64 " is slower by %g", r, in->slowness[r]);
    slowest = fmax(slowest, in->slowness[r]);
  }
  for (int64_t i = 0; i < in->n; i++) {
    VW_CHECK(in->seconds[i] >= 0 && in->seconds[i] < most_seconds, VW_ERR_ARG, "simulate: item %" PRId64 " takes %g s",
             i, in->seconds[i]);
    VW_CHECK(!in->parts || (in->parts[i] > 0 && in->parts[i] < VW_QUEUE_STOP), VW_ERR_ARG,
             "simulate: item %" PRId64 " of %" PRId64 " parts", i, in->parts[i]);
    sum += in->seconds[i];
  }
  VW_CHECK(sum * slowest < most_seconds, VW_ERR_ARG, "simulate: %g s of items; less than %g are possible",
           sum * slowest, most_seconds);
  return VW_OK;
}

static void run(simulation *s) {
  for (int64_t r = 0; r < s->in->ranks; r++) {
    vw_queue_side_open(&s->workers[r].side, s->in->n, s->in->ranks);
    s->workers[r].item = -1;
    take(s, r, 0);
  }
  while (s->n_events) {
    const event e = pop(s);
    if (e.what == STEP_ENDS) end_step(s, e.rank, e.at);
    if (e.what == ARRIVES) serve(s, &e);
    if (e.what == ANSWERED) answered(s, &e);
  }
}

static void sum_up(const simulation *s) {
  const double second = (double)SECOND;
  vw_simulation *out = s->out;
  out->makespan = (double)s->last_end / second;
  out->waited = (double)s->waited / second, out->longest_wait = (double)s->longest_wait / second;
  out->rank_least = INFINITY;
  for (int64_t r = 0; r < s->in->ranks; r++) {
    const worker *w = &s->workers[r];
    const double busy = (double)w->busy / second;
    out->busy += busy;
    if (busy < out->rank_least) out->rank_least = busy;
    if (busy > out->rank_most) out->rank_most = busy;
    for (int k = 0; k < VW_QUEUE_REQUESTS; k++) out->sent[k] += w->side.sent[k];
  }
  out->utilisation = out->makespan > 0 ? out->busy / ((double)s->in->ranks * out->makespan) : 1;
  if (s->first_left >= 0 && s->first_left < s->last_end) out->tail = (double)(s->last_end - s->first_left) / second;
  out->done = s->word[VW_QUEUE_DONE];
  if (out->makespan <= 0) return;
  out->requests_a_second = (double)s->requests / out->makespan;
  out->served = (double)s->requests * (double)s->service / second / out->makespan;
}

vw_status vw_simulate(const vw_simulated *in, vw_simulation *out, int64_t *rank_of, double *begins) {
  simulation s = {.in = in, .out = out, .first_left = -1, .second = -1, .rank_of = rank_of, .begins = begins};
  *out = (vw_simulation){0};
  VW_TRY(check(in));
  const size_t ranks = (size_t)in->ranks, n = (size_t)in->n + 1;
  s.travel = llround(in->latency / 2 * (double)SECOND), s.service = llround(in->service * (double)SECOND);
  s.workers = calloc(ranks, sizeof *s.workers);
  s.heap = calloc(ranks * (VW_QUEUE_REQUESTS + 1), sizeof *s.heap);
  if (!rank_of) s.rank_of = calloc(n, sizeof *s.rank_of);
  if (!begins) s.begins = calloc(n, sizeof *s.begins);
  const bool has_memory = s.workers && s.heap && s.rank_of && s.begins;
  if (has_memory) {
    run(&s);
    sum_up(&s);
    const vw_hash both[] = {vw_hash_bytes(s.rank_of, (size_t)in->n * sizeof *s.rank_of),
                            vw_hash_bytes(s.begins, (size_t)in->n * sizeof *s.begins)};
    out->replay = vw_hash_bytes(both, sizeof both);
  }
  free(s.workers), free(s.heap);
  if (!rank_of) free(s.rank_of);
  if (!begins) free(s.begins);
  return has_memory ? VW_OK
                    : VW_RAISE(VW_ERR_MEMORY, "no memory to simulate %" PRId64 " ranks and %" PRId64 " items",
                               in->ranks, in->n);
}
