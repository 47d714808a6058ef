#include "networks/states.h"

#include "kernels/select_row.h"
#include "networks/prompts.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 32 };

const char *const vw_state_positions[VW_STATE_POSITIONS] = {"pooled", "word"};

int64_t vw_word_state_layers(const vw_network *n) {
  return n->text.tower.t.layers + 1;
}

/* A batch of words through the tower. */
typedef struct pass {
  vw_network *n;
  vw_prompts prompts;
  vw_graph *graph;
  vw_program *program;
  vw_value words, state[VW_STATE_POSITIONS][VW_PROMPT_LAYERS + 1];
  int64_t vectors;  /* of a word */
  double *in, *out; /* [BATCH, vectors, W], [BATCH, W] */
} pass;

static void pass_close(pass *p) {
  vw_program_destroy(p->program);
  vw_graph_destroy(p->graph);
  vw_prompts_free(&p->prompts);
  free(p->in), free(p->out);
}

static vw_status describe(pass *p, const vw_prompt_sizes *sizes) {
  const vw_clip_text_config *tower = &p->n->text.tower;
  vw_value stream[VW_PROMPT_LAYERS + 1];
  vw_prompt_rows r;
  VW_TRY(vw_graph_create(&p->graph));
  vw_graph *g = p->graph;
  p->words = vw_input(g, vw_shape(VW_HEAD, BATCH, p->vectors * p->n->width), "words");
  const vw_value row_word = vw_input(g, vw_shape(VW_I32, BATCH), "row_word");
  const vw_value row_template = vw_input(g, vw_shape(VW_I32, BATCH), "row_template");
  const vw_value word_at = vw_input(g, vw_shape(VW_I32, BATCH), "word_at");
  VW_TRY(vw_prompt_rows_emit(g, tower, sizes, p->words, row_word, row_template, &r));
  vw_clip_text_residuals(g, tower, r.x, r.rows, stream);
  for (int64_t l = 0; l < vw_word_state_layers(p->n); l++) {
    p->state[VW_STATE_POOLED][l] = vw_select_row(g, stream[l], r.pooled);
    p->state[VW_STATE_WORD][l] = vw_select_row(g, stream[l], word_at);
    for (int k = 0; k < VW_STATE_POSITIONS; k++)
      vw_output(g, p->state[k][l], "%s.%lld", vw_state_positions[k], (long long)l);
  }
  return vw_graph_status(g);
}

static vw_status write_i32(const pass *p, const char *name, int32_t *data) {
  vw_tensor t = vw_shape(VW_I32, BATCH);
  t.data = data;
  return vw_program_write(p->program, vw_find(p->graph, name), &t);
}

vw_status vw_word_states_work(vw_network *n, const char *text, int64_t vectors, vw_state_work *out) {
  pass p = {.n = n, .vectors = vectors};
  vw_prompt_sizes sizes;
  vw_work work = {0};
  vw_status st = vw_prompt_sizes_of(n, &text, 1, vectors, &sizes);
  if (st == VW_OK) st = describe(&p, &sizes);
  if (st == VW_OK) st = vw_program_work(p.graph, &n->policy, &work);
  *out = (vw_state_work){.words = BATCH, .flops = work.flops};
  pass_close(&p);
  return st;
}

static vw_status pass_open(pass *p, vw_network *n, const char *text, int64_t vectors) {
  const size_t bytes = (size_t)(BATCH * n->width) * sizeof(double);
  int32_t rows[BATCH], zeros[BATCH] = {0}, last[BATCH];
  for (int32_t i = 0; i < BATCH; i++) rows[i] = i, last[i] = (int32_t)vectors - 1;
  *p = (pass){.n = n, .vectors = vectors};
  VW_TRY(vw_prompts_create(&p->prompts, n, &text, 1, vectors));
  p->in = calloc((size_t)vectors, bytes), p->out = malloc(bytes);
  VW_CHECK(p->in && p->out, VW_ERR_MEMORY, "states: out of memory");
  const vw_prompt_sizes sizes = vw_prompts_sizes(&p->prompts);
  VW_TRY(describe(p, &sizes));
  VW_TRY(vw_program_create(&p->program, p->graph, n->ctx, &n->policy));
  VW_TRY(vw_weights_bind(n->weights, p->program));
  VW_TRY(vw_prompts_write(&p->prompts, p->program, p->graph));
  VW_TRY(write_i32(p, "row_word", rows));
  VW_TRY(write_i32(p, "row_template", zeros));
  return write_i32(p, "word_at", last); /* the tail begins with the word */
}

/* One position and layer of `count` words to their places in out. */
static vw_status read_states(const pass *p, int position, int64_t layer, int64_t count, float *out) {
  const int64_t W = p->n->width, layers = vw_word_state_layers(p->n);
  vw_tensor t = vw_shape(VW_F64, BATCH, W);
  t.data = p->out;
  VW_TRY(vw_program_read(p->program, p->state[position][layer], &t));
  for (int64_t i = 0; i < count; i++)
    for (int64_t c = 0; c < W; c++)
      out[((i * VW_STATE_POSITIONS + position) * layers + layer) * W + c] = (float)p->out[i * W + c];
  return VW_OK;
}

static vw_status run(pass *p, const double *words, int64_t count, float *out) {
  const int64_t W = p->n->width, layers = vw_word_state_layers(p->n), word = p->vectors * W;
  vw_tensor t = vw_shape(VW_F64, BATCH, word);
  t.data = p->in;
  for (int64_t first = 0; first < count; first += BATCH) {
    const int64_t n = count - first < BATCH ? count - first : BATCH;
    memcpy(p->in, words + first * word, (size_t)(n * word) * sizeof *words);
    VW_TRY(vw_program_write(p->program, p->words, &t));
    if (first == 0) VW_TRY(vw_program_prepare(p->program));
    VW_TRY(vw_program_run(p->program));
    for (int64_t l = 0; l < layers; l++)
      for (int k = 0; k < VW_STATE_POSITIONS; k++)
        VW_TRY(read_states(p, k, l, n, out + first * VW_STATE_POSITIONS * layers * W));
  }
  return VW_OK;
}

vw_status vw_word_states(vw_network *n, const char *text, const double *words, int64_t vectors, int64_t count,
                         float *out) {
  pass p;
  vw_status st = pass_open(&p, n, text, vectors);
  if (st == VW_OK) st = run(&p, words, count, out);
  pass_close(&p);
  return st;
}
