/* Study files: a right one in full, defaults, what a model says for itself. Wrong ones: test_study_refused.c. */
#include "tests/support/test.h"

#include "networks/schedule.h"
#include "study/config.h"
#include "study/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char full[] = "study: demo\n"
                           "seed: 2406\n"
                           "data:\n"
                           "  objects:\n"
                           "    kind: folders\n"
                           "    root: ../data/objects\n"
                           "    concepts: [orange cat, no, 'teapot']\n"
                           "    classes: [fox, owl]\n"
                           "    pictures: {train: 12}\n"
                           "models:\n"
                           "  clip: {weights: /hub/clip, learn: {optimiser: adamw, lr: 2e-3, steps: 50}}\n"
                           "  other: {kind: clip, weights: clip-b32}\n"
                           "trials: {anchors: [the, red, 7], deltas: [0.5, free], replicas: 2}\n"
                           "learn:\n"
                           "  steps: {clip: 400, other: 300}\n"
                           "  batch: {negatives: 24}\n"
                           "  templates: ['a {}', 'the {} there']\n"
                           "plan: {ranks: 4, memory: 2 GiB, backend: ref}\n"
                           "stages: [learn, evaluate]\n";

static vw_study_config *parse(const char *text) {
  vw_study_config *c = NULL;
  assert_ok(vw_study_config_parse("studies/demo.yaml", text, strlen(text), &vw_test_kinds, NULL, &c));
  return c;
}

static void test_full(void **state) {
  (void)state;
  vw_study_config *c = parse(full);
  assert_string_equal(c->study, "demo");
  assert_int_equal(c->seed, 2406);
  assert_string_equal(c->text, full);
  assert_int_equal(c->n_data, 1);
  const vw_data_config *d = &c->data[0];
  assert_string_equal(d->name, "objects");
  assert_string_equal(d->root, "studies/../data/objects");
  assert_int_equal(d->concepts.n, 3);
  assert_string_equal(d->concepts.name[0], "orange cat");
  assert_string_equal(d->concepts.name[1], "no"); /* a word, whatever YAML 1.1 makes of it */
  assert_int_equal(d->classes.n, 2);
  assert_int_equal(d->train, 12);
  assert_int_equal(d->test, 16);
  assert_int_equal(c->n_models, 2);
  assert_string_equal(c->models[0].weights, "/hub/clip");
  assert_string_equal(c->models[1].weights, "studies/clip-b32");
  assert_int_equal(c->models[0].learn.optimiser, VW_ADAMW);
  assert_int_equal(c->models[1].learn.optimiser, VW_PGD);
  assert_int_equal(c->models[0].learn.steps, 50); /* its own key before the map */
  assert_int_equal(c->models[1].learn.steps, 300);
  assert_true(c->models[0].learn.lr == 2e-3 && c->models[1].learn.lr == 1e-3);
  assert_int_equal(c->models[0].learn.positives, 8);
  assert_int_equal(c->models[1].learn.negatives, 24);
  assert_int_equal(c->models[1].learn.templates.n, 2);
  assert_string_equal(c->models[1].learn.judge_template, "a {}");
  assert_string_equal(c->models[0].trials.anchors.name[2], "7");
  assert_true(c->models[0].trials.deltas.n == 2 && c->models[0].trials.deltas.v[0] == 0.5 &&
              isinf(c->models[0].trials.deltas.v[1]));
  assert_int_equal(c->models[0].trials.replicas, 2);
  assert_int_equal(c->models[0].plan.memory, INT64_C(2) << 30);
  assert_int_equal(c->backend, VW_BACKEND_REF);
  assert_true(vw_study_has_stage(c, "evaluate") && !vw_study_has_stage(c, "collect"));
  vw_study_config_destroy(c);
}

#define SMALL "data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w}}\ntrials: {anchors: [the]}\n"

static void test_defaults(void **state) {
  (void)state;
  vw_study_config *c = parse(SMALL);
  const vw_learn_config *l = &c->models[0].learn;
  assert_string_equal(c->study, "study");
  assert_true(c->seed == 0 && c->ranks == 8 && c->threads == 0 && c->models[0].plan.block == 0 &&
              c->models[0].plan.memory == 0 && c->models[0].plan.recompute == 0 && !c->cache);
  assert_true(c->models[0].trials.deltas.n == 4 && c->models[0].trials.deltas.v[0] == 0.1 &&
              c->models[0].trials.deltas.v[3] == 1.0);
  assert_true(c->models[0].trials.replicas == 1 && c->null_concepts == 1 && c->stages.n == 3);
  assert_string_equal(c->vocabulary, "default");
  assert_true(l->optimiser == VW_PGD && l->steps == 1000 && l->eta == 0.1 && l->weight_decay == 0.01);
  assert_true(l->positives == 8 && l->negatives == 8 && l->loss_points == 100);
  assert_string_equal(l->judge_template, l->templates.name[0]);
  assert_int_equal(c->data[0].classes.n, 0);
  vw_study_config_destroy(c);
}

/* Only keys that a result depends on are part of the protocol, and only those of the optimiser that runs. */
static void test_protocol_text(void **state) {
  (void)state;
  static const char *const same[] = {"plan: {ranks: 2}\n", "stages: [learn]\n", "study: other\n",
                                     "learn: {eta: 0.1, batch: {positives: 8}}\n"};
  static const char *const other[] = {"seed: 1\n", "learn: {eta: 0.2}\n", "learn: {steps: {clip: 10}}\n",
                                      "learn: {templates: ['a {}']}\n", "learn: {optimiser: adamw}\n"};
  vw_study_config *c = parse(SMALL);
  char *base = NULL, *text = NULL;
  assert_ok(vw_study_protocol_text(c, 0, 0, &base));
  vw_study_config_destroy(c);
  assert_non_null(strstr(base, "learn.eta: 0.1"));
  assert_null(strstr(base, "learn.lr"));
  for (size_t i = 0; i < 4 + 5; i++) {
    char study[512];
    (void)snprintf(study, sizeof study, "%s%s", SMALL, i < 4 ? same[i] : other[i - 4]);
    c = parse(study);
    assert_ok(vw_study_protocol_text(c, 0, 0, &text));
    if ((strcmp(base, text) == 0) != (i < 4)) fail_msg("%s: protocol\n%s", study, text);
    free(text);
    vw_study_config_destroy(c);
  }
  free(base);
}

/* Where the reader says a value stands: what later refusals of weights and pictures point to. */
static void test_places(void **state) {
  (void)state;
  vw_study_config *c = parse(full);
  vw_problems p = {0};
  const vw_study_place *at = vw_study_find_place(c, "trials.anchors", 1);
  assert_true(at && at->item == 1 && at->column == 25);
  const vw_study_place *whole = vw_study_find_place(c, "trials.anchors", 99);
  assert_true(whole && whole->item < 0 && whole->line == at->line);
  assert_null(vw_study_find_place(c, "trials.null_concepts", -1)); /* a default */
  assert_ok(vw_study_keep(c, &p, "models.other.weights", -1, false, VW_RAISE(VW_ERR_IO, "gone")));
  assert_ok(vw_study_keep(c, &p, "models.other.weights", -1, true, VW_RAISE(VW_ERR_INPUT, "odd")));
  assert_int_equal(vw_study_keep(c, &p, "seed", -1, false, VW_RAISE(VW_ERR_MEMORY, "full")), VW_ERR_MEMORY);
  assert_true(p.n == 2 && p.n_errors == 1);
  assert_non_null(strstr(p.item[0].text, ": models.other.weights: gone"));
  assert_int_equal(vw_problems_first(&p), VW_ERR_IO);
  vw_study_config_destroy(c);
  vw_problems_fini(&p);
}

static void test_template_fill(void **state) {
  (void)state;
  char text[32];
  assert_ok(vw_template_fill("a {} there", "cat", text, sizeof text));
  assert_string_equal(text, "a cat there");
  assert_int_equal(vw_template_fill("a {} there", "cat", text, 11), VW_ERR_ARG);
}

/* The studies that are shipped, and the class list they point to. */
static void test_shipped(void **state) {
  (void)state;
  vw_study_config *c = NULL;
  assert_ok(vw_study_config_read(VW_SOURCE_DIR "/jobs/studies/demo.yaml", &vw_test_kinds, NULL, &c));
  assert_true(c->data[0].concepts.n >= 10 && c->models[0].trials.anchors.n >= 4 && c->models[0].trials.deltas.n == 4);
  assert_true(c->data[0].classes.n > 100);
  assert_string_equal(c->models[0].learn.judge_template, "a photo of a {}");
  vw_study_config_destroy(c);
  assert_ok(vw_study_config_read(VW_SOURCE_DIR "/jobs/studies/smoke.yaml", &vw_test_kinds, NULL, &c));
  assert_true(c->data[0].concepts.n == 2 && c->models[0].trials.anchors.n == 2 && c->models[0].trials.deltas.n == 2);
  vw_study_config_destroy(c);
}

/* docs/study-file.md holds the table of keys as the program prints it. */
static void test_reference_is_current(void **state) {
  (void)state;
  char *printed = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream(&printed, &bytes);
  assert_non_null(out);
  /* As vw_kinds_of_study makes them of jobs/kinds.c. */
  static const vw_study_kinds shipped = {
      "clip owlv2 stable-diffusion",
      "classification detection generation",
      "learn.batch.negatives judge.templates,learn.batch.negatives learn.matching data.<name>.pictures.negatives,",
      ",,",
      "",
      ",learn.batch.positives=4 learn.batch.negatives=4,learn.steps=2000 learn.batch.positives=4 learn.lr=0.002"};
  vw_study_print_keys(out, &shipped, true);
  assert_int_equal(fclose(out), 0);
  FILE *f = fopen(VW_SOURCE_DIR "/docs/study-file.md", "r");
  assert_non_null(f);
  char page[65536];
  page[fread(page, 1, sizeof page - 1, f)] = 0;
  assert_int_equal(fclose(f), 0);
  if (!strstr(page, printed)) fail_msg("docs/study-file.md has another table of keys than the program:\n%s", printed);
  free(printed);
}

/* A key that only some tasks read: an error where no model's task does, and no part of a trial's identity elsewhere. */
static void test_scope(void **state) {
  static const vw_study_kinds two = {"clip toy", "classification colouring", "learn.batch.negatives,", ",", ""};
  static const char text[] = "data: {objects: {root: r, concepts: [fox]}}\n"
                             "models: {a: {kind: toy, weights: w}, b: {kind: clip, weights: w}}\n"
                             "trials: {anchors: [dog]}\n"
                             "learn: {batch: {negatives: 3}}\n";
  static const char alone[] = "data: {objects: {root: r, concepts: [fox]}}\n"
                              "models: {a: {kind: toy, weights: w}}\n"
                              "trials: {anchors: [dog]}\n"
                              "learn: {batch: {negatives: 3}}\n";
  vw_study_config *c = NULL;
  char *protocol[2];
  (void)state;
  assert_ok(vw_study_config_parse("s.yaml", text, strlen(text), &two, NULL, &c));
  assert_string_equal(c->models[0].task, "colouring");
  assert_string_equal(c->models[1].task, "classification");
  for (int m = 0; m < 2; m++) assert_ok(vw_study_protocol_text(c, m, 0, &protocol[m]));
  assert_null(strstr(protocol[0], "negatives"));
  assert_non_null(strstr(protocol[0], "models.<name>.kind: toy\n"));
  assert_non_null(strstr(protocol[1], "learn.batch.negatives: 3\n"));
  free(protocol[0]), free(protocol[1]);
  vw_study_config_destroy(c);
  assert_int_equal(vw_study_config_parse("s.yaml", alone, strlen(alone), &two, NULL, &c), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "s.yaml:4:28: learn.batch.negatives: nothing uses it"));
}

static vw_learn_config learn_of(const char *learn, const char *own, int model) {
  static const vw_study_kinds two = {"clip toy",
                                     "classification colouring",
                                     "learn.batch.negatives,learn.batch.negatives",
                                     ",",
                                     "",
                                     ",learn.batch.positives=4 learn.steps=7 learn.batch.negatives=0"};
  char text[512];
  vw_study_config *c = NULL;
  (void)snprintf(text, sizeof text,
                 "data: {objects: {root: r, concepts: [fox]}}\n"
                 "models: {a: {kind: clip, weights: w}, b: {kind: toy, weights: w%s}}\n"
                 "trials: {anchors: [dog]}\n%s",
                 own, learn);
  assert_ok(vw_study_config_parse("s.yaml", text, strlen(text), &two, NULL, &c));
  const vw_learn_config l = c->models[model].learn;
  vw_study_config_destroy(c);
  return l;
}

/* A task's own defaults give way to what stands for all models, and that to the model's own, key by key. */
static void test_defaults_of_a_task(void **state) {
  (void)state;
  vw_learn_config l = learn_of("", "", 0);
  assert_true(l.positives == 8 && l.negatives == 8 && l.steps == 1000);
  l = learn_of("", "", 1);
  assert_true(l.positives == 4 && l.negatives == 0 && l.steps == 7 && l.eta == 0.1);
  l = learn_of("learn: {batch: {positives: 5}}\n", "", 1);
  assert_true(l.positives == 5 && l.negatives == 0 && l.steps == 7);
  l = learn_of("learn: {steps: {a: 30}, batch: {positives: 8, negatives: 8}}\n", ", learn: {batch: {negatives: 2}}", 1);
  assert_true(l.positives == 8 && l.negatives == 2);
  l = learn_of("learn: {batch: {positives: 5}}\n", "", 0);
  assert_true(l.positives == 5 && l.negatives == 8);
}

/* Two data sets, two models with values of their own over what stands for all. */
#define PAIRS                                                                                                          \
  "data: {o: {root: r, concepts: [cat, dog], pictures: {train: 9}}, p: {root: r, concepts: [owl]}}\n"                  \
  "trials: {anchors: [the, red], deltas: [0.5]}\n"                                                                     \
  "plan: {block: 32, memory: 1 GiB}\n"

static void test_values_of_a_model(void **state) {
  static const char text[] =
      PAIRS "models:\n"
            "  a: {weights: w, data: [o], trials: {deltas: [free, 1], concepts: [dog], pictures: {train: 4}},\n"
            "      plan: {block: 2, precision: tf32, ranks_per_block: 2, recompute: 3}}\n"
            "  b: {weights: w, trials: {replicas: 3}}\n";
  (void)state;
  vw_study_config *c = parse(text);
  const vw_model_config *a = &c->models[0], *b = &c->models[1];
  assert_true(a->trials.anchors.n == 2 && b->trials.anchors.n == 2);
  assert_true(a->trials.deltas.n == 2 && isinf(a->trials.deltas.v[0]) && b->trials.deltas.v[0] == 0.5);
  assert_true(a->trials.replicas == 1 && b->trials.replicas == 3);
  assert_true(a->plan.block == 2 && b->plan.block == 32 && a->plan.memory == b->plan.memory);
  assert_true(a->plan.ranks_per_block == 2 && b->plan.ranks_per_block == 1);
  assert_true(a->plan.recompute == 3 && b->plan.recompute == 0);
  assert_true(a->plan.precision == VW_PRECISION_TF32 && b->plan.precision == VW_PRECISION_AUTO);
  assert_int_equal(c->precision, VW_PRECISION_AUTO);
  assert_true(vw_study_learns_on(c, 0, 0) && !vw_study_learns_on(c, 0, 1));
  assert_true(vw_study_learns_on(c, 1, 0) && vw_study_learns_on(c, 1, 1));
  assert_true(a->data.n == 1 && b->data.n == 2);
  const vw_data_config *mine = vw_study_data_of(c, 0, 0), *other = vw_study_data_of(c, 1, 0);
  assert_true(mine->concepts.n == 1 && mine->train == 4 && mine->test == 16);
  assert_string_equal(mine->concepts.name[0], "dog");
  assert_true(other->concepts.n == 2 && other->train == 9);
  vw_study_config_destroy(c);
}

/* The name of a data set with folds means all of them, that of a fold this one. */
static void test_folds_of_a_model(void **state) {
  (void)state;
  vw_study_config *c = parse("data: {s: {kind: dreambooth, root: r, concepts: [dog], folds: 3}, o: {root: r, concepts: "
                             "[cat]}}\ntrials: {anchors: [the]}\n"
                             "models: {a: {weights: w, data: [s]}, b: {weights: w, data: [o, s-2]}}\n");
  assert_int_equal(c->n_data, 4);
  for (int d = 0; d < 4; d++) {
    assert_int_equal(vw_study_learns_on(c, 0, d), d < 3);
    assert_int_equal(vw_study_learns_on(c, 1, d), d == 1 || d == 3);
  }
  vw_study_config_destroy(c);
}

/* A model's concepts may leave a data set without any: the model does not learn on it. */
static void test_data_without_concepts(void **state) {
  (void)state;
  vw_study_config *c = parse(PAIRS "models: {a: {weights: w, trials: {concepts: [owl]}}, b: {weights: w}}\n");
  assert_true(!vw_study_learns_on(c, 0, 0) && vw_study_learns_on(c, 0, 1) && vw_study_learns_on(c, 1, 0));
  vw_study_config_destroy(c);
}

/* What a model says for itself is what a study says for all: the identity of a trial and the values are the same. */
static void test_spellings(void **state) {
  static const char *const same[] = {
      "data: {o: {root: r, concepts: [cat, dog], pictures: {train: 4}}}\n"
      "trials: {anchors: [the], deltas: [1]}\nlearn: {steps: 5}\nmodels: {a: {weights: w}}\n",
      "data: {o: {root: r, concepts: [cat, dog]}}\n"
      "models: {a: {weights: w, data: [o], learn: {steps: 5}, trials: {anchors: [the], deltas: [1], pictures: {train: "
      "4}}}}\n",
  };
  char *protocol[2];
  (void)state;
  for (int i = 0; i < 2; i++) {
    vw_study_config *c = parse(same[i]);
    assert_ok(vw_study_protocol_text(c, 0, 0, &protocol[i]));
    vw_study_config_destroy(c);
  }
  assert_string_equal(protocol[0], protocol[1]);
  assert_non_null(strstr(protocol[0], "data.<name>.pictures.train: 4\n"));
  free(protocol[0]), free(protocol[1]);
}

/* A task learns on data sets of the kinds that have what it needs. */
static void test_kinds_of_data(void **state) {
  static const vw_study_kinds two = {"clip toy", "classification colouring", "learn.batch.negatives,", ",coco voc", ""};
  static const char text[] = "data: {o: {root: r, concepts: [fox]}}\n"
                             "models: {b: {kind: clip, weights: w}, a: {kind: toy, weights: w}}\n"
                             "trials: {anchors: [dog]}\n";
  static const char named[] = "data: {o: {root: r, concepts: [fox]}}\n"
                              "models: {b: {kind: clip, weights: w}, a: {kind: toy, weights: w, data: [o]}}\n"
                              "trials: {anchors: [dog]}\n";
  vw_study_config *c = NULL;
  (void)state;
  assert_int_equal(vw_study_config_parse("s.yaml", text, strlen(text), &two, NULL, &c), VW_ERR_INPUT);
  assert_string_equal(vw_error_message(), "s.yaml:2:39: models.a: no data set of this study is of a kind that its "
                                          "task, colouring, learns on: coco voc");
  vw_problems p = {0};
  assert_ok(vw_study_config_parse("s.yaml", named, strlen(named), &two, &p, &c));
  assert_int_equal(p.n_errors, 2);
  assert_string_equal(p.item[1].text,
                      "s.yaml:2:73: models.a.data: 'o' is of kind folders; the task colouring learns on coco voc");
  vw_study_config_destroy(c);
  vw_problems_fini(&p);
}

/* Keys of judging alone are part of an evaluation's identity and of no trial's. */
static void test_judging_text(void **state) {
  static const char *const studies[] = {
      SMALL, SMALL "judge: {templates: ['a {}', 'the {}']}\n",
      "data: {o: {root: r, concepts: [cat]}}\ntrials: {anchors: [the]}\nmodels: {clip: "
      "{weights: w, judge: {templates: ['a {}', 'the {}']}}}\n",
      SMALL "judge: {templates: ['the {}', 'a {}']}\n"};
  char *judging[4], *protocol[4];
  (void)state;
  for (int i = 0; i < 4; i++) {
    vw_study_config *c = parse(studies[i]);
    assert_ok(vw_study_judging_text(c, 0, 0, &judging[i]));
    assert_ok(vw_study_protocol_text(c, 0, 0, &protocol[i]));
    assert_string_equal(protocol[i], protocol[0]);
    vw_study_config_destroy(c);
  }
  assert_null(strstr(protocol[0], "judge.templates"));
  assert_string_equal(judging[0], ""); /* as ever */
  assert_string_equal(judging[1], "judge.templates: 2\n- 4 a {}\n- 6 the {}\n");
  assert_string_equal(judging[2], judging[1]);
  assert_string_not_equal(judging[3], judging[1]);
  for (int i = 0; i < 4; i++) free(judging[i]), free(protocol[i]);

  static const vw_study_kinds toy = {"toy", "colouring", "learn.batch.negatives", "", ""};
  vw_study_config *c = NULL;
  assert_int_equal(vw_study_config_parse("s.yaml", studies[1], strlen(studies[1]), &toy, NULL, &c), VW_ERR_INPUT);
  assert_string_equal(vw_error_message(),
                      "s.yaml:4:20: judge.templates: nothing uses it; no task of this study does: remove it");
}

/* The network that names what words draw, and how they draw: needed by such models alone. */
#define DRAWS                                                                                                          \
  "data: {o: {root: r, concepts: [cat, %s]}}\n"                                                                        \
  "models: {clip: {weights: w}, sd: {kind: draws, weights: w, trials: {concepts: [cat]}%s}}\n"                         \
  "trials: {anchors: [the]}\n%s"
static const vw_study_kinds drawing = {"clip draws", "classification generation",
                                       "judge.templates,judge.weights judge.names judge.pictures judge.sampler "
                                       "judge.steps judge.guidance judge.negative judge.spacing data.<name>.concepts",
                                       ",", ""};

static vw_study_config *parse_drawing(const char *concepts, const char *own, const char *more, const char *expected) {
  char text[1024];
  vw_study_config *c = NULL;
  (void)snprintf(text, sizeof text, DRAWS, concepts, own, more);
  const vw_status st = vw_study_config_parse("dir/s.yaml", text, strlen(text), &drawing, NULL, &c);
  if (expected && st != VW_ERR_INPUT) fail_msg("no error: %s", expected);
  if (expected && !strstr(vw_error_message(), expected)) fail_msg("'%s' is not in '%s'", expected, vw_error_message());
  if (!expected && st != VW_OK) fail_msg("%s", vw_error_message());
  vw_error_clear();
  return c;
}

static void test_judge_of_drawings(void **state) {
  static const char own[] = ", judge: {weights: j}";
  (void)state;
  vw_study_config *c = parse_drawing("dog", own, "", NULL);
  const vw_judge_config *j = &c->models[1].judge;
  assert_string_equal(j->weights, "dir/j");
  assert_null(c->models[0].judge.weights);
  assert_true(j->names.n == 0 && j->pictures == 8 && j->sampler == VW_SAMPLER_DPM_2M && j->steps == 20);
  assert_true(j->guidance == 7.5 && !j->negative && j->spacing == VW_SPACING_DEFAULT);
  vw_study_config_destroy(c);
  c = parse_drawing("dog", ", judge: {names: [a, b], sampler: ddim, spacing: trailing, negative: ''}",
                    "judge: {weights: j, pictures: 2}\n", NULL);
  j = &c->models[1].judge;
  assert_true(j->names.n == 2 && j->pictures == 2 && j->sampler == VW_SAMPLER_DDIM);
  assert_true(j->spacing == VW_SPACING_TRAILING && !j->negative[0]);
  vw_study_config_destroy(c);
  (void)parse_drawing("dog", "", "",
                      "judge.weights: missing; model 'sd' needs it, here or as models.sd.judge.weights;");
  (void)parse_drawing("dog", own, "judge: {weights: k}\n", "judge.weights: nothing uses it; every model has its own");
  (void)parse_drawing("dog", ", judge: {weights: j, names: none.txt}", "", "judge.names: no file dir/none.txt");
  (void)parse_drawing("dog", ", judge: {weights: j, negative: }", "", "negative: expected a text, got nothing");
  (void)parse_drawing("dog", ", judge: {weights: j, guidance: 0.5}", "", "guidance: expected a number from 1 to 1000");
  (void)parse_drawing("dog", ", judge: {weights: j, sampler: euler}", "", "expected ddim or dpm++, got 'euler'");
  assert_int_equal(vw_study_config_parse("s.yaml", SMALL "judge: {weights: j}\n", strlen(SMALL "judge: {weights: j}\n"),
                                         &drawing, NULL, &c),
                   VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "judge.weights: nothing uses it; no task of this study does"));
}

/* All of it identifies an evaluation; where the judge lies does not, what it holds does. */
static void test_identity_of_drawings(void **state) {
  static const struct {
    const char *concepts, *own;
    bool is_same;
  } cases[] = {
      {"dog", ", judge: {weights: j}", true},
      {"dog", ", judge: {weights: elsewhere/k}", true},
      {"dog", ", judge: {weights: j, steps: 20, guidance: 7.50}", true},
      {"cow", ", judge: {weights: j}", false}, /* which the model does not learn: pictures may be taken for it */
      {"dog", ", judge: {weights: j, steps: 21}", false},
      {"dog", ", judge: {weights: j, names: [cow]}", false},
      {"dog", ", judge: {weights: j, negative: ugly}", false},
      {"dog", ", judge: {weights: j, spacing: leading}", false}};
  vw_hash first = {0}, hash, clip, protocol[2];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    vw_study_config *c = parse_drawing(cases[i].concepts, cases[i].own, "", NULL);
    assert_ok(vw_judging_hash(c, 1, 0, &hash));
    assert_ok(vw_judging_hash(c, 0, 0, &clip));
    assert_true(!clip.lo && !clip.hi); /* as ever */
    assert_ok(vw_protocol_hash(c, 1, 0, &protocol[i > 0]));
    if (i == 0) first = hash, protocol[1] = protocol[0];
    assert_memory_equal(&protocol[0], &protocol[1], sizeof *protocol);
    assert_int_equal(hash.lo == first.lo && hash.hi == first.hi, cases[i].is_same);
    c->models[1].judge.network = (vw_hash){.lo = 1};
    assert_ok(vw_judging_hash(c, 1, 0, &hash));
    assert_true(hash.lo != first.lo);
    vw_study_config_destroy(c);
  }
}

/* Anchors of YAML, and the tags of numbers, are no reason to refuse one. */
static void test_tagged_numbers(void **state) {
  (void)state;
  static const char text[] = "# \xc3\xbc\ndata: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w}}\n"
                             "trials: {anchors: [the], deltas: [!!float 2, 0.5]}\nseed: &s !!int 5\n"
                             "learn: {steps: &n 7, eta: &e 0.25}\n";
  vw_study_config *c = NULL;
  assert_ok(vw_study_config_parse("s.yaml", text, strlen(text), &vw_test_kinds, NULL, &c));
  assert_int_equal(c->seed, 5);
  assert_int_equal(c->models[0].learn.steps, 7);
  assert_true(c->models[0].learn.eta == 0.25 && c->models[0].trials.deltas.v[0] == 2);
  vw_study_config_destroy(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tagged_numbers),
      cmocka_unit_test(test_values_of_a_model),
      cmocka_unit_test(test_folds_of_a_model),
      cmocka_unit_test(test_data_without_concepts),
      cmocka_unit_test(test_spellings),
      cmocka_unit_test(test_judge_of_drawings),
      cmocka_unit_test(test_identity_of_drawings),
      cmocka_unit_test(test_judging_text),
      cmocka_unit_test(test_kinds_of_data),
      cmocka_unit_test(test_scope),
      cmocka_unit_test(test_defaults_of_a_task),
      cmocka_unit_test(test_full),
      cmocka_unit_test(test_defaults),
      cmocka_unit_test(test_protocol_text),
      cmocka_unit_test(test_places),
      cmocka_unit_test(test_template_fill),
      cmocka_unit_test(test_reference_is_current),
      cmocka_unit_test(test_shipped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
