/* plan.yaml of an output directory. */
#include "study/plan.h"
#include "tests/fuzz/fuzz.h"

void fuzz_one(const uint8_t *data, size_t size) {
  vw_plan *plan;
  if (vw_plan_load(fuzz_file("input", data, size), &plan) == VW_OK) vw_plan_destroy(plan);
}
