#include "core/log.h"

#include "core/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static vw_log_level threshold = VW_LOG_INFO;
static int log_rank = -1;
static int log_fd = -1;
static const char *const names[] = {"error", "warn", "info", "debug"};

void vw_log_set_level(vw_log_level level) {
  threshold = level;
}
void vw_log_set_rank(int rank) {
  log_rank = rank;
}
void vw_log_set_file(int fd) {
  log_fd = fd;
}

static size_t quote_json(char *out, size_t size, const char *text) {
  size_t n = 0;
  for (const char *p = text; *p && n + 7 < size; p++) {
    const unsigned char c = (unsigned char)*p;
    if (c == '"' || c == '\\')
      out[n++] = '\\', out[n++] = (char)c;
    else if (c < 0x20)
      n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
    else
      out[n++] = (char)c;
  }
  out[n] = 0;
  return n;
}

static void write_json(const char *when, vw_log_level level, const char *host, const char *text) {
  char quoted[8192], line[8700];
  (void)quote_json(quoted, sizeof quoted, text);
  const int n =
      snprintf(line, sizeof line, "{\"time\":\"%s\",\"level\":\"%s\",\"rank\":%d,\"host\":\"%s\",\"message\":\"%s\"}\n",
               when, names[level], log_rank, host, quoted);
  if (n > 0 && write(log_fd, line, (size_t)n) < 0) log_fd = -1; /* a full disk must not stop the run for a log line */
}

void vw_log(vw_log_level level, const char *fmt, ...) {
  if (level > threshold && log_fd < 0) return;
  char raw[2048], text[2 * sizeof raw], when[32], name[64] = "?", host[2 * sizeof name];
  va_list ap;
  va_start(ap, fmt);
  (void)vsnprintf(raw, sizeof raw, fmt, ap);
  va_end(ap);
  (void)vw_text_escape(text, sizeof text, raw, strlen(raw));
  const time_t now = time(NULL);
  struct tm tm;
  (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
  (void)gethostname(name, sizeof name - 1);
  (void)vw_text_escape(host, sizeof host, name, strlen(name));
  if (log_fd >= 0) write_json(when, level, host, text);
  if (level > threshold) return;
  if (log_rank >= 0)
    (void)vw_print(stderr, "%s level=%s rank=%d host=%s %s\n", when, names[level], log_rank, host, text);
  else
    (void)vw_print(stderr, "%s level=%s %s\n", when, names[level], text);
}
