/* Netlink sockets: options, sending of whole batches, reading of whole answers.
 * It knows nothing of the messages: they are built and understood in src/netlink. */

#include "netlink_socket.h"

#include "binding.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A buffer that a large dump has grown beyond this is not kept for the next request. */
#define KEPT_CAPACITY (256 * 1024)

struct request_socket {
  int fd;
  struct bytes answer;
};

static const napi_type_tag SOCKET_TAG = {0x5d1f3a9c0b6e4d27, 0x8e2af0916c7b4d35};

void bytes_free(struct bytes *bytes) {
  free(bytes->data);
  *bytes = (struct bytes){0};
}

/* Room for `size` more bytes; 0 or a negative errno. */
static int bytes_reserve(struct bytes *bytes, size_t size) {
  size_t needed = bytes->length + size;
  if (needed <= bytes->capacity) return 0;
  size_t capacity = bytes->capacity > 0 ? bytes->capacity : 4096;
  while (capacity < needed) capacity *= 2;
  uint8_t *data = realloc(bytes->data, capacity);
  if (data == NULL) return -ENOMEM;
  bytes->data = data;
  bytes->capacity = capacity;
  return 0;
}

/* SO_RCVBUFFORCE needs CAP_NET_ADMIN in the initial user namespace; without it the system's limit applies. */
static void set_receive_buffer(int fd, uint32_t size) {
  int value = (int)size;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &value, sizeof value) != 0) {
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof value);
  }
}

static int configure(int fd, uint32_t receive_buffer, const uint32_t *groups, size_t group_count) {
  static const int options[] = {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK};
  const int one = 1;
  set_receive_buffer(fd, receive_buffer);
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
    if (setsockopt(fd, SOL_NETLINK, options[i], &one, sizeof one) != 0) return -errno;
  }
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) return -errno;
  for (size_t i = 0; i < group_count; i++) {
    const int group = (int)groups[i];
    if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) return -errno;
  }
  return 0;
}

int netlink_socket_open(int protocol, uint32_t receive_buffer, const uint32_t *groups, size_t group_count) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) return -errno;
  int result = configure(fd, receive_buffer, groups, group_count);
  if (result == 0) return fd;
  close(fd);
  return result;
}

static ssize_t retry_recv(int fd, struct msghdr *message, int flags) {
  ssize_t size;
  do size = recvmsg(fd, message, flags);
  while (size < 0 && errno == EINTR);
  return size;
}

int netlink_socket_drain(int fd, struct bytes *bytes, size_t limit) {
  while (bytes->length < limit) {
    struct msghdr peek = {0};
    ssize_t size = retry_recv(fd, &peek, MSG_PEEK | MSG_TRUNC);
    if (size < 0) return errno == EAGAIN ? 0 : -errno;
    size_t padded = ((size_t)size + 3) & ~(size_t)3;
    int reserved = bytes_reserve(bytes, padded);
    if (reserved != 0) return reserved;
    struct sockaddr_nl sender = {0};
    struct iovec target = {.iov_base = bytes->data + bytes->length, .iov_len = (size_t)size};
    struct msghdr message = {
        .msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = &target, .msg_iovlen = 1};
    size = retry_recv(fd, &message, 0);
    if (size < 0) return errno == EAGAIN ? 0 : -errno;
    /* Port 0 is the kernel; nobody else is believed. */
    if (sender.nl_pid != 0) continue;
    memset(bytes->data + bytes->length + size, 0, padded - (size_t)size);
    bytes->length += padded;
  }
  return 0;
}

static void close_socket(struct request_socket *request) {
  if (request->fd >= 0) close(request->fd);
  request->fd = -1;
  bytes_free(&request->answer);
}

static void finalize_socket(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  close_socket(data);
  free(data);
}

static bool set_port_id(napi_env env, napi_value handle, int fd) {
  struct sockaddr_nl address = {0};
  socklen_t length = sizeof address;
  napi_value port;
  return getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
         napi_create_uint32(env, address.nl_pid, &port) == napi_ok &&
         napi_set_named_property(env, handle, "portId", port) == napi_ok;
}

/* netlinkOpen(protocol, receiveBuffer): a socket as a handle with the property portId. */
napi_value netlink_open(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  uint32_t protocol, receive_buffer;
  if (!read_arguments(env, info, 2, arguments)) return NULL;
  if (napi_get_value_uint32(env, arguments[0], &protocol) != napi_ok) return throw_type(env, "protocol expected");
  if (napi_get_value_uint32(env, arguments[1], &receive_buffer) != napi_ok) return throw_type(env, "size expected");
  int fd = netlink_socket_open((int)protocol, receive_buffer, NULL, 0);
  if (fd < 0) return throw_errno(env, -fd, "netlink socket");
  struct request_socket *request = calloc(1, sizeof *request);
  if (request == NULL) {
    close(fd);
    return throw_errno(env, ENOMEM, "netlink socket");
  }
  request->fd = fd;
  napi_value handle = wrap_handle(env, &SOCKET_TAG, request, finalize_socket);
  if (handle == NULL) {
    finalize_socket(env, request, NULL);
    return throw_type(env, "cannot make a handle");
  }
  /* From here on the handle's finalizer closes the socket. */
  return set_port_id(env, handle, fd) ? handle : throw_type(env, "cannot read the port id");
}

static int send_all(int fd, const void *data, size_t length) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent;
  do sent = sendto(fd, data, length, 0, (struct sockaddr *)&kernel, sizeof kernel);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

/* netlinkRequest(handle, messages, limit): everything that the kernel answers, as one buffer; reading stops early at
 * `limit` bytes. Kernel: requests are carried out inside sendmsg, and each part of a dump is made inside recvmsg, so
 * the answer is complete when nothing is left to read. */
napi_value netlink_request(napi_env env, napi_callback_info info) {
  napi_value arguments[3], result;
  void *data;
  size_t length;
  int64_t limit;
  if (!read_arguments(env, info, 3, arguments)) return NULL;
  struct request_socket *request = unwrap_handle(env, &SOCKET_TAG, arguments[0]);
  if (request == NULL) return NULL;
  if (napi_get_buffer_info(env, arguments[1], &data, &length) != napi_ok) return throw_type(env, "buffer expected");
  if (napi_get_value_int64(env, arguments[2], &limit) != napi_ok || limit < 0) return throw_type(env, "limit expected");
  if (request->fd < 0) return throw_errno(env, EBADF, "netlink socket is closed");
  int failed = send_all(request->fd, data, length);
  if (failed != 0) return throw_errno(env, -failed, "netlink send");
  request->answer.length = 0;
  failed = netlink_socket_drain(request->fd, &request->answer, (size_t)limit);
  if (failed != 0) return throw_errno(env, -failed, "netlink receive");
  napi_status status = napi_create_buffer_copy(env, request->answer.length, request->answer.data, NULL, &result);
  if (request->answer.capacity > KEPT_CAPACITY) bytes_free(&request->answer);
  return status == napi_ok ? result : throw_type(env, "cannot make a buffer");
}

/* netlinkClose(handle): may be called again. */
napi_value netlink_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  if (!read_arguments(env, info, 1, &argument)) return NULL;
  struct request_socket *request = unwrap_handle(env, &SOCKET_TAG, argument);
  if (request != NULL) close_socket(request);
  return NULL;
}
