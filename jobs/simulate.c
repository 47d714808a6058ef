/* `simulate`: a study on more ranks than there are. Never calls MPI_Init. */
#include "bench/bench.h"
#include "bench/scale.h"
#include "jobs/predict.h"
#include "jobs/session.h"

#include "core/text.h"
#include "io/block_file.h"
#include "io/json.h"

#include <stdlib.h>
#include <sys/stat.h>

/* A block's file of results beside its numbers: names, shapes and checksum, and a line a trial. */
enum { HEADER_BYTES = 2400, TRIAL_BYTES = 180, COLUMNS = 11 };

typedef struct simulate {
  vw_scale_options with;
  const char *ranks, *queue;
  double seconds;    /* of a made-up block */
  int64_t per_block; /* its trials */
  bool json, stages;
  vw_predict_items items[VW_PREDICT_STAGES]; /* with `stages` */
  int64_t n, measured;                       /* blocks; of them those whose files say how long they took */
  double *cost, *took, *bytes;
  int64_t *trials;
  int64_t steps;
  const char *source;
  json_t *rows;
} simulate;

static vw_status make_room(simulate *m, int64_t n) {
  m->cost = calloc((size_t)n + 1, sizeof *m->cost), m->took = calloc((size_t)n + 1, sizeof *m->took);
  m->bytes = calloc((size_t)n + 1, sizeof *m->bytes), m->trials = calloc((size_t)n + 1, sizeof *m->trials);
  VW_CHECK(m->cost && m->took && m->bytes && m->trials, VW_ERR_MEMORY, "out of memory");
  return VW_OK;
}

/* ---- the study's blocks ------------------------------------------------------------------------------------------ */

/* By its sizes: words, anchors, the recorded losses, a number a column (learn/block_io.h). */
static double bytes_by_size(const vw_session *s, const vw_block *b) {
  const vw_model_config *model = &s->config->models[b->model_index];
  const vw_network *n = s->networks[b->model_index];
  const double words = (double)n->width * (double)(model->vectors + 1) * (double)vw_dtype_bytes(n->word_type);
  const int64_t most = model->learn.loss_points, steps = model->learn.steps;
  const double one = words + 8 * (double)((steps < most ? steps : most) + COLUMNS) + TRIAL_BYTES;
  return HEADER_BYTES + (double)b->n * one;
}

/* What the file of a finished block says; *found false: there is none. */
static vw_status look_at_file(const vw_session *s, const vw_block *b, double *seconds, double *bytes, bool *found) {
  char id[VW_BLOCK_ID], path[VW_PATH_BYTES];
  vw_safetensors *f = NULL;
  struct stat file;
  *found = false;
  vw_block_file_id(b, "", id);
  if (!s->out[0] || s->is_counted || !vw_block_file_exists(s->out, id)) return VW_OK;
  VW_TRY(vw_block_file_open(s->out, id, &f));
  const char *text = vw_safetensors_metadata(f, "seconds");
  *found = text != NULL;
  if (text) *seconds = strtod(text, NULL);
  vw_safetensors_close(f);
  VW_TRY(vw_block_file_path(path, s->out, id));
  if (stat(path, &file) == 0) *bytes = (double)file.st_size;
  return VW_OK;
}

static vw_status add_blocks(simulate *m, vw_session *s, const double *cost, const double *predicted) {
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    bool found = false;
    if (!vw_block_is_active(b)) continue;
    const int64_t steps = s->config->models[b->model_index].learn.steps, at = m->n++;
    if (steps > m->steps) m->steps = steps;
    m->cost[at] = cost[i], m->took[at] = predicted[i], m->trials[at] = b->n;
    m->bytes[at] = bytes_by_size(s, b);
    VW_TRY(look_at_file(s, b, &m->took[at], &m->bytes[at], &found));
    m->measured += found;
  }
  return VW_OK;
}

static vw_status look_at_study(simulate *m, vw_session *s) {
  vw_prediction prediction;
  double *cost = NULL, *predicted = calloc((size_t)s->plan->n_blocks + 1, sizeof *predicted);
  vw_status st = predicted ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory");
  if (st == VW_OK) st = make_room(m, s->plan->n_blocks);
  if (st == VW_OK) st = vw_session_costs(s, &cost);
  if (st == VW_OK)
    st = vw_session_predict(s, s->config->ranks, false, &prediction, predicted, m->stages ? m->items : NULL);
  if (st == VW_OK) st = add_blocks(m, s, cost, predicted);
  if (st == VW_OK && m->n == 0) st = VW_RAISE(VW_ERR_INPUT, "the study has no blocks to learn");
  m->source = st != VW_OK ? NULL : m->measured == m->n ? "finished blocks" : vw_rate_source_name(prediction.source);
  free(cost), free(predicted);
  return st;
}

static vw_status make_up(simulate *m) {
  VW_TRY(make_room(m, 1));
  m->n = 1, m->steps = 1000, m->source = "made up";
  m->cost[0] = m->took[0] = m->seconds, m->trials[0] = m->per_block;
  m->bytes[0] = HEADER_BYTES + (double)m->per_block * (2 * 4 * 768 + 8 * (100 + COLUMNS) + TRIAL_BYTES);
  return VW_OK;
}

/* ---- what it says ------------------------------------------------------------------------------------------------ */

/* What `viswords bench queue --save FILE` measured. */
static vw_status read_queue(simulate *m) {
  json_t *all = NULL;
  if (!m->queue) return VW_OK;
  VW_TRY(vw_json_read(m->queue, &all));
  const json_t *row = json_array_get(json_object_get(all, "rows"), 0);
  const json_t *rate = json_object_get(row, "requests_a_second"), *latency = json_object_get(row, "latency_seconds");
  const bool is_ours = json_is_number(rate) && json_is_number(latency);
  if (is_ours) m->with.capacity = json_number_value(rate), m->with.latency = json_number_value(latency);
  json_decref(all);
  VW_CHECK(is_ours, VW_ERR_INPUT, "%s is no file of 'viswords bench queue --save'", m->queue);
  return VW_OK;
}

static void print_head(const simulate *m) {
  double sum = 0;
  for (int64_t i = 0; i < m->n; i++) sum += m->took[i];
  (void)vw_print(stdout, "blocks of %.3g s (%s), of %lld; a request takes %.3g us, rank 0 serves %.6g a second\n",
                 sum / (double)m->n, m->source, (long long)m->n, 1e6 * m->with.latency, m->with.capacity);
  (void)vw_print(stdout, "%7s %9s %9s %11s %8s %9s %11s %11s %8s %9s\n", "ranks", "blocks", "trials", "time", "busy",
                 "tail", "requests/s", "of rank 0", "files", "MB");
}

static vw_status one_row(void *user, int64_t ranks) {
  simulate *m = user;
  vw_scale_row r;
  const vw_scale_blocks blocks = {
      .n = m->n, .cost = m->cost, .seconds = m->took, .trials = m->trials, .bytes = m->bytes, .steps = m->steps};
  VW_TRY(vw_scale_run(&blocks, &m->with, ranks, &r));
  if (m->json) {
    VW_CHECK(!json_array_append_new(m->rows, vw_scale_json(&r)), VW_ERR_MEMORY, "out of memory");
    return VW_OK;
  }
  if (json_integer_value(json_array_get(m->rows, 0)) == 0)
    print_head(m), json_array_append_new(m->rows, json_integer(1));
  (void)vw_print(stdout, "%7lld %9lld %9lld %11s %7.2f%% %9.3g %11.4g %10.3f%% %8lld %9.1f\n", (long long)r.ranks,
                 (long long)r.blocks, (long long)r.trials, vw_duration_text(r.run.makespan), 100 * r.run.utilisation,
                 r.run.tail, r.run.requests_a_second, 100 * r.run.served, (long long)r.files, 1e-6 * r.bytes);
  return VW_OK;
}

/* ---- every stage in turn ----------------------------------------------------------------------------------------- */

/* A round's queue alone: all ranks begin it together, and it ends when the last one is done. */
static vw_status run_round(const simulate *m, int stage, int64_t round, int64_t ranks, vw_scale_row *r) {
  vw_scale_options with = m->with;
  vw_predict_queue q;
  double *none = NULL;
  vw_status st = VW_OK;
  with.trials = with.a_rank = 0;
  *r = (vw_scale_row){.ranks = ranks};
  VW_GOTO(vw_predict_queue_of(&m->items[stage], round, &q));
  none = calloc((size_t)q.n + 1, sizeof *none);
  VW_GOTO(none ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory"));
  const vw_scale_blocks blocks = {.n = q.n,
                                  .cost = q.cost,
                                  .seconds = q.seconds,
                                  .trials = q.parts,
                                  .parts = q.parts,
                                  .bytes = none,
                                  .steps = stage == VW_PREDICT_LEARN ? m->steps : 1};
  if (q.n) VW_GOTO(vw_scale_run(&blocks, &with, ranks, r));
cleanup:
  vw_predict_queue_free(&q);
  free(none);
  return st;
}

/* One after the other: times, tails and requests add up. */
static void add_row(vw_scale_row *all, const vw_scale_row *r) {
  const double requests = all->run.requests_a_second * all->run.makespan + r->run.requests_a_second * r->run.makespan;
  const double served = all->run.served * all->run.makespan + r->run.served * r->run.makespan;
  const vw_hash both[] = {all->run.replay, r->run.replay};
  all->blocks += r->blocks, all->trials += r->trials;
  all->run.makespan += r->run.makespan, all->run.busy += r->run.busy;
  all->run.tail += r->run.tail, all->run.waited += r->run.waited;
  all->run.rank_least += r->run.rank_least, all->run.rank_most += r->run.rank_most;
  if (r->run.longest_wait > all->run.longest_wait) all->run.longest_wait = r->run.longest_wait;
  if (r->run.most_in_a_second > all->run.most_in_a_second) all->run.most_in_a_second = r->run.most_in_a_second;
  for (int k = 0; k < VW_QUEUE_REQUESTS; k++) all->run.sent[k] += r->run.sent[k];
  all->run.replay = vw_hash_bytes(both, sizeof both);
  all->run.utilisation = all->run.makespan > 0 ? all->run.busy / ((double)all->ranks * all->run.makespan) : 1;
  all->run.requests_a_second = all->run.makespan > 0 ? requests / all->run.makespan : 0;
  all->run.served = all->run.makespan > 0 ? served / all->run.makespan : 0;
}

/* A stage's rounds, and what its ranks do beside. */
static vw_status run_stage(const simulate *m, int stage, int64_t ranks, vw_scale_row *r) {
  const vw_predict_items *items = &m->items[stage];
  const vw_scale_row beside = {.ranks = ranks,
                               .run = {.makespan = items->beside + items->alone,
                                       .busy = (double)ranks * items->beside + items->alone,
                                       .rank_least = items->beside,
                                       .rank_most = items->beside + items->alone}};
  *r = (vw_scale_row){.ranks = ranks};
  for (int64_t round = 0; round < vw_predict_rounds(items); round++) {
    vw_scale_row one;
    VW_TRY(run_round(m, stage, round, ranks, &one));
    add_row(r, &one);
  }
  add_row(r, &beside);
  r->files = r->blocks + ranks;
  return VW_OK;
}

static vw_status say_stage(simulate *m, const char *name, const vw_scale_row *r) {
  if (!m->json) {
    (void)vw_print(stdout, "%7lld %-12s %9lld %11s %8.2f%% %9.3g %11.4g\n", (long long)r->ranks, name,
                   (long long)r->blocks, vw_duration_text(r->run.makespan), 100 * r->run.utilisation, r->run.tail,
                   r->run.requests_a_second);
    return VW_OK;
  }
  json_t *row = vw_scale_json(r);
  static const char *const of_learning[] = {"trials", "files", "bytes", "checkpoints_at_most"};
  for (size_t i = 0; i < sizeof of_learning / sizeof *of_learning; i++) (void)json_object_del(row, of_learning[i]);
  VW_CHECK(!json_object_set_new(row, "stage", json_string(name)) && !json_array_append_new(m->rows, row), VW_ERR_MEMORY,
           "out of memory");
  return VW_OK;
}

/* `all`: the stages one after the other. */
static vw_status one_study(void *user, int64_t ranks) {
  simulate *m = user;
  vw_scale_row all = {.ranks = ranks};
  if (!m->json)
    (void)vw_print(stdout, "%7s %-12s %9s %11s %9s %9s %11s\n", "ranks", "stage", "items", "time", "busy", "tail",
                   "requests/s");
  for (int i = 0; i < VW_PREDICT_STAGES; i++) {
    vw_scale_row r;
    if (!m->items[i].n && m->items[i].beside <= 0 && m->items[i].alone <= 0) continue;
    VW_TRY(run_stage(m, i, ranks, &r));
    VW_TRY(say_stage(m, vw_predict_names[i], &r));
    add_row(&all, &r);
  }
  return say_stage(m, "all", &all);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static vw_status run(simulate *m) {
  VW_TRY(read_queue(m));
  m->rows = json_array();
  VW_CHECK(m->rows, VW_ERR_MEMORY, "out of memory");
  VW_TRY(vw_bench_each("ranks", m->ranks, m->stages ? one_study : one_row, m));
  if (!m->json) return VW_OK;
  json_t *all = json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:O}", "seconds_from", m->source, "blocks",
                          (json_int_t)m->n, "measured", (json_int_t)m->measured, "seed", (json_int_t)m->with.seed,
                          "latency_seconds", m->with.latency, "capacity", m->with.capacity, "spread", m->with.spread,
                          "noise", m->with.noise, "rows", m->rows);
  (void)vw_json_print(all, JSON_INDENT(1), stdout);
  (void)vw_print(stdout, "\n");
  json_decref(all);
  return VW_OK;
}

static int run_study(simulate *m, vw_session_options *o) {
  vw_session s = {0};
  o->allow_other_kernels = true, o->counts_will_do = true;
  vw_ranks_single(&s.ranks);
  vw_status st = vw_session_open(&s, o, false);
  if (st == VW_OK) st = look_at_study(m, &s);
  if (st == VW_OK) st = run(m);
  const int code = vw_session_report(&s, st);
  vw_session_close(&s);
  return code;
}

int vw_job_simulate(int argc, char **argv) {
  vw_session_options o = {0};
  simulate m = {.with = {.latency = 50e-6, .capacity = 20000}, .ranks = "1,4,16,64,256,1024", .per_block = 10};
  const char *positional[1];
  const vw_option options[] = {
      {"ranks", 'n', VW_OPT_STRING, &m.ranks, "LIST", "numbers of ranks (default 1,4,16,64,256,1024)"},
      {"out", 'o', VW_OPT_STRING, &o.out, "DIR", "output directory: finished blocks say how long they took"},
      {"trials", 0, VW_OPT_INT, &m.with.trials, "N", "draw blocks of the study until they have N trials"},
      {"per-rank", 0, VW_OPT_INT, &m.with.a_rank, "N", "draw N blocks a rank"},
      {"seconds", 0, VW_OPT_DOUBLE, &m.seconds, "S", "without STUDY.yaml: made-up blocks of S seconds"},
      {"block", 0, VW_OPT_COUNT, &m.per_block, "N", "of N trials each (default 10)"},
      {"spread", 0, VW_OPT_DOUBLE, &m.with.spread, "X",
       "blocks differ by a factor, the queue knows it: its "
       "logarithm has the standard deviation X"},
      {"noise", 0, VW_OPT_DOUBLE, &m.with.noise, "X", "the same, and the queue does not know it"},
      {"seed", 0, VW_OPT_INT, &m.with.seed, "N", "of what is drawn; the same seed gives the same run (default 0)"},
      {"latency", 0, VW_OPT_DOUBLE, &m.with.latency, "S", "of a request to rank 0 and back (default 50e-6)"},
      {"capacity", 0, VW_OPT_DOUBLE, &m.with.capacity, "N", "requests that rank 0 serves in a second (default 20000)"},
      {"queue", 0, VW_OPT_STRING, &m.queue, "FILE", "both from 'viswords bench queue --save FILE'"},
      {"cache", 0, VW_OPT_STRING, &o.cache, "DIR", "with rates; default: the study's, else ~/.cache/viswords"},
      {"stages", 0, VW_OPT_FLAG, &m.stages, NULL,
       "what is left of each stage in turn, from features to collect, as 'plan' knows it"},
      {"json", 0, VW_OPT_FLAG, &m.json, NULL, "as JSON"},
      {0}};
  static const char *const names[] = {"STUDY.yaml"};
  const vw_command_line c = {"simulate",
                             "STUDY.yaml [-o DIR] | --seconds S",
                             "How busy many ranks would be with a study's blocks, and what its queue and file system "
                             "would bear: the rules of the queue, run event by event. Docs: docs/scaling.md.",
                             options,
                             names,
                             0,
                             1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  o.study = positional[0], o.json = m.json;
  vw_status st = VW_OK;
  if (!o.study == !(m.seconds > 0)) st = VW_RAISE(VW_ERR_ARG, "simulate: either STUDY.yaml or --seconds");
  if (st == VW_OK && m.stages && (!o.study || m.with.trials || m.with.a_rank))
    st = VW_RAISE(VW_ERR_ARG, "simulate: --stages wants STUDY.yaml, and neither --trials nor --per-rank");
  if (st == VW_OK && !o.study && !m.with.a_rank && !m.with.trials) m.with.trials = 48000;
  if (st == VW_OK && o.study) {
    code = run_study(&m, &o);
  } else {
    if (st == VW_OK) st = make_up(&m);
    if (st == VW_OK) st = run(&m);
    code = vw_report(st);
  }
  for (int i = 0; i < VW_PREDICT_STAGES; i++) vw_predict_items_free(&m.items[i]);
  free(m.cost), free(m.took), free(m.bytes), free(m.trials);
  json_decref(m.rows);
  return code;
}
