#include "io/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/foreign.h"
#include "io/json.h"
#include "io/mapping.h"
#include "io/safetensors_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors are little endian; so must the machine be");

#define METADATA "__metadata__"
enum { LENGTH_BYTES = 8 };
static const int64_t MAX_HEADER = 100 * 1000 * 1000; /* as the format's own implementation */

typedef struct item {
  const char *name; /* owned by the header's JSON */
  const char *type; /* as the file calls it, owned likewise */
  vw_tensor tensor;
  bool foreign;       /* a type or a rank that we do not have: the tensor is its bytes */
  int64_t begin, end; /* bytes of the data */
  void *copy;         /* owned: the tensor's data where the file does not align them */
} item;

struct vw_safetensors {
  char *path;
  unsigned char *map;
  size_t bytes;
  vw_witness witness;
  json_t *header, *metadata; /* metadata: borrowed from header; may be NULL */
  int64_t n, slots;
  item *items;
  int64_t *slot; /* open addressing: 1 + index into items, 0 free; slots is a power of two above n */
};

/* Every type of the format (version 0.8 of its reference implementation). VW_STORAGE_TYPES: none of ours; such a tensor
 * is checked like all others, so that a file that merely carries it can be used. */
static const struct {
  const char *name;
  int bits;
  vw_dtype type;
} types[] = {{"F64", 64, VW_F64},
             {"F32", 32, VW_F32},
             {"F16", 16, VW_F16},
             {"BF16", 16, VW_BF16},
             {"I64", 64, VW_I64},
             {"I32", 32, VW_I32},
             {"U32", 32, VW_U32},
             {"U8", 8, VW_U8},
             {"BOOL", 8, VW_BOOL},
             {"I8", 8, VW_STORAGE_TYPES},
             {"I16", 16, VW_STORAGE_TYPES},
             {"U16", 16, VW_STORAGE_TYPES},
             {"U64", 64, VW_STORAGE_TYPES},
             {"C64", 64, VW_STORAGE_TYPES},
             {"F8_E5M2", 8, VW_STORAGE_TYPES},
             {"F8_E4M3", 8, VW_STORAGE_TYPES},
             {"F8_E8M0", 8, VW_STORAGE_TYPES},
             {"F8_E5M2FNUZ", 8, VW_STORAGE_TYPES},
             {"F8_E4M3FNUZ", 8, VW_STORAGE_TYPES},
             {"F6_E2M3", 6, VW_STORAGE_TYPES},
             {"F6_E3M2", 6, VW_STORAGE_TYPES},
             {"F4", 4, VW_STORAGE_TYPES}};
enum { TYPES = sizeof types / sizeof types[0], DEEPEST = 127 };

const char *vw_safetensors_type_name(vw_dtype type) {
  for (int i = 0; i < TYPES && type < VW_STORAGE_TYPES; i++)
    if (types[i].type == type) return types[i].name;
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
  int fd = -1;
  VW_TRY(vw_foreign_open(f->path, &fd, &info));
  if (info.st_size <= LENGTH_BYTES)
    VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: %lld bytes: too short for a safetensors file; copy or download it again",
                     f->path, (long long)info.st_size));
  f->bytes = (size_t)info.st_size;
  vw_witness_take(&f->witness, &info);
  VW_GOTO(vw_map_file(fd, f->path, f->bytes, (void **)&f->map));
cleanup:
  (void)close(fd);
  return st;
}

/* What people give instead of safetensors, by its first bytes, and the way out. */
static const char *other_kind(const unsigned char *first, size_t bytes) {
  static const struct {
    const char *start, *what;
  } kinds[] = {
      {"PK\3\4", "a pickle of torch.save; convert it: python -c \"import torch, safetensors.torch as s; "
                 "s.save_file({k: v.contiguous() for k, v in torch.load('IN', weights_only=True).items()}, 'OUT')\""},
      {"\x80\x02", "a pickle of an old torch.save; load it with torch and save it with safetensors.torch.save_file"},
      {"version https://git-lfs", "the pointer of a file kept in Git LFS: fetch the file itself with git lfs pull"},
      {"<", "a web page, not the file that was to be downloaded"},
      {"\x89HDF", "an HDF5 file"},
  };
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (bytes >= strlen(kinds[i].start) && memcmp(first, kinds[i].start, strlen(kinds[i].start)) == 0)
      return kinds[i].what;
  return "expected 8 bytes of header length and a JSON object";
}

/* Brackets open at most; beyond DEEPEST the reference refuses too, and a parser's stack is finite. */
static int deepest(const unsigned char *text, size_t bytes) {
  int depth = 0, most = 0;
  bool quoted = false;
  for (size_t i = 0; i < bytes; i++) {
    if (quoted && text[i] == '\\')
      i++;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && (text[i] == '{' || text[i] == '['))
      most = ++depth > most ? depth : most;
    else if (!quoted && (text[i] == '}' || text[i] == ']'))
      depth--;
  }
  return most;
}

/* Parses the header; *data is where the tensors begin. */
static vw_status read_header(vw_safetensors *f, size_t *data) {
  uint64_t length;
  json_error_t error;
  const char *key;
  json_t *value;
  memcpy(&length, f->map, LENGTH_BYTES);
  VW_CHECK(length <= (uint64_t)MAX_HEADER, VW_ERR_INPUT, "%s: not a safetensors file: %s", f->path,
           other_kind(f->map, f->bytes));
  VW_CHECK(length <= f->bytes - LENGTH_BYTES, VW_ERR_INPUT,
           "%s: truncated: the header needs %" PRIu64 " bytes, the file has %zu; copy or download it again", f->path,
           length + LENGTH_BYTES, f->bytes);
  VW_CHECK(deepest(f->map + LENGTH_BYTES, (size_t)length) <= DEEPEST, VW_ERR_INPUT,
           "%s: the header is nested deeper than %d brackets", f->path, DEEPEST);
  vw_json_watch();
  f->header = json_loadb((const char *)f->map + LENGTH_BYTES, (size_t)length, JSON_REJECT_DUPLICATES, &error);
  VW_CHECK(!vw_json_starved(), VW_ERR_MEMORY, "%s: out of memory for the header", f->path);
  VW_CHECK(f->header && json_is_object(f->header), VW_ERR_INPUT, "%s: the header is not a JSON object: %s", f->path,
           f->header ? "another type" : error.text);
  f->metadata = json_object_get(f->header, METADATA);
  if (json_is_null(f->metadata)) f->metadata = NULL;
  VW_CHECK(!f->metadata || json_is_object(f->metadata), VW_ERR_INPUT, "%s: __metadata__ is not an object", f->path);
  json_object_foreach(f->metadata, key, value)
      VW_CHECK(json_is_string(value), VW_ERR_INPUT, "%s: metadata %s is not text", f->path, key);
  *data = LENGTH_BYTES + (size_t)length;
  return VW_OK;
}

/* The product of a shape (any rank) times `bits`, in whole bytes. */
static vw_status shape_bytes(const char *path, const char *name, const json_t *shape, int64_t bits, int64_t *bytes) {
  *bytes = 1;
  for (size_t i = 0; i < json_array_size(shape); i++) {
    const json_t *d = json_array_get(shape, i);
    const int64_t dim = json_is_integer(d) ? (int64_t)json_integer_value(d) : -1;
    VW_CHECK(dim >= 0 && !__builtin_mul_overflow(*bytes, dim, bytes), VW_ERR_INPUT,
             "%s: tensor %s: dimension %zu of the shape is not a number, negative or too large", path, name, i);
  }
  VW_CHECK(!__builtin_mul_overflow(*bytes, bits, bytes), VW_ERR_INPUT, "%s: tensor %s: its shape is too large", path,
           name);
  VW_CHECK(*bytes % 8 == 0, VW_ERR_INPUT, "%s: tensor %s: %" PRId64 " bits are not whole bytes", path, name, *bytes);
  *bytes /= 8;
  return VW_OK;
}

/* Type, shape and the number of bytes that they make. */
static vw_status read_shape(const char *path, const json_t *entry, item *it, int64_t *bytes) {
  const json_t *type = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape");
  int known = 0;
  VW_CHECK(json_is_string(type) && json_is_array(shape), VW_ERR_INPUT,
           "%s: tensor %s: expected \"dtype\" (text) and \"shape\" (a list)", path, it->name);
  it->type = json_string_value(type);
  while (known < TYPES && strcmp(types[known].name, it->type) != 0) known++;
  VW_CHECK(known < TYPES, VW_ERR_INPUT, "%s: tensor %s has type %s, which safetensors do not have", path, it->name,
           it->type);
  VW_TRY(shape_bytes(path, it->name, shape, types[known].bits, bytes));
  const size_t rank = json_array_size(shape);
  it->foreign = types[known].type == VW_STORAGE_TYPES || rank > VW_MAX_DIMS;
  it->tensor = (vw_tensor){.dtype = it->foreign ? VW_U8 : types[known].type, .ndim = it->foreign ? 1 : (int)rank};
  it->tensor.dim[0] = *bytes;
  for (size_t i = 0; i < rank && !it->foreign; i++)
    it->tensor.dim[i] = (int64_t)json_integer_value(json_array_get(shape, i));
  return VW_OK;
}

static vw_status read_tensor(vw_safetensors *f, size_t data, const char *name, const json_t *entry, item *it) {
  int64_t bytes = 0;
  const json_t *span = json_object_get(entry, "data_offsets");
  const int64_t have = (int64_t)(f->bytes - data);
  it->name = name;
  VW_TRY(read_shape(f->path, entry, it, &bytes));
  it->begin = it->end = -1;
  if (json_array_size(span) == 2 && json_is_integer(json_array_get(span, 0)) &&
      json_is_integer(json_array_get(span, 1)))
    it->begin = json_integer_value(json_array_get(span, 0)), it->end = json_integer_value(json_array_get(span, 1));
  VW_CHECK(it->begin >= 0 && it->begin <= it->end, VW_ERR_INPUT,
           "%s: tensor %s: expected \"data_offsets\": [begin, end]", f->path, name);
  VW_CHECK(it->end <= have, VW_ERR_INPUT,
           "%s: truncated: tensor %s ends at byte %" PRId64 " of the data, the file has %" PRId64
           "; copy or download it again",
           f->path, name, it->end, have);
  VW_CHECK(it->end - it->begin == bytes, VW_ERR_INPUT,
           "%s: tensor %s: %s of its shape is %" PRId64 " bytes, data_offsets span %" PRId64, f->path, name, it->type,
           bytes, it->end - it->begin);
  it->tensor.data = f->map + data + it->begin;
  return VW_OK;
}

static int by_place(const void *a, const void *b) {
  const item *x = *(item *const *)a, *y = *(item *const *)b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

/* The tensors lie one behind the other and fill the file: what is hidden in a hole or read twice through an overlap
 * is refused, as by the reference. */
static vw_status check_cover(const vw_safetensors *f, int64_t have) {
  int64_t at = 0;
  vw_status st = VW_OK;
  const item **sorted = malloc(((size_t)f->n + 1) * sizeof(*sorted));
  VW_CHECK(sorted, VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " tensors", f->path, f->n);
  for (int64_t i = 0; i < f->n; i++) sorted[i] = &f->items[i];
  qsort(sorted, (size_t)f->n, sizeof(*sorted), by_place);
  for (int64_t i = 0; i < f->n; at = sorted[i++]->end)
    if (sorted[i]->begin != at)
      VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: tensor %s begins at byte %" PRId64 " of the data, expected %" PRId64 ": %s",
                       f->path, sorted[i]->name, sorted[i]->begin, at,
                       sorted[i]->begin < at ? "it overlaps another" : "there is a hole before it"));
  if (at != have)
    VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: %" PRId64 " bytes follow the last tensor; copy or download it again", f->path,
                     have - at));
cleanup:
  free(sorted);
  return st;
}

/* Other writers may leave a tensor unaligned (an odd header, bytes before floats): reading it in place would be
 * undefined, so such a tensor is copied. */
static vw_status align(const char *path, item *it) {
  const size_t bytes = vw_bytes(&it->tensor);
  if (!bytes || (uintptr_t)it->tensor.data % vw_dtype_bytes(it->tensor.dtype) == 0) return VW_OK;
  it->copy = malloc(bytes);
  VW_CHECK(it->copy, VW_ERR_MEMORY, "%s: out of memory for tensor %s (%zu bytes)", path, it->name, bytes);
  it->tensor.data = memcpy(it->copy, it->tensor.data, bytes);
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
    if (strcmp(name, METADATA) == 0) continue;
    VW_TRY(read_tensor(f, data, name, entry, &f->items[f->n]));
    const int64_t s = slot_of(f, name);
    f->slot[s] = ++f->n;
  }
  VW_TRY(check_cover(f, (int64_t)(f->bytes - data)));
  for (int64_t i = 0; i < f->n; i++) VW_TRY(align(f->path, &f->items[i]));
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
  vw_unmap_file(f->map, f->bytes);
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
  const item *it = &f->items[at - 1];
  VW_CHECK(!it->foreign, VW_ERR_UNSUPPORTED,
           "%s: tensor %s is %s of %" PRId64 " bytes; expected F64 F32 F16 BF16 I64 I32 U32 U8 or BOOL of at most %d "
           "dimensions",
           f->path, name, it->type, it->end - it->begin, VW_MAX_DIMS);
  *out = it->tensor;
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

void vw_safetensors_let_go(const vw_safetensors *f, const void *data, size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), at = (size_t)((const char *)data - (const char *)f->map);
  const size_t first = at / page * page, end = at + bytes < f->bytes ? at + bytes : f->bytes;
  if (end > first) (void)madvise((void *)(uintptr_t)(f->map + first), end - first, MADV_DONTNEED);
}

vw_status vw_safetensors_hash(vw_safetensors *f, vw_hasher *also) {
  enum { PIECE = 1 << 18 }; /* stays in a core's cache for the second hash */
  vw_hasher *own = vw_hasher_create();
  VW_CHECK(own, VW_ERR_MEMORY, "%s: out of memory", f->path);
  vw_witness_watch(&f->witness, f->path);
  for (size_t at = 0; at < f->bytes; at += PIECE) {
    const size_t n = f->bytes - at < PIECE ? f->bytes - at : PIECE;
    vw_hasher_add(own, f->map + at, n);
    if (also) vw_hasher_add(also, f->map + at, n);
    vw_safetensors_let_go(f, f->map + at, n);
  }
  f->witness.hash = vw_hasher_done(own), f->witness.hashed = true;
  vw_hasher_destroy(own);
  return VW_OK;
}
vw_status vw_safetensors_unchanged(vw_safetensors *f) {
  return vw_witness_check(&f->witness, f->path);
}
vw_witness *vw_safetensors_witness(vw_safetensors *f) {
  return &f->witness;
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
