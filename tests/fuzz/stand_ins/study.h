/* A study.h5 without HDF5: what the process that reads one could tell, made of a fuzz input. */
#ifndef VW_TESTS_FUZZ_STUDY_H
#define VW_TESTS_FUZZ_STUDY_H

#include <stddef.h>
#include <stdint.h>

/* The data sets of an input, one after the other until it ends:
 *
 *   path, 0 byte     without a slash in front: in the folder of the path before
 *   a byte           low 4 bits: the place in VW_F32 .. VW_BOOL, above: texts; 0x10: also in the second file, 0x20: there
 *                    alone
 *   2 bytes          width of a text (little-endian, as all numbers)
 *   a byte, bytes    number of dimensions modulo VW_MAX_DIMS + 1; each of them
 *   2 bytes, bytes   how many bytes of values follow; what is missing is zero, what is too much is left out
 *
 * So a change of a shape or a type leaves all that follows as it was. Of one path the first counts; data sets of more
 * than 64 KiB are left out. */
void fuzz_study_take(const uint8_t *data, size_t size);

/* A text of the first file, with a zero behind it; NULL: not there, or no text. Borrowed. */
const char *fuzz_study_text(const char *path);

#endif
