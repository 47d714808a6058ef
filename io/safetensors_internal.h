/* Shared by the reader and the writer of safetensors. */
#ifndef VW_IO_SAFETENSORS_INTERNAL_H
#define VW_IO_SAFETENSORS_INTERNAL_H

#include "io/safetensors.h"

#define VW_SAFETENSORS_CHECKSUM "xxh128"

const char *vw_safetensors_type_name(vw_dtype type); /* "F32"; NULL for a role */

/* The checksum is over these, in the file's order. */
void vw_safetensors_add_metadata(vw_hasher *h, const vw_keyvalue *pair);
void vw_safetensors_add_tensor(vw_hasher *h, const vw_safetensors_entry *entry);

#endif
