/* A file that is only in memory, for the input of a program. What Node gives a child as its standard input is a socket,
 * which cannot be opened by name. */

#include "binding.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of <linux/memfd.h>, which has it since Linux 6.3. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* Returns a descriptor, or -1 with errno. Kernel: since 6.3 one that does not say whether it can be run is told in the
 * log, and may be refused where vm.memfd_noexec is 2 (userspace-api/mfd_noexec); before, the flag is not known (EINVAL). */
static int create_file(void) {
  int fd = memfd_create("input", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  if (fd >= 0 || errno != EINVAL) return fd;
  return memfd_create("input", MFD_CLOEXEC);
}

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
  int fd = create_file();
  if (fd < 0) return throw_errno(env, errno, "a file in memory");
  int failed = write_all(fd, data, length);
  if (failed == 0 && napi_create_int32(env, fd, &result) == napi_ok) return result;
  close(fd);
  return throw_errno(env, failed == 0 ? ENOMEM : failed, "a file in memory");
}
