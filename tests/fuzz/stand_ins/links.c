/* What readers of results call of folders that need networks and kernels. A figure gets names from them, a comparison
 * and a merge other files. */
#include "learn/block_io.h"
#include "results/compare/diff.h"
#include "results/report/report_internal.h"
#include "tasks/generation/drawn.h"
#include "transfer/carried.h"

#include <stdio.h>
#include <stdlib.h>

void vw_carried_label(const vw_carried_row *r, const char *from, char label[VW_DRAWN_LABEL]) {
  if (!r->trial && (r->kind < 0 || r->kind >= VW_CARRIED_KINDS)) abort();
  if (r->trial)
    vw_drawn_trial(r->trial, label);
  else
    (void)snprintf(label, VW_DRAWN_LABEL, "%.60s-%.60s", from, r->anchor);
}

void vw_block_file_id(const vw_block *b, const char *suffix, char id[VW_BLOCK_ID]) {
  (void)snprintf(id, VW_BLOCK_ID, "%016llx%s", (unsigned long long)b->id.lo, suffix);
}

vw_status vw_diff_results(vw_diff *d) {
  (void)d;
  return VW_OK;
}

vw_status vw_picture_read(const vw_picture_set *s, const vw_picture *picture, vw_image *out) {
  (void)s, (void)picture, (void)out;
  return VW_RAISE(VW_ERR_IO, "there are no pictures");
}

void vw_report_section(vw_report_page *p, const char *id, const char *title) {
  (void)p, (void)id, (void)title;
}

void vw_report_section_end(vw_report_page *p) {
  (void)p;
}
