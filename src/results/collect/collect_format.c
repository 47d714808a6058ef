#include "results/collect/collect_format.h"

#include "core/text.h"

#include <math.h>
#include <string.h>

const char *vw_format_number(double v, char text[16]) {
  if (isfinite(v))
    (void)snprintf(text, 16, "%.3f", v);
  else
    (void)snprintf(text, 16, "-");
  return text;
}

const char *vw_format_range(double low, double high, char text[32]) {
  if (isfinite(low) && isfinite(high))
    (void)snprintf(text, 32, "[%6.3f, %6.3f]", low, high);
  else
    (void)snprintf(text, 32, "-");
  return text;
}

vw_interval vw_share_interval(vw_interval i, bool is_difference) {
  double *const bounds[] = {&i.low, &i.high, &i.boot_low, &i.boot_high};
  const double least = is_difference ? -1 : 0;
  for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++)
    if (isfinite(*bounds[k])) *bounds[k] = fmin(fmax(*bounds[k], least), 1);
  return i;
}

void vw_csv_text(FILE *out, const char *text) {
  if (!strpbrk(text, ",\"\r\n")) {
    (void)vw_print(out, "%s,", text);
    return;
  }
  (void)fputc('"', out);
  for (const char *p = text; *p; p++) (void)vw_print(out, *p == '"' ? "\"\"" : "%c", *p);
  (void)vw_print(out, "\",");
}

static void csv_number(FILE *out, double v, char end) {
  if (isfinite(v)) (void)vw_print(out, "%.17g", v);
  (void)fputc(end, out);
}

void vw_csv_interval(FILE *out, const vw_interval *i) {
  (void)vw_print(out, "%lld,", (long long)i->n);
  csv_number(out, i->mean, ','), csv_number(out, i->low, ',');
  csv_number(out, i->high, ','), csv_number(out, i->boot_low, ',');
  csv_number(out, i->boot_high, '\n');
}

json_t *vw_json_number(double v) {
  return isfinite(v) ? json_real(v) : json_null();
}

json_t *vw_json_interval(const vw_interval *i) {
  return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)i->n, "mean", vw_json_number(i->mean), "low",
                   vw_json_number(i->low), "high", vw_json_number(i->high), "boot_low", vw_json_number(i->boot_low),
                   "boot_high", vw_json_number(i->boot_high));
}
