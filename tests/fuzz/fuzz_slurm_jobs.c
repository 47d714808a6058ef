/* slurm-jobs.txt of an output directory, and after a 0 byte what squeue prints of its jobs. */
#include "jobs/slurm_jobs.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

void fuzz_one(const uint8_t *data, size_t size) {
  const uint8_t *part;
  size_t n;
  vw_slurm_jobs jobs;
  fuzz_part(&data, &size, &part, &n);
  (void)fuzz_file("slurm-jobs.txt", part, n);
  fuzz_part(&data, &size, &part, &n);
  char *queue = calloc(1, n + 1);
  if (!queue) abort();
  memcpy(queue, part, n);
  if (vw_slurm_jobs_read(FUZZ_FOLDER, &jobs) == VW_OK) {
    vw_slurm_jobs_count(&jobs, queue);
    int64_t active = 0;
    for (int64_t i = 0; i < jobs.n; i++) {
      const vw_slurm_job *j = &jobs.job[i];
      active += j->active > 0;
      if (!j->id[0] || strspn(j->id, "0123456789") != strlen(j->id) || (j->active > 0) != (j->state[0] != 0)) abort();
    }
    if (active != jobs.active) abort();
  }
  free(queue);
  vw_slurm_jobs_free(&jobs);
}
