/* Rare, so it may cost some system calls. */

#include "too_big.h"

#include "kernel_interface.h"

#include <errno.h>
#include <unistd.h>

/* Outer IPv4 and UDP headers. */
#define OVERHEAD 28
/* RFC 791: what every link carries. */
#define LEAST_MTU 68

/* Of the path to the peer as the kernel knows it; 0 when it does not say. Kernel: IP_MTU needs a connected socket. */
static int path_mtu(const struct sockaddr_in *to) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  int mtu = 0;
  socklen_t length = sizeof mtu;
  if (connect(fd, (const struct sockaddr *)to, sizeof *to) != 0 ||
      getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &length) != 0) {
    mtu = 0;
  }
  close(fd);
  return mtu;
}

static void send_in_fragments(struct traffic *traffic, struct msghdr *datagram) {
  const int may = IP_PMTUDISC_DONT, must_not = IP_PMTUDISC_DO;
  setsockopt(traffic->udp, IPPROTO_IP, IP_MTU_DISCOVER, &may, sizeof may);
  ssize_t sent = sendmsg(traffic->udp, datagram, MSG_DONTWAIT);
  setsockopt(traffic->udp, IPPROTO_IP, IP_MTU_DISCOVER, &must_not, sizeof must_not);
  if (sent < 0) {
    count(traffic, DROPPED_SEND_FAILED, 1);
    return;
  }
  count(traffic, SENT_CALLS, 1);
  count(traffic, SENT_MESSAGES, 1);
  count(traffic, SENT_PACKETS, 1);
  count(traffic, SENT_BYTES, (uint64_t)sent);
}

static void tell_sender(struct traffic *traffic, const uint8_t *packet, const struct ipv4 *header,
                        const struct sockaddr_in *to) {
  if (!may_send_icmp(traffic, packet, header)) return;
  int mtu = path_mtu(to) - OVERHEAD;
  if (mtu > traffic->settings.mtu) mtu = traffic->settings.mtu;
  if (mtu < LEAST_MTU) mtu = LEAST_MTU;
  answer_host(traffic, ICMP_FRAGMENTATION_NEEDED, (uint16_t)mtu, packet, header);
}

void handle_too_big(struct traffic *traffic, struct msghdr *datagram) {
  /* The headers are all in the first part. */
  const uint8_t *packet = datagram->msg_iov[0].iov_base;
  size_t available = 0;
  for (size_t i = 0; i < datagram->msg_iovlen; i++) available += datagram->msg_iov[i].iov_len;
  struct ipv4 header;
  if (ipv4_parse(packet, available, &header) != IPV4_GOOD) return;
  if (!ipv4_forbids_fragments(&header)) {
    send_in_fragments(traffic, datagram);
    return;
  }
  count(traffic, DROPPED_OVERSIZED, 1);
  /* Only what is in one piece can be quoted. */
  if (header.length > datagram->msg_iov[0].iov_len) header.length = datagram->msg_iov[0].iov_len;
  tell_sender(traffic, packet, &header, datagram->msg_name);
}
