#include "bench/scale.h"

#include "core/random.h"
#include "study/schedule.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* What is drawn for a block of the run: words 0 .. 3 which block it is, then what it differs by. */
enum { DRAW_BLOCK, DRAW_FACTORS };

/* The run's blocks, in the order in which they are drawn, then in the queue's. */
typedef struct drawn {
  int64_t n, trials;
  int64_t *order, *units, *parts;
  double *cost, *seconds, *sorted;
  double bytes;
} drawn;

static void drawn_free(drawn *d) {
  free(d->order), free(d->units), free(d->parts), free(d->cost), free(d->seconds), free(d->sorted);
}

static int64_t draw_index(const vw_scale_blocks *b, const vw_scale_options *o, int64_t i) {
  if (!o->trials && !o->a_rank) return i;
  return vw_below(vw_draw_u32((uint64_t)o->seed, (uint64_t)i, DRAW_BLOCK, 0), (uint32_t)b->n);
}

static int64_t count(const vw_scale_blocks *b, const vw_scale_options *o, int64_t ranks) {
  int64_t n = 0;
  if (o->a_rank) return o->a_rank * ranks;
  if (!o->trials) return b->n;
  for (int64_t trials = 0; trials < o->trials; n++) trials += b->trials[draw_index(b, o, n)];
  return n;
}

static vw_status draw(const vw_scale_blocks *b, const vw_scale_options *o, int64_t ranks, drawn *d) {
  d->n = count(b, o, ranks);
  const size_t n = (size_t)d->n + 1;
  d->order = calloc(n, sizeof *d->order), d->units = calloc(n, sizeof *d->units);
  d->cost = calloc(n, sizeof *d->cost), d->seconds = calloc(n, sizeof *d->seconds);
  d->sorted = calloc(n, sizeof *d->sorted), d->parts = calloc(n, sizeof *d->parts);
  VW_CHECK(d->order && d->units && d->parts && d->cost && d->seconds && d->sorted, VW_ERR_MEMORY,
           "simulate: out of memory for %" PRId64 " blocks", d->n);
  for (int64_t i = 0; i < d->n; i++) {
    const int64_t from = draw_index(b, o, i);
    float z[4];
    vw_normal4(vw_philox4x32((uint64_t)o->seed, (uint32_t)i, (uint32_t)(i >> 32), DRAW_FACTORS, 0), z);
    const double known = exp(o->spread * (double)z[0]), unknown = exp(o->noise * (double)z[1]);
    d->order[i] = i;
    d->cost[i] = b->cost[from] * known;
    d->sorted[i] = b->seconds[from] * known * unknown;
    d->units[i] = b->trials[from];
    d->trials += b->trials[from], d->bytes += b->bytes[from];
  }
  vw_schedule_sort(d->order, d->n, d->cost); /* as jobs/stages/loop.c does */
  for (int64_t i = 0; i < d->n; i++) {
    d->seconds[i] = d->sorted[d->order[i]];
    d->parts[i] = b->parts ? b->parts[draw_index(b, o, d->order[i])] : 1;
  }
  return VW_OK;
}

vw_status vw_scale_run(const vw_scale_blocks *blocks, const vw_scale_options *o, int64_t ranks, vw_scale_row *row) {
  drawn d = {0};
  vw_status st = VW_OK;
  *row = (vw_scale_row){.ranks = ranks};
  VW_CHECK(blocks->n > 0 && blocks->n <= UINT32_MAX, VW_ERR_ARG, "simulate: no blocks");
  VW_CHECK(o->trials >= 0 && o->a_rank >= 0 && o->spread >= 0 && o->spread < 10 && o->noise >= 0 && o->noise < 10 &&
               o->latency >= 0 && o->capacity > 0,
           VW_ERR_ARG, "simulate: --trials, --per-rank, --spread, --noise, --latency and --capacity are positive");
  VW_GOTO(draw(blocks, o, ranks, &d));
  const vw_simulated in = {.ranks = ranks,
                           .n = d.n,
                           .seconds = d.seconds,
                           .parts = d.parts,
                           .steps = blocks->steps,
                           .latency = o->latency,
                           .service = 1 / o->capacity};
  VW_GOTO(vw_simulate(&in, &row->run, NULL, NULL));
  row->blocks = d.n, row->trials = d.trials, row->bytes = d.bytes;
  row->files = d.n + ranks;
  row->beside = 2 * (ranks < d.n ? ranks : d.n);
cleanup:
  drawn_free(&d);
  return st;
}

json_t *vw_scale_json(const vw_scale_row *row) {
  const vw_simulation *s = &row->run;
  char replay[VW_HASH_TEXT];
  vw_hash_text(s->replay, replay);
  json_t *requests = json_object();
  for (int i = 0; i < VW_QUEUE_REQUESTS; i++)
    json_object_set_new(requests, vw_queue_request_names[i], json_integer((json_int_t)s->sent[i]));
  json_t *all =
      json_pack("{s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "ranks", (json_int_t)row->ranks, "blocks",
                (json_int_t)row->blocks, "trials", (json_int_t)row->trials, "seconds", s->makespan, "utilisation",
                s->utilisation, "tail_seconds", s->tail, "rank_seconds_waited", s->waited, "longest_wait_seconds",
                s->longest_wait, "least_busy_rank_seconds", s->rank_least, "most_busy_rank_seconds", s->rank_most);
  json_object_set_new(all, "requests", requests);
  json_object_set_new(all, "requests_a_second", json_real(s->requests_a_second));
  json_object_set_new(all, "most_requests_in_a_second", json_integer((json_int_t)s->most_in_a_second));
  json_object_set_new(all, "share_of_rank_0", json_real(s->served));
  json_object_set_new(all, "files", json_integer((json_int_t)row->files));
  json_object_set_new(all, "bytes", json_real(row->bytes));
  json_object_set_new(all, "checkpoints_at_most", json_integer((json_int_t)row->beside));
  json_object_set_new(all, "replay", json_string(replay));
  return all;
}
