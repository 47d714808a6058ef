#include "tasks/generation/latents.h"

#include "cluster/progress.h"
#include "io/pictures/preprocess.h"
#include "tasks/cache_file.h"
#include "tasks/cache_work.h"

#include <stdlib.h>
#include <string.h>

#define FOLDER "latents"
enum { VIEWS = 2 }; /* of a picture: as it is, mirrored */

vw_dtype vw_latents_type(const vw_sd_network *n) {
  return n->net.policy.head;
}

int64_t vw_latents_count(const vw_sd_network *n, int64_t side) {
  const int64_t h = side / vw_vae_factor(&n->vae);
  return VIEWS * h * h * 2 * n->vae.latent_channels;
}

/* ---- through the encoder ----------------------------------------------------------------------------------------- */

vw_status vw_centre_square(const vw_image *image, int64_t side, uint8_t *rgb) {
  const int64_t S = image->height < image->width ? image->height : image->width;
  const int64_t y = (image->height - S) / 2, x = (image->width - S) / 2;
  uint8_t *square = malloc((size_t)(S * S * 3) + 1);
  VW_CHECK(square, VW_ERR_MEMORY, "no memory for a square of %lld pixels a side", (long long)S);
  for (int64_t i = 0; i < S; i++)
    memcpy(square + i * S * 3, image->rgb + ((y + i) * image->width + x) * 3, (size_t)(S * 3));
  const vw_status st = vw_resize_bicubic(square, S, S, rgb, side, side, true);
  free(square);
  return st;
}

/* The encoder's program, and room for a picture. */
typedef struct encoder {
  const vw_latent_list *l;
  vw_graph *graph;
  vw_program *program;
  bool is_ready;
  uint8_t *rgb;   /* [side, side, 3] */
  double *pixels; /* the same in [-1, 1] */
  char *moments;  /* [VIEWS, ..] */
} encoder;

static void encoder_free(encoder *e) {
  vw_program_destroy(e->program);
  vw_graph_destroy(e->graph);
  free(e->rgb), free(e->pixels), free(e->moments);
}

static vw_status encoder_open(encoder *e) {
  const vw_latent_list *l = e->l;
  const vw_sd_network *n = l->network;
  const size_t pixels = (size_t)(l->side * l->side * 3);
  if (e->program) return VW_OK;
  e->rgb = malloc(pixels), e->pixels = malloc(pixels * sizeof *e->pixels);
  e->moments = malloc((size_t)vw_latents_count(n, l->side) * vw_dtype_bytes(vw_latents_type(n)));
  VW_CHECK(e->rgb && e->pixels && e->moments, VW_ERR_MEMORY, "encoder of pictures: out of memory");
  VW_TRY(vw_graph_create(&e->graph));
  VW_TRY(vw_sd_encoder_graph(e->graph, n, l->side, l->side));
  VW_TRY(vw_program_create(&e->program, e->graph, n->net.ctx, &n->image_policy));
  return vw_weights_bind(n->net.weights, e->program);
}

static void to_pixels(const encoder *e, bool mirrored) {
  const int64_t S = e->l->side;
  for (int64_t y = 0; y < S; y++)
    for (int64_t x = 0; x < S; x++)
      for (int64_t c = 0; c < 3; c++)
        e->pixels[(y * S + x) * 3 + c] = e->rgb[(y * S + (mirrored ? S - 1 - x : x)) * 3 + c] / 127.5 - 1;
}

static vw_status read_square(const encoder *e, const vw_picture *picture) {
  vw_image image = {0};
  VW_TRY(vw_picture_read(e->l->set, picture, &image));
  const vw_status st = vw_centre_square(&image, e->l->side, e->rgb);
  vw_image_free(&image);
  return st == VW_OK ? st : vw_fail(st, __FILE__, __LINE__, "%s", picture->path);
}

/* A picture file to e->moments. */
static vw_status encode(encoder *e, int64_t picture) {
  const vw_sd_network *n = e->l->network;
  const int64_t S = e->l->side, h = S / vw_vae_factor(&n->vae), C = 2 * n->vae.latent_channels;
  vw_tensor pixels = vw_shape(VW_F64, 1, S, S, 3), moments = vw_shape(vw_latents_type(n), 1, h, h, C);
  VW_TRY(encoder_open(e));
  VW_TRY(read_square(e, &e->l->set->train[picture]));
  pixels.data = e->pixels;
  for (int64_t view = 0; view < VIEWS; view++) {
    to_pixels(e, view > 0);
    moments.data = e->moments + (size_t)view * vw_bytes(&moments);
    VW_TRY(vw_program_write(e->program, vw_find(e->graph, "pixels"), &pixels));
    if (!e->is_ready) VW_TRY(vw_program_prepare(e->program));
    e->is_ready = true;
    VW_TRY(vw_program_run(e->program));
    VW_TRY(vw_program_read(e->program, vw_find(e->graph, "moments"), &moments));
  }
  return VW_OK;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static vw_status key_of(const vw_latent_list *l, int64_t picture, char key[VW_HASH_TEXT], char path[VW_PATH_BYTES]) {
  const vw_context *ctx = l->network->net.ctx;
  char kernels[128];
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "out of memory");
  vw_kernel_set(ctx, kernels);
  vw_hasher_field(h, "viswords-latents-1");
  vw_hasher_add(h, &l->weights, sizeof l->weights);
  vw_hasher_field(h, kernels);
  vw_hasher_field(h, vw_precision_name(ctx));
  vw_hasher_int(h, (int64_t)vw_latents_type(l->network));
  vw_hasher_int(h, l->side);
  vw_hasher_add(h, &l->set->train[picture].hash, sizeof(vw_hash));
  vw_hash_text(vw_hasher_done(h), key);
  vw_hasher_destroy(h);
  return vw_cache_file_path(l->cache, FOLDER, key, path);
}

static vw_tensor shape_of(const vw_latent_list *l) {
  const int64_t h = l->side / vw_vae_factor(&l->network->vae);
  return vw_shape(vw_latents_type(l->network), VIEWS, h, h, 2 * l->network->vae.latent_channels);
}

/* out NULL: is it there and whole? */
static vw_status read_file(const vw_latent_list *l, const char *path, const char *key, void *out) {
  const vw_tensor expected = shape_of(l);
  vw_safetensors *file = NULL;
  vw_tensor t;
  VW_TRY(vw_cache_file_open(path, key, "moments of a picture", &file));
  const vw_status st = vw_cache_file_find(file, "moments", &expected, &t);
  if (st == VW_OK && out) memcpy(out, t.data, vw_bytes(&t));
  vw_safetensors_close(file);
  return st;
}

vw_status vw_latents_missing(const vw_latent_list *l, int64_t *n) {
  char path[VW_PATH_BYTES], key[VW_HASH_TEXT];
  *n = 0;
  for (int64_t i = 0; i < l->n; i++) {
    VW_TRY(key_of(l, l->picture[i], key, path));
    *n += !vw_file_exists(path);
  }
  return VW_OK;
}

vw_status vw_latents_load(const vw_latent_list *l, void *out) {
  const vw_tensor one = shape_of(l);
  char path[VW_PATH_BYTES], key[VW_HASH_TEXT];
  for (int64_t i = 0; i < l->n; i++) {
    VW_TRY(key_of(l, l->picture[i], key, path));
    VW_TRY(read_file(l, path, key, (char *)out + (size_t)i * vw_bytes(&one)));
  }
  return VW_OK;
}

/* ---- making them ------------------------------------------------------------------------------------------------- */

static vw_status make(void *user, int64_t first, int64_t end, const vw_task_hooks *hooks, int64_t *computed) {
  encoder *e = user;
  char path[VW_PATH_BYTES], key[VW_HASH_TEXT];
  for (int64_t i = first; i < end; i++) {
    VW_TRY(key_of(e->l, e->l->picture[i], key, path));
    bool is_there = vw_file_exists(path);
    if (is_there && read_file(e->l, path, key, NULL) != VW_OK) {
      is_there = false;
      vw_error_clear(); /* computed again */
    }
    if (!is_there) {
      if (vw_cache_work_ends(hooks)) return VW_OK;
      vw_safetensors_entry entry = {.name = "moments", .tensor = shape_of(e->l)};
      VW_TRY(encode(e, e->l->picture[i]));
      VW_TRY(vw_network_unchanged(&e->l->network->net));
      entry.tensor.data = e->moments;
      VW_TRY(vw_safetensors_write(path, &entry, 1, &(vw_keyvalue){"key", key}, 1));
      ++*computed;
    }
    if (hooks->told) hooks->told(hooks->user, 1);
  }
  return VW_OK;
}

vw_status vw_latents_ensure(const vw_latent_list *l, const vw_ranks *ranks, const vw_task_hooks *hooks,
                            int64_t *computed, bool *stopped) {
  encoder e = {.l = l};
  const vw_cache_work work = {
      .cache = l->cache, .folder = FOLDER, .n = l->n, .at_once = VW_LATENTS_AT_ONCE, .make = make, .user = &e};
  const vw_status st = vw_cache_work_do(&work, ranks, hooks, computed, stopped);
  encoder_free(&e);
  return st;
}

vw_status vw_latents_time(const vw_latent_list *l, double seconds, double *one) {
  encoder e = {.l = l};
  vw_status st = VW_OK;
  int64_t pictures = 0;
  *one = 0;
  if (l->n == 0) return VW_OK;
  VW_GOTO(encode(&e, l->picture[0])); /* reads and packs the weights */
  const double start = vw_seconds();
  do {
    VW_GOTO(encode(&e, l->picture[pictures % l->n]));
    pictures++;
  } while (vw_seconds() - start < seconds);
  *one = (vw_seconds() - start) / (double)pictures;
cleanup:
  encoder_free(&e);
  return st;
}
