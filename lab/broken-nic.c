// A network card that does not know tunnels: `broken-nic HOST NETWORK` hands frames between two interfaces of the namespace
// that it runs in. What the host on HOST sends with a checksum that the card is to complete leaves complete if it is that of
// the outer packet, and as it is if it is that of the packet inside, as the known bugs of kernels and drivers have it.
// The kernel tells both by PACKET_VNET_HDR: veth leaves to its other end what is left to a card.

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define LARGEST_FRAME 65536
// Ethernet and IPv4 without options.
#define OUTER_TRANSPORT (14 + 20)

static void fail(const char *what) {
  fprintf(stderr, "broken-nic: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int open_interface(const char *name) {
  const int one = 1;
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  address.sll_ifindex = (int)if_nametoindex(name);
  if (address.sll_ifindex == 0) fail(name);
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0) fail("PACKET_VNET_HDR");
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) < 0) fail("PACKET_IGNORE_OUTGOING");
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  return fd;
}

static void hand_over(int from, int to, int is_broken) {
  static unsigned char frame[LARGEST_FRAME];
  struct virtio_net_hdr header;
  struct iovec parts[] = {{.iov_base = &header, .iov_len = sizeof header},
                          {.iov_base = frame, .iov_len = sizeof frame}};
  ssize_t size = readv(from, parts, 2);
  if (size <= (ssize_t)sizeof header) return;
  int is_left = (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
  if (is_broken && is_left && header.csum_start > OUTER_TRANSPORT) {
    header = (struct virtio_net_hdr){0};
  }
  parts[1].iov_len = (size_t)size - sizeof header;
  (void)!writev(to, parts, 2);
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: broken-nic HOST NETWORK\n");
    return 2;
  }
  struct pollfd ends[] = {{.fd = open_interface(argv[1]), .events = POLLIN},
                          {.fd = open_interface(argv[2]), .events = POLLIN}};
  puts("ready");
  fflush(stdout);
  for (;;) {
    if (poll(ends, 2, -1) < 0) fail("poll");
    if (ends[0].revents != 0) hand_over(ends[0].fd, ends[1].fd, 1);
    if (ends[1].revents != 0) hand_over(ends[1].fd, ends[0].fd, 0);
  }
}
