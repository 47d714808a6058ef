/* Everything that is wrong with an input, in the input's order: a reader that meets a mistake keeps its line here and
 * goes on, so that a user sees all of them at once. */
#ifndef VW_CORE_PROBLEMS_H
#define VW_CORE_PROBLEMS_H

#include "core/status.h"

#include <stdint.h>
#include <stdio.h>

typedef struct vw_problem {
  vw_status status;     /* VW_OK: a warning */
  int64_t line, column; /* where in the study file, from 1; 0: nowhere */
  int64_t order;        /* of arrival */
  char *text;           /* one line, owned by the list */
} vw_problem;

typedef struct vw_problems {
  vw_problem *item; /* all zeros is an empty list */
  int64_t n, room;  /* n counts warnings too */
  int64_t n_errors;
} vw_problems;

/* A failure that the user can mend (positive codes, VW_ERR_IO) is kept with the message of this thread's trail, once,
 * and VW_OK comes back: go on. Everything else (VW_OK, out of memory, ...) comes back as it is. p NULL: nothing is
 * kept. */
vw_status vw_problems_keep(vw_problems *p, vw_status st, int64_t line, int64_t column);

/* The same as a warning: it does not count as an error. */
vw_status vw_problems_warn(vw_problems *p, vw_status st, int64_t line, int64_t column);

/* By line and column; what has no place comes last. */
void vw_problems_sort(vw_problems *p);

/* VW_OK without errors; else raises the first one again. */
vw_status vw_problems_first(const vw_problems *p);

enum { VW_PROBLEMS_SHOWN = 50 };

/* One line each behind `prefix`, VW_PROBLEMS_SHOWN of them at most, then how many more there are. */
void vw_problems_print(const vw_problems *p, const char *prefix, bool warnings, FILE *out);

void vw_problems_fini(vw_problems *p);

#endif
