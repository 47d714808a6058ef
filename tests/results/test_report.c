/* The page of a study with 4,800 trials of 1,200 concepts whose names are hostile; of one in which nothing is learned yet.
 * What a browser makes of a page is tests/jobs/browser.py's. */
#include "networks/clip.h"
#include "results/report/report.h"
#include "tasks/classify/classify.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const vw_kind vw_kinds[] = {{&vw_clip_kind, &vw_classification_kind}};
const int vw_n_kinds = 1;
const char vw_kinds_later[] = "";

enum { CONCEPTS = 1200, ANCHORS = 2, DELTAS = 2, MOST_BYTES = 10000000 };

/* Markup, an attribute's end, text that runs the other way, a line that looks like another one. */
static const char *const hostile[] = {
    "<script>alert(1)</script>", "\" onload=\"alert(1)",        "' autofocus onfocus='x",  "&lt;b&gt; &amp;",
    "left \xe2\x80\xae right",   "</td></table><h1>owned</h1>", "\xd7\xa2\xd7\x91\xd7\xa8"};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

typedef struct world {
  vw_study_config *config;
  vw_pool pool;
  vw_trial *trials;
  vw_plan *plan;
  vw_picture_set pictures;
  vw_picture_set *sets[1];
  const vw_kind *kinds[1];
  vw_hash weights[1];
  vw_results_source source;
  vw_collected c;
} world;

static void quote(FILE *out, const char *name) {
  (void)fputc('"', out);
  for (const char *p = name; *p; p++) (void)fprintf(out, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
  (void)fputs("\",", out);
}

/* JSON is YAML; a name that YAML refuses as it stands is written with its escape. */
static char *study_text(void) {
  char *text = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream(&text, &bytes);
  assert_non_null(out);
  (void)fputs("study: \"<i>study</i>\"\ndata: {d: {root: /, concepts: [", out);
  for (int i = 0; i < CONCEPTS; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "concept %d", i);
    quote(out, i < HOSTILE ? hostile[i] : name);
  }
  (void)fputs(
      "]}}\nmodels: {m: {weights: /}}\ntrials: {anchors: [dog, \"<a href=x>\"], deltas: [0.5, 1], null_concepts: 0}\n",
      out);
  assert_int_equal(fclose(out), 0);
  return text;
}

static void open_world(world *w) {
  char *text = study_text();
  vw_hash pictures[CONCEPTS] = {{1, 2}};
  const vw_hash *rows[] = {pictures};
  int64_t n = 0;
  memset(w, 0, sizeof *w);
  assert_ok(vw_study_config_parse_alone("<study>.yaml", text, strlen(text), vw_kinds_of_study(), &w->config));
  free(text);
  const vw_study_inputs inputs = {.weights = w->weights, .pictures = rows};
  assert_ok(vw_study_trials(w->config, &inputs, &w->pool, &w->trials, &n));
  assert_int_equal(n, CONCEPTS * ANCHORS * DELTAS);
  assert_ok(vw_plan_create(&w->plan));
  w->plan->with = (vw_plan_kernels){"cpu", "fp32", "<kernels>"};
  w->pictures = (vw_picture_set){.data = &w->config->data[0], .n_left_out = 1};
  w->pictures.left_out[0] = (vw_left_out){.what = "<what>", .why = "bytes \xff", .count = 3};
  w->sets[0] = &w->pictures, w->kinds[0] = &vw_kinds[0];
  w->source = (vw_results_source){.config = w->config,
                                  .plan = w->plan,
                                  .out = "/nowhere/<out>",
                                  .kinds = w->kinds,
                                  .weights = w->weights,
                                  .pictures = w->sets};
  vw_ranks_single(&w->source.ranks);
  w->c = (vw_collected){.s = &w->source, .n = n, .missing = n};
  w->c.trial = calloc((size_t)n, sizeof *w->c.trial), w->c.rows = calloc((size_t)n, sizeof *w->c.rows);
  assert_true(w->c.trial && w->c.rows);
  for (int64_t i = 0; i < n; i++) {
    vw_trial_row *r = &w->c.rows[i];
    const vw_trial *t = w->c.trial[i] = &w->trials[i];
    r->model = t->model, r->data = t->data, r->concept = t->concept, r->anchor = t->anchor, r->delta = t->delta;
    vw_hash_text(t->id, r->id);
    r->id_text = r->id, r->nearest = "<word>", r->status = "missing";
    for (int k = 0; k < VW_MOST_METRICS; k++) r->metrics[k] = NAN;
  }
}

static void close_world(world *w) {
  free((void *)w->c.trial), free(w->c.rows), free(w->c.baselines), free(w->c.summary);
  vw_plan_destroy(w->plan);
  vw_pool_fini(&w->pool);
  vw_study_config_destroy(w->config);
}

/* All learned but one, which failed: at delta 1 words score .5 more than their anchor, at .5 nothing. */
static void learn(world *w) {
  const int64_t n = w->c.n;
  const vw_summary_metrics by = {1, 0}; /* the headline alone: bootstraps take the time of this test */
  const uint64_t key = 1;
  vw_measure *m = calloc((size_t)(2 * n), sizeof *m);
  w->c.baselines = calloc((size_t)n, sizeof *w->c.baselines);
  assert_true(m && w->c.baselines);
  for (int64_t i = 0; i < n; i++) {
    vw_trial_row *r = &w->c.rows[i];
    const vw_trial *t = &w->trials[i];
    r->learned = r->judged = 1, r->failed = i == 5;
    r->status = r->failed ? "failed" : t->delta > 0.7 ? "learned" : "nothing learned";
    for (int k = 0; k < by.n; k++) r->metrics[k] = 0.25 + (t->delta > 0.7 ? 0.5 : 0) + 0.001 * (double)(i % 7 - 3);
    m[i] = (vw_measure){.what = VW_OF_WORD, .concept = t->concept_index, .anchor = t->anchor_index, .delta = t->delta};
    for (int k = 0; k < by.n; k++) m[i].metric[k] = r->failed ? NAN : r->metrics[k];
    if (t->delta > 0.7) continue;
    vw_baseline *b = &w->c.baselines[w->c.n_baselines];
    *b = (vw_baseline){.what = VW_OF_ANCHOR, .concept_index = t->concept_index, .anchor_index = t->anchor_index};
    m[n + w->c.n_baselines] = (vw_measure){.concept = t->concept_index, .anchor = t->anchor_index};
    for (int k = 0; k < by.n; k++)
      b->metrics[k] = m[n + w->c.n_baselines].metric[k] = 0.25 + 0.001 * (double)(i % 5 - 2);
    w->c.n_baselines++;
  }
  assert_ok(vw_summarise(m, n + w->c.n_baselines, &by, 1, 1, &key, &w->c.summary, &w->c.n_summary));
  w->c.missing = 0;
  free(m);
}

/* As if the words drew: those of one concept lie apart, and their pictures look alike, more than of others. */
static void draw(world *w, double low) {
  static vw_performant_row rows[] = {{.of = VW_DISTANCE_ANCHORS, .delta = 1, .i = {.n = 7, .mean = 1.25}},
                                     {.of = VW_COSINE_ANCHORS, .delta = 1, .i = {.n = 7, .mean = .2}},
                                     {.of = VW_ALIKE_ANCHORS, .delta = .5, .i = {.n = 7, .mean = .5}},
                                     {.of = VW_ALIKE_ANCHORS, .delta = 1, .i = {.n = 7, .mean = .875}},
                                     {.of = VW_ALIKE_OTHERS, .delta = 1, .i = {.n = 7, .mean = .25}},
                                     {.of = VW_ALIKE_MORE, .delta = 1, .i = {7, .625, .5, .75, .5, .75}},
                                     {.of = VW_ALIKE_UNTOUCHED, .i = {.n = 1, .mean = .125}}};
  rows[5].i.boot_low = low;
  w->c.performant = rows, w->c.n_performant = sizeof rows / sizeof *rows;
}

static char *page_of(const world *w, size_t *bytes) {
  const vw_report_about about = {.study = "\"<study>\".yaml", .holder = "process 7 on <host>"};
  char *text = NULL;
  FILE *out = open_memstream(&text, bytes);
  assert_non_null(out);
  bool stopped = true;
  assert_ok(vw_report_print(&w->c, &about, out, &stopped));
  assert_false(stopped);
  assert_int_equal(fclose(out), 0);
  return text;
}

/* ---- well-formed ---- */

static bool is_void(const char *name) {
  static const char *const names[] = {"meta", "img", "br", "!DOCTYPE"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(names[i], name)) return true;
  return false;
}

/* Every element is closed in its order, every attribute is quoted, and between elements there is no '<'. Returns how
 * many elements there are. */
static int64_t check_form(const char *page) {
  char open[32][16];
  int depth = 0;
  int64_t elements = 0;
  for (const char *p = strchr(page, '<'); p; p = strchr(p, '<')) {
    char name[16];
    const bool closes = p[1] == '/';
    const char *at = p + 1 + closes;
    const size_t n = strcspn(at, " >\n");
    if (n >= sizeof name || !n) fail_msg("no tag: %.40s", p);
    memcpy(name, at, n), name[n] = 0;
    for (at += n; *at && *at != '>';) { /* name="value" */
      at += strspn(at, " \n");
      at += strcspn(at, "=> \n");
      if (*at == '=' && at[1] != '"') fail_msg("an attribute without quotes: %.60s", p);
      if (*at == '=') at = strchr(at + 2, '"') + 1;
    }
    p = at;
    elements++;
    if (closes && (!depth || strcmp(open[depth - 1], name) != 0))
      fail_msg("</%s> closes %s", name, depth ? open[depth - 1] : "nothing");
    if (closes)
      depth--;
    else if (!is_void(name)) {
      assert_true(depth < 32);
      memcpy(open[depth++], name, sizeof name);
    }
    if (!strcmp(name, "script") && !closes) p = strstr(p, "</script>");
  }
  assert_int_equal(depth, 0);
  return elements;
}

static int count(const char *text, const char *what) {
  int n = 0;
  for (const char *p = strstr(text, what); p; p = strstr(p + 1, what)) n++;
  return n;
}

static void test_large(void **state) {
  world w;
  size_t bytes = 0;
  (void)state;
  open_world(&w);
  learn(&w);
  char *page = page_of(&w, &bytes);
  assert_true(bytes < MOST_BYTES);
  assert_true(check_form(page) > 5000);
  assert_int_equal(count(page, "<script"), 1);
  assert_int_equal(count(page, "<h1"), 1);
  assert_int_equal(count(page, "autofocus onfocus='"), 0);
  assert_int_equal(count(page, "\" onload"), 0);
  assert_int_equal(count(page, "\xe2\x80\xae"), 0);
  assert_true(count(page, "left \\u202e right") > 0);
  assert_true(count(page, "&#60;script&#62;alert(1)&#60;/script&#62;") > 0);
  assert_true(count(page, "bytes \\xff") == 1);
  assert_true(count(page, "\xd7\xa2\xd7\x91\xd7\xa8") > 0); /* no harm in it */
  /* What is cut says so. */
  assert_int_equal(count(page, "100 of 1200 concepts"), 1);
  assert_int_equal(count(page, "The first 300 of 4800"), 1);
  assert_int_equal(count(page, "100 of 1200;"), 1);
  /* The answer, no stronger than its intervals: at .5 it is not above the anchor. */
  assert_int_equal(count(page, "from 1 on; 0.500 above the anchor"), 1);
  assert_int_equal(count(page, "Trials that failed: 1"), 1);
  assert_int_equal(count(page, "no words were carried from network to network"), 1);
  free(page);
  close_world(&w);
}

/* Pictures are said to look alike where both intervals of the difference are above 0, at the largest delta. */
static void test_alike(void **state) {
  static const char *const verdicts[] = {"Yes: more alike than of different concepts", "No effect seen</td>"};
  (void)state;
  for (int k = 0; k < 2; k++) {
    world w;
    size_t bytes = 0;
    open_world(&w);
    draw(&w, k ? -.125 : .5);
    char *page = page_of(&w, &bytes);
    assert_true(check_form(page) > 300);
    for (int i = 0; i < 2; i++) assert_int_equal(count(page, verdicts[i]), i == k);
    assert_int_equal(count(page, "words of one concept lie 1.25 radii apart (cosine 0.20)"), 1);
    assert_int_equal(count(page, "alike by a cosine of 0.875, those of different concepts by 0.250, those of untouched "
                                 "anchors by 0.125"),
                     1);
    free(page);
    close_world(&w);
  }
}

static void test_nothing_yet(void **state) {
  world w;
  size_t bytes = 0;
  (void)state;
  open_world(&w);
  char *page = page_of(&w, &bytes);
  assert_true(check_form(page) > 300);
  assert_int_equal(count(page, "Not finished: 0 of 4800 trials"), 1);
  assert_int_equal(count(page, "The directory is held by <bdi>process 7 on &#60;host&#62;</bdi>"), 1);
  assert_int_equal(count(page, "too few words to say"), 1);
  assert_int_equal(count(page, "draw pictures that look alike"), 0); /* they draw nothing */
  assert_int_equal(count(page, "<code>viswords learn &#34;&#60;study&#62;&#34;.yaml -o /nowhere/&#60;out&#62;</code>"),
                   1);
  free(page);
  close_world(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_large), cmocka_unit_test(test_alike),
                                     cmocka_unit_test(test_nothing_yet)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
