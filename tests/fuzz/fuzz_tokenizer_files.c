/* The files of a tokenizer: the first byte says which one the rest is; the others are good ones. */
#include "io/tokenizer.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <unistd.h>

static const char *const names[] = {"tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json",
                                    "special_tokens_map.json"};

static const char vocabulary[] = "{\"!\": 0, \"a\": 1, \"b\": 2, \"a</w>\": 3, \"b</w>\": 4, \"ab</w>\": 5, "
                                 "\"<|startoftext|>\": 6, \"<|endoftext|>\": 7}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const size_t which = size ? data[0] % 5 : 0;
  int32_t ids[64];
  int64_t n;
  vw_tokenizer *t;
  (void)fuzz_file("vocab.json", vocabulary, sizeof vocabulary - 1);
  (void)fuzz_file("merges.txt", "#version: 0.2\na b</w>\n", 22);
  (void)fuzz_file("tokenizer_config.json", "{}", 2);
  (void)fuzz_file("special_tokens_map.json", "{}", 2);
  if (which == 0) (void)unlink(fuzz_file("vocab.json", "", 0));
  (void)fuzz_file(names[which], data + (size > 0), size ? size - 1 : 0);
  if (vw_tokenizer_open(&t, fuzz_folder()) != VW_OK) return 0;
  (void)vw_tokenizer_encode(t, "ab AB! <|endoftext|> b", ids, 64, &n);
  for (int32_t id = -1; id <= vw_tokenizer_size(t) && id < 100; id++) (void)vw_tokenizer_is_whole_word(t, id);
  vw_tokenizer_close(t);
  return 0;
}
