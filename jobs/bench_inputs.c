/* `bench load | tokenizer | preprocess`: how fast a user's files are read. tools/bench/inputs.py runs the reference
 * implementations beside. Times are medians over repetitions of at least --seconds in all. */
#include "jobs/bench.h"

#include "io/durable.h"
#include "io/folders.h"
#include "io/preprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_RUNS = 4096 };

/* One repetition of what is measured. */
typedef vw_status (*bench_pass)(void *user);

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static vw_status time_pass(const vw_bench *b, bench_pass pass, void *user, double *median) {
  static double times[MAX_RUNS];
  int n = 0;
  VW_TRY(pass(user)); /* caches */
  for (const double start = vw_bench_now(); n < MAX_RUNS && (n < 3 || vw_bench_now() - start < b->seconds); n++) {
    const double begun = vw_bench_now();
    VW_TRY(pass(user));
    times[n] = vw_bench_now() - begun;
  }
  qsort(times, (size_t)n, sizeof *times, by_value);
  *median = times[n / 2];
  return VW_OK;
}

/* Measures a pass and reports `amount` units a second. */
static vw_status measure(vw_bench *b, const char *what, bench_pass pass, void *user, double amount, const char *unit) {
  double seconds = 0;
  VW_TRY(time_pass(b, pass, user, &seconds));
  if (!b->json) (void)printf("  %-34s %10.2f ms  %12.1f %s/s\n", what, 1e3 * seconds, amount / seconds, unit);
  (void)fflush(stdout);
  json_array_append_new(b->rows, json_pack("{s:s, s:f, s:f, s:s}", "what", what, "seconds", seconds, "rate",
                                           amount / seconds, "unit", unit));
  return VW_OK;
}

/* ---- load -------------------------------------------------------------------------------------------------------- */

typedef struct loading {
  vw_bench *b;
  const char *dir;
  char *buffer;
} loading;

enum { CHUNK = 1 << 20 };

/* The yardstick: every byte of the weights out of the page cache, as `dd` does it. */
static vw_status read_files(void *user) {
  const loading *l = user;
  const vw_hub_clip *h = &l->b->n->hub;
  for (int64_t i = 0; i < h->n_files; i++) {
    const char *path = vw_safetensors_path(h->files[i]);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;
    VW_CHECK(fd >= 0, VW_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    while (n > 0) n = read(fd, l->buffer, CHUNK);
    (void)close(fd);
    VW_CHECK(n == 0, VW_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
  }
  return VW_OK;
}

/* Opens the directory and binds the weights of both towers: mapped, converted or stacked where they must be. */
static vw_status bind_towers(void *user) {
  const loading *l = user;
  vw_clip_network *n = NULL;
  vw_image_encoder *e = NULL;
  int32_t id = 0, pooled = 0;
  vw_status st = VW_OK;
  void *feature = malloc(vw_clip_feature_bytes(l->b->n));
  VW_CHECK(feature, VW_ERR_MEMORY, "bench: out of memory");
  VW_GOTO(vw_clip_network_open(&n, l->dir, &l->b->ctx));
  VW_GOTO(vw_image_encoder_create(&e, n));
  VW_GOTO(vw_clip_encode_tokens(n, &id, 1, &pooled, 1, feature)); /* one position: next to no work */
cleanup:
  vw_image_encoder_destroy(e);
  vw_clip_network_close(n);
  free(feature);
  return st;
}

static vw_status hash_files(void *user) {
  const loading *l = user;
  vw_hash hash;
  return vw_hub_clip_hash(&l->b->n->hub, &hash);
}

vw_status vw_bench_load(vw_bench *b, const char *dir) {
  loading l = {.b = b, .dir = dir, .buffer = malloc(CHUNK)};
  double bytes = 0;
  vw_status st = VW_OK;
  VW_CHECK(l.buffer, VW_ERR_MEMORY, "bench: out of memory");
  for (int64_t i = 0; i < b->n->hub.n_files; i++) {
    size_t size = 0;
    (void)vw_safetensors_bytes(b->n->hub.files[i], &size);
    bytes += (double)size;
  }
  if (!b->json) (void)printf("%s: %.1f MB of weights in %d files\n", dir, 1e-6 * bytes, (int)b->n->hub.n_files);
  VW_GOTO(measure(b, "read from the page cache", read_files, &l, 1e-6 * bytes, "MB"));
  VW_GOTO(measure(b, "open, map, bind both towers", bind_towers, &l, 1e-6 * bytes, "MB"));
  VW_GOTO(measure(b, "hash (once a run)", hash_files, &l, 1e-6 * bytes, "MB"));
cleanup:
  free(l.buffer);
  return st;
}

/* ---- tokenizer --------------------------------------------------------------------------------------------------- */

typedef struct tokenizing {
  const vw_tokenizer *t;
  char **line;
  int64_t n, tokens;
  int32_t *ids;
} tokenizing;

static vw_status tokenize(void *user) {
  tokenizing *t = user;
  t->tokens = 0;
  for (int64_t i = 0; i < t->n; i++) {
    int64_t n = 0;
    VW_TRY(vw_tokenizer_encode(t->t, t->line[i], t->ids, VW_TOKENIZER_TEXT, &n));
    t->tokens += n;
  }
  return VW_OK;
}

vw_status vw_bench_tokenizer(vw_bench *b, const char *dir, const char *texts) {
  tokenizing t = {.t = b->n->tokenizer};
  char *text = NULL;
  int64_t bytes = 0;
  vw_status st = VW_OK;
  VW_TRY(vw_file_read(texts, &text, &bytes));
  t.line = malloc((size_t)(bytes + 1) * sizeof *t.line), t.ids = malloc(VW_TOKENIZER_TEXT * sizeof *t.ids);
  if (!t.line || !t.ids) {
    st = VW_RAISE(VW_ERR_MEMORY, "bench: out of memory");
    goto cleanup;
  }
  for (char *at = strtok(text, "\n"); at; at = strtok(NULL, "\n")) t.line[t.n++] = at;
  if (!b->json)
    (void)printf("%s: %lld texts, %.1f MB, tokenizer of %s\n", texts, (long long)t.n, 1e-6 * (double)bytes, dir);
  VW_GOTO(measure(b, "tokenize", tokenize, &t, (double)t.n, "text"));
cleanup:
  free(text), free(t.line), free(t.ids);
  return st;
}

/* ---- preprocess -------------------------------------------------------------------------------------------------- */

typedef struct preprocessing {
  const vw_preprocess *how;
  vw_name_list files;
  uint8_t *rgb;
  float *pixels;
  bool only_decode;
} preprocessing;

static vw_status preprocess(void *user) {
  const preprocessing *p = user;
  for (int64_t i = 0; i < p->files.n; i++) {
    vw_image image;
    VW_TRY(vw_image_read(p->files.name[i], false, &image));
    const vw_status st = p->only_decode ? VW_OK : vw_preprocess_pixels(p->how, &image, p->rgb);
    vw_image_free(&image);
    VW_TRY(st);
    if (!p->only_decode) vw_preprocess_normalise(p->how, p->rgb, p->how->crop * p->how->crop, p->pixels);
  }
  return VW_OK;
}

vw_status vw_bench_preprocess(vw_bench *b, const char *dir, const char *folder) {
  preprocessing p = {.how = &b->n->hub.preprocess, .only_decode = true};
  const size_t values = (size_t)(p.how->crop * p.how->crop * 3);
  vw_status st = VW_OK;
  VW_TRY(vw_folders_pictures(folder, &p.files));
  p.rgb = malloc(values), p.pixels = malloc(values * sizeof *p.pixels);
  if (!p.rgb || !p.pixels) {
    st = VW_RAISE(VW_ERR_MEMORY, "bench: out of memory");
    goto cleanup;
  }
  if (!b->json)
    (void)printf("%s: %lld pictures, to %lld pixels as %s asks\n", folder, (long long)p.files.n, (long long)p.how->crop,
                 dir);
  VW_GOTO(measure(b, "read and decode", preprocess, &p, (double)p.files.n, "picture"));
  p.only_decode = false;
  VW_GOTO(measure(b, "read, decode, resize, normalise", preprocess, &p, (double)p.files.n, "picture"));
cleanup:
  vw_name_list_free(&p.files);
  free(p.rgb), free(p.pixels);
  return st;
}
