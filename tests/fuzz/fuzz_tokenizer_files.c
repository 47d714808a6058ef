/* The files of a tokenizer: the first byte says which one the rest is; the others are good ones. */
#include "io/tokenizer/tokenizer.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* The files and what a good one holds. A directory has either tokenizer.json or the two after it. */
static const struct file {
  const char *name, *good;
} files[] = {
    {"tokenizer.json", NULL},
    {"vocab.json", "{\"!\": 0, \"a\": 1, \"b\": 2, \"a</w>\": 3, \"b</w>\": 4, \"ab</w>\": 5, "
                   "\"<|startoftext|>\": 6, \"<|endoftext|>\": 7}"},
    {"merges.txt", "#version: 0.2\na b</w>\n"},
    {"tokenizer_config.json", "{}"},
    {"special_tokens_map.json", "{}"},
};

/* Only what the input before this one changed is made again. */
static void make_directory(size_t which, const uint8_t *data, size_t size) {
  static size_t last; /* 0 at first: nothing is there, as after an input that was a tokenizer.json */
  if (last == 0)
    for (size_t i = 1; i < 5; i++) fuzz_file_once(files[i].name, files[i].good);
  else if (last != which)
    (void)fuzz_file(files[last].name, files[last].good, strlen(files[last].good));
  if (which == 0) fuzz_forget("vocab.json");
  if (which != 0 && last == 0) fuzz_forget("tokenizer.json");
  (void)fuzz_file(files[which].name, data, size);
  last = which;
}

void fuzz_one(const uint8_t *data, size_t size) {
  const size_t which = size ? data[0] % 5 : 0;
  int32_t ids[64];
  int64_t n;
  vw_tokenizer *t;
  make_directory(which, data + (size > 0), size ? size - 1 : 0);
  if (vw_tokenizer_open(&t, fuzz_folder()) != VW_OK) return;
  (void)vw_tokenizer_encode(t, "ab AB! <|endoftext|> b", ids, 64, &n);
  for (int32_t id = -1; id <= vw_tokenizer_size(t) && id < 100; id++) (void)vw_tokenizer_is_whole_word(t, id);
  vw_tokenizer_close(t);
}
