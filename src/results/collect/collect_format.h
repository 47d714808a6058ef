/* How results are written for people and scripts: numbers, intervals, CSV, JSON. Inside src/results. */
#ifndef VW_RESULTS_COLLECT_FORMAT_H
#define VW_RESULTS_COLLECT_FORMAT_H

#include "results/collect/collect.h"

#include <jansson.h>

/* Three places behind the point; "-": not available. */
const char *vw_format_number(double v, char text[16]);
const char *vw_format_range(double low, double high, char text[32]);

/* The bounds of a share's interval, or of a difference of shares, as people see them: where the normal approximation
 * leaves what a share can be, they end there. study.h5 keeps what was computed. */
vw_interval vw_share_interval(vw_interval i, bool is_difference);

/* A field and the comma behind it. Texts are quoted where RFC 4180 asks for it; numbers read back the same, and are
 * empty where there is none. */
void vw_csv_text(FILE *out, const char *text);
/* n, mean and bounds, and the end of the line. */
void vw_csv_interval(FILE *out, const vw_interval *i);

/* JSON has no NaN: null. */
json_t *vw_json_number(double v);
json_t *vw_json_interval(const vw_interval *i);

/* The part of transfer in the table, in summary.csv and in the JSON; nothing where there is none. */
void vw_collect_transfer_print(const vw_collected *c, FILE *out);
void vw_collect_transfer_csv(const vw_collected *c, FILE *out);
json_t *vw_collect_transfer_json(const vw_collected *c);

#endif
