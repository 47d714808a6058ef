#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/fault.h"
#include "io/json.h"
#include "io/safetensors_internal.h"

enum { ALIGNMENT = 8 };

void vw_safetensors_add_metadata(vw_hasher *h, const vw_keyvalue *pair) {
  vw_hasher_field(h, "metadata");
  vw_hasher_field(h, pair->key);
  vw_hasher_field(h, pair->value);
}

void vw_safetensors_add_tensor(vw_hasher *h, const vw_safetensors_entry *entry) {
  const vw_tensor *t = &entry->tensor;
  vw_hasher_field(h, "tensor");
  vw_hasher_field(h, entry->name);
  vw_hasher_field(h, vw_safetensors_type_name(t->dtype));
  vw_hasher_int(h, t->ndim);
  for (int i = 0; i < t->ndim; i++) vw_hasher_int(h, t->dim[i]);
  if (vw_bytes(t)) vw_hasher_add(h, t->data, vw_bytes(t));
}

static vw_status checksum(const char *path, const vw_safetensors_entry *entries, int64_t n, const vw_keyvalue *metadata,
                          int64_t m, char text[VW_HASH_TEXT]) {
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "%s: out of memory", path);
  for (int64_t i = 0; i < m; i++) vw_safetensors_add_metadata(h, &metadata[i]);
  for (int64_t i = 0; i < n; i++) vw_safetensors_add_tensor(h, &entries[i]);
  vw_hash_text(vw_hasher_done(h), text);
  vw_hasher_destroy(h);
  return VW_OK;
}

static vw_status check_entries(const char *path, const vw_safetensors_entry *entries, int64_t n, bool hollow) {
  for (int64_t i = 0; i < n; i++) {
    const vw_tensor *t = &entries[i].tensor;
    VW_CHECK(vw_safetensors_type_name(t->dtype), VW_ERR_ARG, "%s: tensor %s has the role %s, expected a storage type",
             path, entries[i].name, vw_dtype_name(t->dtype));
    VW_CHECK(hollow || t->data || vw_bytes(t) == 0, VW_ERR_ARG, "%s: tensor %s %s has no data", path, entries[i].name,
             vw_shape_text(t));
  }
  return VW_OK;
}

/* The place of each tensor in the data: widest types first, else as given. */
static void lay_out(const vw_safetensors_entry *entries, int64_t n, int64_t *order, int64_t *begin) {
  int64_t placed = 0, at = 0;
  for (size_t width = 8; width; width /= 2)
    for (int64_t i = 0; i < n; i++) {
      if (vw_dtype_bytes(entries[i].tensor.dtype) != width) continue;
      order[placed++] = i;
      begin[i] = at;
      at += (int64_t)vw_bytes(&entries[i].tensor);
    }
}

/* New reference: {"dtype": .., "shape": [..], "data_offsets": [..]}. Whether memory sufficed, the caller asks. */
static json_t *describe(const vw_tensor *t, int64_t begin) {
  json_t *shape = json_array();
  for (int i = 0; i < t->ndim; i++) (void)json_array_append_new(shape, json_integer(t->dim[i]));
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", vw_safetensors_type_name(t->dtype), "shape", shape, "data_offsets",
                   (json_int_t)begin, (json_int_t)begin + (json_int_t)vw_bytes(t));
}

/* The header as text in malloc'ed memory. Hollow: without a checksum. */
static vw_status make_header(const char *path, const vw_safetensors_entry *entries, int64_t n, const int64_t *begin,
                             const vw_keyvalue *metadata, int64_t m, bool hollow, char **text) {
  vw_status st = VW_OK;
  char sum[VW_HASH_TEXT];
  vw_json_watch();
  json_t *header = json_object(), *pairs = json_object();
  if (!hollow) VW_GOTO(checksum(path, entries, n, metadata, m, sum));
  for (int64_t i = 0; i < m; i++) {
    if (json_object_get(pairs, metadata[i].key) || strcmp(metadata[i].key, VW_SAFETENSORS_CHECKSUM) == 0)
      VW_GOTO(VW_RAISE(VW_ERR_ARG, "%s: metadata %s is given twice or reserved", path, metadata[i].key));
    if (json_object_set_new(pairs, metadata[i].key, json_string(metadata[i].value)) != 0)
      VW_GOTO(VW_RAISE(VW_ERR_ARG, "%s: metadata %s is not UTF-8", path, metadata[i].key));
  }
  if (!hollow) (void)json_object_set_new(pairs, VW_SAFETENSORS_CHECKSUM, json_string(sum));
  (void)json_object_set(header, "__metadata__", pairs);
  for (int64_t i = 0; i < n; i++) {
    if (json_object_get(header, entries[i].name))
      VW_GOTO(VW_RAISE(VW_ERR_ARG, "%s: tensor name %s is given twice or reserved", path, entries[i].name));
    if (json_object_set_new(header, entries[i].name, describe(&entries[i].tensor, begin[i])) != 0)
      VW_GOTO(VW_RAISE(VW_ERR_ARG, "%s: tensor name %s is not UTF-8", path, entries[i].name));
  }
  *text = json_dumps(header, JSON_COMPACT);
cleanup:
  if (vw_json_starved()) st = VW_RAISE(VW_ERR_MEMORY, "%s: out of memory for the header", path);
  json_decref(pairs);
  json_decref(header);
  return st;
}

static vw_status put_header(vw_partial *to, const char *header) {
  static const char spaces[ALIGNMENT] = "        ";
  const uint64_t length = strlen(header), padded = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  VW_TRY(vw_partial_write(to, &padded, sizeof padded));
  VW_TRY(vw_partial_write(to, header, (int64_t)length));
  return vw_partial_write(to, spaces, (int64_t)(padded - length));
}

static vw_status put_data(vw_partial *to, const vw_safetensors_entry *entries, const int64_t *order, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    const vw_tensor *t = &entries[order[i]].tensor;
    VW_TRY(vw_partial_write(to, t->data, (int64_t)vw_bytes(t)));
  }
  return VW_OK;
}

/* The data's place as a hole in the file: it reads as zeros. */
static vw_status put_hole(vw_partial *to, const vw_safetensors_entry *entries, int64_t n) {
  off_t bytes = lseek(to->fd, 0, SEEK_CUR);
  for (int64_t i = 0; i < n; i++) bytes += (off_t)vw_bytes(&entries[i].tensor);
  VW_CHECK(ftruncate(to->fd, bytes) == 0, VW_ERR_IO, "%s: cannot make room for %lld bytes: %s", to->path,
           (long long)bytes, strerror(errno));
  return VW_OK;
}

static vw_status write_file(const char *path, const vw_safetensors_entry *entries, int64_t n,
                            const vw_keyvalue *metadata, int64_t m, bool hollow) {
  vw_status st = VW_OK;
  vw_partial partial = {.fd = -1};
  char *header = NULL;
  int64_t *order = calloc((size_t)n + 1, sizeof *order), *begin = calloc((size_t)n + 1, sizeof *begin);
  if (!order || !begin) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " tensors", path, n));
  VW_GOTO(check_entries(path, entries, n, hollow));
  lay_out(entries, n, order, begin);
  VW_GOTO(make_header(path, entries, n, begin, metadata, m, hollow, &header));
  VW_GOTO(vw_partial_open(&partial, path));
  st = vw_fault("writing", partial.path);
  if (st == VW_OK) st = put_header(&partial, header);
  if (st == VW_OK) st = hollow ? put_hole(&partial, entries, n) : put_data(&partial, entries, order, n);
  st = vw_partial_close(&partial, st);
cleanup:
  free(header);
  free(order);
  free(begin);
  return st;
}

vw_status vw_safetensors_write(const char *path, const vw_safetensors_entry *entries, int64_t n,
                               const vw_keyvalue *metadata, int64_t m) {
  return write_file(path, entries, n, metadata, m, false);
}

vw_status vw_safetensors_write_hollow(const char *path, const vw_safetensors_entry *entries, int64_t n,
                                      const vw_keyvalue *metadata, int64_t m) {
  return write_file(path, entries, n, metadata, m, true);
}
