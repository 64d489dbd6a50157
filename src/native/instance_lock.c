/* A lock that dies with its process: a socket bound to a name of the abstract name space, which is the network
 * namespace's own and leaves no file behind. Whoever finds the name taken asks the kernel whose it is.
 * It does not decide whether that is a reason to give up. */

#include "binding.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const napi_type_tag LOCK_TAG = {0x7c1d0f6a4be84b53, 0x9e0d61c2f5a7380b};

/* Nobody answers: those who ask only connect, and go away. */
#define QUEUE 64

static void lock_finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  int *fd = data;
  if (*fd >= 0) close(*fd);
  free(fd);
}

/* Reads the first argument as a name. Returns the address's length, or 0 with a pending exception. */
static socklen_t read_name(napi_env env, napi_callback_info info, struct sockaddr_un *address) {
  napi_value arguments[1];
  size_t length;
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (!read_arguments(env, info, 1, arguments)) return 0;
  if (napi_get_value_string_utf8(env, arguments[0], address->sun_path + 1, sizeof address->sun_path - 1, &length) !=
          napi_ok ||
      length == 0) {
    throw_type(env, "name expected");
    return 0;
  }
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

/* lockTake(name): a handle, or null when the name is taken */
napi_value lock_take(napi_env env, napi_callback_info info) {
  struct sockaddr_un address;
  socklen_t length = read_name(env, info, &address);
  if (length == 0) return NULL;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return throw_errno(env, errno, "socket");
  /* Kernel: the credentials that lock_holder() is told are those of the listen(). */
  int failed = bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, QUEUE) < 0 ? errno : 0;
  if (failed != 0) {
    close(fd);
    napi_value null;
    if (failed == EADDRINUSE) return napi_get_null(env, &null) == napi_ok ? null : NULL;
    return throw_errno(env, failed, "bind");
  }
  int *held = malloc(sizeof *held);
  if (held == NULL) {
    close(fd);
    return throw_errno(env, ENOMEM, "malloc");
  }
  *held = fd;
  napi_value handle = wrap_handle(env, &LOCK_TAG, held, lock_finalize);
  if (handle == NULL) lock_finalize(env, held, NULL);
  return handle;
}

/* lockRelease(handle). May be called twice. */
napi_value lock_release(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  if (!read_arguments(env, info, 1, arguments)) return NULL;
  int *fd = unwrap_handle(env, &LOCK_TAG, arguments[0]);
  if (fd == NULL || *fd < 0) return NULL;
  close(*fd);
  *fd = -1;
  return NULL;
}

/* lockHolder(name): [process id, user id]. The process id is 0 when it is not of our PID namespace or cannot be told, -1
 * when nobody holds the lock. */
napi_value lock_holder(napi_env env, napi_callback_info info) {
  struct sockaddr_un address;
  struct ucred holder = {.pid = 0, .uid = 0};
  socklen_t length = read_name(env, info, &address), size = sizeof holder;
  if (length == 0) return NULL;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return throw_errno(env, errno, "socket");
  if (connect(fd, (struct sockaddr *)&address, length) == 0) {
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &holder, &size) < 0) holder.pid = 0;
  } else if (errno == ECONNREFUSED) {
    holder.pid = -1;
  }
  close(fd);
  napi_value pid, uid, both;
  if (napi_create_int32(env, holder.pid, &pid) != napi_ok || napi_create_uint32(env, holder.uid, &uid) != napi_ok ||
      napi_create_array_with_length(env, 2, &both) != napi_ok || napi_set_element(env, both, 0, pid) != napi_ok ||
      napi_set_element(env, both, 1, uid) != napi_ok) {
    return NULL;
  }
  return both;
}
