/* What the parts of the report share. Inside src/results. */
#ifndef VW_RESULTS_REPORT_INTERNAL_H
#define VW_RESULTS_REPORT_INTERNAL_H

#include "results/collect/collect_format.h"
#include "results/report/html.h"
#include "results/report/report.h"

/* What a page holds at most. All that is cut says so, and where the rest is. */
enum {
  VW_REPORT_TRIALS = 300, /* rows of the table of trials */
  VW_REPORT_LIST = 100,   /* of other long tables */
  VW_REPORT_SHEETS = 12,  /* contact sheets */
  VW_REPORT_SIDE = 760,   /* pixels of one */
  VW_REPORT_FIGURE_BYTES = 1500000,
  VW_REPORT_INLINED_BYTES = 6000000, /* of all figures and pictures; base 64 makes a third more of them */
  VW_REPORT_TEXT_BYTES = 262144      /* of the study file */
};

typedef struct vw_report_page {
  const vw_collected *c;
  const vw_report_about *about;
  vw_html html;
  FILE *out;    /* the same as html.out */
  bool has_all; /* every trial is learned and judged, every baseline is there */
  int64_t learned, judged, failed;
} vw_report_page;

/* A model that learns on a data set, in the study's order. False behind the last; start with model 0, data -1. */
bool vw_report_next(const vw_report_page *p, int64_t *model, int64_t *data);

/* Deltas at which a model has words of a data set, ascending; returns how many, at most VW_REPORT_DELTAS. */
enum { VW_REPORT_DELTAS = 64 };
int vw_report_deltas(const vw_report_page *p, int64_t model, int64_t data, double deltas[VW_REPORT_DELTAS]);

/* Intervals as people see them; n 0 and NaN where there are none. */
vw_interval vw_report_interval(const vw_report_page *p, const vw_summary_row *like, vw_quantity quantity, int metric);
vw_interval vw_report_words(const vw_report_page *p, int64_t model, int64_t data, double delta, vw_quantity quantity,
                            int metric);
vw_interval vw_report_carried(const vw_report_page *p, const vw_transfer_summary *like, vw_transfer_quantity quantity);

/* Does this row open a line of its pair and data set: carried words' values in the headline? */
bool vw_report_is_line(const vw_report_page *p, const vw_transfer_summary *r);
/* The largest finite delta among those lines of its pair and data set? */
bool vw_report_is_last(const vw_report_page *p, const vw_transfer_summary *r);

/* Both intervals lie above 0; below 0. */
bool vw_report_above(const vw_interval *i);
bool vw_report_below(const vw_interval *i);

/* <code>viswords COMMAND STUDY -o DIR</code> */
void vw_report_command(vw_report_page *p, const char *command);

/* <section>, its heading, and the end. */
void vw_report_section(vw_report_page *p, const char *id, const char *title);
void vw_report_section_end(vw_report_page *p);

/* The parts, in the order of the page. */
void vw_report_answer(vw_report_page *p);
vw_status vw_report_figures(vw_report_page *p);
vw_status vw_report_pictures(vw_report_page *p);
void vw_report_tables(vw_report_page *p);
void vw_report_transfer(vw_report_page *p);
vw_status vw_report_layers(vw_report_page *p);
void vw_report_truncation(vw_report_page *p);
void vw_report_trials(vw_report_page *p);
vw_status vw_report_setup(vw_report_page *p);
vw_status vw_report_provenance(vw_report_page *p);
vw_status vw_report_times(vw_report_page *p);

/* Lines of the style sheet and of the script, NULL behind the last. The script sorts tables; without it the page has
 * all it has. Nothing else may run: the page names its SHA-256, in base 64, and tests compare it. */
extern const char *const vw_report_style[], *const vw_report_script[];
extern const char vw_report_script_hash[];

#endif
