/* Writing where a reader may not read, without waiting for him. The descriptor may be shared with other processes, a shell
 * among them, so that O_NONBLOCK, which is of what all of them share, is not ours to set. */

#include "binding.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

/* sendNow(descriptor, buffer): how many bytes a stream socket has taken, 0 when it has no room. */
napi_value send_now(napi_env env, napi_callback_info info) {
  napi_value arguments[2], result;
  int32_t fd;
  void *data;
  size_t length;
  ssize_t sent;
  if (!read_arguments(env, info, 2, arguments)) return NULL;
  if (napi_get_value_int32(env, arguments[0], &fd) != napi_ok) return throw_type(env, "descriptor expected");
  if (napi_get_buffer_info(env, arguments[1], &data, &length) != napi_ok) return throw_type(env, "buffer expected");
  do sent = send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno != EAGAIN) return throw_errno(env, errno, "sending to a socket");
  return napi_create_int64(env, sent < 0 ? 0 : sent, &result) == napi_ok ? result : NULL;
}

/* isWritable(descriptor): a boolean. Kernel: poll(2) tells by POLLOUT that a pipe takes PIPE_BUF bytes at once. True also
 * when there is an error to be had: the write tells it. */
napi_value is_writable(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  struct pollfd asked = {.events = POLLOUT};
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  if (napi_get_value_int32(env, argument, &asked.fd) != napi_ok) return throw_type(env, "descriptor expected");
  int ready = poll(&asked, 1, 0);
  if (ready < 0 && errno != EINTR) return throw_errno(env, errno, "looking at the output");
  return napi_get_boolean(env, ready > 0, &result) == napi_ok ? result : NULL;
}
