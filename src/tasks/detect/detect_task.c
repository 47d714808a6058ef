/* The row of detection: which functions stand behind its door. */
#include "tasks/detect/detect.h"
#include "tasks/detect/detect_graph.h"
#include "tasks/sentences.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- from sizes alone -------------------------------------------------------------------------------------------- */

/* As many boxes as the pictures of a concept can have. Of pictures that are not there: ASSUMED each. */
static int64_t most_boxes(const vw_task_inputs *in, int64_t N) {
  enum { ASSUMED = 4 };
  const vw_picture_set *p = in->pictures;
  int64_t most = 1, of_picture = 1;
  for (int64_t o = 0; o < p->n_owners; o++) {
    int64_t n = 0;
    for (int64_t i = 0; i < p->owners[o].n_chosen; i++) {
      const int64_t one = p->is_counted ? ASSUMED : vw_detect_count_boxes(p, p->owners[o].chosen[i], o, N);
      n += one;
      if (one > of_picture) of_picture = one;
    }
    if (n > most) most = n;
  }
  const bool has_null = in->concepts > p->data->concepts.n; /* whose pictures are drawn from those of all classes */
  return has_null && p->data->train * of_picture > most ? p->data->train * of_picture : most;
}

/* As many pictures as a concept can have. */
static vw_status shape(const vw_task_inputs *in, int64_t rows, vw_step_shape *s) {
  const vw_picture_set *p = in->pictures;
  vw_prompt_sizes prompts;
  const vw_names *judging = &in->model->judge.templates;
  if (judging->n)
    VW_TRY(vw_prompt_sizes_of(in->network, judging->name, judging->n, in->vectors, &prompts)); /* can be */
  VW_TRY(vw_sentence_sizes(in, &prompts));
  s->K = rows;
  s->size[VW_DETECT_M] = prompts.M, s->size[VW_DETECT_P] = prompts.P, s->size[VW_DETECT_T] = prompts.T;
  s->size[VW_DETECT_STREAMS] = in->model->learn.streams == VW_STREAMS_CONCEPT ? 1 : rows;
  for (int64_t o = 0; o < p->n_owners; o++)
    if (p->owners[o].n_chosen > s->size[VW_DETECT_POSITIVES]) s->size[VW_DETECT_POSITIVES] = p->owners[o].n_chosen;
  const int64_t all = p->train_scenes.n, most = in->model->learn.negatives ? p->data->negatives : 0;
  if (in->concepts > p->data->concepts.n && p->data->train > s->size[VW_DETECT_POSITIVES]) /* a null concept's */
    s->size[VW_DETECT_POSITIVES] = p->data->train < all ? p->data->train : all;
  s->size[VW_DETECT_NEGATIVES] = most < all ? most : all;
  s->size[VW_DETECT_PATCHES] = vw_owlv2_patches(vw_owlv2_of(in->network));
  if (in->model->learn.matching == VW_MATCHING_DYNAMIC)
    s->size[VW_DETECT_BOXES] = most_boxes(in, s->size[VW_DETECT_PATCHES]);
  return VW_OK;
}

static vw_status loss(const vw_task_inputs *in, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                      vw_value *out) {
  const vw_owlv2_network *n = vw_owlv2_of(in->network);
  const vw_detect_step c = {
      .text = &n->clip.net.text.tower, .learn = &in->model->learn, .type = vw_owlv2_embedding_type(n)};
  return vw_detect_loss(&c, g, s, step, out);
}

enum { PICTURES, TEXTS, JUDGING, PASSES };
static const vw_task_pass passes[PASSES] = {[PICTURES] = {"pictures", "a picture", .has_own_weights = true},
                                            [TEXTS] = {.name = "texts", .per = "texts"},
                                            [JUDGING] = {.name = "judging", .per = "words and a picture"}};

static vw_status pass(const vw_task_inputs *in, int i, vw_graph *g, const vw_policy **policy) {
  const vw_owlv2_network *n = vw_owlv2_of(in->network);
  vw_prompt_sizes s;
  *policy = i == PICTURES ? &n->clip.image_policy : &n->clip.net.policy;
  if (i == PICTURES) return vw_owlv2_picture_graph(g, n);
  if (i == JUDGING) return vw_detect_logits_graph(g, n, VW_DETECT_WORDS);
  VW_TRY(vw_sentence_sizes(in, &s));
  const int64_t tokens = s.P + s.T, positions = n->clip.net.text.tower.positions;
  return vw_text_pass_graph(g, &n->clip, tokens < positions ? tokens : positions);
}

/* ---- how long it takes ------------------------------------------------------------------------------------------- */

static int64_t product_rows(const vw_step_shape *s) {
  return s->size[VW_DETECT_T];
}

/* Every template has the longest prefix and tail, pools are the pictures in order. */
static int32_t made_up(const vw_step_shape *s, const char *name, int64_t j) {
  const int64_t *size = s->size;
  if (!strcmp(name, "row_word") || !strcmp(name, "template_pool") || !strcmp(name, "positive_pool")) return (int32_t)j;
  if (!strcmp(name, "row_stream")) return (int32_t)(j * size[VW_DETECT_STREAMS] / s->K);
  if (!strcmp(name, "negative_pool")) return (int32_t)(size[VW_DETECT_POSITIVES] + j);
  if (!strcmp(name, "template_count")) return (int32_t)size[VW_DETECT_M];
  if (!strcmp(name, "positive_count")) return (int32_t)size[VW_DETECT_POSITIVES];
  if (!strcmp(name, "negative_count")) return (int32_t)size[VW_DETECT_NEGATIVES];
  if (!strcmp(name, "boxes")) return j < size[VW_DETECT_POSITIVES];
  if (!strcmp(name, "first_box"))
    return (int32_t)(j < size[VW_DETECT_POSITIVES] ? j * size[VW_DETECT_BOXES] / size[VW_DETECT_POSITIVES]
                                                   : size[VW_DETECT_BOXES]);
  if (!strcmp(name, "matched")) return j % size[VW_DETECT_PATCHES] == 0;
  if (!strcmp(name, "length_of")) return (int32_t)size[VW_DETECT_T];
  if (!strcmp(name, "pooled_of")) return (int32_t)(size[VW_DETECT_T] - 1);
  if (!strcmp(name, "prefix_len")) return (int32_t)size[VW_DETECT_P];
  return 0;
}

static void name_part(vw_part_name *name, const char *what, const vw_transformer_config *t, int64_t size) {
  (void)snprintf(name->kind, sizeof name->kind, "%s %" PRId64 "x%" PRId64, what, t->width, t->layers);
  name->shape = vw_hash_bytes(&size, sizeof size);
}

/* Opening computes next to nothing; judging is counted by its pictures, caching too. */
static vw_status part(const vw_task_inputs *in, vw_task_part what, int piece, vw_graph *g, const vw_policy **policy,
                      vw_part_name *name) {
  (void)piece;
  const vw_owlv2_network *n = vw_owlv2_of(in->network);
  if (what == VW_PART_OPEN) {
    name_part(name, "owl texts", &n->clip.net.text.tower.t, n->clip.net.text.tower.positions);
    return pass(in, TEXTS, g, policy);
  }
  name_part(name, "owl picture", &n->clip.vision.t, n->clip.vision.image_size);
  return pass(in, PICTURES, g, policy);
}

/* ---- what is kept of pictures ------------------------------------------------------------------------------------ */

static vw_status list_of(const vw_task_inputs *in, vw_patch_list *l, int64_t **scene) {
  *l = (vw_patch_list){
      .set = in->pictures, .network = vw_owlv2_of(in->network), .weights = in->weights, .cache = in->cache};
  VW_TRY(vw_detect_wanted(in, scene, &l->n));
  l->scene = *scene;
  return VW_OK;
}

static vw_status missing(const vw_task_inputs *in, int64_t *n) {
  vw_patch_list l;
  int64_t *scene = NULL;
  VW_TRY(list_of(in, &l, &scene));
  const vw_status st = vw_patches_missing(&l, n);
  free(scene);
  return st;
}

/* Every picture is judged once whatever the words: it is shared out among the concepts, each of which asks twice, for a
 * block and for its baselines (more often where it has more blocks). */
static vw_status part_runs(const vw_task_inputs *in, vw_task_part what, int piece, int64_t words, double *runs) {
  (void)piece;
  const int64_t asked = 2 * (in->concepts > 0 ? in->concepts : 1);
  int64_t n = 1;
  if (what == VW_PART_CACHE) VW_TRY(missing(in, &n));
  if (what == VW_PART_JUDGE) n = words ? (in->pictures->test_scenes.n + asked - 1) / asked : 0;
  *runs = (double)n;
  return VW_OK;
}

static vw_status part_items(const vw_task_inputs *in, vw_task_part what, int64_t *n) {
  int64_t pictures = 0;
  if (what == VW_PART_CACHE) VW_TRY(missing(in, &pictures));
  *n = (pictures + VW_PATCHES_AT_ONCE - 1) / VW_PATCHES_AT_ONCE;
  return VW_OK;
}

static vw_status time_cache(const vw_task_inputs *in, double seconds, double *one) {
  vw_patch_list l;
  int64_t *scene = NULL;
  VW_TRY(list_of(in, &l, &scene));
  const vw_status st = vw_patches_time(&l, seconds, one);
  free(scene);
  return st;
}

static vw_status cache(const vw_task_inputs *in, const vw_ranks *ranks, const vw_task_hooks *hooks, int64_t *computed,
                       bool *stopped) {
  vw_patch_list l;
  int64_t *scene = NULL;
  VW_TRY(vw_agree_message(ranks, list_of(in, &l, &scene)));
  const vw_status st = vw_patches_ensure(&l, ranks, hooks, computed, stopped);
  free(scene);
  return st;
}

static int64_t cached(const vw_task_inputs *in) {
  vw_patch_list l;
  int64_t *scene = NULL;
  if (list_of(in, &l, &scene) != VW_OK) {
    vw_error_clear(); /* who makes them tells */
    return 0;
  }
  free(scene);
  return l.n;
}

static double cache_bytes(const vw_task_inputs *in) {
  return (double)cached(in) * vw_patches_bytes(vw_owlv2_of(in->network));
}

/* ---- the row ----------------------------------------------------------------------------------------------------- */

static void close_task(vw_task *task) {
  vw_detect *t = (vw_detect *)task;
  if (!t) return;
  vw_detect_judge_destroy(t->judging);
  vw_prompts_free(&t->prompts), vw_prompts_free(&t->judge_prompts);
  free(t);
}

static vw_status open_task(vw_task **out, const vw_task_inputs *in) {
  vw_detect *t = calloc(1, sizeof *t);
  *out = NULL;
  VW_CHECK(t, VW_ERR_MEMORY, "out of memory");
  t->task = (vw_task){.kind = &vw_detection_kind, .in = *in};
  t->network = vw_owlv2_of(in->network), t->learn = &in->model->learn, t->pictures = in->pictures;
  const vw_names *judging = &in->model->judge.templates;
  vw_status st = vw_sentences_open(&t->prompts, in->network, t->learn, in->vectors, &t->judge);
  if (st == VW_OK && judging->n)
    st = vw_prompts_create(&t->judge_prompts, in->network, judging->name, judging->n, in->vectors);
  if (st == VW_OK) {
    *out = &t->task;
    return VW_OK;
  }
  close_task(&t->task);
  return vw_fail(st, __FILE__, __LINE__, "task of data set '%s'", in->pictures->data->name);
}

/* Every concept and null concept has pictures to learn from, against and to be judged on. */
static vw_status check(const vw_task_inputs *in, int64_t null_concepts) {
  int64_t *scene = NULL, n = 0;
  vw_task_inputs all = *in;
  all.concepts = in->pictures->data->concepts.n + null_concepts;
  const vw_status st = vw_detect_wanted(&all, &scene, &n);
  free(scene);
  return st;
}

static const vw_metric metrics[VW_DETECT_METRICS] = {
    [VW_COCO_AP] = {"ap", "1", "average precision over overlaps from .50 to .95, as COCO has it", true},
    [VW_COCO_AP50] = {"ap50", "1", "the same at an overlap of .50", true},
    [VW_COCO_AP75] = {"ap75", "1", "the same at an overlap of .75", true},
    [VW_COCO_AP_SMALL] = {"ap_small", "1", "ap of boxes of at most 32 x 32 pixels", true},
    [VW_COCO_AP_MEDIUM] = {"ap_medium", "1", "ap of boxes between them", true},
    [VW_COCO_AP_LARGE] = {"ap_large", "1", "ap of boxes of at least 96 x 96 pixels", true},
    [VW_COCO_AR_1] = {"ar_1", "1", "share of boxes found with one box a picture, over overlaps", true},
    [VW_COCO_AR_10] = {"ar_10", "1", "the same with ten", true},
    [VW_COCO_AR_100] = {"ar_100", "1", "the same with a hundred", true},
    [VW_COCO_AR_SMALL] = {"ar_small", "1", "the same of small boxes", true},
    [VW_COCO_AR_MEDIUM] = {"ar_medium", "1", "the same of boxes between them", true},
    [VW_COCO_AR_LARGE] = {"ar_large", "1", "the same of large boxes", true},
    [VW_DETECT_VOC] = {"voc_ap", "1",
                       "average precision at an overlap of .50 as PASCAL VOC has it (area), of the best "
                       "100 boxes a picture",
                       true}};

const vw_task_kind vw_detection_kind = {
    .name = "detection",
    .sees = VW_SEES_SCENES | VW_SEES_TEST,
    .keys = "learn.batch.negatives learn.matching data.<name>.pictures.negatives judge.suppression "
            "judge.templates",
    .defaults = "learn.batch.positives=4 learn.batch.negatives=4",
    .metrics = metrics,
    .n_metrics = VW_DETECT_METRICS,
    .metrics_are = "precision and recall of boxes on pictures that were held out "
                   "(docs/protocol.md)",
    .headline = VW_COCO_AP50,
    .loss_unit = "1",
    .most_rows = 64,
    .concepts_per_block = 1,
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
    .open = open_task,
    .close = close_task,
    .begin = vw_detect_begin,
    .leaves = vw_detect_leaves,
    .end = vw_detect_end,
    .shares_parts = VW_SHARED_BY_ALL,
    .lends_to_cut = true,
    .judge_parts = vw_detect_judge_parts,
    .judge_picture = vw_detect_judge_part,
    .judge_end = vw_detect_judge_end,
    .kept = &vw_detect_kept,
    .kept_dims = vw_detect_kept_dims,
    .judge_kept = vw_detect_judge_kept,
    .shown = vw_detect_shown,
    .draws = vw_detect_draws,
    .check = check};
