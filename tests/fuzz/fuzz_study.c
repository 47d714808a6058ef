/* A study file: the first problem alone, and all of them. */
#include "core/problems.h"
#include "study/config.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static const vw_study_kinds kinds = {"clip", "classification", "learn.batch.negatives judge.templates", "",
                                     "owlv2 stable-diffusion"};

/* What identities are made of, of every pair. */
static void read_texts(const vw_study_config *c) {
  char *text = NULL;
  for (int64_t i = 0; i < c->n_models * c->n_data && i < 16; i++) {
    if (vw_study_protocol_text(c, i / c->n_data, i % c->n_data, &text) == VW_OK) free(text);
    if (vw_study_judging_text(c, i / c->n_data, i % c->n_data, &text) == VW_OK) free(text);
  }
  if (vw_study_values_text(c, &text) == VW_OK) free(text);
}

void fuzz_one(const uint8_t *data, size_t size) {
  vw_study_config *config = NULL;
  if (vw_study_config_parse("input", (const char *)data, size, &kinds, NULL, &config) == VW_OK) {
    read_texts(config);
    vw_study_config_destroy(config);
  }
  vw_problems problems = {0};
  config = NULL;
  if (vw_study_config_parse("input", (const char *)data, size, &kinds, &problems, &config) == VW_OK)
    vw_study_config_destroy(config);
  vw_problems_fini(&problems);
}
