/* `verify --reference`: words in templates, their loss and gradient, ten steps of both optimisers. The block's own
 * graph (learn/block_graph.h) does the work; its draws are made to give the reference's templates and pictures by pools
 * of one entry each. */
#include "verify/words.h"

#include "tasks/leaves.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vw_word_inputs_free(vw_word_inputs *w) {
  vw_prompts_free(&w->prompts);
  free(w->identity), free(w->scratch);
}

static vw_status read_learning(vw_verification *v, vw_word_inputs *w) {
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

vw_status vw_word_inputs_read(vw_verification *v, vw_word_inputs *w) {
  const int64_t C = w->C = v->network->net.text.tower.t.width;
  VW_TRY(read_learning(v, w));
  VW_TRY(vw_reference_texts(v, "templates", &w->templates));
  VW_TRY(vw_reference_tensor(v, "words", vw_shape(VW_F64, -1, C), &w->words));
  const int64_t K = w->K = w->words.dim[0], M = w->M = w->templates.n, most = K + M + w->pictures + w->negatives_at;
  VW_TRY(vw_reference_tensor(v, "anchors", vw_shape(VW_F64, K, C), &w->anchors));
  VW_TRY(vw_reference_tensor(v, "radius", vw_shape(VW_F64, K), &w->radius));
  VW_TRY(vw_reference_indices(v, "draws.template", vw_shape(VW_I32, w->steps, K), M, &w->draw_template));
  VW_TRY(vw_reference_indices(v, "draws.picture", vw_shape(VW_I32, w->steps, K, 2), w->pictures, &w->draw_picture));
  w->identity = malloc((size_t)most * sizeof *w->identity), w->scratch = malloc((size_t)(3 * K) * sizeof *w->scratch);
  VW_CHECK(w->identity && w->scratch, VW_ERR_MEMORY, "verify: out of memory");
  for (int64_t i = 0; i < most; i++) w->identity[i] = (int32_t)i;
  return vw_prompts_create(&w->prompts, &v->network->net, w->templates.name, M, 1);
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
  return vw_write_leaf(p->program, p->graph, leaf, shape, data);
}

static vw_status get(const word_program *p, const char *name, vw_tensor shape, double *data) {
  return vw_read_leaf(p->program, p->graph, name, shape, data);
}

static vw_status put_of_pool(const word_program *p, const char *pool, const char *what, int64_t n,
                             const int32_t *data) {
  char leaf[64];
  (void)snprintf(leaf, sizeof leaf, "%s_%s", pool, what);
  return put(p, leaf, vw_shape(VW_I32, n), data);
}

/* Templates and pictures of one step: pools of all entries, of which each row may draw a single one. */
static vw_status put_draws(const word_program *p, const vw_word_inputs *w, int64_t step) {
  const int64_t K = w->K;
  for (int64_t k = 0; k < K; k++) {
    w->scratch[k] = vw_i32(&w->draw_template)[step * K + k];
    for (int i = 0; i < 2; i++) w->scratch[(1 + i) * K + k] = vw_i32(&w->draw_picture)[2 * (step * K + k) + i];
  }
  VW_TRY(put_of_pool(p, w->template_pool, "offset", K, w->scratch));
  VW_TRY(put_of_pool(p, "positive", "offset", K, w->scratch + K));
  return put_of_pool(p, "negative", "offset", K, w->scratch + 2 * K);
}

static vw_status put_pools(const word_program *p, const vw_word_inputs *w) {
  const char *const names[] = {w->template_pool, "positive", "negative"};
  const int64_t size[] = {w->M, w->pictures, w->pictures}, first[] = {0, 0, w->negatives_at}, K = w->K;
  uint32_t *key = calloc((size_t)K, 2 * sizeof *key);
  vw_status st = VW_OK;
  VW_CHECK(key, VW_ERR_MEMORY, "verify: out of memory");
  for (int64_t k = 0; k < K; k++) w->scratch[k] = 1;
  for (int i = 0; i < 3; i++) {
    VW_GOTO(put_of_pool(p, names[i], "pool", size[i], w->identity + first[i]));
    VW_GOTO(put_of_pool(p, names[i], "count", K, w->scratch));
  }
  VW_GOTO(put(p, "key", vw_shape(VW_U32, K, 2), key));
  st = put(p, "row_word", vw_shape(VW_I32, K), w->identity);
cleanup:
  free(key);
  return st;
}

static vw_status build(const vw_verification *v, const vw_word_inputs *w, vw_block_mode mode, word_program *p) {
  const vw_network *n = &v->network->net;
  const vw_block_shape shape = {.step = w->step, .points = w->steps, .every = 1};
  const int64_t zero = 0;
  VW_TRY(vw_graph_create(&p->graph));
  VW_TRY(vw_block_graph(p->graph, &w->loss, &w->learn, &shape, n->width, mode));
  VW_TRY(vw_program_create(&p->program, p->graph, n->ctx, &n->policy));
  VW_TRY(vw_weights_bind(n->weights, p->program));
  VW_TRY(vw_prompts_write(&w->prompts, p->program, p->graph));
  VW_TRY(put_pools(p, w));
  VW_TRY(put_draws(p, w, 0));
  VW_TRY(w->put(w, p->program, p->graph));
  VW_TRY(put(p, "step", vw_shape(VW_I64, 1), &zero));
  return put(p, "words", w->words, w->words.data);
}

/* ---- comparisons ------------------------------------------------------------------------------------------------- */

/* Losses are measured against at least 1: a loss near 0 is a difference of logits that are not. */
static vw_status compare_gradient(vw_verification *v, const vw_word_inputs *w) {
  word_program p = {0};
  vw_tensor loss;
  const vw_tensor matrix = vw_shape(VW_F64, w->K, w->C);
  double *x = malloc((size_t)(w->K * w->C) * sizeof *x);
  vw_status st = VW_OK;
  VW_CHECK(x, VW_ERR_MEMORY, "verify: out of memory");
  VW_GOTO(vw_reference_tensor(v, "word_loss", vw_shape(VW_F64, w->K), &loss));
  VW_GOTO(build(v, w, VW_BLOCK_WATCH, &p));
  VW_GOTO(vw_program_prepare(p.program));
  VW_GOTO(vw_program_run(p.program));
  VW_GOTO(get(&p, "loss", vw_shape(VW_F64, w->K), x));
  VW_GOTO(vw_compare(v, "word_loss", x, vw_f64(&loss), w->K, 1, VW_LIMIT_OUTPUT));
  VW_GOTO(get(&p, "gradient", matrix, x));
  st = vw_compare_output(v, "word_gradient", x, matrix, 0, VW_LIMIT_GRADIENT);
cleanup:
  word_program_free(&p), free(x);
  return st;
}

static vw_status compare_features(vw_verification *v, const vw_word_inputs *w) {
  const vw_clip_network *n = v->network;
  const vw_prompt_sizes sizes = {w->M, w->prompts.t.P, w->prompts.t.T};
  const vw_tensor rows = vw_shape(VW_I32, w->K), out = vw_shape(VW_F64, w->K, n->net.text.tower.projection);
  word_program p = {0};
  double *x = malloc((size_t)vw_count(&out) * sizeof *x);
  vw_status st = VW_OK;
  VW_CHECK(x, VW_ERR_MEMORY, "verify: out of memory");
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
  st = vw_compare_output(v, "word_features", x, out, 0, VW_LIMIT_OUTPUT);
cleanup:
  word_program_free(&p), free(x);
  return st;
}

/* All steps from the same start; the words behind each of them are read and kept: words [steps, K, C]. */
static vw_status run_steps(vw_verification *v, const vw_word_inputs *w, double *words, double *losses) {
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

static vw_status compare_steps(vw_verification *v, vw_word_inputs *w, vw_optimiser optimiser, const char *name) {
  const int64_t n = w->steps * w->K * w->C;
  char what[32];
  vw_tensor losses;
  double *x = malloc((size_t)(n + w->steps * w->K) * sizeof *x);
  vw_status st = VW_OK;
  VW_CHECK(x, VW_ERR_MEMORY, "verify: out of memory");
  w->learn.optimiser = optimiser;
  (void)snprintf(what, sizeof what, "%s.loss", name);
  VW_GOTO(vw_reference_tensor(v, what, vw_shape(VW_F64, w->steps, w->K), &losses));
  VW_GOTO(run_steps(v, w, x, x + n));
  VW_GOTO(vw_compare(v, what, x + n, vw_f64(&losses), w->steps * w->K, 1, VW_LIMIT_OUTPUT));
  (void)snprintf(what, sizeof what, "%s.words", name);
  st = vw_compare_output(v, what, x, vw_shape(VW_F64, w->steps, w->K, w->C), 0, VW_LIMIT_OUTPUT);
cleanup:
  free(x);
  return st;
}

vw_status vw_compare_words(vw_verification *v, vw_word_inputs *w) {
  VW_TRY(compare_features(v, w));
  VW_TRY(compare_gradient(v, w));
  VW_TRY(compare_steps(v, w, VW_PGD, "pgd"));
  return compare_steps(v, w, VW_ADAMW, "adamw");
}
