/* Safetensors: named tensors in one file. 8 bytes little endian header length, a JSON header, the data.
 * Format: https://huggingface.co/docs/safetensors. Types F64 F32 F16 BF16 I64 I32 U32 U8 BOOL.
 * A tensor of another of the format's types (I8, F8_E4M3, ...) or of more than VW_MAX_DIMS dimensions does not refuse
 * the file: only finding it does. Files are judged as the reference implementation does (tests/reference/
 * safetensors_files.py), but for: names given twice and a 0 character in a name or in metadata, refused here though the
 * reference takes the last and the character; dimensions and offsets beyond int64; a tensor or type written as a list
 * or object instead of an object and text; "-0", taken here as 0.
 *
 * Reading maps the file read-only: opening costs the header alone, tensors are borrowed views that live until close.
 * All checks are made by open: afterwards every view is in bounds. (A file that somebody shortens while it is mapped
 * ends the process: io/mapping.h; our own writer never does that: it renames.) */
#ifndef VW_IO_SAFETENSORS_H
#define VW_IO_SAFETENSORS_H

#include "core/hash.h"
#include "core/tensor.h"
#include "io/witness.h"

typedef struct vw_safetensors vw_safetensors;

typedef struct vw_keyvalue {
  const char *key, *value;
} vw_keyvalue;

typedef struct vw_safetensors_entry {
  const char *name;
  vw_tensor tensor; /* data borrowed until the call returns; may be NULL where the count is 0 */
} vw_safetensors_entry;

/* Opens and checks a file; *file is NULL on failure. The caller closes it.
 * Errors: VW_ERR_IO (no such file ...), VW_ERR_INPUT (truncated, not safetensors; names file and tensor),
 * VW_ERR_MEMORY. */
vw_status vw_safetensors_open(vw_safetensors **file, const char *path);
void vw_safetensors_close(vw_safetensors *file); /* NULL: nothing */

/* The tensor of this name, a view into the mapping, never to be written. Errors, with file and name: VW_ERR_INPUT (no
 * such tensor), VW_ERR_UNSUPPORTED (a type or number of dimensions that we do not have). */
vw_status vw_safetensors_find(const vw_safetensors *file, const char *name, vw_tensor *out);
bool vw_safetensors_has(const vw_safetensors *file, const char *name);

/* All tensors in the header's order; 0 <= i < count. Borrowed until close. One that we do not have the type for is
 * listed as its bytes. */
int64_t vw_safetensors_count(const vw_safetensors *file);
const char *vw_safetensors_name(const vw_safetensors *file, int64_t i);
vw_tensor vw_safetensors_tensor(const vw_safetensors *file, int64_t i);

/* The value of a metadata key, borrowed until close; NULL: no such key. */
const char *vw_safetensors_metadata(const vw_safetensors *file, const char *key);

const char *vw_safetensors_path(const vw_safetensors *file);

/* The mapped bytes of the whole file. */
const void *vw_safetensors_bytes(const vw_safetensors *file, size_t *bytes);

/* `bytes` of the file's memory at `data` are not wanted for now: they stop counting as this process's, and are read again
 * when they are looked at (mostly from the system's cache). What only looks hashes gigabytes and wants nothing else of
 * them. */
void vw_safetensors_let_go(const vw_safetensors *file, const void *data, size_t bytes);

/* Adds the mapped bytes to `also` (NULL: nothing) and remembers their hash: what vw_safetensors_unchanged compares.
 * Errors: VW_ERR_MEMORY. */
vw_status vw_safetensors_hash(vw_safetensors *file, vw_hasher *also);

/* The file still holds the bytes that were hashed (io/witness.h): asked before what was computed from it is committed.
 * Errors: VW_ERR_IO naming the file. */
vw_status vw_safetensors_unchanged(vw_safetensors *file);

/* How the file looked when it was opened; borrowed. */
vw_witness *vw_safetensors_witness(vw_safetensors *file);

/* Writes n tensors and m metadata pairs, in this order, durably (beside, fsync, rename, fsync of the folder): `path` is
 * the old file or the complete new one. The same input gives the same bytes. Adds the metadata key "xxh128", the
 * checksum that vw_safetensors_verify compares. The data are laid out by element size, widest first, so that every
 * tensor is aligned without gaps.
 * Errors: VW_ERR_ARG (a role instead of a type, a name twice), VW_ERR_IO naming the path (full disk: the partial file
 * is removed). */
vw_status vw_safetensors_write(const char *path, const vw_safetensors_entry *entries, int64_t n,
                               const vw_keyvalue *metadata, int64_t m);

/* The same, but of sizes alone: data are not looked at, their place is a hole that reads as zeros and takes no disk.
 * Without a checksum. */
vw_status vw_safetensors_write_hollow(const char *path, const vw_safetensors_entry *entries, int64_t n,
                                      const vw_keyvalue *metadata, int64_t m);

/* Compares the metadata's "xxh128" with the content (metadata, names, shapes, data).
 * Errors: VW_ERR_INPUT when they differ or the key is missing. */
vw_status vw_safetensors_verify(const vw_safetensors *file);

#endif
