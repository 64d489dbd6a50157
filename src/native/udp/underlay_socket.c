/* Opening the socket on which datagrams come and go. */

#include "underlay_socket.h"

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

static int configure(int fd, const struct sockaddr_in *address, int buffer, unsigned *features) {
  /* What does not fit into the path is refused here, for us to answer as a router does, and not cut into fragments. */
  const int discover = IP_PMTUDISC_DO;
  if (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover) != 0) return -errno;
  if (buffer > 0) {
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, buffer);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, buffer < MOST_TO_SEND ? buffer : MOST_TO_SEND);
  }
  set_features(fd, features);
  return bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : -errno;
}

int underlay_socket_open(const struct sockaddr_in *address, int buffer, unsigned *features) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int result = configure(fd, address, buffer, features);
  if (result == 0) return fd;
  close(fd);
  return result;
}

unsigned underlay_socket_buffer(int fd) {
  int size = 0;
  socklen_t length = sizeof size;
  if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &length) != 0) return 0;
  /* Kernel: twice of what was asked for, to have room for its own bookkeeping (socket(7)). */
  return (unsigned)size / 2;
}
