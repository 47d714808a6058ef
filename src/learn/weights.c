#include "learn/weights.h"

#include "kernels/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
  char name[VW_NAME_BYTES];
  vw_tensor tensor; /* on the backend */
  bool owned;       /* false: lies in the mapped file */
} entry;

/* A weight that kernels only pack: where it lies in its files. Plans borrow the parts, so each stays where it is. */
typedef struct packed_weight {
  char name[VW_NAME_BYTES];
  vw_parts parts;
  struct packed_weight *next;
} packed_weight;

struct vw_weights {
  vw_context *ctx;
  const vw_memory *memory;
  vw_weight_source source;
  void *user;
  char where[256];
  entry *entries;
  packed_weight *packed;
  int64_t n, cap, bytes;
};

vw_status vw_weights_create(vw_weights **out, vw_context *ctx, vw_weight_source source, void *user, const char *where) {
  vw_weights *w = calloc(1, sizeof *w);
  *out = w;
  VW_CHECK(w, VW_ERR_MEMORY, "weights: out of memory");
  w->ctx = ctx, w->memory = vw_memory_of(ctx->backend), w->source = source, w->user = user;
  (void)snprintf(w->where, sizeof w->where, "%s", where);
  return VW_OK;
}

void vw_weights_destroy(vw_weights *w) {
  if (!w) return;
  for (int64_t i = 0; i < w->n; i++)
    if (w->entries[i].owned) w->memory->release(w->ctx, w->entries[i].tensor.data);
  while (w->packed) {
    packed_weight *next = w->packed->next;
    free(w->packed);
    w->packed = next;
  }
  free(w->entries);
  free(w);
}

int64_t vw_weights_bytes(const vw_weights *w) {
  return w->bytes;
}

/* "x.{q,k,v}_proj" to "x.q_proj", "x.k_proj", "x.v_proj"; a plain name to itself. Returns the number of parts. */
static int split_name(const char *name, char part[VW_MAX_PARTS][VW_NAME_BYTES]) {
  const char *open = strchr(name, '{'), *close = open ? strchr(open, '}') : NULL;
  int n = 0;
  if (!close) {
    (void)snprintf(part[0], VW_NAME_BYTES, "%s", name);
    return 1;
  }
  const char *p = open + 1;
  do {
    const size_t length = strcspn(p, ",}");
    (void)snprintf(part[n++], VW_NAME_BYTES, "%.*s%.*s%s", (int)(open - name), name, (int)length, p, close + 1);
    p += length + 1;
  } while (p <= close && n < VW_MAX_PARTS);
  return n;
}

vw_status vw_weights_find(const vw_weights *w, const char *name, const vw_tensor *expected, vw_tensor *out) {
  VW_TRY(w->source(w->user, name, out));
  VW_CHECK(vw_same_shape(out, expected), VW_ERR_INPUT,
           "%s: tensor '%s' has shape %s, config.json asks for %s: the files do not belong together", w->where, name,
           vw_shape_text(out), vw_shape_text(expected));
  return VW_OK;
}

/* One tensor, its elements shared out among the threads. */
static vw_status convert(const vw_context *ctx, char *out, vw_dtype type, const vw_tensor *in) {
  enum { CHUNK = 1 << 18 };
  const int64_t n = vw_count(in), chunks = (n + CHUNK - 1) / CHUNK;
  VW_TRY(vw_convert(out, type, in->data, in->dtype, n < CHUNK ? n : CHUNK)); /* types are checked by the first */
#pragma omp parallel for num_threads(ctx->threads) schedule(static) if (chunks > 1)
  for (int64_t i = 1; i < chunks; i++) {
    const int64_t at = i * CHUNK, count = n - at < CHUNK ? n - at : CHUNK;
    (void)vw_convert(out + (size_t)at * vw_dtype_bytes(type), type,
                     (const char *)in->data + (size_t)at * vw_dtype_bytes(in->dtype), in->dtype, count);
  }
  return VW_OK;
}

/* Converts `n` parts, stacked along the first axis, into memory of the backend. */
static vw_status load_copy(vw_weights *w, entry *e, const vw_tensor *part, int n) {
  const size_t bytes = vw_bytes(&e->tensor), one = bytes / (size_t)n;
  void *data = NULL, *staged = NULL;
  vw_status st = VW_OK;
  if (w->memory->host) { /* not zeroed first: fresh pages are what this costs */
    data = vw_host_pages(bytes);
  } else {
    VW_GOTO(w->memory->allocate(w->ctx, bytes, &data));
    staged = malloc(bytes);
  }
  char *target = staged ? staged : data;
  if (!target) {
    st = VW_RAISE(VW_ERR_MEMORY, "%s: cannot allocate %zu bytes to convert '%s'", w->where, bytes, e->name);
    goto cleanup;
  }
  for (int i = 0; i < n; i++) VW_GOTO(convert(w->ctx, target + (size_t)i * one, e->tensor.dtype, &part[i]));
  if (staged) VW_GOTO(w->memory->upload(w->ctx, data, staged, bytes));
  e->tensor.data = data, e->owned = true;
  w->bytes += (int64_t)bytes;
  data = NULL;
cleanup:
  if (data) w->memory->release(w->ctx, data);
  free(staged);
  return st;
}

/* The tensors that a leaf is made of; *n of them. */
static vw_status find_parts(const vw_weights *w, const vw_leaf *leaf, vw_tensor part[VW_MAX_PARTS], int *n) {
  char name[VW_MAX_PARTS][VW_NAME_BYTES];
  vw_tensor expected = leaf->tensor;
  *n = split_name(leaf->name, name);
  expected.dim[0] /= *n;
  for (int i = 0; i < *n; i++) VW_TRY(vw_weights_find(w, name[i], &expected, &part[i]));
  return VW_OK;
}

vw_status vw_weights_check(const vw_weights *w, const vw_graph *g) {
  vw_tensor part[VW_MAX_PARTS];
  int n = 0;
  VW_TRY(vw_graph_status(g));
  for (int64_t i = 0; i < vw_graph_leaf_count(g); i++) {
    const vw_leaf leaf = vw_graph_leaf(g, i);
    if (leaf.kind == VW_LEAF_WEIGHT) VW_TRY(find_parts(w, &leaf, part, &n));
  }
  return VW_OK;
}

static vw_status load(vw_weights *w, const vw_leaf *leaf, entry *e) {
  vw_tensor part[VW_MAX_PARTS];
  int n = 0;
  *e = (entry){.tensor = leaf->tensor};
  (void)snprintf(e->name, sizeof e->name, "%s", leaf->name);
  VW_TRY(find_parts(w, leaf, part, &n));
  if (n == 1 && w->memory->host && part[0].dtype == leaf->tensor.dtype) {
    e->tensor.data = part[0].data;
    return VW_OK;
  }
  return load_copy(w, e, part, n);
}

static vw_status add(vw_weights *w, const vw_leaf *leaf, entry **out) {
  if (w->n == w->cap) {
    const int64_t cap = w->cap ? 2 * w->cap : 256;
    entry *more = realloc(w->entries, (size_t)cap * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "%s: out of memory", w->where);
    w->entries = more, w->cap = cap;
  }
  VW_TRY(load(w, leaf, &w->entries[w->n]));
  *out = &w->entries[w->n++];
  return VW_OK;
}

/* Neither converted nor stacked: the kernels pack it from the file's type, so it is copied once. */
static vw_status bind_packed(vw_weights *w, const vw_leaf *leaf, vw_program *p) {
  packed_weight *found = w->packed;
  while (found && strcmp(found->name, leaf->name) != 0) found = found->next;
  if (!found) {
    vw_parts parts;
    VW_TRY(find_parts(w, leaf, parts.part, &parts.n));
    found = malloc(sizeof *found);
    VW_CHECK(found, VW_ERR_MEMORY, "%s: out of memory", w->where);
    (void)snprintf(found->name, sizeof found->name, "%s", leaf->name);
    found->parts = parts, found->next = w->packed, w->packed = found;
  }
  return vw_program_bind_parts(p, leaf->value, &found->parts);
}

vw_status vw_weights_bind(vw_weights *w, vw_program *p) {
  for (int64_t i = 0; i < vw_program_leaf_count(p); i++) {
    const vw_leaf leaf = vw_program_leaf(p, i);
    entry *e = NULL;
    if (leaf.kind != VW_LEAF_WEIGHT) continue;
    if (vw_program_packs(p, leaf.value)) {
      VW_TRY(bind_packed(w, &leaf, p));
      continue;
    }
    for (int64_t j = 0; j < w->n && !e; j++)
      if (!strcmp(w->entries[j].name, leaf.name)) e = &w->entries[j];
    if (!e) VW_TRY(add(w, &leaf, &e));
    VW_TRY(vw_program_bind(p, leaf.value, e->tensor.data));
  }
  return VW_OK;
}
