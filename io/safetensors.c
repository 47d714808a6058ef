#include "io/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/safetensors_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors are little endian; so must the machine be");

enum { LENGTH_BYTES = 8 };
static const int64_t MAX_HEADER = 100 * 1000 * 1000; /* as the format's own implementation */

typedef struct item {
  const char *name; /* owned by the header's JSON */
  vw_tensor tensor;
  void *copy; /* owned: the tensor's data where the file does not align them */
} item;

struct vw_safetensors {
  char *path;
  unsigned char *map;
  size_t bytes;
  json_t *header, *metadata; /* metadata: borrowed from header; may be NULL */
  int64_t n, slots;
  item *items;
  int64_t *slot; /* open addressing: 1 + index into items, 0 free; slots is a power of two above n */
};

static const struct {
  const char *name;
  vw_dtype type;
} type_names[] = {{"F64", VW_F64}, {"F32", VW_F32}, {"F16", VW_F16}, {"BF16", VW_BF16}, {"I64", VW_I64},
                  {"I32", VW_I32}, {"U32", VW_U32}, {"U8", VW_U8},   {"BOOL", VW_BOOL}};
enum { TYPES = sizeof type_names / sizeof type_names[0] };

const char *vw_safetensors_type_name(vw_dtype type) {
  for (int i = 0; i < TYPES; i++)
    if (type_names[i].type == type) return type_names[i].name;
  return NULL;
}

static int64_t slot_of(const vw_safetensors *f, const char *name) {
  int64_t s = (int64_t)(vw_hash_bytes(name, strlen(name)).lo & (uint64_t)(f->slots - 1));
  while (f->slot[s] && strcmp(f->items[f->slot[s] - 1].name, name) != 0) s = (s + 1) & (f->slots - 1);
  return s;
}

static vw_status map_file(vw_safetensors *f) {
  struct stat info;
  vw_status st = VW_OK;
  const int fd = open(f->path, O_RDONLY | O_CLOEXEC);
  VW_CHECK(fd >= 0, VW_ERR_IO, "%s: cannot open the weights: %s", f->path, strerror(errno));
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) VW_GOTO(VW_RAISE(VW_ERR_IO, "%s: not a file", f->path));
  if (info.st_size <= LENGTH_BYTES)
    VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: %lld bytes: too short for a safetensors file; copy or download it again",
                     f->path, (long long)info.st_size));
  f->bytes = (size_t)info.st_size;
  f->map = mmap(NULL, f->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  if (f->map == MAP_FAILED) {
    f->map = NULL;
    VW_GOTO(VW_RAISE(VW_ERR_IO, "%s: cannot map %zu bytes: %s", f->path, f->bytes, strerror(errno)));
  }
cleanup:
  (void)close(fd);
  return st;
}

/* Parses the header; *data is where the tensors begin. */
static vw_status read_header(vw_safetensors *f, size_t *data) {
  uint64_t length;
  json_error_t error;
  memcpy(&length, f->map, LENGTH_BYTES);
  VW_CHECK(f->map[LENGTH_BYTES] == '{' && length <= (uint64_t)MAX_HEADER, VW_ERR_INPUT,
           "%s: not a safetensors file: expected 8 bytes of header length and a '{'", f->path);
  VW_CHECK(length <= f->bytes - LENGTH_BYTES, VW_ERR_INPUT,
           "%s: truncated: the header needs %" PRIu64 " bytes, the file has %zu; copy or download it again", f->path,
           length + LENGTH_BYTES, f->bytes);
  f->header = json_loadb((const char *)f->map + LENGTH_BYTES, (size_t)length, JSON_REJECT_DUPLICATES, &error);
  VW_CHECK(f->header && json_is_object(f->header), VW_ERR_INPUT, "%s: the header is not a JSON object: %s", f->path,
           f->header ? "another type" : error.text);
  f->metadata = json_object_get(f->header, "__metadata__");
  VW_CHECK(!f->metadata || json_is_object(f->metadata), VW_ERR_INPUT, "%s: __metadata__ is not an object", f->path);
  *data = LENGTH_BYTES + (size_t)length;
  return VW_OK;
}

/* Type, shape and the number of bytes that they make. */
static vw_status read_shape(const char *path, const char *name, const json_t *entry, vw_tensor *t, int64_t *bytes) {
  const json_t *type = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape");
  int known = 0;
  VW_CHECK(json_is_string(type) && json_is_array(shape), VW_ERR_INPUT,
           "%s: tensor %s: expected \"dtype\" (text) and \"shape\" (a list)", path, name);
  while (known < TYPES && strcmp(type_names[known].name, json_string_value(type)) != 0) known++;
  VW_CHECK(known < TYPES, VW_ERR_UNSUPPORTED,
           "%s: tensor %s has type %s; expected F64 F32 F16 BF16 I64 I32 U32 U8 BOOL", path, name,
           json_string_value(type));
  VW_CHECK(json_array_size(shape) <= VW_MAX_DIMS, VW_ERR_UNSUPPORTED, "%s: tensor %s has %zu dimensions, at most %d",
           path, name, json_array_size(shape), VW_MAX_DIMS);
  *t = (vw_tensor){.dtype = type_names[known].type, .ndim = (int)json_array_size(shape)};
  *bytes = (int64_t)vw_dtype_bytes(t->dtype);
  for (int i = 0; i < t->ndim; i++) {
    const json_t *d = json_array_get(shape, (size_t)i);
    t->dim[i] = json_is_integer(d) ? (int64_t)json_integer_value(d) : -1;
    VW_CHECK(t->dim[i] >= 0 && !__builtin_mul_overflow(*bytes, t->dim[i], bytes), VW_ERR_INPUT,
             "%s: tensor %s: dimension %d of the shape is not a number, negative or too large", path, name, i);
  }
  return VW_OK;
}

static vw_status read_tensor(vw_safetensors *f, size_t data, const char *name, const json_t *entry, item *it) {
  int64_t bytes = 0, begin = -1, end = -1;
  const json_t *span = json_object_get(entry, "data_offsets");
  const int64_t have = (int64_t)(f->bytes - data);
  VW_TRY(read_shape(f->path, name, entry, &it->tensor, &bytes));
  it->name = name;
  if (json_array_size(span) == 2 && json_is_integer(json_array_get(span, 0)) &&
      json_is_integer(json_array_get(span, 1)))
    begin = json_integer_value(json_array_get(span, 0)), end = json_integer_value(json_array_get(span, 1));
  VW_CHECK(begin >= 0 && begin <= end, VW_ERR_INPUT, "%s: tensor %s: expected \"data_offsets\": [begin, end]", f->path,
           name);
  VW_CHECK(end <= have, VW_ERR_INPUT,
           "%s: truncated: tensor %s ends at byte %" PRId64 " of the data, the file has %" PRId64
           "; copy or download it again",
           f->path, name, end, have);
  VW_CHECK(end - begin == bytes, VW_ERR_INPUT, "%s: tensor %s: %s%s is %" PRId64 " bytes, data_offsets span %" PRId64,
           f->path, name, vw_safetensors_type_name(it->tensor.dtype), vw_shape_text(&it->tensor), bytes, end - begin);
  it->tensor.data = f->map + data + begin;
  /* Other writers may leave a tensor unaligned (an odd header, bytes before floats): reading it in place would be
   * undefined, so such a tensor is copied. */
  if (bytes && (uintptr_t)it->tensor.data % vw_dtype_bytes(it->tensor.dtype) != 0) {
    it->copy = malloc((size_t)bytes);
    VW_CHECK(it->copy, VW_ERR_MEMORY, "%s: out of memory for tensor %s (%" PRId64 " bytes)", f->path, name, bytes);
    it->tensor.data = memcpy(it->copy, it->tensor.data, (size_t)bytes);
  }
  return VW_OK;
}

static vw_status read_tensors(vw_safetensors *f, size_t data) {
  const char *name;
  json_t *entry;
  const int64_t most = (int64_t)json_object_size(f->header);
  for (f->slots = 16; f->slots < 2 * most; f->slots *= 2) {}
  f->items = calloc((size_t)most + 1, sizeof *f->items);
  f->slot = calloc((size_t)f->slots, sizeof *f->slot);
  VW_CHECK(f->items && f->slot, VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " tensors", f->path, most);
  json_object_foreach(f->header, name, entry) {
    if (entry == f->metadata) continue;
    const int64_t s = slot_of(f, name);
    f->slot[s] = ++f->n; /* before the check, so that close frees the copy */
    VW_TRY(read_tensor(f, data, name, entry, &f->items[f->n - 1]));
  }
  json_object_foreach(f->metadata, name, entry)
      VW_CHECK(json_is_string(entry), VW_ERR_INPUT, "%s: metadata %s is not text", f->path, name);
  return VW_OK;
}

vw_status vw_safetensors_open(vw_safetensors **file, const char *path) {
  vw_status st = VW_OK;
  size_t data = 0;
  vw_safetensors *f = calloc(1, sizeof *f);
  *file = NULL;
  if (!f || !(f->path = strdup(path))) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path));
  VW_GOTO(map_file(f));
  VW_GOTO(read_header(f, &data));
  VW_GOTO(read_tensors(f, data));
  *file = f;
  f = NULL;
cleanup:
  vw_safetensors_close(f);
  return st;
}

void vw_safetensors_close(vw_safetensors *f) {
  if (!f) return;
  for (int64_t i = 0; i < f->n; i++) free(f->items[i].copy);
  free(f->items);
  free(f->slot);
  json_decref(f->header);
  if (f->map) (void)munmap(f->map, f->bytes);
  free(f->path);
  free(f);
}

bool vw_safetensors_has(const vw_safetensors *f, const char *name) {
  return f->slot[slot_of(f, name)] != 0;
}

vw_status vw_safetensors_find(const vw_safetensors *f, const char *name, vw_tensor *out) {
  const int64_t at = f->slot[slot_of(f, name)];
  VW_CHECK(at, VW_ERR_INPUT, "%s: has no tensor %s (it has %" PRId64 "%s%s): is this the right model?", f->path, name,
           f->n, f->n ? ", the first is " : "", f->n ? f->items[0].name : "");
  *out = f->items[at - 1].tensor;
  return VW_OK;
}

int64_t vw_safetensors_count(const vw_safetensors *f) {
  return f->n;
}
const char *vw_safetensors_name(const vw_safetensors *f, int64_t i) {
  return f->items[i].name;
}
vw_tensor vw_safetensors_tensor(const vw_safetensors *f, int64_t i) {
  return f->items[i].tensor;
}
const char *vw_safetensors_metadata(const vw_safetensors *f, const char *key) {
  return json_string_value(json_object_get(f->metadata, key));
}
const char *vw_safetensors_path(const vw_safetensors *f) {
  return f->path;
}
const void *vw_safetensors_bytes(const vw_safetensors *f, size_t *bytes) {
  *bytes = f->bytes;
  return f->map;
}

vw_status vw_safetensors_verify(const vw_safetensors *f) {
  char found[VW_HASH_TEXT];
  const char *key, *expected = vw_safetensors_metadata(f, VW_SAFETENSORS_CHECKSUM);
  json_t *value;
  VW_CHECK(expected, VW_ERR_INPUT, "%s: no checksum in the metadata: not written by viswords", f->path);
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "%s: out of memory", f->path);
  json_object_foreach(f->metadata, key, value) if (strcmp(key, VW_SAFETENSORS_CHECKSUM) != 0)
      vw_safetensors_add_metadata(h, &(vw_keyvalue){key, json_string_value(value)});
  for (int64_t i = 0; i < f->n; i++)
    vw_safetensors_add_tensor(h, &(vw_safetensors_entry){f->items[i].name, f->items[i].tensor});
  vw_hash_text(vw_hasher_done(h), found);
  vw_hasher_destroy(h);
  VW_CHECK(strcmp(found, expected) == 0, VW_ERR_INPUT,
           "%s: damaged: its content has checksum %s, expected %s; delete it and run again", f->path, found, expected);
  return VW_OK;
}
