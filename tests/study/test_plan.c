/* The plan: block sizes, growth that keeps what is there, the file and damage to it, kernels, the time to load. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "study/plan.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const vw_plan_kernels here = {"cpu", "fp32", "OpenBLAS \"0.3\" Haswell"};
static char path[64];

static int set_up(void **state) {
  (void)state;
  (void)snprintf(path, sizeof path, "/tmp/viswords-plan-%ld.yaml", (long)getpid());
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  return unlink(path) == 0 || access(path, F_OK) != 0 ? 0 : 1;
}

/* A study of so many concepts, with these anchors. */
static vw_study_config *study(int concepts, const char *anchors, const char *more) {
  char text[8192];
  size_t at = (size_t)snprintf(text, sizeof text, "data: {o: {root: r, concepts: [\"orange \\\"cat\\\"\\t\"");
  for (int i = 1; i < concepts; i++) at += (size_t)snprintf(text + at, sizeof text - at, ", c%d", i);
  (void)snprintf(text + at, sizeof text - at, "]}}\nmodels: {clip: {weights: w}}\n%s\n%s", anchors, more);
  vw_study_config *c = NULL;
  assert_ok(vw_study_config_parse("s.yaml", text, strlen(text), &vw_test_kinds, NULL, &c));
  return c;
}

static const vw_hash weights[1] = {{1, 2}};
static vw_hash on_o[1024];
static const vw_hash *const pictures[1] = {on_o};
static const vw_study_inputs inputs = {weights, pictures};

#define TWO   "trials: {anchors: [the, red]}"
#define THREE "trials: {anchors: [big, the, red]}"

static void test_block_count(void **state) {
  (void)state;
  static const struct {
    int64_t n, ranks, block, expected;
  } cases[] = {
      {0, 8, 0, 0},   {1, 8, 0, 1},    {20, 8, 0, 5},                    /* blocks of 4 */
      {176, 8, 0, 8}, {176, 2, 0, 4},  {400, 8, 0, 8},  {513, 8, 0, 16}, /* never above 64 rows */
      {176, 1, 0, 3}, {100, 8, 30, 4}, {65, 64, 0, 16}, {100000, 7, 0, 1568},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_int_equal(vw_plan_block_count(cases[i].n, cases[i].ranks, cases[i].block, 4, 64), cases[i].expected);
  assert_int_equal(vw_plan_block_count(176, 8, 0, 32, 64), 5); /* efficient before spread */
  assert_int_equal(vw_plan_block_count(20, 8, 0, 32, 64), 1);
  assert_int_equal(vw_plan_block_count(100, 2, 0, 64, 64), 2); /* never above the most */
  assert_int_equal(vw_plan_block_count(4800, 8, 0, 32, 64), 80);
}

static void assert_same_block(const vw_plan *a, const vw_plan *b, int64_t i) {
  assert_memory_equal(&a->blocks[i].id, &b->blocks[i].id, sizeof(vw_hash));
  assert_int_equal(a->blocks[i].first, b->blocks[i].first);
  assert_int_equal(a->blocks[i].n, b->blocks[i].n);
  for (int64_t k = a->blocks[i].first; k < a->blocks[i].first + a->blocks[i].n; k++) {
    assert_memory_equal(&a->trials[k].id, &b->trials[k].id, sizeof(vw_hash));
    assert_string_equal(a->trials[k].concept, b->trials[k].concept);
    assert_string_equal(a->trials[k].anchor, b->trials[k].anchor);
    assert_true(a->trials[k].delta == b->trials[k].delta && a->trials[k].null_concept == b->trials[k].null_concept);
  }
}

/* Every row of the study stands exactly once in the plan. */
static void assert_rows(const vw_plan *plan, int64_t n) {
  char *seen = calloc((size_t)n, 1);
  assert_int_equal(plan->n_selected, n);
  for (int64_t i = 0; i < plan->n_trials; i++) {
    const int64_t row = plan->trials[i].row;
    assert_true(row >= -1 && row < n);
    if (row >= 0) assert_int_equal(seen[row]++, 0);
  }
  for (int64_t i = 0; i < n; i++) assert_int_equal(seen[i], 1);
  free(seen);
}

static void test_growth(void **state) {
  (void)state;
  vw_study_config *two = study(3, TWO, ""), *three = study(3, THREE, "");
  vw_plan *first = NULL, *grown = NULL, *again = NULL;
  assert_ok(vw_plan_open(path, two, &inputs, &here, false, &first));
  assert_int_equal(first->n_trials, 4 * 2 * 4);
  assert_int_equal(first->n_new, 32);
  assert_int_equal(first->n_blocks, 8);
  assert_rows(first, 32);

  assert_ok(vw_plan_open(path, three, &inputs, &here, false, &grown));
  assert_int_equal(grown->n_new, 16);
  assert_int_equal(grown->n_blocks, 8 + 4);
  for (int64_t i = 0; i < 8; i++) assert_same_block(first, grown, i);
  assert_rows(grown, 48);
  assert_int_equal(grown->trials[0].row, 4); /* "big" comes first in the study now */
  assert_int_equal(grown->trials[32].row, 0);

  /* Back to two anchors: nothing is lost, nothing new, the third anchor's blocks rest. */
  assert_ok(vw_plan_open(path, two, &inputs, &here, false, &again));
  assert_int_equal(again->n_new, 0);
  assert_int_equal(again->n_trials, 48);
  assert_rows(again, 32);
  assert_int_equal(vw_plan_active_blocks(again), 8);
  assert_int_equal(again->blocks[8].n_selected, 0);
  assert_int_equal(again->trials[32].anchor_index, -1);
  assert_int_equal(again->trials[32].concept_index, 0);
  assert_int_equal(again->trials[44].concept_index, 3); /* the null concept, by its name */
  vw_plan_destroy(first);
  vw_plan_destroy(grown);
  vw_plan_destroy(again);
  vw_study_config_destroy(two);
  vw_study_config_destroy(three);
}

static void test_unchanged_is_not_written(void **state) {
  (void)state;
  vw_study_config *c = study(3, TWO, "");
  vw_plan *plan = NULL;
  assert_ok(vw_plan_open(path, c, &inputs, &here, false, &plan));
  vw_plan_destroy(plan);
  assert_int_equal(unlink(path), 0);
  assert_ok(vw_plan_create(&plan));
  assert_ok(vw_plan_update(plan, c, &inputs, &here, false));
  assert_true(plan->changed);
  assert_ok(vw_plan_save(plan, path));
  assert_int_equal(unlink(path), 0);
  assert_ok(vw_plan_update(plan, c, &inputs, &here, false));
  assert_ok(vw_plan_save(plan, path));
  assert_false(vw_file_exists(path));
  vw_plan_destroy(plan);
  vw_study_config_destroy(c);
}

static void test_kernels(void **state) {
  (void)state;
  const vw_plan_kernels there = {"cpu", "fp32", "OpenBLAS Zen"};
  vw_study_config *c = study(1, TWO, "");
  vw_plan *plan = NULL;
  assert_ok(vw_plan_open(path, c, &inputs, &here, false, &plan));
  vw_plan_destroy(plan);
  assert_int_equal(vw_plan_open(path, c, &inputs, &there, false, &plan), VW_ERR_INPUT);
  assert_string_equal(vw_error_message(),
                      "plan.yaml was made for backend cpu, fp32, OpenBLAS \"0.3\" Haswell; this run has backend cpu, "
                      "fp32, OpenBLAS Zen, so results would differ in their last bits: go on where it began, choose "
                      "another output directory, or pass --allow-other-kernels");
  for (int i = 0; i < 2; i++) { /* recorded once */
    assert_ok(vw_plan_open(path, c, &inputs, &there, true, &plan));
    assert_int_equal(plan->other_kernels.n, 1);
    assert_string_equal(plan->other_kernels.name[0], "cpu fp32 OpenBLAS Zen");
    assert_string_equal(plan->with.kernels, here.kernels);
    vw_plan_destroy(plan);
  }
  const vw_plan_kernels precise = {"ref", "fp64", "ref"}; /* its words would not fit beside the others */
  assert_int_equal(vw_plan_open(path, c, &inputs, &precise, true, &plan), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "one precision; choose another output directory"));
  vw_study_config_destroy(c);
}

/* Replaces the first `from` of the file by `to` of the same length and tells how loading fails. */
static const char *damage(const char *text, const char *from, const char *to) {
  char *copy = strdup(text), *at = strstr(copy, from);
  vw_plan *plan = NULL;
  assert_non_null(at);
  memcpy(at, to, strlen(to));
  assert_ok(vw_file_write(path, copy, (int64_t)strlen(copy)));
  free(copy);
  assert_int_equal(vw_plan_load(path, &plan), VW_ERR_INPUT);
  assert_null(plan);
  assert_memory_equal(vw_error_message(), path, strlen(path));
  return vw_error_message() + strlen(path);
}

static void test_damage(void **state) {
  (void)state;
  static const struct {
    const char *from, *to, *message;
  } cases[] = {
      {"\"red\"", "\"rad\"", ":31: the trial's id does not match its contents"},
      {", 0.25,", ", 0.35,", ":21: the trial's id does not match its contents"},
      {"concept, \"the", "cancept, \"the", ":20: expected concept or null in a trial"},
      {"rows: 4", "rows: 5", ":24: expected a trial"},
      {"rows: 4", "rows: 3", ":13: the block's id does not match its trials"},
      {"trials: 16", "trials: 17", ":56: 16 trials, but the head says 17"},
      {"blocks: 4", "blocks: 3", ":45: 12 trials, but the head says 16"},
      {"seed: 0", "seed: x", ":4: expected a count"},
      {"  protocol: \"", "  protocol: z", ":17: expected a hash in double quotes"},
      {"\\x09", "\\y09", ":20: unknown escape in a text"},
      {"\\x09", "\\x0g", ":20: unknown escape in a text"},
  };
  vw_study_config *c = study(1, TWO, "");
  vw_plan *plan = NULL;
  char *text = NULL;
  assert_ok(vw_plan_open(path, c, &inputs, &here, false, &plan));
  assert_ok(vw_file_read(path, &text, NULL));
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *message = damage(text, cases[i].from, cases[i].to);
    if (strncmp(message, cases[i].message, strlen(cases[i].message)) != 0)
      fail_msg("case %zu: %s, expected %s", i, message, cases[i].message);
  }
  for (size_t n = strlen(text); n > 0; n -= n > 97 ? 97 : n) { /* torn anywhere: refused, never misread */
    vw_plan *torn = NULL;
    assert_ok(vw_file_write(path, text, (int64_t)n - 1));
    const vw_status st = vw_plan_load(path, &torn);
    if (n < strlen(text)) assert_int_equal(st, VW_ERR_INPUT);
    vw_plan_destroy(torn);
  }
  free(text);
  vw_plan_destroy(plan);
  vw_study_config_destroy(c);
}

/* Segments are told only where a step's forward pass is made again; a plan without them keeps all. */
static void test_segments(void **state) {
  (void)state;
  vw_study_config *c = study(2, TWO, "plan: {ranks: 2, ranks_per_block: 3}");
  vw_plan *plan = NULL, *again = NULL;
  char *text = NULL;
  assert_ok(vw_plan_open(path, c, &inputs, &here, false, &plan));
  for (int64_t i = 0; i < plan->n_blocks; i++) assert_int_equal(plan->blocks[i].segments, 0); /* nobody has decided */
  assert_ok(vw_file_read(path, &text, NULL));
  assert_null(strstr(text, "segments"));
  free(text);
  plan->blocks[0].segments = 12, plan->changed = true;
  assert_ok(vw_plan_save(plan, path));
  assert_ok(vw_plan_load(path, &again));
  for (int64_t i = 0; i < again->n_blocks; i++) assert_int_equal(again->blocks[i].segments, i ? 1 : 12);
  assert_int_equal(again->blocks[0].slices, 3);
  assert_ok(vw_file_read(path, &text, NULL));
  assert_non_null(strstr(damage(text, "segments: 12", "segments: 01"), "expected 2 to 64 segments"));
  assert_non_null(strstr(damage(text, "segments: 12", "segments: 65"), "expected 2 to 64 segments"));
  assert_non_null(strstr(damage(text, "segments: 12", "segments: x2"), "expected a count"));
  free(text);
  vw_plan_destroy(plan), vw_plan_destroy(again);
  vw_study_config_destroy(c);
}

/* Slices are a block's own: those of a plan that is there stay when the study asks for others. */
static void test_slices(void **state) {
  (void)state;
  vw_study_config *c = study(2, TWO, "plan: {ranks: 6, ranks_per_block: 3}"), *more = study(2, THREE, "");
  vw_plan *plan = NULL, *again = NULL;
  char *text = NULL;
  assert_ok(vw_plan_open(path, c, &inputs, &here, false, &plan));
  assert_int_equal(plan->n_blocks, 2); /* for 6 ranks in teams of 3 */
  for (int64_t i = 0; i < plan->n_blocks; i++) assert_int_equal(plan->blocks[i].slices, 3);
  vw_plan_destroy(plan);
  assert_ok(vw_plan_open(path, more, &inputs, &here, false, &again));
  for (int64_t i = 0; i < again->n_blocks; i++) assert_int_equal(again->blocks[i].slices, i < 2 ? 3 : 1);
  assert_true(again->n_blocks > 2);
  assert_ok(vw_file_read(path, &text, NULL));
  assert_non_null(strstr(damage(text, "slices: 3", "slices: 1"), "expected 2 to 1024 slices"));
  assert_non_null(strstr(damage(text, "slices: 3", "slices: x"), "expected a count"));
  assert_non_null(strstr(damage(text, "slices: 3", "scales: 3"), "expected trials:"));
  free(text);
  vw_plan_destroy(again);
  vw_study_config_destroy(c), vw_study_config_destroy(more);
}

/* How words are judged follows the study; nothing else of a block does, and no trial is new. */
static void test_judging(void **state) {
  (void)state;
  vw_study_config *plain = study(2, TWO, ""), *many = study(2, TWO, "judge: {templates: ['a {}', 'the {}']}");
  vw_plan *plan = NULL;
  char *first = NULL, *text = NULL;
  vw_hash judging;
  assert_ok(vw_judging_hash(plain, 0, 0, &judging));
  assert_false(vw_judging_is_own(judging));
  assert_ok(vw_judging_hash(many, 0, 0, &judging));
  assert_true(vw_judging_is_own(judging));
  assert_ok(vw_plan_open(path, plain, &inputs, &here, false, &plan));
  assert_false(vw_judging_is_own(plan->blocks[0].judging));
  vw_plan_destroy(plan);
  assert_ok(vw_file_read(path, &first, NULL));
  for (int i = 0; i < 2; i++) { /* changed, then read */
    assert_ok(vw_plan_open(path, many, &inputs, &here, false, &plan));
    assert_int_equal(plan->n_new, 0);
    for (int64_t b = 0; b < plan->n_blocks; b++) assert_true(plan->blocks[b].judging.lo == judging.lo);
    vw_plan_destroy(plan);
  }
  assert_ok(vw_file_read(path, &text, NULL));
  assert_non_null(strstr(damage(text, "  judging: \"", "  judging: z"), "expected a hash"));
  free(text);
  assert_int_equal(unlink(path), 0);
  assert_ok(vw_plan_open(path, many, &inputs, &here, false, &plan));
  vw_plan_destroy(plan);
  assert_ok(vw_plan_open(path, plain, &inputs, &here, false, &plan)); /* back again: the file that was */
  vw_plan_destroy(plan);
  assert_ok(vw_file_read(path, &text, NULL));
  assert_string_equal(text, first);
  free(text), free(first);
  vw_study_config_destroy(plain), vw_study_config_destroy(many);
}

/* A model's own precision stands with its blocks, and later runs are held to it. */
static void test_precision(void **state) {
  (void)state;
  static const vw_plan_kernels cuda = {"cuda", "mixed", "sm_90"};
  static const char *const exact[] = {"fp32"}, *const other[] = {"tf32"}, *const common[] = {"mixed"};
  const vw_study_inputs with[] = {{weights, pictures, .precision = exact},
                                  {weights, pictures, .precision = other},
                                  {weights, pictures, .precision = common}};
  vw_study_config *c = study(2, TWO, "");
  vw_plan *plan = NULL;
  char *text = NULL, *printed = NULL;
  size_t bytes = 0;
  assert_ok(vw_plan_open(path, c, &with[2], &cuda, false, &plan)); /* as all: nothing is written with blocks */
  assert_null(plan->blocks[0].precision);
  assert_string_equal(vw_block_precision(plan, &plan->blocks[0]), "mixed");
  vw_plan_destroy(plan);
  assert_int_equal(unlink(path), 0);
  for (int i = 0; i < 2; i++) { /* made, then read */
    assert_ok(vw_plan_open(path, c, &with[0], &cuda, false, &plan));
    assert_string_equal(plan->with.precision, "mixed");
    for (int64_t b = 0; b < plan->n_blocks; b++) assert_string_equal(plan->blocks[b].precision, "fp32");
    FILE *out = open_memstream(&printed, &bytes);
    assert_non_null(out);
    assert_ok(vw_plan_print(plan, 8, NULL, out));
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(printed, " rows, fp32\n"));
    free(printed);
    vw_plan_destroy(plan);
  }
  for (int i = 1; i < 3; i++) {
    assert_int_equal(vw_plan_open(path, c, &with[i], &cuda, true, &plan), VW_ERR_INPUT);
    assert_non_null(strstr(vw_error_message(), "made for fp32 words of model 'clip', this run has "));
  }
  assert_ok(vw_file_read(path, &text, NULL));
  assert_non_null(strstr(damage(text, "  precision: \"fp32\"", "  precisian: \"fp32\""), "expected trials:"));
  assert_non_null(strstr(damage(text, "  precision: \"fp32\"", "  precision: 'fp32' "), "expected a text"));
  free(text);
  vw_study_config_destroy(c);
}

/* The algorithms that a device chose come back to the letter; a damaged list of them is refused. */
static void test_algorithms(void **state) {
  (void)state;
  static const char chosen[] = "conv 3x3: engine 7, 12 knobs\ngemm 64 x 512 x 512: 21\n";
  static const struct {
    const char *from, *to, *message;
  } cases[] = {
      {"algorithms: 2", "algorithms: 0", ":9: a number of algorithms that the file cannot hold"},
      {"algorithms: 2\n- ", "algorithms: 999\n", ":9: a number of algorithms that the file cannot hold"},
      {"algorithms: 2", "algorithms: 3", ":12: expected an algorithm"},
      {"algorithms: 2", "algorithms: 1", ":11: expected blocks: "},
      {"algorithms: 2", "algorithms: x", ":9: expected a count"},
      {": 21\"", ": 21 ", ":11: a text without an end"},
      {"knobs\"", "knob\"s", ":10: more on the line than expected"},
  };
  vw_study_config *c = study(1, TWO, "");
  vw_plan *plan = NULL, *loaded = NULL;
  char *text = NULL;
  assert_ok(vw_plan_open(path, c, &inputs, &here, false, &plan));
  assert_false(plan->changed);
  assert_ok(vw_plan_set_algorithms(plan, chosen));
  assert_ok(vw_plan_save(plan, path));
  assert_ok(vw_plan_load(path, &loaded));
  assert_string_equal(loaded->algorithms, chosen);
  for (int64_t i = 0; i < plan->n_blocks; i++) assert_same_block(plan, loaded, i);
  assert_ok(vw_file_read(path, &text, NULL));
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *message = damage(text, cases[i].from, cases[i].to);
    if (strncmp(message, cases[i].message, strlen(cases[i].message)) != 0)
      fail_msg("case %zu: %s, expected %s", i, message, cases[i].message);
  }
  free(text);
  vw_plan_destroy(plan);
  vw_plan_destroy(loaded);
  vw_study_config_destroy(c);
}

static void assert_printed(const vw_plan *plan, int64_t ranks, const double *cost, const char *expected) {
  char *text = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&text, &n);
  assert_non_null(out);
  assert_ok(vw_plan_print(plan, ranks, cost, out));
  assert_int_equal(fclose(out), 0);
  assert_string_equal(text, expected);
  free(text);
}

static void test_print(void **state) {
  (void)state;
  vw_study_config *three = study(3, THREE, ""), *two = study(3, TWO, "");
  vw_plan *plan = NULL;
  assert_ok(vw_plan_open(path, three, &inputs, &here, false, &plan));
  assert_printed(plan, 5, NULL,
                 "study study: 48 trials in 8 blocks (48 trials new)\n"
                 "  clip on o: 48 trials, 8 blocks of 6 to 6 rows\n"
                 "  backend cpu, fp32, OpenBLAS \"0.3\" Haswell\n"
                 "  5 ranks are at most 80 % busy\n");
  static const double long_last[8] = {1, 1, 1, 1, 1, 1, 1, 13}; /* 20 in all; the others wait for the last */
  assert_printed(plan, 2, long_last,
                 "study study: 48 trials in 8 blocks (48 trials new)\n"
                 "  clip on o: 48 trials, 8 blocks of 6 to 6 rows\n"
                 "  backend cpu, fp32, OpenBLAS \"0.3\" Haswell\n"
                 "  2 ranks are at most 77 % busy\n");
  vw_plan_destroy(plan);
  assert_ok(vw_plan_open(path, two, &inputs, &here, false, &plan)); /* an anchor less: its rows rest in every block */
  assert_printed(plan, 1, NULL,
                 "study study: 32 trials in 8 blocks (0 trials new)\n"
                 "  clip on o: 32 trials, 8 blocks of 6 to 6 rows\n"
                 "  backend cpu, fp32, OpenBLAS \"0.3\" Haswell\n"
                 "  1 ranks are at most 100 % busy\n"
                 "  16 trials of earlier versions of the study are kept\n");
  vw_plan_destroy(plan);
  vw_study_config *sliced = study(3, THREE, "plan: {ranks: 4, ranks_per_block: 2}");
  assert_int_equal(unlink(path), 0);
  assert_ok(vw_plan_open(path, sliced, &inputs, &here, false, &plan));
  assert_printed(plan, 5, NULL,
                 "study study: 48 trials in 2 blocks (48 trials new)\n"
                 "  clip on o: 48 trials, 2 blocks of 24 to 24 rows\n"
                 "  backend cpu, fp32, OpenBLAS \"0.3\" Haswell\n"
                 "  a block's steps are cut into up to 2 slices, 5 ranks make 3 teams\n"
                 "  5 ranks are at most 67 % busy\n");
  vw_plan_destroy(plan);
  vw_study_config_destroy(sliced);
  vw_study_config_destroy(three);
  vw_study_config_destroy(two);
}

static double seconds(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* other tests run beside this one */
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The paper's 4,800 words: a plan that loads while nobody waits. */
static void test_size_of_the_paper(void **state) {
  (void)state;
  vw_study_config *c = study(599, TWO, "");
  vw_plan *plan = NULL, *loaded = NULL;
  assert_ok(vw_plan_open(path, c, &inputs, &here, false, &plan));
  assert_int_equal(plan->n_trials, 4800);
  const double start = seconds();
  assert_ok(vw_plan_load(path, &loaded));
  const double took = seconds() - start;
  print_message("4,800 trials loaded in %.2f ms\n", 1e3 * took);
  if (!getenv("VISWORDS_UNTIMED")) assert_true(took < 0.5);
  for (int64_t i = 0; i < plan->n_blocks; i++) assert_same_block(plan, loaded, i);
  vw_plan_destroy(plan);
  vw_plan_destroy(loaded);
  vw_study_config_destroy(c);
}

int main(void) {
  for (int i = 0; i < 1024; i++) on_o[i] = (vw_hash){(uint64_t)i, 7};
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_block_count),
      cmocka_unit_test_setup_teardown(test_growth, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_unchanged_is_not_written, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_kernels, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_slices, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_segments, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_judging, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_precision, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_algorithms, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_print, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_size_of_the_paper, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
