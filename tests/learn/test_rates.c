/* Rates: kept, found by size, scaled from the nearest, estimated from a product; a damaged file knows nothing. Costs:
 * of a kind of block once, rows at which a step is efficient. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "learn/cost.h"
#include "learn/timing.h"
#include "networks/clip.h"
#include "tasks/classify/classify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char cache[] = "/tmp/vw-rates-XXXXXX";

static double seconds_of(const vw_rates *r, const char *kind, uint64_t shape, double flops, vw_rate_source expected) {
  double seconds = -1;
  const vw_rate_source source = vw_rates_seconds(r, kind, (vw_hash){.lo = shape, .hi = 9}, flops, &seconds);
  assert_string_equal(vw_rate_source_name(source), vw_rate_source_name(expected));
  return seconds;
}

static void test_rates(void **state) {
  (void)state;
  vw_context ctx, two;
  vw_rates r;
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  assert_ok(vw_rates_open(&r, &ctx, cache));
  (void)seconds_of(&r, "step 8x2", 1, 1e9, VW_RATE_UNKNOWN);
  r.product = 1e10;
  assert_true(seconds_of(&r, "step 8x2", 1, 1e9, VW_RATE_ESTIMATE) == 0.1);
  assert_ok(vw_rates_put(&r, "step 8x2", (vw_hash){.lo = 1, .hi = 9}, 1e9, 5));
  assert_ok(vw_rates_put(&r, "step 8x2", (vw_hash){.lo = 2, .hi = 9}, 1e12, 1000));
  assert_ok(vw_rates_put(&r, "step 8x2", (vw_hash){.lo = 1, .hi = 9}, 1e9, 0.25)); /* the last counts */
  assert_int_equal(r.n, 2);
  assert_ok(vw_rates_save(&r));
  vw_rates_close(&r);

  assert_ok(vw_rates_open(&r, &ctx, cache));
  assert_int_equal(r.n, 2);
  assert_true(seconds_of(&r, "step 8x2", 1, 1e9, VW_RATE_MEASURED) == 0.25);
  assert_true(fabs(seconds_of(&r, "step 8x2", 3, 4e9, VW_RATE_SCALED) - 1) < 1e-12);
  assert_true(fabs(seconds_of(&r, "step 8x2", 3, 1e11, VW_RATE_SCALED) - 100) < 1e-9); /* the larger is nearer */
  assert_true(seconds_of(&r, "step 16x2", 1, 1e9, VW_RATE_ESTIMATE) == 0.1);           /* another network */
  char *path = strdup(r.path);
  vw_rates_close(&r);
  assert_ok(vw_context_open(&two, VW_CPU, 2, 0)); /* other threads, other rates */
  assert_ok(vw_rates_open(&r, &two, cache));
  assert_int_equal(r.n, 0);
  vw_rates_close(&r);
  static const char *const damage[] = {"", "{\"rates\": [",
                                       "{\"rates\": [{\"kind\": 3}, {\"kind\": \"step\", \"shape\": \"x\"}]}", "[]"};
  for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
    assert_ok(vw_file_write(path, damage[i], (int64_t)strlen(damage[i])));
    assert_ok(vw_rates_open(&r, &ctx, cache));
    assert_int_equal(r.n, 0);
    vw_rates_close(&r);
  }
  assert_int_equal(unlink(path), 0);
  free(path);
  vw_context_close(&two);
  vw_context_close(&ctx);
}

static void test_costs(void **state) {
  (void)state;
  static const char *const templates[] = {"a photo of a {}", "a {}"};
  vw_model_config model = {0};
  vw_learn_config learn = {.optimiser = VW_PGD, .steps = 10, .positives = 2, .negatives = 2, .loss_points = 5};
  const vw_data_config data = {.train = 4};
  const vw_picture_set pictures = {.data = &data, .n_train = 16};
  vw_context ctx;
  vw_network *n = NULL;
  vw_costs costs = {0};
  vw_block_cost one, four, again;
  int64_t rows = 0;
  learn.templates = (vw_names){2, (const char **)(uintptr_t)templates};
  learn.judge_template = templates[0];
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  assert_ok(vw_clip_kind.open(&n, vw_test_path("../data/clip-tiny"), &ctx));
  model.learn = learn;
  vw_block_kind k = {.task = &vw_classification_kind,
                     .in = {.network = n, .model = &model, .pictures = &pictures, .concepts = 3, .vectors = 1},
                     .rows = 8,
                     .cut = {1, 1}};
  assert_ok(vw_costs_find(&costs, &k, &one));
  assert_int_equal(one.runs, 10 + 64);
  assert_true(one.step.flops > 0 && one.memory.peak > one.memory.block);
  assert_ok(vw_costs_find(&costs, &k, &again));
  assert_memory_equal(&one, &again, sizeof one);
  assert_int_equal(costs.n, 1);
  k.rows = 32;
  assert_ok(vw_costs_find(&costs, &k, &four));
  assert_int_equal(costs.n, 2);
  /* the texts' products are all but a few thousandths of a step: four times the rows, four times the work */
  assert_true(fabs(four.step.flops / one.step.flops - 4) < 0.05);
  assert_true(four.memory.block > one.memory.block && four.memory.weights == one.memory.weights);

  assert_ok(vw_block_efficient_rows(&k, &rows));
  assert_int_equal(rows, 1); /* its weights lie in a cache */
  vw_clip_network large = *vw_clip_of(n);
  large.net.text.tower.t.width = 768, large.net.text.tower.t.layers = 12;
  k.in.network = &large.net;
  assert_ok(vw_block_efficient_rows(&k, &rows));
  vw_block_shape shape;
  assert_ok(vw_learn_shape_of(k.task, &k.in, 1, &shape));
  assert_true(rows * k.task->product_rows(&shape.step) >= 64 && (rows - 1) * k.task->product_rows(&shape.step) < 64);

  double seconds = 0, product = 0;
  k.in.network = n, k.rows = 4;
  for (int what = 0; what < VW_TIMED; what++) {
    if (what == VW_TIMED_CACHE) continue; /* with its files: jobs/plan */
    assert_ok(vw_time_runs(&k, (vw_timed)what, 0.001, &seconds));
    assert_true(seconds > 0 && isfinite(seconds));
  }
  vw_task_kind silent = vw_classification_kind; /* a task that does not say how its time is made up */
  vw_timed_name name;
  silent.part = NULL, silent.made_up = NULL, silent.product_rows = NULL;
  k.task = &silent;
  assert_int_equal(vw_time_runs(&k, VW_TIMED_STEP, 0.001, &seconds), VW_ERR_UNSUPPORTED);
  assert_int_equal(vw_time_runs(&k, VW_TIMED_CACHE, 0.001, &seconds), VW_ERR_UNSUPPORTED);
  assert_int_equal(vw_timed_name_of(&k, VW_TIMED_JUDGE, &name), VW_ERR_UNSUPPORTED);
  assert_ok(vw_timed_name_of(&k, VW_TIMED_STEP, &name)); /* its work is counted all the same */
  assert_true(name.flops > 0);
  assert_ok(vw_time_product(&ctx, 0.001, &product));
  assert_true(product > 0 && isfinite(product));
  vw_costs_free(&costs);
  n->kind->close(n);
  vw_context_close(&ctx);
}

int main(void) {
  if (!mkdtemp(cache)) return 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates), cmocka_unit_test(test_costs)};
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  char command[96];
  (void)snprintf(command, sizeof command, "rm -rf %s", cache);
  return system(command) == 0 ? failed : 1;
}
