/* A file that is only in memory, for the input of a program. What Node gives a child as its standard input is a socket,
 * which cannot be opened by name. */

#include "binding.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* Returns 0 or an errno. */
static int write_all(int fd, const char *data, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t written = pwrite(fd, data + done, length - done, (off_t)done);
    if (written >= 0) done += (size_t)written;
    else if (errno != EINTR) return errno;
  }
  return 0;
}

/* memoryFile(buffer): a descriptor at its beginning, which no program inherits unasked. */
napi_value memory_file(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  void *data;
  size_t length;
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  if (napi_get_buffer_info(env, argument, &data, &length) != napi_ok) return throw_type(env, "buffer expected");
  int fd = memfd_create("input", MFD_CLOEXEC);
  if (fd < 0) return throw_errno(env, errno, "a file in memory");
  int failed = write_all(fd, data, length);
  if (failed == 0 && napi_create_int32(env, fd, &result) == napi_ok) return result;
  close(fd);
  return throw_errno(env, failed == 0 ? ENOMEM : failed, "a file in memory");
}
