/* The wrapped system calls. */

#include "faults.h"

#include "check.h"
#include "kernel_interface.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

struct pretended_socket pretended;

static atomic_size_t largest_write;
static _Atomic(const struct source *) read_source, receive_source;

ssize_t __real_read(int fd, void *buffer, size_t size);
int __real_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout);
int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_writev(int fd, const struct iovec *parts, int count);
int __real_poll(struct pollfd *polled, nfds_t count, int timeout);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *length);

ssize_t __wrap_read(int fd, void *buffer, size_t size);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int count);
int __wrap_poll(struct pollfd *polled, nfds_t count, int timeout);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length);

void reset_pretended_socket(void) {
  for (size_t i = 0; i < pretended.sent_count; i++) free(pretended.sent[i].data);
  memset(&pretended, 0, sizeof pretended);
  pretended.discovery = IP_PMTUDISC_DO;
  pretended.writable = true;
}

size_t train_size(const struct msghdr *message) {
  struct msghdr *header = (struct msghdr *)message;
  for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg != NULL; cmsg = CMSG_NXTHDR(header, cmsg)) {
    uint16_t size;
    if (cmsg->cmsg_level != SOL_UDP || cmsg->cmsg_type != UDP_SEGMENT) continue;
    memcpy(&size, CMSG_DATA(cmsg), sizeof size);
    return size;
  }
  return 0;
}

size_t message_length(const struct msghdr *message) {
  size_t length = 0;
  for (size_t i = 0; i < message->msg_iovlen; i++) length += message->msg_iov[i].iov_len;
  return length;
}

/* As the kernel does it: datagrams of one size, of which the last may be shorter. */
static void take(const struct msghdr *message) {
  size_t length = message_length(message), size = train_size(message), at = 0;
  uint8_t *data = must_allocate(length);
  for (size_t i = 0; i < message->msg_iovlen; i++) {
    memcpy(data + at, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    at += message->msg_iov[i].iov_len;
  }
  if (size == 0) size = length;
  else pretended.trains++;
  /* Kernel: UDP_MAX_SEGMENTS, and what a UDP datagram can hold. */
  check(size > 0 && length <= size * 64 && length <= 65507);
  for (at = 0; at < length; at += size) {
    if (size > length - at) size = length - at;
    check(pretended.sent_count < MOST_SENT);
    uint8_t *datagram = must_allocate(size);
    memcpy(datagram, data + at, size);
    memcpy(&pretended.sent[pretended.sent_count].to, message->msg_name, message->msg_namelen);
    pretended.sent[pretended.sent_count].data = datagram;
    pretended.sent[pretended.sent_count++].length = size;
  }
  free(data);
}

static int refusal_of(const struct msghdr *message) {
  return pretended.refusal == NULL ? 0 : pretended.refusal(message);
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  if (fd != PRETENDED_SOCKET) return __real_sendmmsg(fd, messages, count, flags);
  pretended.calls++;
  if (pretended.most_at_once > 0 && count > pretended.most_at_once) count = (unsigned)pretended.most_at_once;
  for (unsigned i = 0; i < count; i++) {
    int error = refusal_of(&messages[i].msg_hdr);
    if (error != 0) {
      errno = error;
      return i > 0 ? (int)i : -1;
    }
    take(&messages[i].msg_hdr);
    messages[i].msg_len = (unsigned)message_length(&messages[i].msg_hdr);
  }
  return (int)count;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
  if (fd != PRETENDED_SOCKET) return __real_sendmsg(fd, message, flags);
  pretended.calls++;
  errno = refusal_of(message);
  if (errno != 0) return -1;
  take(message);
  return (ssize_t)message_length(message);
}

int __wrap_poll(struct pollfd *polled, nfds_t count, int timeout) {
  if (count != 1 || polled[0].fd != PRETENDED_SOCKET) return __real_poll(polled, count, timeout);
  pretended.polls++;
  polled[0].revents = pretended.writable ? POLLOUT : 0;
  return pretended.writable ? 1 : 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  if (fd != PRETENDED_SOCKET) return __real_setsockopt(fd, level, name, value, length);
  /* IPv4 and IPv6 have the same values. */
  bool discovery = (level == IPPROTO_IP && name == IP_MTU_DISCOVER) || (level == IPPROTO_IPV6 && name == IPV6_MTU_DISCOVER);
  if (discovery) memcpy(&pretended.discovery, value, sizeof pretended.discovery);
  return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
  bool mtu = (level == IPPROTO_IP && name == IP_MTU) || (level == IPPROTO_IPV6 && name == IPV6_MTU);
  if (!mtu || pretended.path_mtu == 0) {
    return __real_getsockopt(fd, level, name, value, length);
  }
  memcpy(value, &pretended.path_mtu, sizeof pretended.path_mtu);
  return 0;
}

void refuse_large_writes(size_t more_than) { atomic_store(&largest_write, more_than); }

ssize_t __wrap_writev(int fd, const struct iovec *parts, int count) {
  size_t limit = atomic_load(&largest_write), length = 0;
  for (int i = 0; i < count; i++) length += parts[i].iov_len;
  if (limit == 0 || length <= limit) return __real_writev(fd, parts, count);
  errno = EINVAL;
  return -1;
}

void read_from(const struct source *source) { atomic_store(&read_source, source); }

void receive_from(const struct source *source) { atomic_store(&receive_source, source); }

ssize_t __wrap_read(int fd, void *buffer, size_t size) {
  const struct source *source = atomic_load(&read_source);
  if (source == NULL || source->fd != fd) return __real_read(fd, buffer, size);
  errno = EAGAIN;
  size_t length = source->next(source->context, buffer);
  check(length <= size);
  return length > 0 ? (ssize_t)length : -1;
}

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  const struct source *source = atomic_load(&receive_source);
  if (source == NULL || source->fd != fd) return __real_recvmmsg(fd, messages, count, flags, timeout);
  unsigned number = 0;
  for (; number < count; number++) {
    struct msghdr *header = &messages[number].msg_hdr;
    messages[number].msg_len = (unsigned)source->next(source->context, header->msg_iov[0].iov_base);
    if (messages[number].msg_len == 0) break;
    memset(header->msg_name, 0, header->msg_namelen);
    header->msg_controllen = 0;
  }
  errno = EAGAIN;
  return number > 0 ? (int)number : -1;
}
