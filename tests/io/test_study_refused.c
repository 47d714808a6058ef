/* Studies that are refused: a table with the exact place and message of each, bounds on what few bytes may ask for. */
#include "tests/support/test.h"

#include "study/config.h"

#include <stdlib.h>
#include <string.h>

#define SMALL "data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w}}\ntrials: {anchors: [the]}\n"
#define PAIRS                                                                                                          \
  "data: {o: {root: r, concepts: [cat, dog], pictures: {train: 9}}, p: {root: r, concepts: [owl]}}\n"                  \
  "trials: {anchors: [the, red], deltas: [0.5]}\n"                                                                     \
  "plan: {block: 32, memory: 1 GiB}\n"

/* "@": where SMALL goes, so that a case shows only what is wrong with it. */
static const struct {
  const char *text, *message;
  vw_status status;
} wrong[] = {
    {"", "s.yaml: the file is empty; docs/study-file.md shows a study", VW_ERR_INPUT},
    {"[a]", "s.yaml:1:1: study file: expected a mapping of keys, got a list", VW_ERR_INPUT},
    {"a: [b\nc: d", "s.yaml:2:2: not YAML: did not find expected ',' or ']', while parsing a flow sequence",
     VW_ERR_INPUT},
    {"@---\na: b\n", "s.yaml:5:1: a second document begins here; a study file holds one", VW_ERR_INPUT},
    {"@sead: 3\n", "s.yaml:4:1: sead: unknown key; did you mean seed?", VW_ERR_INPUT},
    {"@learn: {stepz: 3}\n", "s.yaml:4:9: learn.stepz: unknown key; did you mean steps?", VW_ERR_INPUT},
    {"@learn: {batch: {size: 3}}\n", "s.yaml:4:17: learn.batch.size: unknown key; known here: positives negatives",
     VW_ERR_INPUT},
    {"@seed: 1\nseed: 2\n", "s.yaml:5:1: seed: given twice, first on line 4; keep one", VW_ERR_INPUT},
    {"@learn: {steps: 3, steps: 4}\n", "s.yaml:4:19: learn.steps: given twice, first on line 4; keep one",
     VW_ERR_INPUT},
    {"@seed: many\n", "s.yaml:4:7: seed: expected an integer of 0 or more, got 'many'", VW_ERR_INPUT},
    {"@seed: '3'\n", "s.yaml:4:7: seed: expected an integer of 0 or more, got '3'", VW_ERR_INPUT},
    {"@seed: -1\n", "s.yaml:4:7: seed: expected an integer of 0 or more, got '-1'", VW_ERR_INPUT},
    {"@seed: 99999999999999999999\n", "s.yaml:4:7: seed: expected an integer of 0 or more, got '99999999999999999999'",
     VW_ERR_INPUT},
    {"@learn: {eta: 0}\n", "s.yaml:4:14: learn.eta: expected a number above 0, got '0'", VW_ERR_INPUT},
    {"@learn: {eta: nan}\n", "s.yaml:4:14: learn.eta: expected a number above 0, got 'nan'", VW_ERR_INPUT},
    {"@learn: {eta: 0x1p3}\n", "s.yaml:4:14: learn.eta: expected a number above 0, got '0x1p3'", VW_ERR_INPUT},
    {"@learn: {batch: {positives: 0}}\n",
     "s.yaml:4:28: learn.batch.positives: expected an integer from 1 to 65536, got '0'", VW_ERR_INPUT},
    {"@learn: {steps: {owl: 3}}\n", "s.yaml:4:17: learn.steps: 'owl' is no model of this study", VW_ERR_INPUT},
    {"@learn: {steps: {clip: 0}}\n",
     "s.yaml:4:23: learn.steps.clip: expected an integer of 1 or more, or a map of them by model name, got '0'",
     VW_ERR_INPUT},
    {"@learn: {optimiser: adam}\n",
     "s.yaml:4:20: learn.optimiser: expected pgd or adamw, got 'adam'; did you mean adamw?", VW_ERR_INPUT},
    {"@learn: {lr: 0.1}\n",
     "s.yaml:4:13: learn.lr: nothing uses it; only optimiser adamw does: remove it or change learn.optimiser",
     VW_ERR_INPUT},
    {"@learn: {templates: []}\n", "s.yaml:4:20: learn.templates: the list is empty; give at least one", VW_ERR_INPUT},
    {"@learn: {templates: ['a cat']}\n",
     "s.yaml:4:21: learn.templates: 'a cat' needs {} exactly once, where the word goes", VW_ERR_INPUT},
    {"@learn: {judge_template: 'a {}'}\njudge: {templates: ['a {}', 'the {}']}\n",
     "s.yaml:5:20: judge.templates stands beside learn.judge_template: model 'clip' is judged in one sentence or in "
     "several, not in both: remove one of the keys",
     VW_ERR_INPUT},
    {"@learn: {judge_template: '{} {}'}\n",
     "s.yaml:4:25: learn.judge_template: '{} {}' needs {} exactly once, where the word goes", VW_ERR_INPUT},
    {"@learn:\n", "s.yaml:4:7: learn: expected a mapping of keys, got nothing", VW_ERR_INPUT},
    {"@learn: {template_per: picture}\n",
     "s.yaml:4:23: learn.template_per: picture is part of the design, but this version of viswords cannot do it yet",
     VW_ERR_UNSUPPORTED},
    {"@stages: [lern]\n",
     "s.yaml:4:10: stages: expected a list of learn, evaluate, transfer, truncation, probe, tsne, collect, figures or "
     "report, got 'lern'; did you mean learn?",
     VW_ERR_INPUT},
    {"@truncation: {depths: [1, 1]}\n", "s.yaml:4:26: truncation.depths: '1' is listed twice; keep one", VW_ERR_INPUT},
    {"@truncation: {depths: [all]}\n",
     "s.yaml:4:23: truncation.depths: expected a list of integers of 0 or more, got 'all'", VW_ERR_INPUT},
    {"@truncation: {depth: [1]}\n", "s.yaml:4:14: truncation.depth: unknown key; did you mean depths?", VW_ERR_INPUT},
    {"@truncation: {deltas: [0.3]}\n",
     "s.yaml:4:22: truncation.deltas: no word is learned at 0.3: take deltas of trials.deltas", VW_ERR_INPUT},
    {"@truncation: {pictures: 4}\n",
     "s.yaml:4:24: truncation.pictures: nothing uses it; no task of this study does: remove it", VW_ERR_INPUT},
    {"@tsne: {layers: [3, 3]}\n", "s.yaml:4:20: tsne.layers: '3' is listed twice; keep one", VW_ERR_INPUT},
    {"@tsne: {layers: [0, -1]}\n", "s.yaml:4:20: tsne.layers: expected a list of integers of 0 or more, got '-1'",
     VW_ERR_INPUT},
    {"@tsne: {perplexity: 0.5}\n", "s.yaml:4:20: tsne.perplexity: expected a number from 1 to 10000, got '0.5'",
     VW_ERR_INPUT},
    {"@plan: {memory: 3 GB}\n", "s.yaml:4:16: plan.memory: expected auto or an amount such as 4 GiB, got '3 GB'",
     VW_ERR_INPUT},
    {"@plan: {recompute: 65}\n", "s.yaml:4:19: plan.recompute: expected auto or an integer from 1 to 64, got '65'",
     VW_ERR_INPUT},
    {"@plan: {block: none}\n", "s.yaml:4:15: plan.block: expected auto or an integer from 1 to 65536, got 'none'",
     VW_ERR_INPUT},
    {"@? [a]\n: b\n", "s.yaml:4:3: study file: a key must be a word", VW_ERR_INPUT},
    {"data: {o: {root: r}}\nmodels: {clip: {weights: w}}\ntrials: {anchors: [the]}\n",
     "s.yaml:1:11: data.o.concepts: missing; give what words are learned for, named as the data set names them",
     VW_ERR_INPUT},
    {"data: {o: {kind: cocoa}}\nmodels: {clip: {weights: w}}\ntrials: {anchors: [the]}\n",
     "s.yaml:1:11: data.o.root: missing; give where the data set lies\n"
     "s.yaml:1:11: data.o.concepts: missing; give what words are learned for, named as the data set names them\n"
     "s.yaml:1:18: data.o.kind: expected folders, dreambooth, coco, voc or imagenet, got 'cocoa'; did you mean coco?",
     VW_ERR_INPUT},
    {"sead: 1\ndata: {o: {root: [r], concepts: [cat, [x], cat]}}\nmodels: {b_step: {wieghts: w}}\n"
     "trials: {anchors: [the, '', the], deltas: [0, 0.5, inf, 0.5]}\nlearn: {steps: 010, steps: 3, lr: 1}\n",
     "s.yaml:1:1: sead: unknown key; did you mean seed?\n"
     "s.yaml:2:18: data.o.root: expected a path, got a list\n"
     "s.yaml:2:39: data.o.concepts: expected a text in the list, got a list\n"
     "s.yaml:2:44: data.o.concepts: 'cat' is listed twice; keep one\n"
     "s.yaml:3:10: models: 'b_step' ends in _step, which study.h5 keeps for its scales; choose another name\n"
     "s.yaml:3:18: models.b_step.weights: missing; give a model directory as on the Hugging Face hub\n"
     "s.yaml:3:19: models.b_step.wieghts: unknown key; did you mean weights?\n"
     "s.yaml:4:25: trials.anchors: expected a text in the list, got an empty text\n"
     "s.yaml:4:29: trials.anchors: 'the' is listed twice; keep one\n"
     "s.yaml:4:44: trials.deltas: expected a list of numbers above 0, or free, got '0'\n"
     "s.yaml:4:52: trials.deltas: expected a list of numbers above 0, or free, got 'inf'\n"
     "s.yaml:4:57: trials.deltas: '0.5' is listed twice; keep one\n"
     "s.yaml:5:16: learn.steps: expected an integer of 1 or more, or a map of them by model name, got '010'\n"
     "s.yaml:5:21: learn.steps: given twice, first on line 5; keep one\n"
     "s.yaml:5:35: learn.lr: nothing uses it; only optimiser adamw does: remove it or change learn.optimiser",
     VW_ERR_INPUT},
    {"@learn: {optimiser: adamw, weight_decay: 0.1}\n",
     "s.yaml:4:41: learn.weight_decay: nothing uses it; only free words decay: remove it or add free to trials.deltas",
     VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w, learn: {steps: 3}}}\n"
     "trials: {anchors: [the]}\nlearn: {steps: 4}\n",
     "s.yaml:4:16: learn.steps: nothing uses it; every model has its own: remove it", VW_ERR_INPUT},
    {"@learn: {steps: {clpi: 3, clip: 2}}\n",
     "s.yaml:4:17: learn.steps: 'clpi' is no model of this study; did you mean clip?", VW_ERR_INPUT},
    {"@learn: {<<: {steps: 3}}\n", "s.yaml:4:9: learn: merge keys (<<) are not read; write the keys out", VW_ERR_INPUT},
    {"a: \"\xff\"\n", "s.yaml:1:5: not YAML: invalid leading UTF-8 octet; save the file as UTF-8 text", VW_ERR_INPUT},
    {"@seed: !!str 5\n", "s.yaml:4:7: seed: expected an integer of 0 or more, got '5'", VW_ERR_INPUT},
    {"@seed: ! 5\n", "s.yaml:4:7: seed: expected an integer of 0 or more, got '5'", VW_ERR_INPUT},
    {"@seed: !foo 5\n", "s.yaml:4:7: seed: expected an integer of 0 or more, got '5'", VW_ERR_INPUT},
    {"@seed: !!float 5\n", "s.yaml:4:7: seed: expected an integer of 0 or more, got '5'", VW_ERR_INPUT},
    {"@# \xc3\xbc\xe2\x82\xac\nseed: &s !!str 5\n", "s.yaml:5:7: seed: expected an integer of 0 or more, got '5'",
     VW_ERR_INPUT},
    {"@learn: {eta: 00.5}\n", "s.yaml:4:14: learn.eta: expected a number above 0, got '00.5'", VW_ERR_INPUT},
    {"@learn: {eta: !!str 0.5}\n", "s.yaml:4:14: learn.eta: expected a number above 0, got '0.5'", VW_ERR_INPUT},
    {"@plan: {memory: 0x10 GiB}\n",
     "s.yaml:4:16: plan.memory: expected auto or an amount such as 4 GiB, got '0x10 GiB'", VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [cat, cat]}}\nmodels: {clip: {weights: w}}\ntrials: {anchors: [the]}\n",
     "s.yaml:1:37: data.o.concepts: 'cat' is listed twice; keep one", VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [null-0]}}\nmodels: {clip: {weights: w}}\ntrials: {anchors: [the]}\n",
     "s.yaml:1:32: data.o.concepts: 'null-0' is the name of a null concept; choose another", VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [cat], classes: none.txt}}\nmodels: {clip: {weights: w}}\n"
     "trials: {anchors: [the]}\n",
     "s.yaml:1:47: data.o.classes: no file none.txt (a name a line), nor a list", VW_ERR_INPUT},
    {"data: {o/p: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w}}\ntrials: {anchors: [the]}\n",
     "s.yaml:1:8: data: 'o/p' cannot name a part of a study; use at most 64 letters, digits, - and _", VW_ERR_INPUT},
    {"data: {}\nmodels: {clip: {weights: w}}\ntrials: {anchors: [the]}\n",
     "s.yaml:1:7: data: expected data sets by name, got an empty mapping", VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [cat]}}\nmodels: {sd: {kind: imaginary, weights: w}}\ntrials: {anchors: "
     "[the]}\n",
     "s.yaml:2:21: models.sd.kind: imaginary is part of the design, but this version of viswords cannot do it "
     "yet",
     VW_ERR_UNSUPPORTED},
    {"data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {kind: clip}}\ntrials: {anchors: [the]}\n",
     "s.yaml:2:16: models.clip.weights: missing; give a model directory as on the Hugging Face hub", VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w, learn: {eta: 0.1, lr: 1}}}\n"
     "trials: {anchors: [the]}\n",
     "s.yaml:2:51: models.clip.learn.lr: nothing uses it; only optimiser adamw does: remove it or change "
     "learn.optimiser",
     VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w}}\n",
     "s.yaml:1:1: trials.anchors: missing; give the words that learning starts from, one token each", VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w}}\ntrials: {anchors: [red, the, red]}\n",
     "s.yaml:3:30: trials.anchors: 'red' is listed twice; keep one", VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w}}\ntrials: {anchors: red}\n",
     "s.yaml:3:19: trials.anchors: expected a list of names, got 'red'", VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w}}\n"
     "trials: {anchors: [red], deltas: [0.1, none]}\n",
     "s.yaml:3:40: trials.deltas: expected a list of numbers above 0, or free, got 'none'", VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w}}\n"
     "trials: {anchors: [red], deltas: [0.5, 0.50]}\n",
     "s.yaml:3:40: trials.deltas: '0.50' is listed twice; keep one", VW_ERR_INPUT},
    {"data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w}}\n"
     "trials: {anchors: [red], deltas: [0.5, 010]}\n",
     "s.yaml:3:40: trials.deltas: expected a list of numbers above 0, or free, got '010'", VW_ERR_INPUT},
};

/* All messages, a line each, as the list has them. */
static void all_messages(const vw_problems *p, char *out, size_t bytes) {
  size_t at = 0;
  out[0] = 0;
  for (int64_t i = 0; i < p->n && at < bytes; i++)
    at += (size_t)snprintf(out + at, bytes - at, "%s%s", i ? "\n" : "", p->item[i].text);
}

/* Without a list: the first message alone, and its status. With one: all of them, in the file's order. */
static bool is_refused(const char *text, const char *messages, vw_status status) {
  vw_study_config *c = NULL;
  vw_problems p = {0};
  char told[4096];
  const vw_status st = vw_study_config_parse("s.yaml", text, strlen(text), &vw_test_kinds, NULL, &c);
  const size_t first = strcspn(messages, "\n");
  bool ok = st == status && !c && strlen(vw_error_message()) == first && !strncmp(vw_error_message(), messages, first);
  assert_ok(vw_study_config_parse("s.yaml", text, strlen(text), &vw_test_kinds, &p, &c));
  all_messages(&p, told, sizeof told);
  ok = ok && strcmp(told, messages) == 0 && p.n_errors == p.n;
  if (!ok) print_error("%s-> %s:\n%s\nexpected\n%s\n", text, vw_status_name(st), told, messages);
  vw_study_config_destroy(c);
  vw_problems_fini(&p);
  return ok;
}

static void test_wrong(void **state) {
  (void)state;
  int failures = 0;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    char text[1024];
    const bool at = wrong[i].text[0] == '@';
    (void)snprintf(text, sizeof text, "%s%s", at ? SMALL : "", wrong[i].text + at);
    failures += !is_refused(text, wrong[i].message, wrong[i].status);
  }
  assert_int_equal(failures, 0);
}

/* A million mistakes: bounded memory, all counted up to the limit, fifty shown. */
static void test_many(void **state) {
  (void)state;
  enum { N = 3000 };
  vw_study_config *c = NULL;
  vw_problems p = {0};
  char *text = malloc(N * 16), *shown = NULL;
  size_t at = 0, bytes = 0, lines = 0;
  assert_non_null(text);
  for (int i = 0; i < N; i++) at += (size_t)sprintf(text + at, "zz%d: 1\n", i);
  assert_ok(vw_study_config_parse("s.yaml", text, at, &vw_test_kinds, &p, &c));
  assert_int_equal(p.n_errors, N + 3); /* and data, models, trials.anchors */
  FILE *out = open_memstream(&shown, &bytes);
  assert_non_null(out);
  vw_problems_print(&p, "", false, out);
  assert_int_equal(fclose(out), 0);
  for (size_t i = 0; i < bytes; i++) lines += shown[i] == '\n';
  assert_int_equal(lines, VW_PROBLEMS_SHOWN + 1);
  assert_non_null(strstr(shown, "\nand 2953 more\n"));
  free(shown), free(text);
  vw_study_config_destroy(c);
  vw_problems_fini(&p);
}

static void test_wrong_of_a_model(void **state) {
  static const struct {
    const char *text, *message;
  } cases[] = {
      {PAIRS "models: {a: {weights: w, data: [oo]}, b: {weights: w}}\n",
       "s.yaml:4:33: models.a.data: 'oo' is no data set of this study; did you mean o?"},
      {PAIRS "models: {a: {weights: w, data: [o]}}\n",
       "s.yaml:1:66: data.p: nothing uses it; no model learns on it: remove it or change the models' data or "
       "trials.concepts"},
      {PAIRS "models: {a: {weights: w, trials: {concepts: [owl, ape]}}, b: {weights: w}}\n",
       "s.yaml:4:51: models.a.trials.concepts: 'ape' is no concept of a data set that the model learns on"},
      {PAIRS "models: {a: {weights: w, data: [o, p], trials: {concepts: [owl]}}, b: {weights: w}}\n",
       "s.yaml:4:33: models.a.data: 'o' has none of the model's trials.concepts"},
      {PAIRS "models: {a: {weights: w, trials: {deltas: [1]}}, b: {weights: w, trials: {deltas: [2]}}}\n",
       "s.yaml:2:39: trials.deltas: nothing uses it; every model has its own: remove it"},
      {PAIRS "models: {a: {weights: w, plan: {block: 1}}, b: {weights: w, plan: {block: 2}}}\n",
       "s.yaml:3:15: plan.block: nothing uses it; every model has its own: remove it"},
      {PAIRS "models: {a: {weights: w, plan: {ranks: 1}}}\n",
       "s.yaml:4:33: models.a.plan.ranks: unknown key; known here: ranks_per_block block precision memory recompute"},
      {PAIRS "models: {a: {weights: w, trials: {vocabulary: all}}}\n",
       "s.yaml:4:35: models.a.trials.vocabulary: unknown key; known here: concepts pictures anchors deltas replicas"},
      {PAIRS "models: {a: {weights: w, plan: {ranks_per_block: 9}}}\n",
       "s.yaml:4:50: models.a.plan.ranks_per_block: 9 is more than model 'a' has positives or negatives in a step (8): "
       "each slice needs a picture"},
      {PAIRS "models: {a: {weights: w, learn: {optimiser: adamw, weight_decay: 1}}}\n",
       "s.yaml:4:66: models.a.learn.weight_decay: nothing uses it; only free words decay: remove it or add free to "
       "trials.deltas"},
      {"data: {o: {root: r, concepts: [cat]}}\nmodels: {a: {weights: w, trials: {anchors: [the]}}, b: {weights: w}}\n",
       "s.yaml:1:1: trials.anchors: missing; give the words that learning starts from, one token each"},
      {"data: {o: {root: r, concepts: [cat], pictures: {negatives: 3}}}\nmodels: {a: {weights: w}}\n"
       "trials: {anchors: [the]}\n",
       "s.yaml:1:60: data.o.pictures.negatives: nothing uses it; no task that learns on this data set does: remove it"},
      {"data: {o: {root: r, concepts: [cat]}, s: {kind: dreambooth, root: r, concepts: [dog], folds: 2}}\n"
       "models: {a: {weights: w, data: [o]}}\ntrials: {anchors: [the]}\n",
       "s.yaml:1:39: data.s-1: nothing uses it; no model learns on it: remove it or change the models' data or "
       "trials.concepts\n"
       "s.yaml:1:39: data.s-2: nothing uses it; no model learns on it: remove it or change the models' data or "
       "trials.concepts"},
      {SMALL "plan: {rank: 3}\n", "s.yaml:4:8: plan.rank: unknown key; did you mean ranks?"},
      {"data: {o: {root: r, concepts: [cat]}}\nmodels: {clip: {weights: w}}\n"
       "trials: {anchors: [the], concepts: [cat]}\n",
       "s.yaml:3:26: trials.concepts: unknown key; known here: anchors deltas replicas null_concepts vocabulary"},
  };
  int failures = 0;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    failures += !is_refused(cases[i].text, cases[i].message, VW_ERR_INPUT);
  assert_int_equal(failures, 0);
}

static void test_missing_file(void **state) {
  (void)state;
  vw_study_config *c = NULL;
  assert_int_equal(vw_study_config_read("no/such/study.yaml", &vw_test_kinds, NULL, &c), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "no/such/study.yaml"));
}

/* `learn` is read once, not once for each of thousands of models: that would take minutes (found by fuzzing). */
static void test_many_models(void **state) {
  (void)state;
  enum { MANY = 4000 };
  for (int bad = 0; bad < 2; bad++) {
    char *text = NULL;
    size_t bytes = 0;
    vw_problems problems = {0};
    vw_study_config *c = NULL;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    (void)fprintf(out, "data: {o: {root: r, concepts: [a]}}\ntrials: {anchors: [the]}\nmodels:\n");
    for (int i = 0; i < MANY; i++) (void)fprintf(out, "  m%d: {weights: w}\n", i);
    (void)fprintf(out, "learn:\n%s", bad ? "" : "  loss_points: 7\n  steps:\n");
    for (int i = bad ? 0 : 2; i < MANY; i++) (void)fprintf(out, bad ? "  k%d: 1\n" : "    m%d: 9\n", i);
    assert_int_equal(fclose(out), 0);
    assert_ok(vw_study_config_parse("s.yaml", text, bytes, &vw_test_kinds, &problems, &c));
    assert_int_equal(problems.n_errors, bad ? MANY : 0);
    for (int i = 0; !bad && i < MANY; i++) { /* two that the map does not name keep the default */
      assert_int_equal(c->models[i].learn.steps, i < 2 ? 1000 : 9);
      assert_int_equal(c->models[i].learn.loss_points, 7);
    }
    vw_study_config_destroy(c);
    vw_problems_fini(&problems);
    free(text);
  }
}

/* Aliases make much of few bytes: a list that thousands of data sets share counts each time, and mappings of mappings of
 * aliases ("billion laughs") are never expanded. */
static void test_aliases(void **state) {
  (void)state;
  enum { NAMES = 300, SETS = 4000, LAUGHS = 24 };
  for (int laughs = 0; laughs < 2; laughs++) {
    char *text = NULL;
    size_t bytes = 0;
    vw_problems problems = {0};
    vw_study_config *c = NULL;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    (void)fprintf(out, "models: {m: {weights: w}}\ntrials: {anchors: [the]}\n");
    for (int i = 0; laughs && i <= LAUGHS; i++)
      (void)fprintf(out, i ? "x%d: &x%d {a: *x%d, b: *x%d}\n" : "x%d: &x%d {a: 1}\n", i, i, i - 1, i - 1);
    (void)fprintf(out, "data:\n  d: {root: r, concepts: &all [");
    for (int i = 0; i < NAMES; i++) (void)fprintf(out, "n%d,", i);
    (void)fprintf(out, "]}\n");
    for (int i = 0; !laughs && i < SETS; i++) (void)fprintf(out, "  d%d: {root: r, concepts: *all}\n", i);
    assert_int_equal(fclose(out), 0);
    assert_ok(vw_study_config_parse("s.yaml", text, bytes, &vw_test_kinds, &problems, &c));
    bool told = false;
    for (int64_t i = 0; i < problems.n; i++)
      told |= strstr(problems.item[i].text, laughs ? "x24: unknown key" : "too long together") != NULL;
    assert_true(told);
    vw_study_config_destroy(c);
    vw_problems_fini(&problems);
    free(text);
  }
}

/* Many models times many data sets: refused at once, with nothing allocated for each pair. */
static void test_many_pairs(void **state) {
  (void)state;
  enum { MANY = 2000 };
  char *text = NULL;
  size_t bytes = 0;
  vw_study_config *c = NULL;
  FILE *out = open_memstream(&text, &bytes);
  assert_non_null(out);
  (void)fprintf(out, "trials: {anchors: [the]}\ndata:\n");
  for (int i = 0; i < MANY; i++) (void)fprintf(out, "  d%d: {root: r, concepts: [a]}\n", i);
  (void)fprintf(out, "models:\n");
  for (int i = 0; i < MANY; i++) (void)fprintf(out, "  m%d: {weights: w}\n", i);
  assert_int_equal(fclose(out), 0);
  assert_int_equal(vw_study_config_parse("s.yaml", text, bytes, &vw_test_kinds, NULL, &c), VW_ERR_INPUT);
  assert_string_equal(vw_error_message(), "s.yaml:2004:3: models: 2000 on 2000 data sets are more than 65536 pairs");
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_wrong),        cmocka_unit_test(test_wrong_of_a_model), cmocka_unit_test(test_many),
      cmocka_unit_test(test_missing_file), cmocka_unit_test(test_many_models),      cmocka_unit_test(test_aliases),
      cmocka_unit_test(test_many_pairs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
