/* `bench queue` and `bench study`: of all ranks that a launcher started. */
#include "bench/ranks.h"
#include "jobs/bench.h"

#include "core/log.h"
#include "core/text.h"

#include <string.h>

static double number_of(const json_t *row, const char *key) {
  return json_number_value(json_object_get(row, key));
}

static void print_queue(const json_t *row) {
  const int64_t ranks = json_integer_value(json_object_get(row, "ranks"));
  (void)vw_print(
      stdout,
      "queue of %lld rank%s: %.0f blocks a second%s%s, %.0f requests; a rank alone: %.2f us each, at best %.0f a "
      "second\n",
      (long long)ranks, ranks == 1 ? "" : "s", number_of(row, "rate"), ranks > 1 ? " while rank 0 computes" : "",
      ranks > 1 && !json_is_true(json_object_get(row, "progress_thread")) ? " without progress thread" : "",
      number_of(row, "requests_a_second"), 1e6 * number_of(row, "latency_seconds"), number_of(row, "best_rate_alone"));
}

static vw_status bench_queue(vw_session *s, double seconds, json_t **all) {
  json_t *row = NULL;
  VW_TRY(vw_bench_queue(&s->ranks, seconds, &row));
  if (s->ranks.rank != 0) return VW_OK;
  if (!s->options.json) print_queue(row);
  *all = json_pack("{s:[o]}", "rows", row);
  return VW_OK;
}

/* ---- a study's blocks -------------------------------------------------------------------------------------------- */

/* The block whose learning takes most, of the study's. */
static vw_status dearest(vw_session *s, const vw_block **block) {
  double *cost = NULL, most = -1;
  VW_TRY(vw_session_costs(s, &cost));
  *block = NULL;
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    if (!vw_block_is_active(&s->plan->blocks[i]) || cost[i] <= most) continue;
    most = cost[i], *block = &s->plan->blocks[i];
  }
  free(cost);
  VW_CHECK(*block, VW_ERR_INPUT, "the study has no blocks to learn");
  return VW_OK;
}

static void print_study(const vw_session *s, const vw_block *b, const json_t *rows, const json_t *each) {
  (void)vw_print(stdout, "blocks of %s on %s, %lld rows; %d thread%s a rank\n%7s %15s %8s %8s %12s %12s\n", b->model,
                 b->data, (long long)b->n, s->ctx.threads, s->ctx.threads == 1 ? "" : "s", "ranks", "trial-steps/s",
                 "weak", "strong", "slowest", "fastest");
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    (void)vw_print(stdout, "%7lld %15.1f %7.1f%% %7.1f%% %12.1f %12.1f\n",
                   (long long)json_integer_value(json_object_get(row, "ranks")), number_of(row, "rate"),
                   100 * number_of(row, "weak_efficiency"), 100 * number_of(row, "strong_efficiency"),
                   number_of(row, "least"), number_of(row, "most"));
  }
  for (size_t i = 0; i < json_array_size(each); i++) {
    const json_t *row = json_array_get(each, i);
    (void)vw_print(stdout, "rank %lld on %s: %.1f trial-steps/s\n",
                   (long long)json_integer_value(json_object_get(row, "rank")),
                   json_string_value(json_object_get(row, "host")), number_of(row, "rate"));
  }
}

/* Rows of numbers of ranks, then of single ranks. */
static vw_status bench_study(vw_session *s, double seconds, json_t **all) {
  const vw_block *b = NULL;
  json_t *rows = NULL, *each = NULL;
  VW_TRY(vw_session_share_weights(s));
  VW_TRY(vw_agree_message(&s->ranks, dearest(s, &b)));
  const vw_block_kind kind =
      vw_session_block_kind(s, b->model_index, b->data_index, b->n, (vw_step_cut){b->slices, b->segments});
  VW_TRY(vw_bench_study(&s->ranks, &kind, seconds, &rows, &each));
  if (s->ranks.rank != 0) return VW_OK;
  if (!s->options.json) print_study(s, b, rows, each);
  json_array_extend(rows, each);
  json_decref(each);
  char kernels[128];
  vw_kernel_set(&s->contexts[b->model_index], kernels);
  *all = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:i, s:o}", "study", s->config->study, "model", b->model, "data",
                   b->data, "rows_of_a_block", (json_int_t)b->n, "kernels", kernels, "precision",
                   s->precision[b->model_index], "threads", s->ctx.threads, "rows", rows);
  return VW_OK;
}

int vw_bench_of_ranks(const char *const *positional, vw_session_options *o, double seconds,
                      const vw_bench_reference *reference) {
  const bool is_study = !strcmp(positional[0], "study");
  vw_session s = {0};
  json_t *all = NULL;
  int64_t slower = 0;
  vw_status st = vw_ranks_open(&s.ranks, NULL, NULL);
  if (st != VW_OK) return vw_report(st);
  vw_log_set_rank(s.ranks.rank);
  o->study = positional[1], s.options = *o;
  if (is_study) st = vw_session_open(&s, o, false);
  if (st == VW_OK) st = is_study ? bench_study(&s, seconds, &all) : bench_queue(&s, seconds, &all);
  if (st == VW_OK && s.ranks.rank == 0) st = vw_bench_end(all, positional[0], o->json, reference, &slower);
  st = vw_agree_message(&s.ranks, st);
  if (st == VW_OK) (void)vw_ranks_broadcast(&s.ranks, &slower, sizeof slower, 0);
  int code = slower ? VW_EXIT_DIFFERS : VW_EXIT_OK;
  if (st != VW_OK) code = st > 0 || s.problems.n_errors > 0 ? VW_EXIT_REFUSED : VW_EXIT_FAILED;
  if (st != VW_OK && s.ranks.rank == 0) (void)vw_session_report(&s, st);
  vw_session_close(&s);
  vw_ranks_close(&s.ranks);
  return code;
}
