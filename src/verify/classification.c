/* `verify --reference` of a CLIP directory: pixels, features of pictures, logits, and the loss of words that are one
 * more class. */
#include "io/pictures/preprocess.h"
#include "tasks/classify/classify.h"
#include "tasks/classify/classify_graph.h"
#include "tasks/leaves.h"
#include "verify/words.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

typedef struct comparison {
  vw_verification *v;
  int64_t pictures;
  void *features;       /* [pictures, projection] of the feature type: ours, from the reference's pixels */
  vw_names classes;     /* what words compete with */
  vw_tensor label;      /* [pictures] */
  double *rest, *truth; /* [M, pictures] */
  vw_classify_step step;
} comparison;

/* Our pixels of the picture's file, before normalisation, beside the reference's. */
static vw_status compare_pixels(vw_verification *v, const vw_tensor *pixels) {
  vw_preprocess how = v->network->hub.preprocess;
  const vw_preprocess *p = &how;
  const json_t *pillow = json_object_get(v->about, "pillow"); /* its first number; files of before 13 do not have it */
  how.width_first = pillow && json_integer_value(pillow) < 13;
  const int64_t S = pixels->dim[1], one = S * S * 3, n = pixels->dim[0];
  uint8_t *rgb = malloc((size_t)one);
  double *got = calloc((size_t)(one * n), sizeof *got), *want = calloc((size_t)(one * n), sizeof *want);
  vw_status st = VW_OK;
  if (!rgb || !got || !want) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  for (int64_t i = 0; i < n; i++) {
    char name[64];
    vw_image image = {0};
    (void)snprintf(name, sizeof name, "picture.%" PRId64, i);
    VW_GOTO(vw_reference_picture(v, name, &image));
    st = vw_preprocess_pixels(p, &image, rgb);
    vw_image_free(&image);
    if (st != VW_OK) goto cleanup;
    for (int64_t j = 0; j < one; j++) {
      got[i * one + j] = rgb[j] * p->rescale;
      want[i * one + j] = (double)vw_f32(pixels)[i * one + j] * p->std[j % 3] + p->mean[j % 3];
    }
  }
  st = vw_compare(v, "pixels", got, want, one * n, 1, VW_LIMIT_PIXEL);
cleanup:
  free(rgb), free(got), free(want);
  return st;
}

static vw_status encode_pictures(comparison *c, const double *pixels, int64_t one) {
  vw_image_encoder *e = NULL;
  const size_t bytes = vw_clip_feature_bytes(c->v->network);
  vw_status st = vw_image_encoder_create(&e, c->v->network);
  for (int64_t i = 0; st == VW_OK && i < c->pictures; i++)
    st = vw_image_encoder_run(e, pixels + i * one, (char *)c->features + (size_t)i * bytes);
  vw_image_encoder_destroy(e);
  return st;
}

static vw_status verify_pictures(comparison *c) {
  vw_verification *v = c->v;
  const int64_t S = v->network->vision.image_size;
  vw_tensor pixels;
  VW_TRY(vw_reference_tensor(v, "pixels", vw_shape(VW_F32, -1, S, S, 3), &pixels));
  c->pictures = pixels.dim[0];
  c->features = malloc((size_t)c->pictures * vw_clip_feature_bytes(v->network));
  double *x = malloc((size_t)vw_count(&pixels) * sizeof *x);
  vw_status st = VW_OK;
  if (!c->features || !x) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  VW_GOTO(compare_pixels(v, &pixels));
  VW_GOTO(vw_convert(x, VW_F64, pixels.data, VW_F32, vw_count(&pixels)));
  VW_GOTO(vw_verify_image_states(v, x));
  VW_GOTO(encode_pictures(c, x, S * S * 3));
  st = vw_compare_features(v, "image_features", c->features, c->pictures);
cleanup:
  free(x);
  return st;
}

static vw_status verify_logits(const comparison *c, const void *text_features, int64_t n_texts) {
  const vw_tensor shape = vw_shape(VW_F64, c->pictures, n_texts);
  double *z = malloc((size_t)vw_count(&shape) * sizeof *z);
  VW_CHECK(z, VW_ERR_MEMORY, "verify: out of memory");
  vw_status st = vw_clip_logits(c->v->network, c->features, c->pictures, text_features, n_texts, z);
  if (st == VW_OK) st = vw_compare_output(c->v, "logits", z, shape, 0, VW_LIMIT_OUTPUT);
  free(z);
  return st;
}

/* ---- words that are one more class ------------------------------------------------------------------------------- */

static double log_sum_exp(const double *z, int64_t n) {
  double most = z[0], sum = 0;
  for (int64_t i = 1; i < n; i++) most = z[i] > most ? z[i] : most;
  for (int64_t i = 0; i < n; i++) sum += exp(z[i] - most);
  return most + log(sum);
}

/* rest[m], truth[m] of one template from the classes' texts and the pictures' features. */
static vw_status class_tables(comparison *c, const char *template, int64_t m) {
  enum { TEXT_BYTES = 512 };
  const int64_t n = c->classes.n, P = c->pictures;
  char(*text)[TEXT_BYTES] = malloc((size_t)n * sizeof *text);
  const char **texts = malloc((size_t)n * sizeof *texts);
  void *features = malloc((size_t)n * vw_clip_feature_bytes(c->v->network));
  double *z = malloc((size_t)(P * n) * sizeof *z);
  vw_status st = VW_OK;
  if (!text || !texts || !features || !z) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  for (int64_t i = 0; i < n; i++) {
    VW_GOTO(vw_class_text(template, c->classes.name[i], text[i], TEXT_BYTES));
    texts[i] = text[i];
  }
  VW_GOTO(vw_clip_encode_text(c->v->network, texts, n, features));
  VW_GOTO(vw_clip_logits(c->v->network, c->features, P, features, n, z));
  for (int64_t i = 0; i < P; i++) {
    c->rest[m * P + i] = log_sum_exp(z + i * n, n);
    c->truth[m * P + i] = z[i * n + vw_i32(&c->label)[i]];
  }
cleanup:
  free(text), free((void *)texts), free(features), free(z);
  return st;
}

static vw_status put_tables(const vw_word_inputs *w, vw_program *p, const vw_graph *g) {
  const comparison *c = w->user;
  const vw_clip_network *n = c->v->network;
  const vw_tensor table = vw_shape(VW_F64, w->M, c->pictures);
  VW_TRY(vw_write_leaf(p, g, "template_of", vw_shape(VW_I32, w->M), w->identity));
  VW_TRY(vw_write_leaf(p, g, "features", vw_shape(vw_clip_feature_type(n), c->pictures, n->net.text.tower.projection),
                       c->features));
  VW_TRY(vw_write_leaf(p, g, "rest", table, c->rest));
  return vw_write_leaf(p, g, "truth", table, c->truth);
}

static vw_status verify_words(comparison *c) {
  const vw_clip_network *n = c->v->network;
  vw_word_inputs w = {.pictures = c->pictures, .template_pool = "slot", .put = put_tables, .user = c};
  vw_status st = VW_OK;
  VW_GOTO(vw_word_inputs_read(c->v, &w));
  VW_GOTO(vw_reference_texts(c->v, "classes", &c->classes));
  VW_GOTO(vw_reference_indices(c->v, "picture_class", vw_shape(VW_I32, c->pictures), c->classes.n, &c->label));
  c->rest = malloc((size_t)(w.M * c->pictures) * sizeof *c->rest);
  c->truth = malloc((size_t)(w.M * c->pictures) * sizeof *c->truth);
  if (!c->rest || !c->truth) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  for (int64_t m = 0; m < w.M; m++) VW_GOTO(class_tables(c, w.templates.name[m], m));
  c->step = (vw_classify_step){.text = &n->net.text.tower, .learn = &w.learn, .scale = n->scale};
  w.loss = (vw_block_loss){vw_classify_emit, &c->step};
  w.step = (vw_step_shape){.K = w.K,
                           .size = {[VW_CLASSIFY_SLOTS] = 1,
                                    [VW_CLASSIFY_M] = w.M,
                                    [VW_CLASSIFY_P] = w.prompts.t.P,
                                    [VW_CLASSIFY_T] = w.prompts.t.T,
                                    [VW_CLASSIFY_PICTURES] = c->pictures,
                                    [VW_CLASSIFY_POSITIVES] = c->pictures,
                                    [VW_CLASSIFY_NEGATIVES] = c->pictures}};
  st = vw_compare_words(c->v, &w);
cleanup:
  vw_word_inputs_free(&w);
  return st;
}

vw_status vw_verify_classification(vw_verification *v) {
  comparison c = {.v = v};
  void *text_features = NULL;
  int64_t n_texts = 0;
  vw_status st = vw_verify_texts(v, &text_features, &n_texts);
  if (st == VW_OK) st = verify_pictures(&c);
  if (st == VW_OK) st = verify_logits(&c, text_features, n_texts);
  if (st == VW_OK) st = verify_words(&c);
  free(text_features), free(c.features), free(c.rest), free(c.truth);
  return st;
}
