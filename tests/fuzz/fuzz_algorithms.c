/* algorithms/HASH.txt of the cache folder, joined with what a plan chose, a 0 byte between them: what was joined holds
 * every line of the plan, joins once more to the same, and is read by the libraries' readers alone. */
#include "learn/algorithms_file.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static char *text_of(const uint8_t *part, size_t n) {
  char *text = calloc(1, n + 1);
  if (!text) abort();
  memcpy(text, part, n);
  return text;
}

void fuzz_one(const uint8_t *data, size_t size) {
  const uint8_t *part;
  size_t n;
  char *all = NULL, *again = NULL;
  fuzz_part(&data, &size, &part, &n);
  char *old = text_of(part, n);
  fuzz_part(&data, &size, &part, &n);
  char *text = text_of(part, n);
  if (vw_algorithms_join(old, text, &all) == VW_OK) {
    if (strncmp(all, text, strlen(text)) != 0) abort();
    if (vw_algorithms_join(all, all, &again) != VW_OK || strcmp(all, again) != 0) abort();
  }
  free(old), free(text), free(all), free(again);
}
