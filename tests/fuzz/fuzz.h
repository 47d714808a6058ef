/* Shared by the fuzz targets: the limit of an input's time; files of the input, which lie in memory (memory_files.c). */
#ifndef VW_TESTS_FUZZ_H
#define VW_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* What a target does with an input. More than about 1 s of processor time in it aborts: a hang. */
void fuzz_one(const uint8_t *data, size_t size);

/* The folder of all files below; no file system has it. */
#define FUZZ_FOLDER "/fuzz-in-memory"
const char *fuzz_folder(void);

/* Makes folder/name with these bytes, folders within `name` too, and returns its path; borrowed until the next call. A
 * file that is there is replaced. */
const char *fuzz_file(const char *name, const void *data, size_t size);

/* The same, but only if folder/name does not exist. */
void fuzz_file_once(const char *name, const char *text);

/* folder/name is gone; no error when it was not there. */
void fuzz_forget(const char *name);

/* folder/name gets the bytes of a file of the source tree. */
void fuzz_copy(const char *name, const char *source);

/* The next part of an input whose parts have 0 bytes between them: *part, *n, which may be 0; *data and *size move
 * behind it. */
void fuzz_part(const uint8_t **data, size_t *size, const uint8_t **part, size_t *n);

#endif
