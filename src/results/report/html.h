/* A page of HTML, written from top to bottom. Texts go through vw_print_html, which escapes them; here is what is more
 * than a line: tables that sort, pictures within the page. Inside src/results. */
#ifndef VW_RESULTS_HTML_H
#define VW_RESULTS_HTML_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/text.h"
#include "study/metrics.h"

typedef struct vw_html {
  FILE *out;       /* a failure stays in it: ask ferror at the end */
  int tables;      /* so many were begun: their captions have numbers */
  int64_t inlined; /* bytes of pictures so far */
} vw_html;

/* A column of a table. */
typedef struct vw_html_column {
  const char *name;
  bool is_number; /* to the right, sorted by size */
} vw_html_column;

/* Opens a table in a box that scrolls by itself where the page is narrow, up to its caption: print that next. */
void vw_html_table(vw_html *h);
void vw_html_caption_end(vw_html *h);
/* Behind the caption, which it ends: the names of the columns. `sorts`: readers may sort it (report_style.c). */
void vw_html_columns(vw_html *h, const vw_html_column *columns, int n, bool sorts);
void vw_html_table_end(vw_html *h);

/* A name from outside: escaped, and apart from the text around it in a script that runs the other way. */
void vw_html_name(vw_html *h, const char *name);

/* Cells of a row. A head names its row. */
void vw_html_head(vw_html *h, const char *text);
void vw_html_text(vw_html *h, const char *text);
void vw_html_count(vw_html *h, int64_t n);
void vw_html_number(vw_html *h, double v, int places); /* a dash where there is none */
void vw_html_delta(vw_html *h, double delta);          /* "free" sorts last; a dash: does not apply */
/* "[0.12, 0.34]", sorted by its lower bound. */
void vw_html_range(vw_html *h, double low, double high);
/* n, mean and both intervals: four cells; then mean and the interval over concepts and anchors: two. */
void vw_html_interval(vw_html *h, const vw_interval *i);
void vw_html_difference(vw_html *h, const vw_interval *i);
/* All in one cell: the mean, below it the interval over trials and that over concepts and anchors. */
void vw_html_estimate(vw_html *h, const vw_interval *i);

/* The value of src="" that holds the file's bytes; `type` is its media type. */
void vw_html_data(vw_html *h, const char *type, const void *bytes, int64_t n);

#endif
