/* Datagrams to Unix sockets, as sd_notify(3) and the journal's native protocol want them. Node has no such sockets. */

#include "binding.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* "@name" is an address in the abstract name space. Returns the address's length, or 0 when the path cannot be one. */
static socklen_t socket_address(struct sockaddr_un *address, const char *path, size_t length) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (length < 2 || length >= sizeof address->sun_path || (path[0] != '/' && path[0] != '@')) return 0;
  memcpy(address->sun_path, path, length);
  if (path[0] == '@') address->sun_path[0] = '\0';
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int send_datagram(const struct sockaddr_un *address, socklen_t address_length, const void *data, size_t length) {
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  ssize_t sent;
  /* Kernel: a datagram socket's queue is short (net.unix.max_dgram_qlen); a reader that does not read would hold us up. */
  do sent = sendto(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)address, address_length);
  while (sent < 0 && errno == EINTR);
  int error = sent < 0 ? errno : 0;
  close(fd);
  return error;
}

/* datagramSend(path, buffer): one datagram. Throws EAGAIN when there is no room for it. */
napi_value datagram_send(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  char path[256];
  size_t path_length, length;
  void *data;
  struct sockaddr_un address;
  if (!read_arguments(env, info, 2, arguments)) return NULL;
  if (napi_get_value_string_utf8(env, arguments[0], path, sizeof path, &path_length) != napi_ok) {
    return throw_type(env, "path expected");
  }
  if (napi_get_buffer_info(env, arguments[1], &data, &length) != napi_ok) return throw_type(env, "buffer expected");
  socklen_t address_length = socket_address(&address, path, path_length);
  if (address_length == 0) return throw_errno(env, EINVAL, "address of a Unix socket");
  int error = send_datagram(&address, address_length, data, length);
  return error == 0 ? NULL : throw_errno(env, error, "sending to a Unix socket");
}
