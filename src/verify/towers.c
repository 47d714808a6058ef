/* `verify --reference`: what directories with CLIP's two towers have in common: tokens, states by layer, text features,
 * pictures of the file. */
#include "verify/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tokens ------------------------------------------------------------------------------------------------------- */

/* How many texts have other ids than the reference; what stands behind a text's end does not count. */
static vw_status compare_tokens(vw_verification *v, const vw_names *texts, const vw_tensor *ids, int32_t *pooled) {
  const int64_t L = ids->dim[1], capacity = v->network->net.text.tower.positions;
  int32_t *own = malloc((size_t)capacity * sizeof *own);
  double different = 0;
  const double none = 0;
  vw_status st = VW_OK;
  VW_CHECK(own, VW_ERR_MEMORY, "verify: out of memory");
  for (int64_t i = 0; i < texts->n; i++) {
    int64_t n = 0;
    VW_GOTO(vw_tokenizer_encode(v->network->net.text.tokenizer, texts->name[i], own, capacity, &n));
    const int32_t *row = vw_i32(ids) + i * L;
    const bool same = n <= L && !memcmp(own, row, (size_t)n * sizeof *own) && (n == L || row[n - 1] == own[n - 1]);
    if (!same) different++;
    pooled[i] = (int32_t)vw_text_pooled(&v->network->net.text, row, L); /* of the reference's ids, whatever we read */
  }
  VW_GOTO(vw_compare(v, "tokens", &different, &none, 1, 0, VW_LIMIT_SAME));
  json_object_set_new(json_array_get(v->rows, json_array_size(v->rows) - 1), "values", json_integer(texts->n));
cleanup:
  free(own);
  return st;
}

/* ---- states by layer --------------------------------------------------------------------------------------------- */

typedef struct state_pass {
  vw_graph *graph;
  vw_program *program;
  vw_value *states; /* [layers + 1] */
} state_pass;

static void state_pass_free(state_pass *s) {
  vw_program_destroy(s->program);
  vw_graph_destroy(s->graph);
  free(s->states);
}

/* State i of the pass against tensor `name` [B, T, C]. */
static vw_status compare_state(vw_verification *v, const state_pass *s, const char *name, int64_t i, vw_tensor shape) {
  double *got = malloc((size_t)vw_count(&shape) * sizeof *got);
  VW_CHECK(got, VW_ERR_MEMORY, "verify: out of memory");
  shape.data = got;
  vw_status st = vw_program_read(s->program, s->states[i], &shape);
  if (st == VW_OK) st = vw_compare_output(v, name, got, shape, 0, VW_LIMIT_OUTPUT);
  free(got);
  return st;
}

/* Behind the last layer only one row of each is computed: at[b]. */
static vw_status compare_pooled(vw_verification *v, const state_pass *s, const char *name, int64_t i, vw_tensor shape,
                                const int32_t *at) {
  const int64_t B = shape.dim[0], T = shape.dim[1], C = shape.dim[2];
  double *got = malloc((size_t)(B * C) * sizeof *got), *want = malloc((size_t)(B * C) * sizeof *want);
  vw_status st = got && want ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
  vw_tensor expected, t = vw_shape(VW_F64, B, C);
  if (st != VW_OK) goto cleanup;
  t.data = got;
  VW_GOTO(vw_reference_tensor(v, name, shape, &expected));
  VW_GOTO(vw_program_read(s->program, s->states[i], &t));
  for (int64_t b = 0; b < B; b++)
    memcpy(want + b * C, vw_f64(&expected) + (b * T + at[b]) * C, (size_t)C * sizeof *want);
  st = vw_compare(v, name, got, want, B * C, 0, VW_LIMIT_OUTPUT);
cleanup:
  free(got), free(want);
  return st;
}

static vw_status run_states(vw_verification *v, state_pass *s, vw_value input, const vw_tensor *x, vw_value row,
                            const int32_t *at, int64_t layers) {
  vw_clip_network *n = v->network;
  vw_tensor r = vw_shape(VW_I32, x->dim[0]);
  r.data = (void *)(uintptr_t)at;
  for (int64_t i = 0; i <= layers; i++) vw_output(s->graph, s->states[i], "state.%" PRId64, i);
  VW_TRY(vw_program_create(&s->program, s->graph, n->net.ctx, &n->net.policy));
  VW_TRY(vw_weights_bind(n->net.weights, s->program));
  VW_TRY(vw_program_write(s->program, input, x));
  if (row != VW_NONE) VW_TRY(vw_program_write(s->program, row, &r));
  VW_TRY(vw_program_prepare(s->program));
  return vw_program_run(s->program);
}

static vw_status compare_states(vw_verification *v, const state_pass *s, const char *name, int64_t layers,
                                vw_tensor shape, const int32_t *at) {
  for (int64_t i = 0; i <= layers; i++) {
    char tensor[64];
    (void)snprintf(tensor, sizeof tensor, "%s.%" PRId64, name, i);
    VW_TRY(at && i == layers ? compare_pooled(v, s, tensor, i, shape, at) : compare_state(v, s, tensor, i, shape));
  }
  return VW_OK;
}

static vw_status verify_text_states(vw_verification *v, const vw_tensor *ids, const int32_t *pooled) {
  const vw_clip_network *n = v->network;
  const int64_t C = n->net.text.tower.t.width, layers = n->net.text.tower.t.layers, T = ids->dim[1];
  const vw_clip_text_rows rows = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  state_pass s = {0};
  vw_tensor first, x;
  double *data = NULL;
  vw_status st = VW_OK;
  if (!vw_safetensors_has(v->file, "text_states.0")) return VW_OK; /* made without */
  VW_TRY(vw_reference_tensor(v, "text_states.0", vw_shape(VW_F64, -1, T, C), &first));
  const int64_t B = first.dim[0];
  VW_CHECK(B <= ids->dim[0], VW_ERR_INPUT, "%s: 'text_states.0' has more rows than 'ids'",
           vw_safetensors_path(v->file));
  data = malloc((size_t)(B * T * C) * sizeof *data), s.states = calloc((size_t)layers + 1, sizeof *s.states);
  if (!data || !s.states) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  for (int64_t i = 0; i < B * T; i++) VW_GOTO(vw_text_embed(&n->net.text, vw_i32(ids)[i], i % T, data + i * C));
  VW_GOTO(vw_graph_create(&s.graph));
  x = vw_shape(VW_F64, B, T, C), x.data = data;
  s.states[0] = vw_input(s.graph, vw_shape(VW_RESIDUAL, B, T, C), "x");
  const vw_value row = vw_input(s.graph, vw_shape(VW_I32, B), "pooled");
  (void)vw_clip_text_feature(s.graph, &n->net.text.tower, s.states[0], rows, row, s.states + 1);
  VW_GOTO(run_states(v, &s, s.states[0], &x, row, pooled, layers));
  VW_GOTO(compare_states(v, &s, "text_states", layers, vw_shape(VW_F64, B, T, C), pooled));
cleanup:
  state_pass_free(&s), free(data);
  return st;
}

/* A detector reads all rows of the last state, CLIP the class token's. */
vw_status vw_verify_image_states(vw_verification *v, const double *pixels) {
  const vw_clip_network *n = v->network;
  const int64_t S = n->vision.image_size, side = S / n->vision.patch, D = n->vision.t.width,
                layers = n->vision.t.layers;
  const int32_t zero = 0;
  state_pass s = {0};
  vw_tensor x = vw_shape(VW_F64, 1, S, S, 3);
  vw_status st = VW_OK;
  x.data = (void *)(uintptr_t)pixels;
  if (!vw_safetensors_has(v->file, "image_states.0")) return VW_OK; /* made without */
  s.states = calloc((size_t)layers + 1, sizeof *s.states);
  VW_CHECK(s.states, VW_ERR_MEMORY, "verify: out of memory");
  VW_GOTO(vw_graph_create(&s.graph));
  const vw_value input = vw_input(s.graph, vw_shape(VW_ACT, 1, S, S, 3), "pixels");
  const vw_value row = v->owl ? VW_NONE : vw_input(s.graph, vw_shape(VW_I32, 1), "class_row");
  (void)vw_clip_vision_tokens(s.graph, &n->vision, input, row, s.states);
  VW_GOTO(run_states(v, &s, input, &x, row, &zero, layers));
  VW_GOTO(compare_states(v, &s, "image_states", layers, vw_shape(VW_F64, 1, side * side + 1, D),
                         row == VW_NONE ? NULL : &zero));
cleanup:
  state_pass_free(&s);
  return st;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

vw_status vw_compare_features(vw_verification *v, const char *name, const void *got, int64_t n) {
  const vw_tensor shape = vw_shape(VW_F64, n, v->network->net.text.tower.projection);
  double *x = malloc((size_t)vw_count(&shape) * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "verify: out of memory");
  vw_status st = vw_convert(x, VW_F64, got, vw_clip_feature_type(v->network), vw_count(&shape));
  if (st == VW_OK) st = vw_compare_output(v, name, x, shape, 0, VW_LIMIT_OUTPUT);
  free(x);
  return st;
}

vw_status vw_verify_texts(vw_verification *v, void **features, int64_t *n_texts) {
  vw_clip_network *n = v->network;
  vw_names texts;
  vw_tensor ids;
  VW_TRY(vw_reference_texts(v, "texts", &texts));
  VW_TRY(vw_reference_indices(v, "ids", vw_shape(VW_I32, texts.n, -1), n->net.text.tower.vocab, &ids));
  VW_CHECK(ids.dim[1] <= n->net.text.tower.positions, VW_ERR_INPUT,
           "%s: 'ids' has %" PRId64 " columns; the network takes %" PRId64, vw_safetensors_path(v->file), ids.dim[1],
           n->net.text.tower.positions);
  int32_t *pooled = vw_pool_take(&v->pool, (size_t)texts.n * sizeof *pooled);
  *n_texts = texts.n, *features = malloc((size_t)texts.n * vw_clip_feature_bytes(n));
  VW_CHECK(pooled && *features, VW_ERR_MEMORY, "verify: out of memory");
  VW_TRY(compare_tokens(v, &texts, &ids, pooled));
  VW_TRY(verify_text_states(v, &ids, pooled));
  VW_TRY(vw_clip_encode_tokens(n, vw_i32(&ids), ids.dim[1], pooled, texts.n, *features));
  return vw_compare_features(v, "text_features", *features, texts.n);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

vw_status vw_reference_picture(const vw_verification *v, const char *name, vw_image *image) {
  const char *alpha = json_string_value(json_object_get(v->about, "alpha")); /* older files dropped it */
  vw_tensor file;
  VW_TRY(vw_reference_tensor(v, name, vw_shape(VW_U8, -1), &file));
  return vw_image_decode(name, file.data, file.dim[0], alpha && !strcmp(alpha, "white") ? VW_IMAGE_ON_WHITE : 0, image);
}
