/* `verify --reference` of an OWL-v2 directory (tests/reference/verify_owl.py): pixels of pictures that are made square,
 * what the patches of prepared pictures are, logits of texts there, matching, and the focal loss of words. */
#include "tasks/detect/detect.h"
#include "tasks/detect/detect_graph.h"
#include "tasks/leaves.h"
#include "verify/words.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct comparison {
  vw_verification *v;
  int64_t scenes;     /* pictures that have the network's size already */
  vw_patches patches; /* [2 scenes]: theirs, and once more as pictures without the concept */
  vw_tensor matched;  /* [scenes, N] the reference's */
  int32_t *targets;   /* [2 scenes, N], then boxes [2 scenes] */
  vw_detect_step step;
} comparison;

/* How many tensors "<kind>.<i>" the file has, from 0 on. */
static int64_t count_of(const vw_verification *v, const char *kind) {
  char name[64];
  int64_t n = 0;
  while (snprintf(name, sizeof name, "%s.%" PRId64, kind, n) > 0 && vw_safetensors_has(v->file, name)) n++;
  return n;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static vw_status read_pad(const vw_verification *v, double *pad) {
  const char *said = json_string_value(json_object_get(v->about, "pad"));
  VW_CHECK(said && (!strcmp(said, "grey") || !strcmp(said, "black")), VW_ERR_INPUT,
           "%s: metadata 'json': pad '%s'; expected 'grey' or 'black'", vw_safetensors_path(v->file), said ? said : "");
  *pad = strcmp(said, "black") != 0 ? 0.5 : 0;
  return VW_OK;
}

/* Our pixels of the pictures' files before they are normalised, beside the reference's, of which some are kept. */
static vw_status compare_pixels(vw_verification *v) {
  const int64_t S = v->owl->square.size, one = S * S * 3, n = count_of(v, "picture");
  const int64_t kept = (n * one + v->stride - 1) / v->stride;
  vw_square square = v->owl->square;
  vw_tensor pixels;
  VW_TRY(read_pad(v, &square.pad));
  VW_TRY(
      vw_reference_tensor(v, "pixels", v->stride > 1 ? vw_shape(VW_F32, kept) : vw_shape(VW_F32, n, S, S, 3), &pixels));
  float *all = malloc((size_t)(n * one) * sizeof *all);
  double *got = malloc((size_t)(2 * kept) * sizeof *got), *want = got + kept;
  vw_status st = all && got ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
  for (int64_t i = 0; st == VW_OK && i < n; i++) {
    char name[64];
    vw_image image = {0};
    (void)snprintf(name, sizeof name, "picture.%" PRId64, i);
    VW_GOTO(vw_reference_picture(v, name, &image));
    st = vw_square_pixels(&square, &image, all + i * one);
    vw_image_free(&image);
  }
  if (st != VW_OK) goto cleanup;
  for (int64_t i = 0; i < kept; i++) got[i] = all[i * v->stride], want[i] = vw_f32(&pixels)[i];
  st = vw_compare(v, "pixels", got, want, kept, 1, VW_LIMIT_PIXEL);
cleanup:
  free(all), free(got);
  return st;
}

/* A picture that has the network's size: nothing is resampled, only normalised. pixels [S, S, 3]. */
static vw_status read_scene(const vw_verification *v, int64_t i, double *pixels) {
  const vw_square *s = &v->owl->square;
  char name[64];
  vw_image image = {0};
  (void)snprintf(name, sizeof name, "scene.%" PRId64, i);
  VW_TRY(vw_reference_picture(v, name, &image));
  const bool fits = image.width == s->size && image.height == s->size;
  for (int64_t j = 0; fits && j < s->size * s->size * 3; j++)
    pixels[j] = (image.rgb[j] * s->rescale - s->mean[j % 3]) / s->std[j % 3];
  const vw_status st = fits ? VW_OK
                            : VW_RAISE(VW_ERR_INPUT,
                                       "%s: tensor '%s' is a picture of %" PRId64 " x %" PRId64
                                       "; the network takes %" PRId64 ": was the file made from this model directory?",
                                       vw_safetensors_path(v->file), name, image.width, image.height, s->size);
  vw_image_free(&image);
  return st;
}

static vw_status run_scenes(comparison *c) {
  vw_verification *v = c->v;
  const int64_t S = v->owl->square.size;
  vw_owlv2_encoder *e = NULL;
  double *pixels = malloc((size_t)(S * S * 3) * sizeof *pixels);
  vw_status st = vw_owlv2_encoder_create(&e, v->owl);
  if (st == VW_OK && !pixels) st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
  for (int64_t i = 0; st == VW_OK && i < c->scenes; i++) {
    const vw_owlv2_picture_data one = vw_patches_at(&c->patches, i);
    VW_GOTO(read_scene(v, i, pixels));
    if (i == 0) VW_GOTO(vw_verify_image_states(v, pixels));
    st = vw_owlv2_encoder_run(e, pixels, &one);
  }
cleanup:
  vw_owlv2_encoder_destroy(e), free(pixels);
  return st;
}

static vw_status compare_patches(comparison *c) {
  const vw_patches *p = &c->patches;
  const vw_tensor shape = vw_shape(VW_F64, c->scenes, p->N, p->C), row = vw_shape(VW_F64, c->scenes, p->N);
  double *x = malloc((size_t)vw_count(&shape) * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "verify: out of memory");
  vw_status st = vw_convert(x, VW_F64, p->all.embedding, p->type, vw_count(&shape));
  if (st == VW_OK) st = vw_compare_output(c->v, "embedding", x, shape, 0, VW_LIMIT_OUTPUT);
  free(x);
  VW_TRY(st);
  VW_TRY(vw_compare_output(c->v, "shift", p->all.shift, row, 0, VW_LIMIT_OUTPUT));
  VW_TRY(vw_compare_output(c->v, "scale", p->all.scale, row, 0, VW_LIMIT_OUTPUT));
  VW_TRY(vw_compare_output(c->v, "boxes", p->all.boxes, vw_shape(VW_F64, c->scenes, p->N, 4), 0, VW_LIMIT_OUTPUT));
  return vw_compare_output(c->v, "objectness", p->all.objectness, row, 0, VW_LIMIT_OUTPUT);
}

/* Texts of ours at patches of ours: z [scenes, n, N]. */
static vw_status run_logits(const comparison *c, const void *q, int64_t n, double *z) {
  const vw_patches *p = &c->patches;
  const vw_clip_network *clip = c->v->network;
  const int32_t zero = 0;
  const int64_t one = 1;
  vw_graph *g = NULL;
  vw_program *program = NULL;
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = vw_detect_logits_graph(g, c->v->owl, n);
  if (st == VW_OK) st = vw_program_create(&program, g, &c->v->ctx, &clip->net.policy);
  if (st != VW_OK) goto cleanup;
  VW_GOTO(vw_write_leaf(program, g, "picture", vw_shape(VW_I32, one, one), &zero));
  VW_GOTO(vw_write_leaf(program, g, "q", vw_shape(vw_clip_feature_type(clip), n, p->C), q));
  for (int64_t i = 0; i < c->scenes; i++) {
    const vw_owlv2_picture_data d = vw_patches_at(p, i);
    VW_GOTO(vw_write_leaf(program, g, "features", vw_shape(p->type, one, p->N, p->C), d.embedding));
    VW_GOTO(vw_write_leaf(program, g, "shift", vw_shape(VW_F64, one, p->N), d.shift));
    VW_GOTO(vw_write_leaf(program, g, "scale", vw_shape(VW_F64, one, p->N), d.scale));
    if (i == 0) VW_GOTO(vw_program_prepare(program));
    VW_GOTO(vw_program_run(program));
    VW_GOTO(vw_read_leaf(program, g, "logits", vw_shape(VW_F64, n, one, p->N), z + i * n * p->N));
  }
cleanup:
  vw_program_destroy(program);
  vw_graph_destroy(g);
  return st;
}

static vw_status verify_logits(const comparison *c, const void *q, int64_t n) {
  const vw_tensor shape = vw_shape(VW_F64, c->scenes, n, c->patches.N);
  double *z = malloc((size_t)vw_count(&shape) * sizeof *z);
  VW_CHECK(z, VW_ERR_MEMORY, "verify: out of memory");
  vw_status st = run_logits(c, q, n, z);
  if (st == VW_OK) st = vw_compare_output(c->v, "logits", z, shape, 0, VW_LIMIT_OUTPUT);
  free(z);
  return st;
}

/* ---- matching ---------------------------------------------------------------------------------------------------- */

/* What our own assignment of a picture's true boxes costs: which patch answers may differ where two are as good. */
static vw_status cost_of(const comparison *c, int64_t scene, const double *truth, int64_t n, double *cost) {
  const vw_owlv2_picture_data d = vw_patches_at(&c->patches, scene);
  int64_t *patch = malloc((size_t)n * sizeof *patch);
  VW_CHECK(patch, VW_ERR_MEMORY, "verify: out of memory");
  const vw_status st = vw_detect_match(d.boxes, d.objectness, c->patches.N, truth, n, patch);
  *cost = 0;
  for (int64_t i = 0; st == VW_OK && i < n; i++)
    *cost += vw_detect_cost(d.boxes + 4 * patch[i], d.objectness[patch[i]], truth + 4 * i);
  free(patch);
  return st;
}

static vw_status verify_matching(comparison *c) {
  const int64_t N = c->patches.N, n = c->scenes;
  vw_tensor truth, of, expected;
  VW_TRY(vw_reference_tensor(c->v, "truth", vw_shape(VW_F64, -1, 4), &truth));
  VW_TRY(vw_reference_indices(c->v, "truth.picture", vw_shape(VW_I32, truth.dim[0]), n, &of));
  VW_TRY(vw_reference_indices(c->v, "matched", vw_shape(VW_I32, n, N), 2, &c->matched));
  VW_TRY(vw_reference_tensor(c->v, "matching", vw_shape(VW_F64, n), &expected));
  double *cost = calloc((size_t)n, sizeof *cost);
  vw_status st = cost ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
  for (int64_t i = 0, first = 0; st == VW_OK && i < n; i++) {
    int64_t end = first;
    while (end < truth.dim[0] && vw_i32(&of)[end] == i) end++;
    if (end == first || end - first > N)
      st = VW_RAISE(VW_ERR_INPUT, "%s: tensor 'truth.picture': %" PRId64 " boxes of picture %" PRId64 " in a row",
                    vw_safetensors_path(c->v->file), end - first, i);
    else
      st = cost_of(c, i, vw_f64(&truth) + 4 * first, end - first, &cost[i]);
    first = end;
  }
  if (st == VW_OK) st = vw_compare(c->v, "matching", cost, vw_f64(&expected), n, 1, VW_LIMIT_OUTPUT);
  free(cost);
  return st;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static vw_status put_pictures(const vw_word_inputs *w, vw_program *program, const vw_graph *g) {
  const comparison *c = w->user;
  const vw_patches *p = &c->patches;
  const int64_t P = p->pictures, N = p->N;
  VW_TRY(vw_write_leaf(program, g, "row_stream", vw_shape(VW_I32, w->K), w->identity));
  VW_TRY(vw_write_leaf(program, g, "features", vw_shape(p->type, P, N, p->C), p->all.embedding));
  VW_TRY(vw_write_leaf(program, g, "shift", vw_shape(VW_F64, P, N), p->all.shift));
  VW_TRY(vw_write_leaf(program, g, "scale", vw_shape(VW_F64, P, N), p->all.scale));
  VW_TRY(vw_write_leaf(program, g, "matched", vw_shape(VW_I32, P, N), c->targets));
  return vw_write_leaf(program, g, "boxes", vw_shape(VW_I32, P), c->targets + P * N);
}

/* The tables of the loss: the pictures with their boxes, then the same as ones without. */
static vw_status fill_tables(comparison *c) {
  const vw_patches *p = &c->patches;
  const int64_t m = c->scenes, N = p->N;
  const size_t row = (size_t)(m * N) * sizeof(double);
  const size_t embedding = (size_t)(m * N * p->C) * vw_dtype_bytes(p->type);
  c->targets = calloc((size_t)(2 * m * (N + 1)), sizeof *c->targets);
  VW_CHECK(c->targets, VW_ERR_MEMORY, "verify: out of memory");
  memcpy((char *)p->all.embedding + embedding, p->all.embedding, embedding);
  memcpy(p->all.shift + m * N, p->all.shift, row), memcpy(p->all.scale + m * N, p->all.scale, row);
  for (int64_t i = 0; i < m * N; i++) {
    c->targets[i] = vw_i32(&c->matched)[i];
    c->targets[2 * m * N + i / N] += c->targets[i];
  }
  return VW_OK;
}

static vw_status verify_words(comparison *c) {
  const vw_owlv2_network *n = c->v->owl;
  vw_word_inputs w = {
      .pictures = c->scenes, .negatives_at = c->scenes, .template_pool = "template", .put = put_pictures, .user = c};
  vw_status st = VW_OK;
  VW_TRY(fill_tables(c));
  VW_GOTO(vw_word_inputs_read(c->v, &w));
  c->step = (vw_detect_step){.text = &n->clip.net.text.tower, .learn = &w.learn, .type = vw_owlv2_embedding_type(n)};
  w.loss = (vw_block_loss){vw_detect_emit, &c->step};
  w.step = (vw_step_shape){.K = w.K,
                           .size = {[VW_DETECT_M] = w.M,
                                    [VW_DETECT_P] = w.prompts.t.P,
                                    [VW_DETECT_T] = w.prompts.t.T,
                                    [VW_DETECT_STREAMS] = w.K,
                                    [VW_DETECT_POSITIVES] = c->scenes,
                                    [VW_DETECT_NEGATIVES] = c->scenes,
                                    [VW_DETECT_PATCHES] = c->patches.N}};
  st = vw_compare_words(c->v, &w);
cleanup:
  vw_word_inputs_free(&w);
  return st;
}

static vw_status read_stride(vw_verification *v) {
  double stride;
  VW_TRY(vw_reference_number(v, "stride", &stride));
  VW_CHECK(stride >= 1 && stride <= 1e6 && stride == floor(stride), VW_ERR_INPUT,
           "%s: metadata 'json': stride %g; expected a whole number from 1 on", vw_safetensors_path(v->file), stride);
  v->stride = (int64_t)stride;
  return VW_OK;
}

static vw_status compare_pictures(comparison *c) {
  c->scenes = count_of(c->v, "scene");
  VW_CHECK(c->scenes, VW_ERR_INPUT, "%s: no tensor 'scene.0'", vw_safetensors_path(c->v->file));
  VW_TRY(compare_pixels(c->v));
  VW_TRY(vw_patches_create(&c->patches, c->v->owl, 2 * c->scenes));
  VW_TRY(run_scenes(c));
  return compare_patches(c);
}

vw_status vw_verify_detection(vw_verification *v) {
  comparison c = {.v = v};
  void *text_features = NULL;
  int64_t n_texts = 0;
  vw_status st = read_stride(v);
  if (st == VW_OK) st = vw_verify_texts(v, &text_features, &n_texts);
  if (st == VW_OK) st = compare_pictures(&c);
  if (st == VW_OK) st = verify_logits(&c, text_features, n_texts);
  if (st == VW_OK) st = verify_matching(&c);
  if (st == VW_OK) st = verify_words(&c);
  free(text_features), free(c.targets);
  vw_patches_free(&c.patches);
  return st;
}
