/* `viswords status`: what the ranks of a run told of themselves (io/rank_file.h), read from files alone, so from any
 * machine that sees the directory. */
#ifndef VW_JOBS_STATUS_RANKS_H
#define VW_JOBS_STATUS_RANKS_H

#include "io/lock.h"
#include "io/parts.h"
#include "io/rank_file.h"

#include <jansson.h>

/* How the run of a file is. */
typedef enum vw_run_life {
  VW_RUN_LIVES,
  VW_RUN_FINISHED,
  VW_RUN_STOPPED, /* asked to; the same command goes on */
  VW_RUN_FAILED,
  VW_RUN_SILENT, /* no sign of life for longer than a lock's lease */
  VW_RUN_DEAD    /* known to be: killed */
} vw_run_life;

/* The file of one run: of the whole study, or of a part. */
typedef struct vw_rank_view {
  char part[VW_PART_TEXT]; /* "part-2-of-4"; "": the whole */
  vw_run_record run;
  vw_rank_record *ranks; /* [run.ranks] */
  vw_rank_totals totals;
  vw_run_life life;
  double now, silent; /* when it was looked at; seconds since the last sign of life */
} vw_rank_view;

typedef struct vw_rank_views {
  vw_rank_view *view; /* [n], the whole study's first, then by name */
  int64_t n, living;
} vw_rank_views;

/* What lies in DIR/log; files that are damaged are left out. The caller calls vw_rank_views_free. Errors: VW_ERR_MEMORY. */
vw_status vw_rank_views_look(const char *dir, vw_rank_views *views);
void vw_rank_views_free(vw_rank_views *views);

/* Lines for people: how the run is; of one that works also a table of at most `most` ranks, those that are silent or slow
 * first chosen. `end` ends a line: "\n", on a terminal that is drawn again "\033[K\n". */
void vw_rank_view_print(const vw_rank_view *v, int64_t most, const char *end);

/* [{"part", "life", "run", "ranks"}]; NULL: out of memory. */
json_t *vw_rank_views_json(const vw_rank_views *views);

/* `status --watch`: prints them every `every` seconds (0: 2 on a terminal, else 10) until nothing works in DIR and no
 * Slurm job of it is queued. json: one line each time. *failed: what was seen last ended badly. Errors: VW_ERR_MEMORY. */
vw_status vw_rank_views_watch(const char *dir, double every, bool json, bool *failed);

#endif
