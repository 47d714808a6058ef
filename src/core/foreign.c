#include "core/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const char *vw_file_kind(mode_t mode) {
  if (S_ISREG(mode)) return "a file";
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "no file";
}

/* Looks before it opens: opening a device may rewind a tape. What is put in its place in between is opened without
 * waiting, and refused. */
static vw_status open_regular(const char *path, bool follow, int *fd, struct stat *info) {
  struct stat own;
  if (!info) info = &own;
  *fd = -1;
  if ((follow ? stat(path, info) : lstat(path, info)) != 0)
    return VW_RAISE(VW_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
  VW_CHECK(S_ISREG(info->st_mode), VW_ERR_INPUT, "%s: %s; expected a file", path, vw_file_kind(info->st_mode));
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (follow ? 0 : O_NOFOLLOW));
  VW_CHECK(*fd >= 0, VW_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
  const int err = fstat(*fd, info) == 0 ? 0 : errno;
  if (!err && S_ISREG(info->st_mode)) return VW_OK;
  (void)close(*fd);
  *fd = -1;
  VW_CHECK(!err, VW_ERR_IO, "%s: cannot open: %s", path, strerror(err));
  return VW_RAISE(VW_ERR_INPUT, "%s: %s; expected a file", path, vw_file_kind(info->st_mode));
}

vw_status vw_foreign_open(const char *path, int *fd, struct stat *info) {
  return open_regular(path, true, fd, info);
}

vw_status vw_foreign_open_own(const char *path, int *fd, struct stat *info) {
  return open_regular(path, false, fd, info);
}
