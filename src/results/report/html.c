#include "results/report/html.h"

#include "study/trial.h"

#include <math.h>

void vw_html_table(vw_html *h) {
  h->tables++;
  (void)vw_print_html(h->out,
                      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"t%d\"><table>\n"
                      "<caption id=\"t%d\"><span>",
                      h->tables, h->tables);
}

void vw_html_caption_end(vw_html *h) {
  (void)fputs("</span></caption>\n", h->out);
}

void vw_html_columns(vw_html *h, const vw_html_column *columns, int n, bool sorts) {
  vw_html_caption_end(h);
  (void)fputs(sorts ? "<thead class=\"sorts\"><tr>" : "<thead><tr>", h->out);
  for (int i = 0; i < n; i++) {
    (void)fputs(columns[i].is_number ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">", h->out);
    (void)vw_print_html(h->out, "%s</th>", columns[i].name);
  }
  (void)fputs("</tr></thead>\n<tbody>\n", h->out);
}

void vw_html_table_end(vw_html *h) {
  (void)vw_print_html(h->out, "</tbody></table></div>\n");
}

void vw_html_name(vw_html *h, const char *name) {
  (void)vw_print_html(h->out, "<bdi>%s</bdi>", name);
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

void vw_html_head(vw_html *h, const char *text) {
  (void)vw_print_html(h->out, "<th scope=\"row\"><bdi>%s</bdi></th>", text);
}

void vw_html_text(vw_html *h, const char *text) {
  (void)vw_print_html(h->out, "<td><bdi>%s</bdi></td>", text);
}

void vw_html_count(vw_html *h, int64_t n) {
  (void)vw_print_html(h->out, "<td class=\"n\">%lld</td>", (long long)n);
}

/* What is not there sorts last, whichever way. */
static void absent(vw_html *h) {
  (void)vw_print_html(h->out, "<td class=\"n\" data-v=\"\">&ndash;</td>");
}

/* No minus before what reads as 0. */
static double rounded(double v, int places) {
  return fabs(v) < 0.5 * pow(10, -places) ? 0 : v;
}

void vw_html_number(vw_html *h, double v, int places) {
  if (isfinite(v))
    (void)vw_print_html(h->out, "<td class=\"n\" data-v=\"%.9g\">%.*f</td>", v, places, rounded(v, places));
  else
    absent(h);
}

void vw_html_delta(vw_html *h, double delta) {
  char text[VW_DELTA_TEXT];
  if (isnan(delta)) {
    absent(h);
    return;
  }
  vw_delta_text(delta, text);
  (void)vw_print_html(h->out, "<td class=\"n\" data-v=\"%g\">%s</td>", isinf(delta) ? 1e300 : delta, text);
}

void vw_html_range(vw_html *h, double low, double high) {
  if (isfinite(low) && isfinite(high))
    (void)vw_print_html(h->out, "<td class=\"n\" data-v=\"%.9g\">[%.3f, %.3f]</td>", low, rounded(low, 3),
                        rounded(high, 3));
  else
    absent(h);
}

void vw_html_interval(vw_html *h, const vw_interval *i) {
  vw_html_count(h, i->n);
  vw_html_number(h, i->mean, 3);
  vw_html_range(h, i->low, i->high);
  vw_html_range(h, i->boot_low, i->boot_high);
}

void vw_html_difference(vw_html *h, const vw_interval *i) {
  vw_html_number(h, i->mean, 3);
  vw_html_range(h, i->boot_low, i->boot_high);
}

void vw_html_estimate(vw_html *h, const vw_interval *i) {
  if (!isfinite(i->mean)) {
    absent(h);
    return;
  }
  (void)vw_print_html(h->out, "<td class=\"n\" data-v=\"%.9g\">%.3f", i->mean, rounded(i->mean, 3));
  if (isfinite(i->low))
    (void)vw_print_html(h->out, "<br><small>[%.3f, %.3f]</small>", rounded(i->low, 3), rounded(i->high, 3));
  if (isfinite(i->boot_low))
    (void)vw_print_html(h->out, "<br><small>[%.3f, %.3f]</small>", rounded(i->boot_low, 3), rounded(i->boot_high, 3));
  (void)fputs("</td>", h->out);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

/* Base 64 of RFC 4648. */
void vw_html_data(vw_html *h, const char *type, const void *bytes, int64_t n) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const uint8_t *p = bytes;
  (void)vw_print_html(h->out, "data:%s;base64,", type);
  for (int64_t i = 0; i < n; i += 3) {
    const uint32_t word = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
    const char out[4] = {digits[word >> 18], digits[word >> 12 & 63], digits[word >> 6 & 63], digits[word & 63]};
    const size_t whole = i + 2 < n ? 4 : (size_t)(n - i + 1);
    (void)fwrite(out, 1, whole, h->out);
    (void)fwrite("==", 1, 4 - whole, h->out);
  }
  h->inlined += n;
}
