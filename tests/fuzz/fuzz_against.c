/* A reference of `bench --save`, which a bench that has rows of all kinds is held against. */
#include "bench/bench.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char now[] =
    "{\"bench\": \"clip\", \"kernels\": \"k\", \"precision\": \"mixed\", \"threads\": 2, \"rows\": ["
    "{\"variant\": \"cached\", \"trials\": 16, \"trial_steps_per_s\": 100.0},"
    "{\"pass\": \"unet\", \"batch\": 2, \"pictures\": 4, \"pictures_per_s\": 3.5, \"network\": \"sd\"},"
    "{\"what\": \"rank\", \"ranks\": 4, \"rank\": 3, \"host\": \"n\", \"rate\": 8.5},"
    "{\"what\": \"tsne\", \"points\": 4800, \"width\": 768, \"seconds\": 12.5},"
    "{\"what\": \"tokenizer\", \"per_second\": 9000}, {\"what\": \"nothing\"}]}";

void fuzz_one(const uint8_t *data, size_t size) {
  static json_t *mine;
  int64_t slower = -1;
  if (!mine) {
    mine = json_loads(now, 0, NULL);
    stderr = fopen("/dev/null", "w"); /* lines of slow rows; the sanitizers write to the descriptor */
    if (!mine || !stderr) abort();
  }
  const vw_status st = vw_bench_against(mine, "clip", "here", fuzz_file("reference.json", data, size), 0.1, &slower);
  if (st == VW_OK && (slower < 0 || slower > 6)) abort();
}
