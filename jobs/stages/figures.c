/* The stage of figures: everything is in study.h5 and pictures/ by now. */
#include "jobs/stages/rows.h"

#include "results/figures/figures.h"

static vw_status draw(const char *dir, bool *stopped) {
  return vw_figures_make(dir, VW_FIGURES_ALL, vw_stop_requested, stopped);
}

static vw_status figures(vw_session *s, bool *stopped) {
  const double start = vw_seconds();
  VW_TRY(vw_agree_message(&s->ranks, s->ranks.rank == 0 ? draw(s->out, stopped) : VW_OK));
  VW_TRY(vw_ranks_broadcast(&s->ranks, stopped, sizeof *stopped, 0));
  vw_sections_add(&s->sections, "figures", "all", vw_seconds() - start);
  return VW_OK;
}

const vw_stage vw_stage_figures = {.name = "figures",
                                   .summary = "draw the figures of study.h5 as SVG, PDF and PNG",
                                   .help = "Draws the figures of DIR/study.h5 into DIR/figures, with their numbers as "
                                           "CSV. Learns and judges nothing.",
                                   .kept = "study.h5",
                                   .end = figures,
                                   .of_results = draw};
