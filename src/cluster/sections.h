/* Where the time went: seconds by stage and section on each rank, and the table at the end of a run (min, mean, max
 * over ranks, imbalance). Sections do not overlap. */
#ifndef VW_CLUSTER_SECTIONS_H
#define VW_CLUSTER_SECTIONS_H

#include <stdint.h>
#include <stdio.h>

#include "cluster/ranks.h"

enum { VW_MAX_SECTIONS = 64, VW_SECTION_NAME = 32 };

typedef struct vw_section {
  char stage[VW_SECTION_NAME], name[VW_SECTION_NAME]; /* "learn", "step" */
  double seconds;
  int64_t calls;
} vw_section;

typedef struct vw_sections {
  vw_section row[VW_MAX_SECTIONS]; /* in the order of the first vw_sections_add */
  int n;
} vw_sections; /* start with {0} */

/* Adds to the section of these names (longer names are cut); beyond VW_MAX_SECTIONS to the last one. */
void vw_sections_add(vw_sections *s, const char *stage, const char *name, double seconds);

typedef struct vw_section_stats {
  char stage[VW_SECTION_NAME], name[VW_SECTION_NAME];
  double min, mean, max; /* seconds; a rank that never was in a section counts with 0 */
  double imbalance;      /* max / mean; 1 is perfect */
  int64_t calls;         /* of all ranks */
} vw_section_stats;

/* Collective. On rank 0 *stats is malloc'ed (the caller frees it), stages together, in the order of rank 0's sections,
 * then those that only others have; elsewhere NULL and 0. Errors: VW_ERR_COMM, VW_ERR_MEMORY. */
vw_status vw_sections_gather(const vw_ranks *ranks, const vw_sections *mine, vw_section_stats **stats, int64_t *n);

/* Not collective. */
void vw_sections_print(FILE *out, const vw_section_stats *stats, int64_t n, int ranks);

#endif
