#include "tests/fuzz/stand_ins/study.h"

#include "io/study/study_file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SETS = 256, MOST_BYTES = 1 << 16, IN_BOTH = 0x10, IN_SECOND = 0x20 };

typedef struct set {
  vw_study_data d;
  char *values; /* owned; a zero byte follows */
  int64_t bytes;
} set;

static struct vw_study_reader {
  set *set[MOST_SETS]; /* by path */
  vw_study_data list[MOST_SETS];
  int64_t n;
} file[2];

static set sets[MOST_SETS];
static int64_t n_sets;

/* ---- the input --------------------------------------------------------------------------------------------------- */

typedef struct input {
  const uint8_t *data;
  size_t size;
} input;

static unsigned take_byte(input *in) {
  if (!in->size) return 0;
  in->size--;
  return *in->data++;
}

static unsigned take_two(input *in) {
  const unsigned low = take_byte(in);
  return low | take_byte(in) << 8;
}

/* The folder of the path before, and the name; malloc'ed. */
static char *take_path(input *in, const char *before) {
  const uint8_t *end = memchr(in->data, 0, in->size);
  const size_t n = end ? (size_t)(end - in->data) : in->size;
  const char *slash = n && in->data[0] == '/' ? NULL : strrchr(before, '/');
  const size_t folder = slash ? (size_t)(slash + 1 - before) : 0;
  char *path = malloc(folder + n + 1);
  if (!path) abort();
  memcpy(path, before, folder);
  if (n) memcpy(path + folder, in->data, n);
  path[folder + n] = 0;
  in->data += end ? n + 1 : n, in->size -= end ? n + 1 : n;
  return path;
}

static void take_values(input *in, set *s) {
  const size_t n = take_two(in), there = n < in->size ? n : in->size;
  const size_t used = there < (size_t)s->bytes ? there : (size_t)s->bytes;
  s->values = calloc(1, (size_t)s->bytes + 1);
  if (!s->values) abort();
  if (used) memcpy(s->values, in->data, used);
  in->data += there, in->size -= there;
}

static bool is_in(unsigned kind, int f) {
  return f ? (kind & (IN_SECOND | IN_BOTH)) != 0 : !(kind & IN_SECOND);
}

static set *find(const struct vw_study_reader *f, const char *path) {
  for (int64_t i = 0; i < f->n; i++)
    if (strcmp(f->set[i]->d.path, path) == 0) return f->set[i];
  return NULL;
}

/* False: too large, or its path was there before. */
static bool take_set(input *in, set *s, const char *before, unsigned *kind) {
  char *path = take_path(in, before);
  *kind = take_byte(in);
  const unsigned type = *kind & 0xf, width = take_two(in);
  *s = (set){.d = {.path = path, .dtype = type < VW_STORAGE_TYPES ? (vw_dtype)type : VW_U8}};
  if (type >= VW_STORAGE_TYPES) s->d.text_bytes = width ? width : 1;
  s->bytes = s->d.text_bytes ? s->d.text_bytes : (int64_t)vw_dtype_bytes(s->d.dtype);
  s->d.ndim = (int)(take_byte(in) % (VW_MAX_DIMS + 1));
  bool fits = true;
  for (int i = 0; i < s->d.ndim; i++) {
    s->d.dim[i] = take_byte(in);
    s->bytes *= s->d.dim[i];
    fits &= s->bytes <= MOST_BYTES;
    if (!fits) s->bytes = 0;
  }
  take_values(in, s);
  for (int f = 0; fits && f < 2; f++) fits = !is_in(*kind, f) || !find(&file[f], path);
  return fits;
}

static int by_path(const void *a, const void *b) {
  return strcmp((*(set *const *)a)->d.path, (*(set *const *)b)->d.path);
}

static void settle(struct vw_study_reader *f) {
  if (f->n) qsort((void *)f->set, (size_t)f->n, sizeof *f->set, by_path);
  for (int64_t i = 0; i < f->n; i++) f->list[i] = f->set[i]->d;
}

static void forget(set *s) {
  free((char *)(uintptr_t)s->d.path), free(s->values);
}

void fuzz_study_take(const uint8_t *data, size_t size) {
  input in = {data, size};
  char before[512] = "/";
  for (int64_t i = 0; i < n_sets; i++) forget(&sets[i]);
  n_sets = file[0].n = file[1].n = 0;
  while (in.size && n_sets < MOST_SETS) {
    set *s = &sets[n_sets];
    unsigned kind = 0;
    const bool is_good = take_set(&in, s, before, &kind);
    if (strlen(s->d.path) < sizeof before) memcpy(before, s->d.path, strlen(s->d.path) + 1);
    if (!is_good) {
      forget(s);
      continue;
    }
    n_sets++;
    for (int f = 0; f < 2; f++)
      if (is_in(kind, f)) file[f].set[file[f].n++] = s;
  }
  settle(&file[0]), settle(&file[1]);
}

const char *fuzz_study_text(const char *path) {
  const set *s = find(&file[0], path);
  return s && s->d.text_bytes && !s->d.ndim ? s->values : NULL;
}

/* ---- in the place of io/study/study_reader.c --------------------------------------------------------------------- */

vw_status vw_study_reader_open(const char *path, vw_study_reader **reader) {
  *reader = &file[strstr(path, "/second/") != NULL];
  return VW_OK;
}

void vw_study_reader_close(vw_study_reader *r) {
  (void)r;
}

int64_t vw_study_reader_count(const vw_study_reader *r) {
  return r->n;
}

const vw_study_data *vw_study_reader_data(const vw_study_reader *r, int64_t i) {
  return i >= 0 && i < r->n ? &r->list[i] : NULL;
}

const vw_study_data *vw_study_reader_find(const vw_study_reader *r, const char *path) {
  for (int64_t i = 0; i < r->n; i++)
    if (strcmp(r->list[i].path, path) == 0) return &r->list[i];
  return NULL;
}

vw_status vw_study_reader_read(vw_study_reader *r, const char *path, void **values) {
  const set *s = find(r, path);
  *values = NULL;
  VW_CHECK(s, VW_ERR_INPUT, "study.h5: no data set %s in it", path);
  char *own = malloc((size_t)s->bytes + 1);
  VW_CHECK(own, VW_ERR_MEMORY, "out of memory");
  memcpy(own, s->values, (size_t)s->bytes + 1);
  *values = own;
  return VW_OK;
}
