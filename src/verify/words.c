/* `verify --reference`: words in templates, their loss and gradient, ten steps of both optimisers. The block's own
 * graph (learn/block_graph.h) does the work; its draws are made to give the reference's templates and pictures by pools
 * of one entry each. */
#include "learn/block_graph.h"
#include "tasks/classify.h"
#include "tasks/classify_graph.h"
#include "verify/verify.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct word_inputs {
  int64_t K, C, M, steps, pictures;
  vw_names templates, classes;
  vw_tensor words, anchors, radius, label; /* [K, C], [K, C], [K], [pictures] */
  vw_tensor draw_template, draw_picture; /* [steps, K], [steps, K, 2]: one picture of the word, one of another class */
  vw_prompts prompts;
  vw_learn_config learn;
  double *rest, *truth;                         /* [M, pictures] */
  int32_t *identity, *template_row, *offset[2]; /* [max(M, pictures, K)], [K], [K] each: scratch of the draws */
} word_inputs;

static void word_inputs_free(word_inputs *w) {
  vw_prompts_free(&w->prompts);
  free(w->rest), free(w->truth), free(w->identity), free(w->template_row), free(w->offset[0]), free(w->offset[1]);
}

static vw_status read_learning(vw_verification *v, word_inputs *w) {
  double steps;
  VW_TRY(vw_reference_number(v, "steps", &steps));
  VW_TRY(vw_reference_number(v, "eta", &w->learn.eta));
  VW_TRY(vw_reference_number(v, "lr", &w->learn.lr));
  VW_TRY(vw_reference_number(v, "weight_decay", &w->learn.weight_decay));
  VW_CHECK(steps >= 1 && steps <= 1000, VW_ERR_INPUT, "%s: metadata 'json': steps %g; expected 1 to 1000",
           vw_safetensors_path(v->file), steps);
  w->steps = w->learn.steps = (int64_t)steps;
  w->learn.positives = w->learn.negatives = 1;
  return VW_OK;
}

static vw_status read_inputs(vw_verification *v, word_inputs *w) {
  const int64_t C = w->C = v->network->net.text.tower.t.width;
  w->pictures = v->n_pictures;
  VW_TRY(read_learning(v, w));
  VW_TRY(vw_reference_texts(v, "templates", &w->templates));
  VW_TRY(vw_reference_texts(v, "classes", &w->classes));
  VW_TRY(vw_reference_tensor(v, "words", vw_shape(VW_F64, -1, C), &w->words));
  const int64_t K = w->K = w->words.dim[0], M = w->M = w->templates.n;
  VW_TRY(vw_reference_tensor(v, "anchors", vw_shape(VW_F64, K, C), &w->anchors));
  VW_TRY(vw_reference_tensor(v, "radius", vw_shape(VW_F64, K), &w->radius));
  VW_TRY(vw_reference_indices(v, "picture_class", vw_shape(VW_I32, w->pictures), w->classes.n, &w->label));
  VW_TRY(vw_reference_indices(v, "draws.template", vw_shape(VW_I32, w->steps, K), M, &w->draw_template));
  VW_TRY(vw_reference_indices(v, "draws.picture", vw_shape(VW_I32, w->steps, K, 2), w->pictures, &w->draw_picture));
  const int64_t most = K + M + w->pictures;
  w->identity = malloc((size_t)most * sizeof *w->identity), w->template_row = malloc((size_t)K * sizeof(int32_t));
  w->offset[0] = malloc((size_t)K * sizeof(int32_t)), w->offset[1] = malloc((size_t)K * sizeof(int32_t));
  w->rest = malloc((size_t)(M * w->pictures) * sizeof *w->rest);
  w->truth = malloc((size_t)(M * w->pictures) * sizeof *w->truth);
  VW_CHECK(w->identity && w->template_row && w->offset[0] && w->offset[1] && w->rest && w->truth, VW_ERR_MEMORY,
           "verify: out of memory");
  for (int64_t i = 0; i < most; i++) w->identity[i] = (int32_t)i;
  return vw_prompts_create(&w->prompts, &v->network->net, w->templates.name, M);
}

/* ---- the classes' part of the loss ------------------------------------------------------------------------------- */

static double log_sum_exp(const double *z, int64_t n) {
  double most = z[0], sum = 0;
  for (int64_t i = 1; i < n; i++) most = z[i] > most ? z[i] : most;
  for (int64_t i = 0; i < n; i++) sum += exp(z[i] - most);
  return most + log(sum);
}

/* rest[m], truth[m] of one template from the classes' texts and the pictures' features. */
static vw_status class_tables(vw_verification *v, const word_inputs *w, int64_t m) {
  enum { TEXT_BYTES = 512 };
  const int64_t n = w->classes.n, P = w->pictures;
  char(*text)[TEXT_BYTES] = malloc((size_t)n * sizeof *text);
  const char **texts = malloc((size_t)n * sizeof *texts);
  void *features = malloc((size_t)n * vw_clip_feature_bytes(v->network));
  double *z = malloc((size_t)(P * n) * sizeof *z);
  vw_status st = VW_OK;
  if (!text || !texts || !features || !z) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  for (int64_t c = 0; c < n; c++) {
    VW_GOTO(vw_class_text(w->templates.name[m], w->classes.name[c], text[c], TEXT_BYTES));
    texts[c] = text[c];
  }
  VW_GOTO(vw_clip_encode_text(v->network, texts, n, features));
  VW_GOTO(vw_clip_logits(v->network, v->image_features, P, features, n, z));
  for (int64_t i = 0; i < P; i++) {
    w->rest[m * P + i] = log_sum_exp(z + i * n, n);
    w->truth[m * P + i] = z[i * n + vw_i32(&w->label)[i]];
  }
cleanup:
  free(text), free((void *)texts), free(features), free(z);
  return st;
}

/* ---- a program and its leaves ------------------------------------------------------------------------------------ */

typedef struct word_program {
  vw_graph *graph;
  vw_program *program;
} word_program;

static void word_program_free(word_program *p) {
  vw_program_destroy(p->program);
  vw_graph_destroy(p->graph);
}

static vw_status put(const word_program *p, const char *leaf, vw_tensor shape, const void *data) {
  shape.data = (void *)(uintptr_t)data;
  return vw_program_write(p->program, vw_find(p->graph, leaf), &shape);
}

static vw_status get(const word_program *p, const char *name, vw_tensor shape, double *data) {
  shape.data = data;
  return vw_program_read(p->program, vw_find(p->graph, name), &shape);
}

/* Templates and pictures of one step: pools of all entries, of which each row may draw a single one. */
static vw_status put_draws(const word_program *p, const word_inputs *w, int64_t step) {
  const vw_tensor rows = vw_shape(VW_I32, w->K);
  for (int64_t k = 0; k < w->K; k++) {
    w->template_row[k] = vw_i32(&w->draw_template)[step * w->K + k];
    for (int i = 0; i < 2; i++) w->offset[i][k] = vw_i32(&w->draw_picture)[2 * (step * w->K + k) + i];
  }
  VW_TRY(put(p, "slot_offset", rows, w->template_row));
  VW_TRY(put(p, "positive_offset", rows, w->offset[0]));
  return put(p, "negative_offset", rows, w->offset[1]);
}

static vw_status put_pools(const word_program *p, const word_inputs *w) {
  static const char *const names[] = {"slot", "positive", "negative"};
  const int64_t size[] = {w->M, w->pictures, w->pictures}, K = w->K;
  int32_t *one = malloc((size_t)K * sizeof *one);
  uint32_t *key = calloc((size_t)K, 2 * sizeof *key);
  char leaf[32];
  vw_status st = VW_OK;
  if (!one || !key) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  for (int64_t k = 0; k < K; k++) one[k] = 1;
  for (int i = 0; i < 3; i++) {
    (void)snprintf(leaf, sizeof leaf, "%s_pool", names[i]);
    VW_GOTO(put(p, leaf, vw_shape(VW_I32, size[i]), w->identity));
    (void)snprintf(leaf, sizeof leaf, "%s_count", names[i]);
    VW_GOTO(put(p, leaf, vw_shape(VW_I32, K), one));
  }
  VW_GOTO(put(p, "key", vw_shape(VW_U32, K, 2), key));
  VW_GOTO(put(p, "row_word", vw_shape(VW_I32, K), w->identity));
  st = put(p, "template_of", vw_shape(VW_I32, w->M), w->identity);
cleanup:
  free(one), free(key);
  return st;
}

static vw_status put_common(const vw_verification *v, const word_program *p, const word_inputs *w) {
  const int64_t zero = 0;
  const vw_tensor table = vw_shape(VW_F64, w->M, w->pictures);
  VW_TRY(vw_weights_bind(v->network->net.weights, p->program));
  VW_TRY(vw_prompts_write(&w->prompts, p->program, p->graph));
  VW_TRY(put_pools(p, w));
  VW_TRY(put_draws(p, w, 0));
  VW_TRY(put(p, "features",
             vw_shape(vw_clip_feature_type(v->network), w->pictures, v->network->net.text.tower.projection),
             v->image_features));
  VW_TRY(put(p, "rest", table, w->rest));
  VW_TRY(put(p, "truth", table, w->truth));
  VW_TRY(put(p, "step", vw_shape(VW_I64, 1), &zero));
  return put(p, "words", w->words, w->words.data);
}

static vw_status build(const vw_verification *v, const word_inputs *w, vw_block_mode mode, word_program *p) {
  const vw_clip_network *n = v->network;
  const vw_block_shape shape = {.step = {.K = w->K,
                                         .size = {[VW_CLASSIFY_SLOTS] = 1,
                                                  [VW_CLASSIFY_M] = w->M,
                                                  [VW_CLASSIFY_P] = w->prompts.t.P,
                                                  [VW_CLASSIFY_T] = w->prompts.t.T,
                                                  [VW_CLASSIFY_PICTURES] = w->pictures,
                                                  [VW_CLASSIFY_POSITIVES] = w->pictures,
                                                  [VW_CLASSIFY_NEGATIVES] = w->pictures}},
                                .points = w->steps,
                                .every = 1};
  const vw_classify_step step = {.text = &n->net.text.tower, .learn = &w->learn, .scale = n->scale};
  const vw_block_loss loss = {vw_classify_emit, &step};
  VW_TRY(vw_graph_create(&p->graph));
  VW_TRY(vw_block_graph(p->graph, &loss, &w->learn, &shape, n->net.width, mode));
  VW_TRY(vw_program_create(&p->program, p->graph, n->net.ctx, &n->net.policy));
  return put_common(v, p, w);
}

/* ---- comparisons ------------------------------------------------------------------------------------------------- */

/* Losses are measured against at least 1: a loss near 0 is a difference of logits that are not. */
static vw_status compare_gradient(vw_verification *v, const word_inputs *w) {
  word_program p = {0};
  vw_tensor loss, gradient;
  double *x = malloc((size_t)(w->K * w->C) * sizeof *x);
  vw_status st = VW_OK;
  VW_CHECK(x, VW_ERR_MEMORY, "verify: out of memory");
  VW_GOTO(vw_reference_tensor(v, "word_loss", vw_shape(VW_F64, w->K), &loss));
  VW_GOTO(vw_reference_tensor(v, "word_gradient", vw_shape(VW_F64, w->K, w->C), &gradient));
  VW_GOTO(build(v, w, VW_BLOCK_WATCH, &p));
  VW_GOTO(vw_program_prepare(p.program));
  VW_GOTO(vw_program_run(p.program));
  VW_GOTO(get(&p, "loss", vw_shape(VW_F64, w->K), x));
  VW_GOTO(vw_compare(v, "word_loss", x, vw_f64(&loss), w->K, 1, VW_LIMIT_OUTPUT));
  VW_GOTO(get(&p, "gradient", vw_shape(VW_F64, w->K, w->C), x));
  st = vw_compare(v, "word_gradient", x, vw_f64(&gradient), w->K * w->C, 0, VW_LIMIT_GRADIENT);
cleanup:
  word_program_free(&p), free(x);
  return st;
}

static vw_status compare_features(vw_verification *v, const word_inputs *w) {
  const vw_clip_network *n = v->network;
  const vw_prompt_sizes sizes = {w->M, w->prompts.t.P, w->prompts.t.T};
  const vw_tensor rows = vw_shape(VW_I32, w->K), out = vw_shape(VW_F64, w->K, n->net.text.tower.projection);
  word_program p = {0};
  vw_tensor expected;
  double *x = malloc((size_t)vw_count(&out) * sizeof *x);
  vw_status st = VW_OK;
  VW_CHECK(x, VW_ERR_MEMORY, "verify: out of memory");
  VW_GOTO(vw_reference_tensor(v, "word_features", out, &expected));
  VW_GOTO(vw_graph_create(&p.graph));
  VW_GOTO(vw_clip_word_graph(p.graph, &n->net.text.tower, w->K, w->K, &sizes));
  VW_GOTO(vw_program_create(&p.program, p.graph, n->net.ctx, &n->net.policy));
  VW_GOTO(vw_weights_bind(n->net.weights, p.program));
  VW_GOTO(vw_prompts_write(&w->prompts, p.program, p.graph));
  VW_GOTO(put(&p, "words", w->words, w->words.data));
  VW_GOTO(put(&p, "row_word", rows, w->identity));
  VW_GOTO(put(&p, "row_template", rows, w->draw_template.data));
  VW_GOTO(vw_program_prepare(p.program));
  VW_GOTO(vw_program_run(p.program));
  VW_GOTO(get(&p, "feature", out, x));
  st = vw_compare(v, "word_features", x, vw_f64(&expected), vw_count(&out), 0, VW_LIMIT_OUTPUT);
cleanup:
  word_program_free(&p), free(x);
  return st;
}

/* All steps from the same start; the words behind each of them are read and kept: words [steps, K, C]. */
static vw_status run_steps(vw_verification *v, const word_inputs *w, double *words, double *losses) {
  const int64_t n = w->K * w->C;
  const bool adamw = w->learn.optimiser == VW_ADAMW;
  word_program p = {0};
  double *zero = calloc((size_t)(n + w->steps * w->K), sizeof *zero);
  vw_status st = VW_OK;
  VW_CHECK(zero, VW_ERR_MEMORY, "verify: out of memory");
  VW_GOTO(build(v, w, VW_BLOCK_TRAIN, &p));
  VW_GOTO(put(&p, "anchors", w->anchors, w->anchors.data));
  VW_GOTO(put(&p, "radius", w->radius, w->radius.data));
  VW_GOTO(put(&p, "history", vw_shape(VW_F64, w->steps, w->K), zero));
  if (adamw) VW_GOTO(put(&p, "adam_m", w->words, zero));
  if (adamw) VW_GOTO(put(&p, "adam_v", w->words, zero));
  VW_GOTO(vw_program_prepare(p.program));
  for (int64_t s = 0; s < w->steps; s++) {
    VW_GOTO(put_draws(&p, w, s));
    VW_GOTO(vw_program_run(p.program));
    VW_GOTO(get(&p, "words", w->words, words + s * n));
  }
  st = get(&p, "history", vw_shape(VW_F64, w->steps, w->K), losses);
cleanup:
  word_program_free(&p), free(zero);
  return st;
}

static vw_status compare_steps(vw_verification *v, word_inputs *w, vw_optimiser optimiser, const char *name) {
  const int64_t n = w->steps * w->K * w->C;
  char what[32];
  vw_tensor words, losses;
  double *x = malloc((size_t)(n + w->steps * w->K) * sizeof *x);
  vw_status st = VW_OK;
  VW_CHECK(x, VW_ERR_MEMORY, "verify: out of memory");
  w->learn.optimiser = optimiser;
  (void)snprintf(what, sizeof what, "%s.words", name);
  VW_GOTO(vw_reference_tensor(v, what, vw_shape(VW_F64, w->steps, w->K, w->C), &words));
  (void)snprintf(what, sizeof what, "%s.loss", name);
  VW_GOTO(vw_reference_tensor(v, what, vw_shape(VW_F64, w->steps, w->K), &losses));
  VW_GOTO(run_steps(v, w, x, x + n));
  VW_GOTO(vw_compare(v, what, x + n, vw_f64(&losses), w->steps * w->K, 1, VW_LIMIT_OUTPUT));
  (void)snprintf(what, sizeof what, "%s.words", name);
  st = vw_compare(v, what, x, vw_f64(&words), n, 0, VW_LIMIT_OUTPUT);
cleanup:
  free(x);
  return st;
}

vw_status vw_verify_words(vw_verification *v) {
  word_inputs w = {0};
  vw_status st = read_inputs(v, &w);
  for (int64_t m = 0; st == VW_OK && m < w.M; m++) st = class_tables(v, &w, m);
  if (st == VW_OK) st = compare_features(v, &w);
  if (st == VW_OK) st = compare_gradient(v, &w);
  if (st == VW_OK) st = compare_steps(v, &w, VW_PGD, "pgd");
  if (st == VW_OK) st = compare_steps(v, &w, VW_ADAMW, "adamw");
  word_inputs_free(&w);
  return st;
}
