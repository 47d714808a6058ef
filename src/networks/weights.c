#include "networks/weights.h"

#include "core/log.h"
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
  int64_t n, cap, bytes, bytes_read;
};

vw_status vw_weights_create(vw_weights **out, vw_context *ctx, vw_weight_source source, void *user, const char *where) {
  vw_weights *w = calloc(1, sizeof *w);
  *out = w;
  VW_CHECK(w, VW_ERR_MEMORY, "weights: out of memory");
  w->ctx = ctx, w->memory = vw_memory_of(ctx->backend), w->source = source, w->user = user;
  (void)snprintf(w->where, sizeof w->where, "%s", where);
  return VW_OK;
}

static void release(vw_weights *w, entry *e) {
  if (!e->owned) return;
  w->memory->release(w->ctx, e->tensor.data);
  w->bytes -= (int64_t)vw_bytes(&e->tensor);
  e->owned = false, e->tensor.data = NULL;
}

void vw_weights_destroy(vw_weights *w) {
  if (!w) return;
  vw_log(VW_LOG_DEBUG, "weights of %s: %lld bytes read here in all", w->where, (long long)w->bytes_read);
  for (int64_t i = 0; i < w->n; i++) release(w, &w->entries[i]);
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
int64_t vw_weights_bytes_read(const vw_weights *w) {
  return w->bytes_read;
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

/* Room for an entry in memory of the backend; not zeroed on the host: fresh pages are what this costs. */
static vw_status allocate(vw_weights *w, entry *e) {
  const size_t bytes = vw_bytes(&e->tensor);
  if (w->memory->host)
    e->tensor.data = vw_host_pages(bytes);
  else
    VW_TRY(w->memory->allocate(w->ctx, bytes, &e->tensor.data));
  VW_CHECK(e->tensor.data, VW_ERR_MEMORY, "%s: cannot allocate %zu bytes for '%s'", w->where, bytes, e->name);
  e->owned = true;
  w->bytes += (int64_t)bytes;
  return VW_OK;
}

/* Converts `n` parts, stacked along the first axis, into an entry's memory. */
static vw_status fill(vw_weights *w, const entry *e, const vw_tensor *part, int n) {
  const size_t bytes = vw_bytes(&e->tensor), one = bytes / (size_t)n;
  char *staged = w->memory->host ? NULL : malloc(bytes), *target = w->memory->host ? e->tensor.data : staged;
  vw_status st = VW_OK;
  VW_CHECK(target, VW_ERR_MEMORY, "%s: cannot allocate %zu bytes to convert '%s'", w->where, bytes, e->name);
  for (int i = 0; i < n; i++) {
    VW_GOTO(convert(w->ctx, target + (size_t)i * one, e->tensor.dtype, &part[i]));
    w->bytes_read += (int64_t)vw_bytes(&part[i]);
  }
  if (staged) VW_GOTO(w->memory->upload(w->ctx, e->tensor.data, staged, bytes));
cleanup:
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

vw_dtype vw_weights_stored(const vw_weights *w, const vw_graph *g, const char *prefix) {
  int64_t numbers[VW_STORAGE_TYPES] = {0};
  vw_dtype most = VW_F32;
  for (int64_t i = 0; i < vw_graph_leaf_count(g); i++) {
    const vw_leaf leaf = vw_graph_leaf(g, i);
    vw_tensor part[VW_MAX_PARTS];
    int n = 0;
    if (leaf.kind != VW_LEAF_WEIGHT || strncmp(leaf.name, prefix, strlen(prefix)) != 0) continue;
    if (find_parts(w, &leaf, part, &n) != VW_OK) continue;
    for (int j = 0; j < n; j++) numbers[part[j].dtype] += vw_count(&part[j]);
  }
  for (int t = 0; t < VW_STORAGE_TYPES; t++)
    if (numbers[t] > numbers[most]) most = (vw_dtype)t;
  return most;
}

static void name_entry(entry *e, const char *name, vw_tensor tensor) {
  *e = (entry){.tensor = tensor};
  (void)snprintf(e->name, sizeof e->name, "%s", name);
}

/* A mapped tensor of the right storage type serves as it lies. */
static bool borrow(vw_weights *w, entry *e, const vw_tensor *part, int n) {
  if (n != 1 || !w->memory->host || part[0].dtype != e->tensor.dtype) return false;
  e->tensor.data = part[0].data;
  w->bytes_read += (int64_t)vw_bytes(part);
  return true;
}

static vw_status load(vw_weights *w, const vw_leaf *leaf, entry *e) {
  vw_tensor part[VW_MAX_PARTS];
  int n = 0;
  name_entry(e, leaf->name, leaf->tensor);
  VW_TRY(find_parts(w, leaf, part, &n));
  if (borrow(w, e, part, n)) return VW_OK;
  VW_TRY(allocate(w, e));
  const vw_status st = fill(w, e, part, n);
  if (st != VW_OK) release(w, e);
  return st;
}

static vw_status grow(vw_weights *w) {
  if (w->n < w->cap) return VW_OK;
  const int64_t cap = w->cap ? 2 * w->cap : 256;
  entry *more = realloc(w->entries, (size_t)cap * sizeof *more);
  VW_CHECK(more, VW_ERR_MEMORY, "%s: out of memory", w->where);
  w->entries = more, w->cap = cap;
  return VW_OK;
}

static vw_status add(vw_weights *w, const vw_leaf *leaf, entry **out) {
  VW_TRY(grow(w));
  VW_TRY(load(w, leaf, &w->entries[w->n]));
  *out = &w->entries[w->n++];
  return VW_OK;
}

/* The newest of this name: a later bind may have asked for another storage type. */
static entry *find(const vw_weights *w, const char *name) {
  for (int64_t i = w->n - 1; i >= 0; i--)
    if (!strcmp(w->entries[i].name, name)) return &w->entries[i];
  return NULL;
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
    for (int i = 0; i < parts.n; i++) w->bytes_read += (int64_t)vw_bytes(&parts.part[i]);
  }
  return vw_program_bind_parts(p, leaf->value, &found->parts);
}

vw_status vw_weights_bind(vw_weights *w, vw_program *p) {
  for (int64_t i = 0; i < vw_program_leaf_count(p); i++) {
    const vw_leaf leaf = vw_program_leaf(p, i);
    if (leaf.kind != VW_LEAF_WEIGHT) continue;
    entry *e = find(w, leaf.name);
    if (!e && vw_program_packs(p, leaf.value)) {
      VW_TRY(bind_packed(w, &leaf, p));
      continue;
    }
    if (!e) VW_TRY(add(w, &leaf, &e));
    if (e->tensor.dtype != leaf.tensor.dtype) VW_TRY(add(w, &leaf, &e)); /* shared under another policy */
    VW_TRY(vw_program_bind(p, leaf.value, e->tensor.data));
  }
  return VW_OK;
}

/* ---- read once, shared by all ranks ------------------------------------------------------------------------------ */

/* Entries, with room for their values, of all weight leaves that are not there yet. */
static vw_status reserve(vw_weights *w, const vw_graph *g, const vw_policy *policy) {
  VW_TRY(vw_graph_status(g));
  for (int64_t i = 0; i < vw_graph_leaf_count(g); i++) {
    const vw_leaf leaf = vw_graph_leaf(g, i);
    if (leaf.kind != VW_LEAF_WEIGHT || find(w, leaf.name)) continue;
    VW_TRY(grow(w));
    entry *e = &w->entries[w->n];
    name_entry(e, leaf.name, leaf.tensor);
    e->tensor.dtype = vw_resolve(policy, leaf.tensor.dtype);
    VW_TRY(allocate(w, e));
    w->n++;
  }
  return VW_OK;
}

/* Rank 0: an entry's values, from the source. */
static vw_status read_entry(vw_weights *w, const entry *e) {
  vw_leaf leaf = {.name = e->name, .tensor = e->tensor};
  vw_tensor part[VW_MAX_PARTS];
  int n = 0;
  VW_TRY(find_parts(w, &leaf, part, &n));
  return fill(w, e, part, n);
}

/* A failure of rank 0 does not end its part early: the others are told behind the last tensor. */
static vw_status send_entries(vw_weights *w, int64_t first, const vw_ranks *ranks, vw_transport *transport) {
  vw_status mine = VW_OK;
  for (int64_t i = first; i < w->n; i++) {
    const entry *e = &w->entries[i];
    if (ranks->rank == 0 && mine == VW_OK) mine = read_entry(w, e);
    VW_TRY(vw_transport_broadcast(transport, e->tensor.data, (int64_t)vw_bytes(&e->tensor), 0));
  }
  return vw_agree_message(ranks, mine);
}

vw_status vw_weights_share(vw_weights *w, const vw_graph *g, const vw_policy *policy, const vw_ranks *ranks,
                           vw_transport *transport) {
  const int64_t first = w->n, before = w->bytes, read = w->bytes_read;
  vw_status st = vw_agree_message(ranks, reserve(w, g, policy));
  if (st == VW_OK) st = send_entries(w, first, ranks, transport);
  if (st != VW_OK) {
    while (w->n > first) release(w, &w->entries[--w->n]);
    return vw_fail(st, __FILE__, __LINE__, "sharing %s", w->where);
  }
  vw_log(VW_LOG_DEBUG, "weights of %s: %lld tensors, %lld bytes by %s, %lld bytes read here", w->where,
         (long long)(w->n - first), (long long)(w->bytes - before), vw_transport_name(transport),
         (long long)(w->bytes_read - read));
  return VW_OK;
}
