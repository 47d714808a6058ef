/* Hashes: identities of trials, blocks and inputs, stream keys, checksums. xxHash 3 (128 and 64 bit). */
#ifndef VW_CORE_HASH_H
#define VW_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct vw_hash {
  uint64_t lo, hi;
} vw_hash;

enum { VW_HASH_TEXT = 33 }; /* 32 hexadecimal digits and the end */

vw_hash vw_hash_bytes(const void *data, size_t bytes);
void vw_hash_text(vw_hash h, char text[VW_HASH_TEXT]); /* high word first */

/* Incremental; fields are length-prefixed, so ("ab","c") and ("a","bc") differ. */
typedef struct vw_hasher vw_hasher;
vw_hasher *vw_hasher_create(void); /* NULL: out of memory */
void vw_hasher_destroy(vw_hasher *h);
void vw_hasher_add(vw_hasher *h, const void *data, size_t bytes); /* raw bytes, no prefix */
void vw_hasher_field(vw_hasher *h, const char *text);             /* a name, length-prefixed */
void vw_hasher_int(vw_hasher *h, int64_t value);
void vw_hasher_double(vw_hasher *h, double value);
vw_hash vw_hasher_done(const vw_hasher *h);

#endif
