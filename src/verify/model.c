/* `verify MODEL_DIR --reference FILE`: a model directory against what the reference implementation computed with it
 * (tests/reference/verify.py). Every stage starts from the reference's inputs, so that a row of the table points at one
 * stage. */
#include "verify/verify.h"

#include "core/text.h"
#include "io/json.h"
#include "io/preprocess.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the reference file ------------------------------------------------------------------------------------------ */

static bool shape_fits(const vw_tensor *t, const vw_tensor *want) {
  if (t->dtype != want->dtype || t->ndim != want->ndim) return false;
  for (int i = 0; i < t->ndim; i++)
    if (t->dim[i] < 1 || (want->dim[i] >= 0 && t->dim[i] != want->dim[i])) return false;
  return true;
}

vw_status vw_reference_tensor(const vw_verification *v, const char *name, vw_tensor shape, vw_tensor *out) {
  VW_TRY(vw_safetensors_find(v->file, name, out));
  VW_CHECK(shape_fits(out, &shape), VW_ERR_INPUT,
           "%s: tensor '%s' is %s %s; expected %s %s (-1: any): was the file made from this model directory?",
           vw_safetensors_path(v->file), name, vw_dtype_name(out->dtype), vw_shape_text(out),
           vw_dtype_name(shape.dtype), vw_shape_text(&shape));
  return VW_OK;
}

vw_status vw_reference_indices(const vw_verification *v, const char *name, vw_tensor shape, int64_t below,
                               vw_tensor *out) {
  VW_TRY(vw_reference_tensor(v, name, shape, out));
  for (int64_t i = 0; i < vw_count(out); i++)
    VW_CHECK(vw_i32(out)[i] >= 0 && vw_i32(out)[i] < below, VW_ERR_INPUT,
             "%s: tensor '%s' holds %d; expected 0 to %" PRId64 ": was the file made from this model directory?",
             vw_safetensors_path(v->file), name, vw_i32(out)[i], below - 1);
  return VW_OK;
}

vw_status vw_reference_texts(vw_verification *v, const char *name, vw_names *texts) {
  char end_name[64];
  vw_tensor bytes, end;
  (void)snprintf(end_name, sizeof end_name, "%s.end", name);
  VW_TRY(vw_reference_tensor(v, name, vw_shape(VW_U8, -1), &bytes));
  VW_TRY(vw_reference_tensor(v, end_name, vw_shape(VW_I64, -1), &end));
  texts->n = end.dim[0];
  texts->name = vw_pool_take(&v->pool, (size_t)texts->n * sizeof *texts->name);
  VW_CHECK(texts->name, VW_ERR_MEMORY, "verify: out of memory");
  for (int64_t i = 0, at = 0; i < texts->n; at = vw_i64(&end)[i++]) {
    const int64_t length = vw_i64(&end)[i] - at;
    VW_CHECK(vw_i64(&end)[i] >= at && vw_i64(&end)[i] <= bytes.dim[0] &&
                 !memchr((char *)bytes.data + at, 0, (size_t)length),
             VW_ERR_INPUT, "%s: tensor '%s': entry %" PRId64 " is not the end of a text", vw_safetensors_path(v->file),
             end_name, i);
    texts->name[i] = vw_pool_text(&v->pool, (char *)bytes.data + at, length);
    VW_CHECK(texts->name[i], VW_ERR_MEMORY, "verify: out of memory");
  }
  return VW_OK;
}

vw_status vw_reference_number(const vw_verification *v, const char *key, double *x) {
  const json_t *value = json_object_get(v->about, key);
  VW_CHECK(json_is_number(value), VW_ERR_INPUT, "%s: metadata 'json' has no number '%s'", vw_safetensors_path(v->file),
           key);
  *x = json_number_value(value);
  return VW_OK;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static double limit_of(const vw_verification *v, vw_limit limit) {
  const bool exact = v->ctx.backend == VW_REF;
  switch (limit) {
  case VW_LIMIT_SAME:
    return 0;
  case VW_LIMIT_PIXEL:
    return (1.0 + 1e-3) / 255; /* theirs lie in fp32, a difference of one level is some 1e-7 more or less than that */
  case VW_LIMIT_OUTPUT:
    return exact ? 1e-8 : 1e-4;
  case VW_LIMIT_GRADIENT:
    return exact ? 1e-8 : 1e-3;
  }
  return 0;
}

vw_status vw_compare(vw_verification *v, const char *what, const double *got, const double *expected, int64_t n,
                     double scale, vw_limit limit) {
  double largest = 0, size = scale;
  for (int64_t i = 0; i < n; i++) {
    const double d = fabs(got[i] - expected[i]);
    largest = d > largest || isnan(d) ? d : largest; /* NaN stays: no comparison with it is true */
    if (isnan(largest)) break;
    if (fabs(expected[i]) > size) size = fabs(expected[i]);
  }
  const double relative = size > 0 ? largest / size : largest, most = limit_of(v, limit);
  const bool ok = relative <= most;
  v->beyond += !ok;
  json_t *row = json_pack("{s:s, s:I, s:o?, s:o?, s:f, s:b}", "what", what, "values", (json_int_t)n, "largest",
                          json_real(largest), "relative", json_real(relative), "limit", most, "ok", ok);
  VW_CHECK(row && !json_array_append_new(v->rows, row), VW_ERR_MEMORY, "verify: out of memory");
  return VW_OK;
}

static void print_table(const vw_verification *v, const char *dir) {
  size_t i;
  const json_t *row;
  const char *made = vw_safetensors_metadata(v->file, "made_with");
  (void)vw_print(stdout, "%s (%s) against %s (%s)\n\n%-24s %10s  %9s  %9s  %9s\n", dir, vw_backend_name(v->ctx.backend),
                 vw_safetensors_path(v->file), made ? made : "unknown versions", "", "values", "largest", "relative",
                 "limit");
  json_array_foreach(v->rows, i, row) {
    const json_t *largest = json_object_get(row, "largest"), *relative = json_object_get(row, "relative");
    (void)vw_print(stdout, "%-24s %10" JSON_INTEGER_FORMAT "  %9.2e  %9.2e  %9.2e%s\n",
                   json_string_value(json_object_get(row, "what")), json_integer_value(json_object_get(row, "values")),
                   json_is_real(largest) ? json_real_value(largest) : NAN,
                   json_is_real(relative) ? json_real_value(relative) : NAN,
                   json_real_value(json_object_get(row, "limit")),
                   json_is_true(json_object_get(row, "ok")) ? "" : "  BEYOND");
  }
  (void)vw_print(stdout, "\n%zu comparisons, %" PRId64 " beyond their limit\n", json_array_size(v->rows), v->beyond);
}

static vw_status print_json(const vw_verification *v, const char *dir) {
  json_t *all = json_pack("{s:o, s:o, s:s, s:O, s:I}", "model", vw_json_name(dir), "reference",
                          vw_json_name(vw_safetensors_path(v->file)), "backend", vw_backend_name(v->ctx.backend),
                          "rows", v->rows, "beyond", (json_int_t)v->beyond);
  VW_CHECK(all, VW_ERR_MEMORY, "verify: out of memory");
  (void)vw_json_print(all, JSON_INDENT(1), stdout);
  (void)vw_print(stdout, "\n");
  json_decref(all);
  return VW_OK;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

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

/* Features of the backend's type as double, in place of a copy; the caller frees. */
static vw_status to_double(const vw_verification *v, const void *x, int64_t n, double **out) {
  *out = malloc((size_t)n * sizeof **out);
  VW_CHECK(*out, VW_ERR_MEMORY, "verify: out of memory");
  return vw_convert(*out, VW_F64, x, vw_clip_feature_type(v->network), n);
}

static vw_status compare_features(vw_verification *v, const char *name, const void *got, int64_t n) {
  vw_tensor expected;
  double *x = NULL;
  vw_status st = vw_reference_tensor(v, name, vw_shape(VW_F64, n, v->network->net.text.tower.projection), &expected);
  if (st == VW_OK) st = to_double(v, got, vw_count(&expected), &x);
  if (st == VW_OK) st = vw_compare(v, name, x, vw_f64(&expected), vw_count(&expected), 0, VW_LIMIT_OUTPUT);
  free(x);
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

/* state i of the pass against tensor NAME.i [B, T, C]. Behind the last layer only one row of each is computed: at[b].
 */
static vw_status compare_state(vw_verification *v, const state_pass *s, const char *name, int64_t i,
                               const vw_tensor *expected, const int32_t *at) {
  const int64_t B = expected->dim[0], T = expected->dim[1], C = expected->dim[2], n = at ? B * C : vw_count(expected);
  double *got = malloc((size_t)n * sizeof *got), *want = malloc((size_t)n * sizeof *want);
  char what[64];
  vw_status st = VW_OK;
  vw_tensor t = at ? vw_shape(VW_F64, B, C) : *expected;
  if (!got || !want) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  t.data = got;
  VW_GOTO(vw_program_read(s->program, s->states[i], &t));
  for (int64_t b = 0; at && b < B; b++)
    memcpy(want + b * C, vw_f64(expected) + (b * T + at[b]) * C, (size_t)C * sizeof *want);
  (void)snprintf(what, sizeof what, "%s.%" PRId64, name, i);
  VW_GOTO(vw_compare(v, what, got, at ? want : vw_f64(expected), n, 0, VW_LIMIT_OUTPUT));
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
  VW_TRY(vw_program_write(s->program, row, &r));
  VW_TRY(vw_program_prepare(s->program));
  return vw_program_run(s->program);
}

static vw_status compare_states(vw_verification *v, const state_pass *s, const char *name, int64_t layers,
                                vw_tensor shape, const int32_t *at) {
  for (int64_t i = 0; i <= layers; i++) {
    char tensor[64];
    vw_tensor expected;
    (void)snprintf(tensor, sizeof tensor, "%s.%" PRId64, name, i);
    VW_TRY(vw_reference_tensor(v, tensor, shape, &expected));
    VW_TRY(compare_state(v, s, name, i, &expected, i == layers ? at : NULL));
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

static vw_status verify_texts(vw_verification *v, void **features, int64_t *n_texts) {
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
  return compare_features(v, "text_features", *features, texts.n);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

/* Our pixels of the picture's file, before normalisation, beside the reference's. */
static vw_status compare_pixels(vw_verification *v, const vw_tensor *pixels) {
  vw_preprocess how = v->network->hub.preprocess;
  const vw_preprocess *p = &how;
  const json_t *pillow = json_object_get(v->about, "pillow"); /* its first number; files of before 13 do not have it */
  how.width_first = pillow && json_integer_value(pillow) < 13;
  const char *alpha = json_string_value(json_object_get(v->about, "alpha")); /* older files dropped it */
  const unsigned look = alpha && !strcmp(alpha, "white") ? VW_IMAGE_ON_WHITE : 0;
  const int64_t S = pixels->dim[1], one = S * S * 3;
  uint8_t *rgb = malloc((size_t)one);
  double *got = calloc((size_t)(one * v->n_pictures), sizeof *got),
         *want = calloc((size_t)(one * v->n_pictures), sizeof *want);
  vw_status st = VW_OK;
  if (!rgb || !got || !want) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  for (int64_t i = 0; i < v->n_pictures; i++) {
    char name[64];
    vw_tensor file;
    vw_image image = {0};
    (void)snprintf(name, sizeof name, "picture.%" PRId64, i);
    VW_GOTO(vw_reference_tensor(v, name, vw_shape(VW_U8, -1), &file));
    VW_GOTO(vw_image_decode(name, file.data, file.dim[0], look, &image));
    st = vw_preprocess_pixels(p, &image, rgb);
    vw_image_free(&image);
    if (st != VW_OK) goto cleanup;
    for (int64_t j = 0; j < one; j++) {
      got[i * one + j] = rgb[j] * p->rescale;
      want[i * one + j] = (double)vw_f32(pixels)[i * one + j] * p->std[j % 3] + p->mean[j % 3];
    }
  }
  st = vw_compare(v, "pixels", got, want, one * v->n_pictures, 1, VW_LIMIT_PIXEL);
cleanup:
  free(rgb), free(got), free(want);
  return st;
}

static vw_status verify_image_states(vw_verification *v, const double *pixels) {
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
  const vw_value row = vw_input(s.graph, vw_shape(VW_I32, 1), "class_row");
  (void)vw_clip_image_feature(s.graph, &n->vision, input, row, s.states);
  VW_GOTO(run_states(v, &s, input, &x, row, &zero, layers));
  VW_GOTO(compare_states(v, &s, "image_states", layers, vw_shape(VW_F64, 1, side * side + 1, D), &zero));
cleanup:
  state_pass_free(&s);
  return st;
}

static vw_status encode_pictures(vw_verification *v, const double *pixels, int64_t one) {
  vw_image_encoder *e = NULL;
  const size_t bytes = vw_clip_feature_bytes(v->network);
  vw_status st = vw_image_encoder_create(&e, v->network);
  for (int64_t i = 0; st == VW_OK && i < v->n_pictures; i++)
    st = vw_image_encoder_run(e, pixels + i * one, (char *)v->image_features + (size_t)i * bytes);
  vw_image_encoder_destroy(e);
  return st;
}

static vw_status verify_pictures(vw_verification *v) {
  const int64_t S = v->network->vision.image_size;
  vw_tensor pixels;
  VW_TRY(vw_reference_tensor(v, "pixels", vw_shape(VW_F32, -1, S, S, 3), &pixels));
  v->n_pictures = pixels.dim[0];
  v->image_features = malloc((size_t)v->n_pictures * vw_clip_feature_bytes(v->network));
  double *x = malloc((size_t)vw_count(&pixels) * sizeof *x);
  vw_status st = VW_OK;
  if (!v->image_features || !x) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  VW_GOTO(compare_pixels(v, &pixels));
  VW_GOTO(vw_convert(x, VW_F64, pixels.data, VW_F32, vw_count(&pixels)));
  VW_GOTO(verify_image_states(v, x));
  VW_GOTO(encode_pictures(v, x, S * S * 3));
  st = compare_features(v, "image_features", v->image_features, v->n_pictures);
cleanup:
  free(x);
  return st;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static vw_status verify_logits(vw_verification *v, const void *text_features, int64_t n_texts) {
  vw_tensor expected;
  VW_TRY(vw_reference_tensor(v, "logits", vw_shape(VW_F64, v->n_pictures, n_texts), &expected));
  double *z = malloc((size_t)vw_count(&expected) * sizeof *z);
  VW_CHECK(z, VW_ERR_MEMORY, "verify: out of memory");
  vw_status st = vw_clip_logits(v->network, v->image_features, v->n_pictures, text_features, n_texts, z);
  if (st == VW_OK) st = vw_compare(v, "logits", z, vw_f64(&expected), vw_count(&expected), 0, VW_LIMIT_OUTPUT);
  free(z);
  return st;
}

static vw_status open_reference(vw_verification *v, const char *path, bool *is_diffusion) {
  VW_TRY(vw_safetensors_open(&v->file, path));
  const char *format = vw_safetensors_metadata(v->file, "format"), *about = vw_safetensors_metadata(v->file, "json");
  VW_CHECK(format && about && !strcmp(format, "viswords-reference 1"), VW_ERR_INPUT,
           "%s: expected a file of tests/reference/verify.py (metadata 'format' is not 'viswords-reference 1')", path);
  v->about = json_loads(about, 0, NULL);
  const char *kind = json_string_value(json_object_get(v->about, "kind"));
  *is_diffusion = kind && !strcmp(kind, "stable-diffusion");
  VW_CHECK(*is_diffusion || (kind && !strcmp(kind, "clip")), VW_ERR_INPUT,
           "%s: metadata 'json': kind '%s'; expected 'clip' or 'stable-diffusion'", path, kind ? kind : "");
  return VW_OK;
}

static vw_status compare_clip(vw_verification *v) {
  void *text_features = NULL;
  int64_t n_texts = 0;
  vw_status st = verify_texts(v, &text_features, &n_texts);
  if (st == VW_OK) st = verify_pictures(v);
  if (st == VW_OK) st = verify_logits(v, text_features, n_texts);
  free(text_features);
  return st == VW_OK ? vw_verify_words(v) : st;
}

static vw_status compare_all(vw_verification *v, const char *dir, bool is_diffusion) {
  if (is_diffusion) {
    VW_TRY(vw_sd_network_open(&v->sd, dir, &v->ctx));
    return vw_verify_diffusion(v);
  }
  VW_TRY(vw_clip_network_open(&v->network, dir, &v->ctx));
  return compare_clip(v);
}

vw_status vw_verify_model(const char *dir, const char *reference, vw_backend backend, int threads, bool json,
                          int64_t *beyond) {
  vw_verification v = {.rows = json_array()};
  vw_status st = VW_OK;
  VW_CHECK(v.rows, VW_ERR_MEMORY, "verify: out of memory");
  VW_GOTO(vw_context_open(&v.ctx, backend, threads, 0));
  bool is_diffusion = false;
  VW_GOTO(open_reference(&v, reference, &is_diffusion));
  VW_GOTO(compare_all(&v, dir, is_diffusion));
  if (json)
    VW_GOTO(print_json(&v, dir));
  else
    print_table(&v, dir);
  *beyond = v.beyond;
cleanup:
  vw_clip_network_close(v.network);
  vw_sd_network_close(v.sd);
  vw_safetensors_close(v.file);
  if (v.ctx.threads) vw_context_close(&v.ctx);
  json_decref(v.rows), json_decref(v.about);
  free(v.image_features);
  vw_pool_fini(&v.pool);
  return st;
}
