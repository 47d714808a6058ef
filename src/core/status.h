/* Status codes and the error trail.
 *
 * A function that can fail returns vw_status. The first failure is raised with VW_CHECK / vw_raise: one line that names
 * the thing, what was expected and the way out. Each frame above adds a line with VW_TRY. Only jobs/ may end the
 * process.
 *
 * Positive codes: the call was refused, no argument was modified. Negative codes: outputs are undefined; release them
 * and return. The trail is kept per thread. */
#ifndef VW_CORE_STATUS_H
#define VW_CORE_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vw_status {
  VW_OK = 0,
  VW_ERR_ARG = 1,         /* a caller's mistake: shapes, options, usage */
  VW_ERR_UNSUPPORTED = 2, /* valid, but this build, backend or network cannot do it */
  VW_ERR_INPUT = 3,       /* a user's file is wrong: study, weights, picture, checkpoint */
  VW_ERR_IO = -1,         /* the system refused: open, read, write, full disk */
  VW_ERR_MEMORY = -2,
  VW_ERR_DEVICE = -3,
  VW_ERR_COMM = -4
} vw_status;

/* Starts a new trail with this message and returns `st`. The message is one line without a final newline. */
vw_status vw_raise(vw_status st, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5), cold));

/* Adds a frame to the trail and returns `st`. */
vw_status vw_fail(vw_status st, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5), cold));

/* The first message of this thread's trail: what a user reads. "" when nothing was raised. Valid until the next raise.
 */
const char *vw_error_message(void);

/* All frames of the trail, one a line, for --verbose. Valid until the next raise. */
const char *vw_error_trail(void);

/* Forgets the trail (a failure that was handled). */
void vw_error_clear(void);

/* Short English name of a code, e.g. "bad input". */
const char *vw_status_name(vw_status st);

/* Keeps the earlier of two failures. */
static inline vw_status vw_first(vw_status a, vw_status b) {
  return a != VW_OK ? a : b;
}

/* The macros return the code themselves, so that static analysis sees that a failure is never VW_OK. */
#define VW_RAISE(st, ...) ((void)vw_raise((st), __FILE__, __LINE__, __VA_ARGS__), (st))

#define VW_CHECK(cond, st, ...)                                                                                        \
  do {                                                                                                                 \
    if (!(cond)) return VW_RAISE((st), __VA_ARGS__);                                                                   \
  } while (0)

#define VW_TRY(call)                                                                                                   \
  do {                                                                                                                 \
    vw_status st_ = (call);                                                                                            \
    if (st_ != VW_OK) {                                                                                                \
      (void)vw_fail(st_, __FILE__, __LINE__, "%s", #call);                                                             \
      return st_;                                                                                                      \
    }                                                                                                                  \
  } while (0)

/* For functions that own something: assigns to a local `st` and jumps to the label `cleanup`. */
#define VW_GOTO(call)                                                                                                  \
  do {                                                                                                                 \
    st = (call);                                                                                                       \
    if (st != VW_OK) {                                                                                                 \
      (void)vw_fail(st, __FILE__, __LINE__, "%s", #call);                                                              \
      goto cleanup;                                                                                                    \
    }                                                                                                                  \
  } while (0)

#ifdef __cplusplus
}
#endif
#endif
