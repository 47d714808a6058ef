/* Names that people and file systems write differently: of two spellings of one Unicode text (macOS stores names of
 * files decomposed) neither is wrong. */
#ifndef VW_IO_NAMES_H
#define VW_IO_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* The same bytes, or the same text in NFC. */
bool vw_name_equal(const char *a, const char *b);

/* The place of `name` among n names: the same bytes before the same text. -1: none. */
int64_t vw_name_place(const char *const *names, int64_t n, const char *name);

#endif
