/* The row of classification: which functions stand behind its door. */
#include "tasks/classify/class_texts.h"
#include "tasks/classify/classify.h"
#include "tasks/classify/classify_ensemble.h"
#include "tasks/classify/classify_graph.h"
#include "tasks/classify/classify_judge.h"
#include "tasks/features.h"

#include "core/random.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- from sizes alone -------------------------------------------------------------------------------------------- */

/* The sizes that the templates give; the judging one is counted even where it is among the others. */
static vw_status prompt_sizes(const vw_task_inputs *in, vw_prompt_sizes *s) {
  const vw_learn_config *learn = &in->model->learn;
  const char **texts = malloc((size_t)(learn->templates.n + 1) * sizeof *texts);
  VW_CHECK(texts, VW_ERR_MEMORY, "templates: out of memory");
  for (int64_t i = 0; i < learn->templates.n; i++) texts[i] = learn->templates.name[i];
  texts[learn->templates.n] = learn->judge_template;
  const vw_status st = vw_prompt_sizes_of(in->network, texts, learn->templates.n + 1, in->vectors, s);
  free((void *)texts);
  return st;
}

/* A block whose rows are spread over as many concepts as can be: the largest pools and tables. */
static vw_status shape(const vw_task_inputs *in, int64_t rows, vw_step_shape *s) {
  const vw_picture_set *p = in->pictures;
  const int64_t slots = rows < in->concepts ? rows : in->concepts;
  const vw_names *judging = &in->model->judge.templates;
  vw_prompt_sizes prompts;
  if (judging->n)
    VW_TRY(vw_prompt_sizes_of(in->network, judging->name, judging->n, in->vectors, &prompts)); /* can be judged */
  VW_TRY(prompt_sizes(in, &prompts));
  s->K = rows;
  s->size[VW_CLASSIFY_SLOTS] = slots < 1 ? 1 : slots;
  s->size[VW_CLASSIFY_M] = prompts.M, s->size[VW_CLASSIFY_P] = prompts.P, s->size[VW_CLASSIFY_T] = prompts.T;
  s->size[VW_CLASSIFY_PICTURES] = p->n_train;
  s->size[VW_CLASSIFY_POSITIVES] = slots * p->data->train, s->size[VW_CLASSIFY_NEGATIVES] = slots * p->n_train;
  return VW_OK;
}

static vw_status loss(const vw_task_inputs *in, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                      vw_value *out) {
  const vw_clip_network *n = vw_clip_of(in->network);
  const vw_classify_step c = {.text = &n->net.text.tower, .learn = &in->model->learn, .scale = n->scale};
  return vw_classify_loss(&c, g, s, step, out);
}

enum { PICTURES, TEXTS, PASSES };
static const vw_task_pass passes[PASSES] = {
    [PICTURES] = {"pictures", "a picture", .has_own_weights = true}, [TEXTS] = {.name = "texts", .per = "texts"}};

static vw_status pass(const vw_task_inputs *in, int i, vw_graph *g, const vw_policy **policy) {
  const vw_clip_network *n = vw_clip_of(in->network);
  vw_prompt_sizes s;
  *policy = i == PICTURES ? &n->image_policy : &n->net.policy;
  if (i == PICTURES) return vw_image_pass_graph(g, n);
  VW_TRY(prompt_sizes(in, &s));
  const int64_t tokens = s.P + s.T, positions = n->net.text.tower.positions;
  return vw_text_pass_graph(g, n, tokens < positions ? tokens : positions);
}

/* ---- how long it takes ------------------------------------------------------------------------------------------- */

enum { BATCH = 32 }; /* of texts and of words (networks/clip.h) */

static int64_t product_rows(const vw_step_shape *s) {
  return s->size[VW_CLASSIFY_T];
}

/* Every template has the longest prefix and tail, pools are the pictures in order. */
static int32_t made_up(const vw_step_shape *s, const char *name, int64_t j) {
  const int64_t *size = s->size, slots = size[VW_CLASSIFY_SLOTS], pictures = size[VW_CLASSIFY_PICTURES];
  if (!strcmp(name, "row_word") || !strcmp(name, "slot_pool")) return (int32_t)j;
  if (strstr(name, "tive_pool")) return (int32_t)(j % (pictures > 0 ? pictures : 1));
  if (!strcmp(name, "positive_count")) return (int32_t)(size[VW_CLASSIFY_POSITIVES] / slots);
  if (!strcmp(name, "negative_count")) return (int32_t)(size[VW_CLASSIFY_NEGATIVES] / slots);
  if (!strcmp(name, "slot_count")) return (int32_t)size[VW_CLASSIFY_M];
  if (!strcmp(name, "template_of") || !strcmp(name, "row_template")) return (int32_t)(j % size[VW_CLASSIFY_M]);
  if (!strcmp(name, "length_of")) return (int32_t)size[VW_CLASSIFY_T];
  if (!strcmp(name, "pooled_of")) return (int32_t)(size[VW_CLASSIFY_T] - 1);
  if (!strcmp(name, "prefix_len")) return (int32_t)size[VW_CLASSIFY_P];
  return 0;
}

static void name_part(vw_part_name *name, const char *what, const vw_transformer_config *t, const int64_t *size,
                      size_t n) {
  (void)snprintf(name->kind, sizeof name->kind, "%s %" PRId64 "x%" PRId64, what, t->width, t->layers);
  name->shape = vw_hash_bytes(size, n * sizeof *size);
}

/* Encoding a batch of whole texts in the templates' length, a batch of words, a picture. */
static vw_status part(const vw_task_inputs *in, vw_task_part what, int piece, vw_graph *g, const vw_policy **policy,
                      vw_part_name *name) {
  (void)piece;
  const vw_clip_network *n = vw_clip_of(in->network);
  vw_prompt_sizes s;
  VW_TRY(prompt_sizes(in, &s));
  if (what == VW_PART_CACHE) name_part(name, "picture", &n->vision.t, &n->vision.image_size, 1);
  if (what == VW_PART_OPEN) name_part(name, "texts", &n->net.text.tower.t, (int64_t[]){s.P + s.T}, 1);
  if (what == VW_PART_JUDGE) name_part(name, "words", &n->net.text.tower.t, (int64_t[]){s.M, s.P, s.T}, 3);
  if (what != VW_PART_JUDGE) return pass(in, what == VW_PART_CACHE ? PICTURES : TEXTS, g, policy);
  *policy = &n->net.policy;
  return vw_clip_word_graph(g, &n->net.text.tower, BATCH, BATCH, &s);
}

static vw_status part_runs(const vw_task_inputs *in, vw_task_part what, int piece, int64_t words, double *runs) {
  (void)piece;
  int64_t n = 0;
  if (what == VW_PART_CACHE && in->pictures->is_counted)
    n = in->pictures->n_train + in->pictures->n_test;
  else if (what == VW_PART_CACHE)
    VW_TRY(vw_features_missing_pictures(in->pictures, vw_clip_of(in->network), in->weights, in->cache, &n));
  else if (what == VW_PART_OPEN) /* the sentences of judging are taken to be as long as those of learning */
    VW_TRY(vw_class_texts_missing(in, &n));
  const int64_t batches = ((what == VW_PART_JUDGE ? words : n) + BATCH - 1) / BATCH;
  *runs = (double)(what == VW_PART_CACHE ? n : what == VW_PART_JUDGE ? vw_ensemble_size(in->model) * batches : batches);
  return VW_OK;
}

/* A class is a file of features. */
static vw_status part_items(const vw_task_inputs *in, vw_task_part what, int64_t *n) {
  int64_t texts = 0;
  *n = in->pictures->n_owners;
  if (what == VW_PART_CACHE && !in->pictures->is_counted)
    return vw_features_missing(in->pictures, vw_clip_of(in->network), in->weights, in->cache, n);
  if (what != VW_PART_OPEN) return VW_OK;
  VW_TRY(vw_class_texts_missing(in, &texts));
  *n = vw_class_texts_files(texts);
  return VW_OK;
}

static vw_status time_cache(const vw_task_inputs *in, double seconds, double *one) {
  return vw_features_time(in->pictures, vw_clip_of(in->network), seconds, one);
}

/* ---- features of pictures and texts ------------------------------------------------------------------------------ */

static vw_status missing(const vw_task_inputs *in, int64_t *n) {
  return vw_features_missing(in->pictures, vw_clip_of(in->network), in->weights, in->cache, n);
}

static vw_status cache(const vw_task_inputs *in, const vw_ranks *ranks, const vw_task_hooks *hooks, int64_t *computed,
                       bool *stopped) {
  VW_TRY(vw_features_ensure(in->pictures, vw_clip_of(in->network), in->weights, ranks, in->cache, hooks, computed,
                            stopped));
  return *stopped ? VW_OK : vw_class_texts_ensure(in, ranks, hooks, computed, stopped);
}

static double cache_bytes(const vw_task_inputs *in) {
  return (double)(in->pictures->n_train + in->pictures->n_test) *
         (double)vw_clip_feature_bytes(vw_clip_of(in->network));
}

static int64_t cached(const vw_task_inputs *in) {
  return in->pictures->n_train + in->pictures->n_test + vw_class_texts_kept(in);
}

static bool shares_open(const vw_task_inputs *in) {
  return vw_class_texts_kept(in) > 0;
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

static vw_status judge(vw_task *task, const vw_judged *w, double *metrics) {
  vw_classify *t = (vw_classify *)task;
  vw_slot slot = {0};
  vw_others others;
  vw_judge judge = {0};
  vw_status st = VW_OK;
  void *q = malloc((size_t)w->n * vw_clip_feature_bytes(t->network) + 1);
  if (!q) st = VW_RAISE(VW_ERR_MEMORY, "evaluation: out of memory");
  if (st != VW_OK) goto cleanup;
  VW_GOTO(vw_ensemble_open(t));
  VW_GOTO(vw_slot_create(&slot, t, w->concept, w->null_concept));
  VW_GOTO(vw_slot_others(&slot, t, w->concept, &others));
  VW_GOTO(vw_judge_create(&judge, t, &slot, &others));
  VW_GOTO(vw_ensemble_encode(t, w, q));
  VW_GOTO(vw_judge_features(&judge, q, w->n, metrics));
cleanup:
  vw_judge_free(&judge);
  vw_slot_free(&slot);
  free(q);
  return st;
}

/* ---- draws ------------------------------------------------------------------------------------------------------- */

static vw_status tell_set(const vw_draw_sink *to, const vw_classify *t, const vw_slot *slot, uint64_t key, bool watch,
                          int64_t n) {
  vw_draw_list d;
  const int64_t pos = t->learn->positives, neg = t->learn->negatives;
  VW_TRY(to->add(to->user, watch ? "watch_template" : "template", vw_shape(VW_I32, n), &d.template));
  VW_TRY(to->add(to->user, watch ? "watch_positive" : "positive", vw_shape(VW_I32, n, pos), &d.positive));
  VW_TRY(to->add(to->user, watch ? "watch_negative" : "negative", vw_shape(VW_I32, n, neg), &d.negative));
  vw_classify_draws(t, slot, key, watch, 0, n, &d);
  return VW_OK;
}

static vw_status tell_copy(const vw_draw_sink *to, const char *name, const int32_t *x, int64_t n) {
  int32_t *data = NULL;
  VW_TRY(to->add(to->user, name, vw_shape(VW_I32, n), &data));
  memcpy(data, x, (size_t)n * sizeof *x);
  return VW_OK;
}

static vw_status draws(vw_task *task, const vw_trial *trial, uint64_t key, const vw_draw_sink *to) {
  const vw_classify *t = (const vw_classify *)task;
  vw_slot slot = {0};
  vw_others others;
  vw_status st = vw_slot_create(&slot, t, trial->concept, trial->null_concept);
  if (st == VW_OK) st = tell_set(to, t, &slot, key, false, t->learn->steps);
  if (st == VW_OK) st = tell_set(to, t, &slot, key, true, vw_task_watch_draws(&vw_classification_kind, t->learn));
  if (st == VW_OK) st = vw_slot_others(&slot, t, trial->concept, &others);
  if (st == VW_OK) st = tell_copy(to, "others_10", others.class_index, others.n);
  if (st == VW_OK) st = tell_copy(to, "random_word", &to->random_word, 1);
  if (st == VW_OK && trial->null_concept) st = tell_copy(to, "null_train", slot.positive, slot.n_positive);
  if (st == VW_OK && trial->null_concept) st = tell_copy(to, "null_test", slot.test, slot.n_test);
  vw_slot_free(&slot);
  return st;
}

/* ---- the row ----------------------------------------------------------------------------------------------------- */

static vw_status open_task(vw_task **out, const vw_task_inputs *in) {
  vw_classify *t = NULL;
  const vw_status st = vw_classify_open(&t, in);
  *out = t ? &t->task : NULL;
  return st;
}

static void close_task(vw_task *t) {
  vw_classify_close((vw_classify *)t);
}

/* A step draws pictures of other classes: for a concept those that are not its own, for a null concept those that it
 * was not made of. */
static vw_status check(const vw_task_inputs *in, int64_t null_concepts) {
  const vw_picture_set *p = in->pictures;
  VW_CHECK(!null_concepts || p->class_train > p->data->train, VW_ERR_INPUT,
           "the classes have %" PRId64 " training pictures, a null concept takes %" PRId64
           " and leaves none to tell it from; add pictures, or set pictures.train or trials.null_concepts",
           p->class_train, p->data->train);
  VW_CHECK(p->n_classes != 1 || p->n_owners != 1, VW_ERR_INPUT,
           "'%s' is the only class: nothing to tell it from; add classes", p->owners[0].name);
  return VW_OK;
}

static const vw_metric metrics[VW_CLASSIFY_METRICS] = {
    [VW_RECALL] = {"recall", "1", "share of the concept's pictures that the word wins against all classes", true},
    [VW_RECALL_10] = {"recall_10", "1", "the same against nine other classes", true},
    [VW_ACCURACY] = {"accuracy", "1", "share of all pictures that are taken for their own class", true},
    [VW_OTHERS_ACCURACY] = {"others", "1", "the same of the other classes' pictures", true}};

const vw_task_kind vw_classification_kind = {.name = "classification",
                                             .sees = VW_SEES_CROPS | VW_SEES_TEST,
                                             .keys = "learn.batch.negatives judge.templates",
                                             .metrics = metrics,
                                             .n_metrics = VW_CLASSIFY_METRICS,
                                             .metrics_are = "shares of held-out pictures (docs/protocol.md)",
                                             .metric_scale = "metric",
                                             .headline = VW_RECALL,
                                             .loss_unit = "nat",
                                             .most_rows = 64,
                                             .passes = passes,
                                             .n_passes = PASSES,
                                             .shape = shape,
                                             .loss = loss,
                                             .pass = pass,
                                             .product_rows = product_rows,
                                             .made_up = made_up,
                                             .part = part,
                                             .part_runs = part_runs,
                                             .part_items = part_items,
                                             .time_cache = time_cache,
                                             .missing = missing,
                                             .cache = cache,
                                             .cache_bytes = cache_bytes,
                                             .cached = cached,
                                             .cached_are = "pictures and texts",
                                             .shares_open = shares_open,
                                             .open = open_task,
                                             .close = close_task,
                                             .begin = vw_classify_begin,
                                             .leaves = vw_classify_leaves,
                                             .end = vw_classify_end,
                                             .judge = judge,
                                             .draws = draws,
                                             .check = check};
