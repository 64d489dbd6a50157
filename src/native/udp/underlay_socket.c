/* Opening the socket on which datagrams come and go. */

#include "underlay_socket.h"

#include "ipv4.h"
#include "ipv6.h"
#include "kernel_interface.h"
#include "traffic.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* What waits to be sent delays what comes behind it: this is 16 ms of a link of 1 Gbit/s. */
#define MOST_TO_SEND (2 * 1024 * 1024)

/* SO_*BUFFORCE needs CAP_NET_ADMIN in the initial user namespace; without it the system's limit applies. */
static void set_buffer(int fd, int forced, int limited, int size) {
  if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size) != 0) {
    (void)setsockopt(fd, SOL_SOCKET, limited, &size, sizeof size);
  }
}

static void set_features(int fd, unsigned *features) {
  const int none = 0, on = 1;
  if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &none, sizeof none) != 0) *features &= ~(unsigned)FEATURE_UDP_SEGMENT;
  if (!(*features & FEATURE_UDP_GRO)) return;
  if (setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on) != 0) *features &= ~(unsigned)FEATURE_UDP_GRO;
}

int underlay_socket_allow_fragments(int fd, sa_family_t family, bool allow) {
  const int v4 = allow ? IP_PMTUDISC_DONT : IP_PMTUDISC_DO, v6 = allow ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_DO;
  int result = family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4, sizeof v4)
                                 : setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6, sizeof v6);
  return result == 0 ? 0 : -errno;
}

static int configure(int fd, const union endpoint *address, int buffer, unsigned *features) {
  const int on = 1;
  sa_family_t family = address->any.sa_family;
  if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) return -errno;
  /* What does not fit into the path is refused here, for us to answer as a router does, and not cut into fragments. */
  int error = underlay_socket_allow_fragments(fd, family, false);
  if (error != 0) return error;
  if (buffer > 0) {
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, buffer);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, buffer < MOST_TO_SEND ? buffer : MOST_TO_SEND);
  }
  set_features(fd, features);
  return bind(fd, &address->any, endpoint_size(address)) == 0 ? 0 : -errno;
}

/* Kernel: without UDP_NO_CHECK6_RX, which nobody sets here, datagrams over IPv6 that have no checksum are dropped
 * (RFC 8200, 8.1). */
int underlay_socket_open(const union endpoint *address, int buffer, unsigned *features) {
  int fd = socket(address->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int result = configure(fd, address, buffer, features);
  if (result == 0) return fd;
  close(fd);
  return result;
}

int underlay_overhead(const union endpoint *to) {
  return (to->any.sa_family == AF_INET ? IPV4_HEADER : IPV6_HEADER) + UDP_HEADER;
}

/* Kernel: IP_MTU and IPV6_MTU need a connected socket. */
int underlay_path_mtu(const union endpoint *to) {
  int fd = socket(to->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  int mtu = 0;
  socklen_t length = sizeof mtu;
  bool v4 = to->any.sa_family == AF_INET;
  if (connect(fd, &to->any, endpoint_size(to)) != 0 ||
      getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &length) != 0) {
    mtu = 0;
  }
  close(fd);
  return mtu;
}

unsigned underlay_socket_buffer(int fd) {
  int size = 0;
  socklen_t length = sizeof size;
  if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &length) != 0) return 0;
  /* Kernel: twice of what was asked for, to have room for its own bookkeeping (socket(7)). */
  return (unsigned)size / 2;
}
