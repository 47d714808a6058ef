#include "jobs/ending.h"

#include "core/text.h"
#include "jobs/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The lowest free number is given out: from 0 on, each closed one gets its own. */
void vw_streams_begin(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) /* stdout is opened for reading: writing to it must fail */
      (void)open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

static bool has_begun;

/* One short write, so that the lines of ranks stay whole. The file is the launcher's: never made here, and where it is
 * not (another node) there is nothing to say. */
static void note(const char *text) {
  const char *path = getenv("VISWORDS_EXIT_NOTE");
  const int fd = path && *path ? open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
  if (fd < 0) return;
  (void)!write(fd, text, strlen(text));
  (void)close(fd);
}

void vw_exit_note_begin(void) {
  has_begun = true;
  note("begin\n");
}

void vw_exit_note_end(int code) {
  char line[32];
  (void)snprintf(line, sizeof line, "end %d\n", code);
  if (has_begun) note(line);
}

void vw_exit_note_alarm(void) {
  if (has_begun) note("alarm\n");
}

int vw_ending(int code) {
  const bool had_failed = ferror(stdout) != 0;
  errno = 0;
  if (fflush(stdout) != 0 || had_failed) {
    (void)vw_print(stderr, "viswords: standard output could not be written%s%s: what was printed is not complete\n",
                   errno ? ": " : "", errno ? strerror(errno) : "");
    if (code == VW_EXIT_OK) code = VW_EXIT_FAILED;
  }
  vw_exit_note_end(code);
  return code;
}
