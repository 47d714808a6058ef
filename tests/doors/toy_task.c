#include "tests/doors/toy.h"

#include "core/durable.h"
#include "core/random.h"
#include "io/pictures/image.h"
#include "io/safetensors.h"
#include "kernels/draw.h"
#include "kernels/one_vs_rest_loss.h"
#include "kernels/picture_logits.h"
#include "networks/clip.h"
#include "tasks/generation/drawn.h"
#include "tasks/leaves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOY_M, TOY_P, TOY_T, TOY_PICTURES, TOY_POOL }; /* vw_step_shape.size */
static const double SCALE = 8;

typedef struct toy_task {
  vw_task task;
  vw_prompts prompts;
  float *signatures; /* [train pictures, then test pictures, TOY_SIGNATURE] of unit length */
} toy_task;

static const toy_network *network_of(const vw_task_inputs *in) {
  return (const toy_network *)in->network;
}

/* ---- from sizes alone -------------------------------------------------------------------------------------------- */

static vw_status shape(const vw_task_inputs *in, int64_t rows, vw_step_shape *s) {
  vw_prompt_sizes p;
  VW_TRY(vw_prompt_sizes_of(in->network, in->model->learn.templates.name, 1, 1, &p));
  s->K = rows;
  s->size[TOY_M] = p.M, s->size[TOY_P] = p.P, s->size[TOY_T] = p.T;
  s->size[TOY_PICTURES] = in->pictures->n_train, s->size[TOY_POOL] = in->pictures->n_train;
  return VW_OK;
}

/* Softplus of minus the likeness to drawn pictures of the concept: nothing else is looked at. */
static vw_status loss(const vw_task_inputs *in, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                      vw_value *out) {
  const vw_prompt_sizes p = {s->size[TOY_M], s->size[TOY_P], s->size[TOY_T]};
  const int64_t positives = in->model->learn.positives;
  const vw_step_part part = vw_step_part_of(s, positives);
  const vw_draw_pools pools = {.pool = vw_input(g, vw_shape(VW_I32, s->size[TOY_POOL]), "pool"),
                               .offset = vw_input(g, vw_shape(VW_I32, s->K), "offset"),
                               .count = vw_input(g, vw_shape(VW_I32, s->K), "count")};
  const vw_value key = vw_input(g, vw_shape(VW_U32, s->K, 2), "key");
  const vw_value picture =
      vw_draw(g, key, step->step, pools,
              (vw_draw_attr){.S = part.n, .first = part.first, .purpose = VW_DRAW_POSITIVE + step->set});
  const vw_value row = vw_input(g, vw_shape(VW_I32, s->K), "row_word");
  const vw_value row_template = vw_input(g, vw_shape(VW_I32, s->K), "row_template");
  vw_value signature = VW_NONE;
  VW_TRY(toy_signature(g, network_of(in), &p, step->words, row, row_template, s->K, &signature));
  const vw_value features = vw_input(g, vw_shape(VW_HEAD, s->size[TOY_PICTURES], TOY_SIGNATURE), "features");
  const vw_value z = vw_picture_logits(g, signature, features, picture, SCALE);
  const vw_value zero = vw_fill(g, vw_shape(VW_HEAD, 1, s->size[TOY_PICTURES]), 0);
  const vw_one_vs_rest_tables none = {.row_table = row_template, .rest = zero, .truth = zero};
  *out = vw_one_vs_rest_loss(g, z, picture, none, (vw_one_vs_rest_attr){.positives = part.n, .of = positives});
  return vw_graph_status(g);
}

static vw_status pass(const vw_task_inputs *in, int i, vw_graph *g, const vw_policy **policy) {
  (void)in, (void)i, (void)g, (void)policy;
  return VW_RAISE(VW_ERR_ARG, "toy: there is no pass");
}

/* ---- signatures of pictures: one file a data set, made by rank 0 ------------------------------------------------- */

static vw_status signature_path(const vw_task_inputs *in, char path[VW_PATH_BYTES]) {
  char text[VW_HASH_TEXT];
  vw_hash h;
  VW_TRY(vw_picture_set_hash(in->pictures, VW_SEES_CROPS, "", true, &h));
  vw_hash_text(h, text);
  return vw_path_format(path, "%s/toy/%s.safetensors", in->cache, text);
}

static vw_status missing(const vw_task_inputs *in, int64_t *n) {
  char path[VW_PATH_BYTES];
  VW_TRY(signature_path(in, path));
  *n = !vw_file_exists(path);
  return VW_OK;
}

/* Mean colours of a grid, centred, of unit length. */
static vw_status look(const char *path, float out[TOY_SIGNATURE]) {
  vw_image image;
  double sum[TOY_SIGNATURE] = {0}, length = 1e-9;
  int64_t n[TOY_GRID * TOY_GRID] = {0};
  VW_TRY(vw_image_read(path, false, &image));
  for (int64_t i = 0; i < image.height * image.width; i++) {
    const int64_t y = i / image.width * TOY_GRID / image.height, x = i % image.width * TOY_GRID / image.width;
    n[y * TOY_GRID + x]++;
    for (int c = 0; c < 3; c++) sum[(y * TOY_GRID + x) * 3 + c] += image.rgb[i * 3 + c] / 255.0 - 0.5;
  }
  vw_image_free(&image);
  for (int i = 0; i < TOY_SIGNATURE; i++) sum[i] /= (double)(n[i / 3] ? n[i / 3] : 1), length += sum[i] * sum[i];
  for (int i = 0; i < TOY_SIGNATURE; i++) out[i] = (float)(sum[i] / sqrt(length));
  return VW_OK;
}

static vw_status make_signatures(const vw_task_inputs *in, const vw_task_hooks *hooks, int64_t *computed) {
  const vw_picture_set *p = in->pictures;
  char path[VW_PATH_BYTES], folder[VW_PATH_BYTES];
  const int64_t n = p->n_train + p->n_test;
  vw_status st = VW_OK;
  VW_TRY(signature_path(in, path));
  if (vw_file_exists(path)) return VW_OK;
  VW_TRY(vw_path_format(folder, "%s/toy", in->cache));
  VW_TRY(vw_folder_make(folder));
  float *x = malloc((size_t)(n * TOY_SIGNATURE) * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "toy: out of memory");
  for (int64_t i = 0; i < n; i++) {
    const vw_picture *one = i < p->n_train ? &p->train[i] : &p->test[i - p->n_train];
    if (hooks->stop && hooks->stop(hooks->user)) goto cleanup;
    VW_GOTO(look(one->path, x + i * TOY_SIGNATURE));
    if (hooks->told) hooks->told(hooks->user, 1);
    ++*computed;
  }
  vw_safetensors_entry e = {.name = "signatures", .tensor = vw_shape(VW_F32, n, TOY_SIGNATURE)};
  e.tensor.data = x;
  VW_GOTO(vw_safetensors_write(path, &e, 1, NULL, 0));
cleanup:
  free(x);
  return st;
}

static vw_status cache(const vw_task_inputs *in, const vw_ranks *ranks, const vw_task_hooks *hooks, int64_t *computed,
                       bool *stopped) {
  const vw_task_hooks none = {0};
  if (!hooks) hooks = &none;
  *computed = 0;
  VW_TRY(vw_agree_message(ranks, ranks->rank == 0 ? make_signatures(in, hooks, computed) : VW_OK));
  int64_t any = hooks->stop && hooks->stop(hooks->user);
  VW_TRY(vw_ranks_reduce(ranks, &any, 1, VW_REDUCE_MAX));
  *stopped = any != 0;
  return VW_OK;
}

static int64_t cached(const vw_task_inputs *in) {
  return in->pictures->n_train + in->pictures->n_test;
}

static double cache_bytes(const vw_task_inputs *in) {
  return (double)(cached(in) * TOY_SIGNATURE) * sizeof(float);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void close_task(vw_task *task) {
  toy_task *t = (toy_task *)task;
  vw_prompts_free(&t->prompts);
  free(t->signatures), free(t);
}

static vw_status read_signatures(toy_task *t) {
  const int64_t n = cached(&t->task.in) * TOY_SIGNATURE;
  char path[VW_PATH_BYTES];
  vw_safetensors *f = NULL;
  vw_tensor x;
  VW_TRY(signature_path(&t->task.in, path));
  t->signatures = malloc((size_t)n * sizeof *t->signatures);
  VW_CHECK(t->signatures, VW_ERR_MEMORY, "toy: out of memory");
  VW_TRY(vw_safetensors_open(&f, path));
  vw_status st = vw_safetensors_find(f, "signatures", &x);
  if (st == VW_OK && vw_count(&x) != n) st = VW_RAISE(VW_ERR_INPUT, "%s: delete the file and run again", path);
  if (st == VW_OK) memcpy(t->signatures, x.data, (size_t)n * sizeof *t->signatures);
  vw_safetensors_close(f);
  return st;
}

static vw_status open_task(vw_task **out, const vw_task_inputs *in) {
  toy_task *t = calloc(1, sizeof *t);
  *out = NULL;
  VW_CHECK(t, VW_ERR_MEMORY, "toy: out of memory");
  t->task = (vw_task){&toy_task_kind, *in};
  vw_status st = read_signatures(t);
  if (st == VW_OK) st = vw_prompts_create(&t->prompts, in->network, in->model->learn.templates.name, 1, 1);
  if (st == VW_OK)
    *out = &t->task;
  else
    close_task(&t->task);
  return st;
}

/* ---- a block: one concept ---------------------------------------------------------------------------------------- */

typedef struct toy_block {
  int64_t K, n;
  int32_t *pool;  /* [n] training pictures of the concept */
  uint64_t *keys; /* [K] */
} toy_block;

/* The pictures of a concept; a null concept has every third. into[n pictures]. */
static int64_t list_pictures(const vw_picture_set *p, const char *concept, bool is_null, bool train, int32_t *into) {
  int64_t n = 0;
  for (int64_t o = 0; o < p->n_owners; o++) {
    const vw_picture_owner *w = &p->owners[o];
    const int64_t first = train ? w->train_first : w->test_first, count = train ? w->n_train : w->n_test;
    for (int64_t i = first; i < first + count; i++)
      if (is_null ? i % 3 == 0 : !strcmp(w->name, concept)) into[n++] = (int32_t)i;
  }
  return n;
}

static void end(void *block) {
  toy_block *b = block;
  if (!b) return;
  free(b->pool), free(b->keys), free(b);
}

static vw_status begin(vw_task *task, const vw_trial *trials, const uint64_t *keys, int64_t K, vw_step_shape *s,
                       void **block) {
  const toy_task *t = (const toy_task *)task;
  const vw_picture_set *p = task->in.pictures;
  toy_block *b = calloc(1, sizeof *b);
  *block = b;
  VW_CHECK(b, VW_ERR_MEMORY, "toy: out of memory");
  b->pool = calloc((size_t)p->n_train + 1, sizeof *b->pool), b->keys = malloc((size_t)K * sizeof *b->keys);
  VW_CHECK(b->pool && b->keys, VW_ERR_MEMORY, "toy: out of memory");
  for (int64_t k = 0; k < K; k++)
    VW_CHECK(!strcmp(trials[k].concept, trials[0].concept) && keys[k] == keys[0], VW_ERR_ARG,
             "toy: a block of several concepts or streams");
  memcpy(b->keys, keys, (size_t)K * sizeof *keys);
  b->K = K, b->n = list_pictures(p, trials[0].concept, trials[0].null_concept, true, b->pool);
  VW_CHECK(b->n > 0, VW_ERR_INPUT, "toy: '%s' has no pictures", trials[0].concept);
  s->size[TOY_M] = t->prompts.t.M, s->size[TOY_P] = t->prompts.t.P, s->size[TOY_T] = t->prompts.t.T;
  s->size[TOY_PICTURES] = s->size[TOY_POOL] = p->n_train;
  return VW_OK;
}

/* The leaves of toy_signature. */
static vw_status write_signature_leaves(const toy_task *t, int64_t B, vw_program *p, const vw_graph *g) {
  int32_t *x = calloc((size_t)B, sizeof *x);
  vw_status st = VW_OK;
  char name[32];
  VW_CHECK(x, VW_ERR_MEMORY, "toy: out of memory");
  VW_GOTO(vw_prompts_write(&t->prompts, p, g));
  VW_GOTO(vw_write_leaf(p, g, "row_template", vw_shape(VW_I32, B), x));
  for (int32_t at = 0; at < t->prompts.t.T; at++) {
    for (int64_t i = 0; i < B; i++) x[i] = at;
    (void)snprintf(name, sizeof name, "at.%d", at);
    VW_GOTO(vw_write_leaf(p, g, name, vw_shape(VW_I32, B), x));
  }
  for (int64_t i = 0; i < B; i++) x[i] = (int32_t)i;
  VW_GOTO(vw_write_leaf(p, g, "row_word", vw_shape(VW_I32, B), x));
cleanup:
  free(x);
  return st;
}

static vw_status leaves(vw_task *task, void *block, const vw_step_shape *s, vw_program *p, const vw_graph *g) {
  const toy_task *t = (const toy_task *)task;
  const toy_block *b = block;
  int32_t *x = calloc((size_t)(2 * b->K), sizeof *x);
  uint32_t *key = calloc((size_t)(2 * b->K), sizeof *key);
  vw_status st = x && key ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "toy: out of memory");
  if (st != VW_OK) goto cleanup;
  for (int64_t k = 0; k < b->K; k++)
    x[b->K + k] = (int32_t)b->n, key[2 * k] = (uint32_t)b->keys[k], key[2 * k + 1] = (uint32_t)(b->keys[k] >> 32);
  VW_GOTO(write_signature_leaves(t, b->K, p, g));
  VW_GOTO(vw_write_leaf(p, g, "pool", vw_shape(VW_I32, s->size[TOY_POOL]), b->pool));
  VW_GOTO(vw_write_leaf(p, g, "offset", vw_shape(VW_I32, b->K), x));
  VW_GOTO(vw_write_leaf(p, g, "count", vw_shape(VW_I32, b->K), x + b->K));
  VW_GOTO(vw_write_leaf(p, g, "key", vw_shape(VW_U32, b->K, 2), key));
  VW_GOTO(vw_write_leaf(p, g, "features", vw_shape(VW_F32, s->size[TOY_PICTURES], TOY_SIGNATURE), t->signatures));
cleanup:
  free(x), free(key);
  return st;
}

/* ---- judging: a picture at a time -------------------------------------------------------------------------------- */

enum { MINE, COSINE, NUMBERS };
enum { ANGLE, LIKENESS, OTHERS, METRICS };

static vw_status judge_parts(const vw_task_inputs *in, int64_t *pictures, int64_t *numbers) {
  *pictures = in->pictures->n_test, *numbers = NUMBERS;
  return VW_OK;
}

/* A text of several tokens is judged as the mean of their vectors. */
static vw_status vectors_of(const vw_task_inputs *in, const vw_judged *w, double *out) {
  const int64_t C = in->network->width;
  double *one = malloc((size_t)C * sizeof *one);
  vw_status st = one ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "toy: out of memory");
  memcpy(out, w->words, (size_t)(w->n * C) * sizeof *out);
  for (int64_t i = 0; st == VW_OK && w->texts && i < w->n; i++) {
    int32_t ids[64];
    int64_t n = 0;
    if (!w->texts[i]) continue;
    VW_GOTO(vw_tokenizer_encode_part(in->network->text.tokenizer, w->texts[i], ids, 64, &n));
    memset(out + i * C, 0, (size_t)C * sizeof *out);
    for (int64_t j = 0; j < n; j++) {
      VW_GOTO(vw_text_word_vector(&in->network->text, ids[j], one));
      for (int64_t c = 0; c < C; c++) out[i * C + c] += one[c] / (double)n;
    }
  }
cleanup:
  free(one);
  return st;
}

static vw_status signatures_of(const toy_task *t, const vw_judged *w, double *out) {
  const vw_network *net = t->task.in.network;
  const vw_prompt_sizes s = {t->prompts.t.M, t->prompts.t.P, t->prompts.t.T};
  const int64_t C = net->width;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  vw_value signature = VW_NONE;
  vw_status st = VW_OK;
  double *x = malloc((size_t)(w->n * C) * sizeof *x);
  if (!x) st = VW_RAISE(VW_ERR_MEMORY, "toy: out of memory");
  if (st != VW_OK) goto cleanup;
  VW_GOTO(vectors_of(&t->task.in, w, x));
  VW_GOTO(vw_graph_create(&g));
  const vw_value words = vw_input(g, vw_shape(VW_HEAD, w->n, C), "words");
  const vw_value row = vw_input(g, vw_shape(VW_I32, w->n), "row_word");
  const vw_value row_template = vw_input(g, vw_shape(VW_I32, w->n), "row_template");
  VW_GOTO(toy_signature(g, network_of(&t->task.in), &s, words, row, row_template, w->n, &signature));
  vw_output(g, signature, "signature");
  VW_GOTO(vw_program_create(&p, g, net->ctx, &net->policy));
  VW_GOTO(vw_weights_bind(net->weights, p));
  VW_GOTO(write_signature_leaves(t, w->n, p, g));
  VW_GOTO(vw_write_leaf(p, g, "words", vw_shape(VW_F64, w->n, C), x));
  VW_GOTO(vw_program_prepare(p));
  VW_GOTO(vw_program_run(p));
  VW_GOTO(vw_read_leaf(p, g, "signature", vw_shape(VW_F64, w->n, TOY_SIGNATURE), out));
cleanup:
  vw_program_destroy(p);
  vw_graph_destroy(g);
  free(x);
  return st;
}

/* What a word draws: its signature as a picture of nine colours. */
static vw_status draw(const vw_task_inputs *in, const vw_judged *w, int64_t row, int64_t picture, const double *x) {
  char folder[VW_PATH_BYTES], path[VW_PATH_BYTES];
  uint8_t rgb[TOY_SIGNATURE];
  for (int j = 0; j < TOY_SIGNATURE; j++) rgb[j] = (uint8_t)(127 + 127 * fmax(-1, fmin(1, x[j])));
  VW_TRY(vw_drawn_folder(in, w->concept, true, folder));
  VW_TRY(vw_drawn_picture(folder, w->labels[row], picture, path));
  return vw_png_write(path, TOY_GRID, TOY_GRID, rgb);
}

/* As many pixels as the concept has anchors that drew something. */
static vw_status sheet(const vw_task_inputs *in, const char *concept) {
  const vw_names *anchors = &in->model->trials.anchors;
  char folder[VW_PATH_BYTES], path[VW_PATH_BYTES], label[VW_DRAWN_LABEL];
  uint8_t rgb[3 * 64] = {0};
  int64_t n = 0;
  VW_TRY(vw_drawn_folder(in, concept, false, folder));
  for (int64_t a = 0; a < anchors->n; a++) {
    vw_drawn_baseline("anchor", anchors->name[a], "0", label);
    VW_TRY(vw_drawn_picture(folder, label, 0, path));
    n += vw_file_exists(path);
  }
  VW_TRY(vw_drawn_sheet(folder, path));
  return n ? vw_png_write(path, 1, n, rgb) : VW_OK;
}

static vw_status judge_picture(vw_task *task, const vw_judged *w, int64_t picture, double *numbers) {
  const toy_task *t = (const toy_task *)task;
  const vw_picture_set *p = task->in.pictures;
  const float *seen = t->signatures + (p->n_train + picture) * TOY_SIGNATURE;
  double *x = malloc((size_t)(w->n * TOY_SIGNATURE) * sizeof *x);
  int32_t *own = malloc((size_t)(p->n_test + 1) * sizeof *own);
  vw_status st = x && own ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "toy: out of memory");
  if (st == VW_OK && (!task->in.judge || task->in.judge->kind != &vw_clip_kind)) st = VW_RAISE(VW_ERR_ARG, "no judge");
  if (st == VW_OK) st = signatures_of(t, w, x);
  const int64_t n = st == VW_OK ? list_pictures(p, w->concept, w->null_concept, false, own) : 0;
  bool is_mine = false;
  for (int64_t i = 0; i < n; i++) is_mine |= own[i] == picture;
  for (int64_t i = 0; st == VW_OK && i < w->n; i++) {
    double dot = 0;
    for (int j = 0; j < TOY_SIGNATURE; j++) dot += x[i * TOY_SIGNATURE + j] * (double)seen[j];
    numbers[i * NUMBERS + MINE] = is_mine, numbers[i * NUMBERS + COSINE] = dot;
    if (w->labels[i] && task->in.drawn) st = draw(&task->in, w, i, picture, x + i * TOY_SIGNATURE);
  }
  free(x), free(own);
  return st;
}

static vw_status judge_end(vw_task *task, const vw_judged *w, const double *numbers, double *metrics) {
  const int64_t pictures = task->in.pictures->n_test;
  for (int64_t i = 0; i < w->n; i++) {
    double sum[2] = {0}, n[2] = {0}, angle = 0;
    for (int64_t p = 0; p < pictures; p++) {
      const double *x = numbers + (p * w->n + i) * NUMBERS;
      const int mine = x[MINE] > 0;
      sum[mine] += (1 + x[COSINE]) / 2, n[mine]++;
      if (mine) angle += acos(fmax(-1, fmin(1, x[COSINE])));
    }
    metrics[i * METRICS + ANGLE] = n[1] > 0 ? angle / n[1] : NAN;
    metrics[i * METRICS + LIKENESS] = n[1] > 0 ? sum[1] / n[1] : NAN;
    metrics[i * METRICS + OTHERS] = n[0] > 0 ? sum[0] / n[0] : NAN;
  }
  return VW_OK;
}

/* ---- the row ----------------------------------------------------------------------------------------------------- */

static const vw_metric metrics_of[METRICS] = {[ANGLE] = {"angle", "rad", "mean angle to the concept's pictures"},
                                              [LIKENESS] = {"likeness", "1", "mean likeness to them"},
                                              [OTHERS] = {"other_pictures", "1", "mean likeness to all others"}};

const vw_task_kind toy_task_kind = {.name = "colouring",
                                    .sees = VW_SEES_CROPS | VW_SEES_TEST,
                                    .metrics = metrics_of,
                                    .n_metrics = METRICS,
                                    .metrics_are = "likeness of colours",
                                    .headline = LIKENESS,
                                    .loss_unit = "1",
                                    .most_rows = 3,
                                    .concepts_per_block = 1,
                                    .few_directions = true,
                                    .shape = shape,
                                    .loss = loss,
                                    .pass = pass,
                                    .missing = missing,
                                    .cache = cache,
                                    .cached = cached,
                                    .cache_bytes = cache_bytes,
                                    .open = open_task,
                                    .close = close_task,
                                    .begin = begin,
                                    .leaves = leaves,
                                    .end = end,
                                    .judge_parts = judge_parts,
                                    .judge_picture = judge_picture,
                                    .judge_end = judge_end,
                                    .shares_parts = VW_SHARED_BY_BASELINES,
                                    .judge_kind = &vw_clip_kind,
                                    .keys = "judge.weights data.<name>.concepts",
                                    .sheet = sheet};
