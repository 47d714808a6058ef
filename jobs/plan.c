/* `plan`: what a study would do. Never calls MPI_Init. */
#include "bench/stand_in.h"
#include "jobs/predict.h"
#include "jobs/session.h"

#include "core/text.h"
#include "io/json.h"
#include <jansson.h>
#include <stdlib.h>

/* The largest block of a plan. */
typedef struct largest_block {
  vw_learn_memory memory;
  const vw_task_kind *task; /* NULL: there is none */
  const vw_block *block;
  int64_t kept; /* bytes of the block if its steps kept all */
  double more;  /* operations of a step that makes segments again, as a part of one that keeps all */
} largest_block;

static vw_status find_largest(vw_session *s, largest_block *l) {
  vw_block_cost now, kept;
  vw_block whole;
  *l = (largest_block){0};
  VW_TRY(vw_session_memory(s, &l->memory, &l->task, &l->block));
  if (!l->block || l->block->segments <= 1) return VW_OK;
  whole = *l->block, whole.segments = 1;
  VW_TRY(vw_session_cost(s, l->block, &now));
  VW_TRY(vw_session_cost(s, &whole, &kept));
  l->kept = kept.memory.block, l->more = now.step.flops / kept.step.flops - 1;
  return VW_OK;
}

static void print_memory(const vw_session *s, const largest_block *l) {
  const bool device = s->ctx.backend == VW_CUDA;
  const vw_learn_memory *m = &l->memory;
  const vw_task_kind *task = l->task;
  (void)vw_print(stdout, "  memory of a rank%s: %.1f MiB for the largest block", device ? " on its device" : "",
                 (double)m->block / 1048576);
  if (l->kept)
    (void)vw_print(stdout, " (its forward pass made again in %lld segments, for %.0f %% more operations; %.1f without)",
                   (long long)l->block->segments, 100 * l->more, (double)l->kept / 1048576);
  for (int i = 0; task && i < task->n_passes; i++)
    (void)vw_print(stdout, ", %.1f for %s", (double)m->pass[i] / 1048576, task->passes[i].per);
  (void)vw_print(stdout, "; weights %.1f\n", (double)m->weights / 1048576);
}

/* ---- what is missing --------------------------------------------------------------------------------------------- */

/* Where data sets come from, by vw_data_kind. */
static const char *const sources[] = {
    [VW_DATA_FOLDERS] = "pictures of your own: a folder a class (docs/data-sets.md)",
    [VW_DATA_DREAMBOOTH] = "the folder dataset of github.com/google/dreambooth",
    [VW_DATA_COCO] = "train2017.zip, val2017.zip and annotations_trainval2017.zip of cocodataset.org",
    [VW_DATA_VOC] = "VOCdevkit/VOC2012 of VOCtrainval_11-May-2012.tar, host.robots.ox.ac.uk/pascal/VOC",
    [VW_DATA_IMAGENET] = "ILSVRC of image-net.org, or of Kaggle's imagenet-object-localization-challenge"};

typedef struct absent_network {
  const char *model, *hub, *weights;
  bool judges;
} absent_network;

/* The i-th network that is not there: models, then judges. False: none behind it. */
static bool absent_at(const vw_session *s, int64_t i, absent_network *a) {
  for (int64_t m = 0; m < 2 * s->config->n_models; m++) {
    const bool judges = m >= s->config->n_models;
    const int64_t model = m % s->config->n_models;
    const vw_model_config *c = &s->config->models[model];
    const vw_session_stand_in *stands_in = &s->stands_in[model];
    if (!(judges ? stands_in->judge : stands_in->model) || i-- > 0) continue;
    const vw_network_kind *kind = judges ? s->kinds[model]->task->judge_kind : s->kinds[model]->network;
    *a = (absent_network){c->name, NULL, judges ? c->judge.weights : c->weights, judges};
    a->hub = vw_stand_in_of(a->weights, kind->name);
    return true;
  }
  return false;
}

static vw_picture_set *counted_at(const vw_session *s, int64_t i) {
  for (int64_t k = 0; k < s->n_sets; k++)
    if (s->sets[k].pictures->is_counted && i-- == 0) return s->sets[k].pictures;
  return NULL;
}

/* The networks and data sets that are not there, what of their sizes the plan follows from, and where they belong. */
static void print_missing(const vw_session *s) {
  absent_network a;
  const vw_picture_set *p = NULL;
  for (int64_t i = 0; absent_at(s, i, &a); i++)
    (void)vw_print(stdout, "missing: %s%s, for which the sizes of %s stand: hf download %s --local-dir %s\n",
                   a.judges ? "the judge of " : "", a.model, a.hub, a.hub, a.weights);
  for (int64_t i = 0; (p = counted_at(s, i)); i++)
    (void)vw_print(stdout,
                   "missing: %s, for which its counts stand: %lld classes, %lld training and %lld test pictures; put "
                   "it into %s (kind %s, docs/data-sets.md): %s\n",
                   p->data->name, (long long)p->n_classes, (long long)p->n_train, (long long)p->n_test, p->data->root,
                   vw_data_kind_name(p->data), sources[p->data->kind]);
}

/* Of everything that is computed once and kept: on disk, and in a rank's memory while it learns. */
static double cache_bytes(const vw_session *s) {
  const int64_t n = s->config->n_data;
  double bytes = 0;
  for (int64_t i = 0; i < s->config->n_models * n; i++) {
    if (!vw_study_learns_on(s->config, i / n, i % n)) continue;
    const vw_task_inputs in = vw_session_inputs(s, i / n, i % n);
    bytes += in.pictures ? s->kinds[i / n]->task->cache_bytes(&in) : 0;
  }
  return bytes;
}

static json_t *json_missing(const vw_session *s) {
  json_t *all = json_array();
  absent_network a;
  const vw_picture_set *p = NULL;
  for (int64_t i = 0; absent_at(s, i, &a); i++)
    json_array_append_new(all, json_pack("{s:s, s:b, s:s, s:o}", "model", a.model, "judge", a.judges, "hub", a.hub,
                                         "weights", vw_json_name(a.weights)));
  for (int64_t i = 0; (p = counted_at(s, i)); i++)
    json_array_append_new(all, json_pack("{s:s, s:o, s:s, s:I, s:I, s:I}", "data", p->data->name, "root",
                                         vw_json_name(p->data->root), "kind", vw_data_kind_name(p->data), "classes",
                                         (json_int_t)p->n_classes, "train", (json_int_t)p->n_train, "test",
                                         (json_int_t)p->n_test));
  return all;
}

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

static void print_json(const vw_session *s, const largest_block *l, const vw_prediction *p) {
  const vw_learn_memory *m = &l->memory;
  const vw_task_kind *task = l->task;
  json_t *blocks = json_array();
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    char id[VW_HASH_TEXT];
    vw_hash_text(b->id, id);
    json_array_append_new(blocks, json_pack("{s:s*, s:s, s:s, s:I, s:I}", "id", s->is_counted ? NULL : id, "model",
                                            b->model, "data", b->data, "trials", (json_int_t)b->n, "selected",
                                            (json_int_t)b->n_selected));
  }
  json_t *memory = json_pack("{s:I, s:I}", "peak", (json_int_t)m->peak, "weights", (json_int_t)m->weights);
  for (int i = 0; task && i < task->n_passes; i++)
    json_object_set_new(memory, task->passes[i].name, json_integer((json_int_t)m->pass[i]));
  json_object_set_new(memory, "block", json_integer((json_int_t)m->block));
  json_object_set_new(memory, "segments", json_integer(l->block ? (json_int_t)l->block->segments : 1));
  if (l->kept) json_object_set_new(memory, "block_kept", json_integer((json_int_t)l->kept));
  if (l->kept) json_object_set_new(memory, "more_operations", json_real(l->more));
  json_t *all = json_pack("{s:s, s:I, s:I, s:I, s:o, s:o}", "study", s->config->study, "trials",
                          (json_int_t)s->plan->n_selected, "new", (json_int_t)s->plan->n_new, "ranks",
                          (json_int_t)s->config->ranks, "memory", memory, "blocks", blocks);
  json_t *seconds = json_pack("{s:s, s:I, s:i}", "from", vw_rate_source_name(p->source), "ranks", (json_int_t)p->ranks,
                              "threads", s->ctx.threads);
  for (int i = 0; i < VW_PREDICT_STAGES; i++)
    if (vw_predict_has(s, i)) json_object_set_new(seconds, vw_predict_names[i], json_real(p->seconds[i]));
  json_object_set_new(all, "seconds", seconds);
  json_object_set_new(all, "cache_bytes", json_real(cache_bytes(s)));
  if (s->is_counted) json_object_set_new(all, "missing", json_missing(s));
  (void)vw_json_print(all, JSON_INDENT(1), stdout);
  (void)vw_print(stdout, "\n");
  json_decref(all);
}

static vw_status show(vw_session *s, int64_t ranks, bool measure) {
  largest_block largest;
  vw_prediction prediction;
  double *cost = NULL;
  absent_network absent;
  vw_status st = VW_OK;
  if (measure && absent_at(s, 0, &absent))
    VW_GOTO(VW_RAISE(VW_ERR_INPUT, "--measure needs the networks, and %s is not there: hf download %s --local-dir %s",
                     absent.weights, absent.hub, absent.weights));
  VW_GOTO(find_largest(s, &largest));
  VW_GOTO(vw_session_costs(s, &cost));
  VW_GOTO(vw_session_predict(s, ranks, measure, &prediction, NULL, NULL));
  if (s->options.json) {
    print_json(s, &largest, &prediction);
    goto cleanup;
  }
  VW_GOTO(vw_plan_print(s->plan, s->config->ranks, cost, stdout));
  print_memory(s, &largest);
  (void)vw_print(stdout, "  cache: %.1f MiB for what pictures look like to the networks\n", cache_bytes(s) / 1048576);
  vw_predict_print(s, &prediction);
  if (s->is_counted) print_missing(s);
  if (s->is_undecided)
    (void)vw_print(stdout,
                   "  plan.backend is auto: the first learn decides it, cuda where every rank has a device, else cpu; "
                   "this is cpu's plan\n");
cleanup:
  free(cost);
  return st;
}

int vw_job_plan(int argc, char **argv) {
  vw_session_options o = {0};
  const char *positional[1];
  bool keys = false, measure = false;
  int64_t ranks = 0;
  const vw_option options[] = {
      {"out", 'o', VW_OPT_STRING, &o.out, "DIR", "look at the plan of this output directory too"},
      {"backend", 'b', VW_OPT_STRING, &o.backend, "NAME", "auto, ref, cpu, cuda"},
      {"precision", 0, VW_OPT_STRING, &o.precision, "NAME",
       "of cuda: auto, fp32, tf32, mixed, bf16; default: the study's"},
      {"measure", 0, VW_OPT_FLAG, &measure, NULL,
       "time a block of each kind first, for the seconds that are told; kept in the cache folder"},
      {"ranks", 'n', VW_OPT_COUNT, &ranks, "N", "ranks that the seconds are told for; default: plan.ranks"},
      {"threads", 't', VW_OPT_COUNT, &o.threads, "N",
       "threads of a rank; default: this machine's cores shared among them"},
      {"cache", 0, VW_OPT_STRING, &o.cache, "DIR",
       "image features, rates; default: the study's, else ~/.cache/viswords"},
      {"keys", 0, VW_OPT_FLAG, &keys, NULL, "print every key of a study file with its default"},
      {"json", 0, VW_OPT_FLAG, &o.json, NULL, "as JSON"},
      {0}};
  static const char *const names[] = {"STUDY.yaml"};
  const vw_command_line c = {
      "plan",
      "STUDY.yaml [-o DIR]",
      "Lists the trials and blocks of a study, and how long it will take; writes nothing into DIR.",
      options,
      names,
      0,
      1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  if (keys) {
    vw_study_print_keys(stdout, vw_kinds_of_study(), false);
    return VW_EXIT_OK;
  }
  if (!positional[0]) {
    (void)vw_print(stderr, "viswords plan: STUDY.yaml is missing; usage: viswords plan %s\n", c.arguments);
    return VW_EXIT_REFUSED;
  }
  vw_session s = {0};
  o.study = positional[0], o.allow_other_kernels = true, o.counts_will_do = true;
  vw_ranks_single(&s.ranks);
  s.ranks_planned = ranks;
  vw_status st = vw_session_open(&s, &o, false);
  if (st == VW_OK) st = show(&s, ranks > 0 ? ranks : s.config->ranks, measure);
  code = vw_session_report(&s, st);
  if (code == VW_EXIT_OK && s.is_counted) code = VW_EXIT_REFUSED;
  vw_session_close(&s);
  return code;
}
