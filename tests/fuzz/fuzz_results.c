/* study.h5 as its readers see it, whatever HDF5 made of the file: all figures; a comparison of two; what `merge` asks of
 * one. HDF5 itself runs in a process of its own (tests/io/test_study_reader.c) and is no part of it. */
#include "core/log.h"
#include "results/compare/diff.h"
#include "results/compare/merge.h"
#include "results/figures/figures.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/stand_ins/study.h"

#include <string.h>

static void compare(double tolerance) {
  vw_diff d = {.dir = {FUZZ_FOLDER "/first", FUZZ_FOLDER "/second"}, .tolerance = tolerance};
  d.baselines = json_array(), d.sets = json_array();
  (void)vw_diff_study_files(&d);
  json_decref(d.baselines), json_decref(d.sets);
}

static void join(void) {
  const char *plan = fuzz_study_text("/config/plan");
  vw_merge_source s;
  fuzz_forget("first/plan.yaml");
  if (!plan) return;
  (void)fuzz_file("first/plan.yaml", plan, strlen(plan));
  (void)vw_merge_source_open(&s, FUZZ_FOLDER "/first");
  vw_merge_source_close(&s);
}

void fuzz_one(const uint8_t *data, size_t size) {
  vw_log_set_level(VW_LOG_ERROR);
  fuzz_file_once("first/study.h5", ""), fuzz_file_once("second/study.h5", "");
  fuzz_study_take(data, size);
  (void)vw_figures_make(FUZZ_FOLDER "/first", VW_FIGURES_ALL, NULL, NULL);
  compare(0), compare(0.5);
  join();
}
