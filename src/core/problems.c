#include "core/problems.h"

#include "core/text.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Beyond this many only the first ones are kept: a broken file of a million lines needs no million messages. */
enum { MOST_KEPT = 10000 };

static vw_status add(vw_problems *p, vw_status st, bool warning, int64_t line, int64_t column) {
  if (st == VW_OK || !p || (st < 0 && st != VW_ERR_IO)) return st;
  for (int64_t i = p->n - 1; i >= 0; i--)
    if (p->item[i].line == line && p->item[i].column == column && strcmp(p->item[i].text, vw_error_message()) == 0)
      return VW_OK; /* a section that all models share is read once a model */
  if (p->n == MOST_KEPT) return VW_OK;
  if (p->n == p->room) {
    const int64_t room = p->room ? 2 * p->room : 16;
    vw_problem *more = realloc(p->item, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "no memory for %" PRId64 " messages", room);
    p->item = more, p->room = room;
  }
  char *text = strdup(vw_error_message());
  VW_CHECK(text, VW_ERR_MEMORY, "no memory for a message");
  p->item[p->n] = (vw_problem){warning ? VW_OK : st, line, column, p->n, text};
  p->n++, p->n_errors += !warning;
  vw_error_clear();
  return VW_OK;
}

vw_status vw_problems_keep(vw_problems *p, vw_status st, int64_t line, int64_t column) {
  return add(p, st, false, line, column);
}

vw_status vw_problems_warn(vw_problems *p, vw_status st, int64_t line, int64_t column) {
  return add(p, st, true, line, column);
}

static int by_place(const void *a, const void *b) {
  const vw_problem *x = a, *y = b;
  if (!x->line != !y->line) return x->line ? -1 : 1;
  if (x->line != y->line) return x->line < y->line ? -1 : 1;
  if (x->column != y->column) return x->column < y->column ? -1 : 1;
  return x->order < y->order ? -1 : x->order > y->order;
}

void vw_problems_sort(vw_problems *p) {
  if (p->n) qsort(p->item, (size_t)p->n, sizeof *p->item, by_place);
}

vw_status vw_problems_first(const vw_problems *p) {
  for (int64_t i = 0; i < p->n; i++)
    if (p->item[i].status != VW_OK) return VW_RAISE(p->item[i].status, "%s", p->item[i].text);
  return VW_OK;
}

void vw_problems_print(const vw_problems *p, const char *prefix, bool warnings, FILE *out) {
  const int64_t all = warnings ? p->n - p->n_errors : p->n_errors;
  int64_t shown = 0;
  for (int64_t i = 0; i < p->n && shown < VW_PROBLEMS_SHOWN; i++) {
    if ((p->item[i].status == VW_OK) != warnings) continue;
    (void)vw_print(out, "%s%s\n", prefix, p->item[i].text);
    shown++;
  }
  if (all > shown) (void)vw_print(out, "%sand %" PRId64 " more\n", prefix, all - shown);
}

void vw_problems_fini(vw_problems *p) {
  for (int64_t i = 0; i < p->n; i++) free(p->item[i].text);
  free(p->item);
  *p = (vw_problems){0};
}
