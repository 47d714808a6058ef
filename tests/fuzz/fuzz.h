/* Shared by the fuzz targets: the limit of an input's time; files of the input, in a folder of this process in memory.
 */
#ifndef VW_TESTS_FUZZ_H
#define VW_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* What a target does with an input. More than about 1 s of processor time in it aborts: a hang. */
void fuzz_one(const uint8_t *data, size_t size);

/* The folder; made at the first call. Aborts when it cannot be made. */
const char *fuzz_folder(void);

/* Writes folder/name (truncates; a folder within `name` is made) and returns its path; borrowed until the next call. */
const char *fuzz_file(const char *name, const void *data, size_t size);

/* The same, but only if folder/name does not exist. */
void fuzz_file_once(const char *name, const char *text);

/* folder/name becomes a link to a file of the source tree. */
void fuzz_link(const char *name, const char *source);

#endif
