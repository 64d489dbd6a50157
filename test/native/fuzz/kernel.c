/* The wrapped system calls: the program is linked with --wrap for each of them. */

#include "kernel.h"

#include "../check.h"

#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct kernel kernel;

ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);
ssize_t __real_writev(int fd, const struct iovec *parts, int count);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int count);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size);

void kernel_reset(void) {
  for (size_t i = 0; i < kernel.sent_count; i++) free(kernel.sent[i].bytes.data);
  for (size_t i = 0; i < kernel.written_count; i++) free(kernel.written[i].bytes.data);
  kernel.waiting_count = kernel.taken = kernel.sent_count = kernel.written_count = 0;
  kernel.vnet_header = kernel.refuses_trains = kernel.refuses_large_writes = false;
}

void kernel_add(const struct waiting *waiting) {
  check(kernel.waiting_count < MOST_WAITING);
  kernel.waiting[kernel.waiting_count++] = *waiting;
}

/* What lies behind the packet belongs to nobody. */
static void fill(void *buffer, size_t size, const struct waiting *waiting) {
  check(waiting->length <= size);
  ASAN_UNPOISON_MEMORY_REGION(buffer, size);
  if (waiting->length > 0) memcpy(buffer, waiting->data, waiting->length);
  ASAN_POISON_MEMORY_REGION((uint8_t *)buffer + waiting->length, size - waiting->length);
}

ssize_t __wrap_read(int fd, void *buffer, size_t size) {
  if (fd != TUN) return __real_read(fd, buffer, size);
  if (kernel.taken == kernel.waiting_count) {
    errno = EAGAIN;
    return -1;
  }
  const struct waiting *next = &kernel.waiting[kernel.taken++];
  fill(buffer, size, next);
  return (ssize_t)next->length;
}

static void deliver(struct mmsghdr *message, const struct waiting *waiting) {
  struct msghdr *header = &message->msg_hdr;
  fill(header->msg_iov[0].iov_base, header->msg_iov[0].iov_len, waiting);
  memcpy(header->msg_name, &waiting->sender, sizeof waiting->sender);
  message->msg_len = (unsigned)waiting->length;
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(header);
  if (waiting->size == 0) {
    header->msg_controllen = 0;
    return;
  }
  cmsg->cmsg_level = SOL_UDP;
  cmsg->cmsg_type = UDP_GRO;
  cmsg->cmsg_len = CMSG_LEN(sizeof waiting->size);
  memcpy(CMSG_DATA(cmsg), &waiting->size, sizeof waiting->size);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  check(fd == UDP && (flags & MSG_DONTWAIT) && timeout == NULL);
  unsigned number = 0;
  while (number < count && kernel.taken < kernel.waiting_count) {
    deliver(&messages[number++], &kernel.waiting[kernel.taken++]);
  }
  errno = EAGAIN;
  return number > 0 ? (int)number : -1;
}

static struct bytes gather(const struct iovec *parts, size_t count) {
  struct bytes all = {NULL, 0};
  for (size_t i = 0; i < count; i++) all.length += parts[i].iov_len;
  all.data = must_allocate(all.length);
  for (size_t i = 0, at = 0; i < count; at += parts[i++].iov_len) {
    memcpy(all.data + at, parts[i].iov_base, parts[i].iov_len);
  }
  return all;
}

/* Peers are known by the last word of their addresses. */
static uint32_t peer_number(const union endpoint *to) {
  return to->any.sa_family == AF_INET ? to->v4.sin_addr.s_addr : to->v6.sin6_addr.s6_addr32[3];
}

static void keep_sent(const union endpoint *to, const uint8_t *data, size_t length) {
  check(kernel.sent_count < MOST_KEPT);
  struct kept *kept = &kernel.sent[kernel.sent_count++];
  const struct iovec part = {(void *)data, length};
  kept->bytes = gather(&part, 1);
  kept->to = peer_number(to);
}

static size_t train_size(const struct msghdr *message) {
  const struct cmsghdr *cmsg = CMSG_FIRSTHDR(message);
  uint16_t size;
  if (cmsg == NULL) return 0;
  check(cmsg->cmsg_level == SOL_UDP && cmsg->cmsg_type == UDP_SEGMENT);
  memcpy(&size, CMSG_DATA(cmsg), sizeof size);
  return size;
}

/* Returns an errno. */
static int take_message(const struct msghdr *message) {
  size_t size = train_size(message);
  if (size > 0 && kernel.refuses_trains) return EIO;
  struct bytes all = gather(message->msg_iov, message->msg_iovlen);
  if (size == 0) size = all.length;
  check(all.length > 0 && all.length <= 65535 && all.length <= size * 64);
  for (size_t at = 0; at < all.length; at += size) {
    size_t left = all.length - at;
    keep_sent(message->msg_name, all.data + at, left < size ? left : size);
  }
  free(all.data);
  return 0;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  check(fd == UDP && (flags & MSG_DONTWAIT) && count > 0);
  for (unsigned i = 0; i < count; i++) {
    errno = take_message(&messages[i].msg_hdr);
    if (errno != 0) return i > 0 ? (int)i : -1;
  }
  return (int)count;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
  check(fd == UDP && (flags & MSG_DONTWAIT));
  size_t length = 0;
  for (size_t i = 0; i < message->msg_iovlen; i++) length += message->msg_iov[i].iov_len;
  errno = take_message(message);
  return errno != 0 ? -1 : (ssize_t)length;
}

ssize_t __wrap_sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
  check(fd == UDP && (flags & MSG_DONTWAIT) && size == endpoint_size((const union endpoint *)to));
  keep_sent((const union endpoint *)to, data, length);
  return (ssize_t)length;
}

ssize_t __wrap_writev(int fd, const struct iovec *parts, int count) {
  if (fd != TUN) return __real_writev(fd, parts, count);
  struct bytes all = gather(parts, (size_t)count);
  size_t header = kernel.vnet_header ? sizeof(struct virtio_net_hdr) : 0;
  struct kept kept = {.bytes = {NULL, 0}};
  check(all.length > header);
  memcpy(&kept.vnet, all.data, header);
  const struct iovec packet = {all.data + header, all.length - header};
  bool refused = kept.vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE && kernel.refuses_large_writes;
  check(kernel.written_count < MOST_KEPT);
  if (!refused) {
    kept.bytes = gather(&packet, 1);
    kernel.written[kernel.written_count++] = kept;
  }
  free(all.data);
  errno = EINVAL;
  return refused ? -1 : (ssize_t)(header + packet.iov_len);
}

uint8_t take8(struct input *input) {
  if (input->length == 0) return 0;
  input->length--;
  return *input->data++;
}

uint16_t take16(struct input *input) {
  uint8_t high = take8(input);
  return (uint16_t)(high << 8 | take8(input));
}

struct input take_bytes(struct input *input, size_t length) {
  struct input taken = {input->data, length < input->length ? length : input->length};
  input->data += taken.length;
  input->length -= taken.length;
  return taken;
}
