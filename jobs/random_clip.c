/* `random-clip`: a CLIP directory with random weights (bench/random_clip.h). */
#include "bench/random_clip.h"
#include "core/durable.h"
#include "jobs/jobs.h"

#include <string.h>
#include <unistd.h>

/* data/clip-tiny here, else in the clone or bundle that the program lies in. */
static vw_status find_tokenizer(char out[VW_PATH_BYTES]) {
  char program[VW_PATH_BYTES];
  const char *here = "data/clip-tiny";
  if (vw_file_exists("data/clip-tiny/vocab.json")) return vw_path_format(out, "%s", here);
  const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
  program[n > 0 ? n : 0] = 0;
  for (char *slash; (slash = strrchr(program, '/')) != NULL;) {
    *slash = 0;
    VW_TRY(vw_path_format(out, "%s/%s/vocab.json", program, here));
    if (vw_file_exists(out)) return vw_path_format(out, "%s/%s", program, here);
  }
  return VW_RAISE(VW_ERR_INPUT,
                  "random-clip: found no data/clip-tiny; give --tokenizer a directory with vocab.json and "
                  "merges.txt");
}

int vw_job_random_clip(int argc, char **argv) {
  const char *positional[1], *size = "L/14", *tokenizer = NULL;
  char found[VW_PATH_BYTES];
  bool half = false, force = false;
  const vw_option options[] = {
      {"size", 's', VW_OPT_STRING, &size, "NAME", "B/32, B/16, L/14 (default) or H/14"},
      {"tokenizer", 0, VW_OPT_STRING, &tokenizer, "DIR",
       "directory whose vocab.json and merges.txt are copied (default: the clone's "
       "data/clip-tiny)"},
      {"fp16", 0, VW_OPT_FLAG, &half, NULL, "half precision, as many hub files"},
      {"force", 0, VW_OPT_FLAG, &force, NULL, "replace a directory that random-clip made; no other is ever replaced"},
      {0}};
  static const char *const names[] = {"DIR"};
  const vw_command_line c = {"random-clip",
                             "DIR [--size L/14]",
                             "Writes a CLIP directory with random weights of full size, for benchmarks.",
                             options,
                             names,
                             1,
                             1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  const vw_status st = tokenizer ? VW_OK : find_tokenizer(found);
  return vw_report(st != VW_OK ? st : vw_random_clip(size, positional[0], tokenizer ? tokenizer : found, half, force));
}
