/* sd_notify(3): one datagram to the socket that systemd names in NOTIFY_SOCKET. Node has no Unix datagram sockets.
 * It does not read the environment: who may speak in our name is decided by the caller. */

#include "binding.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define LONGEST_MESSAGE 4096

/* Kernel: a datagram socket's queue is short (net.unix.max_dgram_qlen); a manager that does not read holds us up this
 * long and no longer. */
static const struct timeval PATIENCE = {.tv_sec = 1};

/* "@name" is an address in the abstract name space. Returns the address's length, or 0 when the path cannot be one. */
static socklen_t socket_address(struct sockaddr_un *address, const char *path, size_t length) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (length < 2 || length >= sizeof address->sun_path || (path[0] != '/' && path[0] != '@')) return 0;
  memcpy(address->sun_path, path, length);
  if (path[0] == '@') address->sun_path[0] = '\0';
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int send_datagram(const struct sockaddr_un *address, socklen_t address_length, const char *data, size_t length) {
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &PATIENCE, sizeof PATIENCE);
  ssize_t sent;
  do sent = sendto(fd, data, length, MSG_NOSIGNAL, (const struct sockaddr *)address, address_length);
  while (sent < 0 && errno == EINTR);
  int error = sent < 0 ? errno : 0;
  close(fd);
  return error;
}

/* sdNotify(path, message) */
napi_value sd_notify_send(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  char path[256], message[LONGEST_MESSAGE];
  size_t path_length, message_length;
  struct sockaddr_un address;
  if (!read_arguments(env, info, 2, arguments)) return NULL;
  if (napi_get_value_string_utf8(env, arguments[0], path, sizeof path, &path_length) != napi_ok ||
      napi_get_value_string_utf8(env, arguments[1], message, sizeof message, &message_length) != napi_ok) {
    return throw_type(env, "path and message expected");
  }
  socklen_t address_length = socket_address(&address, path, path_length);
  if (address_length == 0) return throw_errno(env, EINVAL, "sd_notify address");
  int error = send_datagram(&address, address_length, message, message_length);
  return error == 0 ? NULL : throw_errno(env, error, "sd_notify");
}
