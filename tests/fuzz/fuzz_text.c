/* Any bytes as a text to tokenise, with the pad "!". */
#include "io/tokenizer/tokenizer.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

void fuzz_one(const uint8_t *data, size_t size) {
  static vw_tokenizer *t;
  static int32_t ids[4096];
  int64_t n;
  if (!t) {
    fuzz_copy("vocab.json", VW_FIXTURES "/tokenizer/vocab.json");
    fuzz_copy("merges.txt", VW_FIXTURES "/tokenizer/merges.txt");
    (void)fuzz_file("special_tokens_map.json", "{\"pad_token\": \"!\"}", 18);
    if (vw_tokenizer_open(&t, fuzz_folder()) != VW_OK) abort();
  }
  char *text = malloc(size + 1);
  if (!text) return;
  if (size) memcpy(text, data, size);
  text[size] = 0;
  if (vw_tokenizer_encode(t, text, ids, 4096, &n) == VW_OK)
    for (int64_t i = 0; i < n; i++)
      if (!vw_tokenizer_text(t, ids[i])) abort();
  free(text);
}
