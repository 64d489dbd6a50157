/* Netlink sockets without any JavaScript: opening one, and reading what it holds. */

#ifndef FLANNEL_NETLINK_SOCKET_H
#define FLANNEL_NETLINK_SOCKET_H

#include <stddef.h>
#include <stdint.h>

/* A growing run of bytes. Datagrams are appended one after the other, each padded to four bytes. */
struct bytes {
  uint8_t *data;
  size_t length;
  size_t capacity;
};

void bytes_free(struct bytes *bytes);

/* Opens a socket of a protocol (NETLINK_*) that has joined `groups`. Returns its descriptor, or a negative errno. */
int netlink_socket_open(int protocol, uint32_t receive_buffer, const uint32_t *groups, size_t group_count);

/* Appends the datagrams that wait, without blocking, until none is left or `limit` bytes are held. 0 or a negative
 * errno; -ENOBUFS means that the kernel had to drop some, and that reading can go on. */
int netlink_socket_drain(int fd, struct bytes *bytes, size_t limit);

#endif
