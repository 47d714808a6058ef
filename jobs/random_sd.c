/* `random-sd`: a Stable Diffusion directory with random weights (bench/random_sd.h). */
#include "bench/random_sd.h"
#include "jobs/jobs.h"
#include "jobs/random_weights.h"

int vw_job_random_sd(int argc, char **argv) {
  const char *positional[1], *size = "2.1-base", *tokenizer = NULL, *like = NULL;
  char found[VW_PATH_BYTES];
  bool full = false;
  const vw_option options[] = {
      {"size", 's', VW_OPT_STRING, &size, "NAME", "1.5, 2.1-base (512 px, default) or 2.1 (768 px)"},
      {"like", 0, VW_OPT_STRING, &like, "DIR", "instead: the configurations of this directory"},
      {"tokenizer", 0, VW_OPT_STRING, &tokenizer, "DIR",
       "directory whose vocab.json and merges.txt are copied (default: the clone's data/clip-tiny)"},
      {"fp32", 0, VW_OPT_FLAG, &full, NULL, "full precision; default: fp16"},
      {0}};
  static const char *const names[] = {"DIR"};
  const vw_command_line c = {"random-sd",
                             "DIR [--size 2.1-base]",
                             "Writes a Stable Diffusion directory with random weights of full size, for benchmarks.",
                             options,
                             names,
                             1,
                             1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  const vw_status st = tokenizer ? VW_OK : vw_find_tokenizer("random-sd", found);
  return vw_report(st != VW_OK ? st : vw_random_sd(size, positional[0], like, tokenizer ? tokenizer : found, !full));
}
