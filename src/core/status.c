#include "core/status.h"

#include "core/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048, TRAIL_BYTES = 8192 };

static _Thread_local char message[MESSAGE_BYTES];
static _Thread_local char trail[TRAIL_BYTES];
static _Thread_local size_t trail_used;

/* Build machines put full paths into __FILE__; a user wants the place in the source tree. */
static const char *short_path(const char *file) {
  static const char *const roots[] = {"/src/", "/kernels/", "/io/", "/jobs/", "/tests/"};
  const char *best = NULL;
  for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
    const char *at = strstr(file, roots[i]);
    if (at && (!best || at > best)) best = at;
  }
  return best ? best + 1 : file;
}

static void append(const char *file, int line, const char *fmt, va_list ap) {
  size_t left = TRAIL_BYTES - trail_used;
  int n = snprintf(trail + trail_used, left, "  %s:%d: ", short_path(file), line);
  if (n < 0 || (size_t)n >= left) return; /* the deepest frames are the ones that matter: drop the rest */
  trail_used += (size_t)n, left -= (size_t)n;
  char text[MESSAGE_BYTES];
  if (vsnprintf(text, sizeof text, fmt, ap) < 0) return;
  trail_used += vw_text_escape(trail + trail_used, left, text, strlen(text));
  if (trail_used + 1 < TRAIL_BYTES) trail[trail_used++] = '\n', trail[trail_used] = 0;
}

vw_status vw_raise(vw_status st, const char *file, int line, const char *fmt, ...) {
  va_list ap;
  char text[MESSAGE_BYTES]; /* the arguments may quote the previous message */
  va_start(ap, fmt);
  (void)vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  (void)vw_text_escape(message, sizeof message, text, strlen(text)); /* one line, whatever names it quotes */
  trail_used = 0, trail[0] = 0;
  va_start(ap, fmt);
  append(file, line, fmt, ap);
  va_end(ap);
  return st;
}

vw_status vw_fail(vw_status st, const char *file, int line, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  append(file, line, fmt, ap);
  va_end(ap);
  return st;
}

const char *vw_error_message(void) {
  return message;
}
const char *vw_error_trail(void) {
  return trail;
}
void vw_error_clear(void) {
  message[0] = 0, trail[0] = 0, trail_used = 0;
}

const char *vw_status_name(vw_status st) {
  switch (st) {
  case VW_OK:
    return "ok";
  case VW_ERR_ARG:
    return "bad argument";
  case VW_ERR_UNSUPPORTED:
    return "unsupported";
  case VW_ERR_INPUT:
    return "bad input";
  case VW_ERR_IO:
    return "input/output failed";
  case VW_ERR_MEMORY:
    return "out of memory";
  case VW_ERR_DEVICE:
    return "device failed";
  case VW_ERR_COMM:
    return "communication failed";
  }
  return "unknown status";
}
