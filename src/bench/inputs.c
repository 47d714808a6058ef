/* `bench load | tokenizer | preprocess`: how fast a user's files are read. tools/bench/inputs.py runs the reference
 * implementations beside. Times are medians over repetitions of at least --seconds in all. */
#include "bench/bench.h"

#include "core/durable.h"
#include "core/foreign.h"
#include "core/text.h"
#include "io/folders.h"
#include "io/pictures/preprocess.h"
#include "learn/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_RUNS = 4096 };

/* One repetition of what is measured. */
typedef vw_status (*bench_pass)(void *user);

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Of the clock and of this process: the second is nearly the same on a machine that others keep busy. */
typedef struct duration {
  double wall, cpu;
} duration;

static double median(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, by_value);
  return x[n / 2];
}

static vw_status time_pass(const vw_bench *b, bench_pass pass, void *user, duration *d) {
  static double wall[MAX_RUNS], cpu[MAX_RUNS];
  int n = 0;
  VW_TRY(pass(user)); /* caches */
  for (const double start = vw_bench_now(); n < MAX_RUNS && (n < 3 || vw_bench_now() - start < b->seconds); n++) {
    const double begun = vw_bench_now(), cpu_begun = vw_bench_cpu();
    VW_TRY(pass(user));
    wall[n] = vw_bench_now() - begun, cpu[n] = vw_bench_cpu() - cpu_begun;
  }
  *d = (duration){median(wall, n), median(cpu, n)};
  return VW_OK;
}

/* Measures a pass and reports `amount` units a second. */
static vw_status measure(vw_bench *b, const char *what, bench_pass pass, void *user, double amount, const char *unit) {
  duration d = {0};
  VW_TRY(time_pass(b, pass, user, &d));
  const double rate = amount / d.wall;
  if (!b->json)
    (void)vw_print(stdout, "  %-34s %10.2f ms  %12.1f %s/s  %10.2f ms of cpu\n", what, 1e3 * d.wall, rate, unit,
                   1e3 * d.cpu);
  (void)fflush(stdout);
  json_array_append_new(b->rows, json_pack("{s:s, s:f, s:f, s:f, s:s}", "what", what, "seconds", d.wall, "cpu_seconds",
                                           d.cpu, "rate", rate, "unit", unit));
  return VW_OK;
}

/* ---- load -------------------------------------------------------------------------------------------------------- */

typedef struct loading {
  vw_bench *b;
  const char *dir;
  char *buffer;
  size_t copies;  /* bytes of fp32 to bytes of the file */
  int64_t packed; /* bytes of the file that both towers took */
} loading;

enum { CHUNK = 1 << 20, PIECE = 1 << 16 };

/* The yardstick: every byte of the weights out of the page cache, as `dd` does it. */
static vw_status read_files(void *user) {
  const loading *l = user;
  const vw_hub_clip *h = &l->b->n->hub;
  for (int64_t i = 0; i < h->weights.n_files; i++) {
    const char *path = vw_safetensors_path(h->weights.files[i]);
    int fd = -1;
    ssize_t n = 1;
    VW_TRY(vw_foreign_open(path, &fd, NULL));
    while (n > 0) n = read(fd, l->buffer, CHUNK);
    (void)close(fd);
    VW_CHECK(n == 0, VW_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
  }
  return VW_OK;
}

/* The least that a loader does whose weights become fp32 in memory of their own: every byte read once from where it is
 * mapped, four bytes a weight written, to pages that the system has not given out yet. */
static vw_status copy_files(void *user) {
  const loading *l = user;
  const vw_hub_clip *h = &l->b->n->hub;
  for (int64_t i = 0; i < h->weights.n_files; i++) {
    size_t size = 0;
    const char *from = vw_safetensors_bytes(h->weights.files[i], &size);
    const size_t bytes = size * l->copies;
    char *to = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    VW_CHECK(to != MAP_FAILED, VW_ERR_MEMORY, "bench: out of memory for %zu bytes", bytes);
    (void)madvise(to, bytes, MADV_HUGEPAGE); /* as vw_host_pages */
    for (size_t at = 0; at < size; at += PIECE) {
      const size_t n = size - at < PIECE ? size - at : PIECE;
      for (size_t c = 0; c < l->copies; c++) memcpy(to + l->copies * at + c * n, from + at, n);
    }
    (void)munmap(to, bytes);
  }
  return VW_OK;
}

/* A tower's weights, to where its products want them; nothing is multiplied. */
static vw_status pack_tower(vw_clip_network *n, bool text) {
  vw_graph *g = NULL;
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = text ? vw_text_pass_graph(g, n, 1) : vw_image_pass_graph(g, n);
  if (st == VW_OK) st = vw_learn_prepare_alone(&n->net, g, text ? &n->net.policy : &n->image_policy);
  vw_graph_destroy(g);
  return st;
}

/* Opens the directory; the weights of both towers are mapped, converted and packed. */
static vw_status pack_towers(void *user) {
  loading *l = user;
  vw_clip_network *n = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_clip_network_open(&n, l->dir, &l->b->ctx));
  for (int text = 0; text < 2; text++) VW_GOTO(pack_tower(n, text));
  l->packed = vw_weights_bytes_read(n->net.weights);
cleanup:
  vw_clip_network_close(n);
  return st;
}

static vw_status hash_files(void *user) {
  const loading *l = user;
  vw_hash hash;
  return vw_hub_clip_hash(&l->b->n->hub, &hash);
}

vw_status vw_bench_load(vw_bench *b, const char *dir) {
  loading l = {.b = b, .dir = dir, .copies = 1, .buffer = malloc(CHUNK)};
  double bytes = 0;
  vw_status st = VW_OK;
  VW_CHECK(l.buffer, VW_ERR_MEMORY, "bench: out of memory");
  for (int64_t i = 0; i < b->n->hub.weights.n_files; i++) {
    size_t size = 0;
    (void)vw_safetensors_bytes(b->n->hub.weights.files[i], &size);
    bytes += (double)size;
  }
  if (vw_dtype_bytes(b->n->net.text.token_embedding.dtype) == 2) l.copies = 2;
  (void)mallopt(M_MMAP_THRESHOLD, 1 << 20); /* every pass gets new pages, as a program that starts does */
  VW_GOTO(pack_towers(&l));
  const double packed = (double)l.packed;
  if (!b->json)
    (void)vw_print(stdout, "%s: %.1f MB of weights in %d files, %.1f MB of them for both towers\n", dir, 1e-6 * bytes,
                   (int)b->n->hub.weights.n_files, 1e-6 * packed);
  VW_GOTO(measure(b, "read from the page cache", read_files, &l, 1e-6 * bytes, "MB"));
  VW_GOTO(measure(b, "copy to new memory, fp32's size", copy_files, &l, 1e-6 * bytes, "MB"));
  VW_GOTO(measure(b, "open, map, pack both towers", pack_towers, &l, 1e-6 * packed, "MB"));
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
  tokenizing t = {.t = b->n->net.text.tokenizer};
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
    (void)vw_print(stdout, "%s: %lld texts, %.1f MB, tokenizer of %s\n", texts, (long long)t.n, 1e-6 * (double)bytes,
                   dir);
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
    (void)vw_print(stdout, "%s: %lld pictures, to %lld pixels as %s asks\n", folder, (long long)p.files.n,
                   (long long)p.how->crop, dir);
  VW_GOTO(measure(b, "read and decode", preprocess, &p, (double)p.files.n, "picture"));
  p.only_decode = false;
  VW_GOTO(measure(b, "read, decode, resize, normalise", preprocess, &p, (double)p.files.n, "picture"));
cleanup:
  vw_name_list_free(&p.files);
  free(p.rgb), free(p.pixels);
  return st;
}
