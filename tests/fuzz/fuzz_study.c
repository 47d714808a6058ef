/* A study file: the first problem alone, and all of them. */
#include "core/problems.h"
#include "study/config.h"
#include "tests/fuzz/fuzz.h"

static const vw_study_kinds kinds = {"clip", "classification", "learn.batch.negatives judge.templates", ""};

void fuzz_one(const uint8_t *data, size_t size) {
  vw_study_config *config = NULL;
  if (vw_study_config_parse("input", (const char *)data, size, &kinds, NULL, &config) == VW_OK)
    vw_study_config_destroy(config);
  vw_problems problems = {0};
  config = NULL;
  if (vw_study_config_parse("input", (const char *)data, size, &kinds, &problems, &config) == VW_OK)
    vw_study_config_destroy(config);
  vw_problems_fini(&problems);
}
