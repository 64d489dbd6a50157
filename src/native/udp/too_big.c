/* Rare, so it may cost some system calls. */

#include "too_big.h"

#include "ipv6.h"
#include "underlay_socket.h"

/* RFC 791: what every link carries. */
#define IPV4_MIN_MTU 68

static void send_in_fragments(struct traffic *traffic, struct msghdr *datagram) {
  sa_family_t family = ((const union endpoint *)datagram->msg_name)->any.sa_family;
  underlay_socket_allow_fragments(traffic->udp, family, true);
  ssize_t sent = sendmsg(traffic->udp, datagram, MSG_DONTWAIT);
  underlay_socket_allow_fragments(traffic->udp, family, false);
  if (sent < 0) {
    count(traffic, DROPPED_SEND_FAILED, 1);
    return;
  }
  count(traffic, SENT_CALLS, 1);
  count(traffic, SENT_MESSAGES, 1);
  count(traffic, SENT_PACKETS, 1);
  count(traffic, SENT_BYTES, (uint64_t)sent);
}

/* What any link must carry of the packet's version. */
static int least_mtu(const struct ip *header) { return header->version == 4 ? IPV4_MIN_MTU : IPV6_MIN_MTU; }

static void tell_sender(struct traffic *traffic, const uint8_t *packet, const struct ip *header,
                        const union endpoint *to) {
  if (!may_send_icmp(traffic, packet, header)) return;
  int mtu = underlay_path_mtu(to) - underlay_overhead(to), least = least_mtu(header);
  if (mtu > traffic->settings.mtu) mtu = traffic->settings.mtu;
  if (mtu < least) mtu = least;
  answer_host(traffic, ICMP_FRAGMENTATION_NEEDED, (uint16_t)mtu, packet, header);
}

/* Nobody could make it smaller. */
static bool is_smallest(const struct ip *header) { return header->version == 6 && header->length <= IPV6_MIN_MTU; }

void handle_too_big(struct traffic *traffic, struct msghdr *datagram) {
  /* The headers are all in the first part. */
  const uint8_t *packet = datagram->msg_iov[0].iov_base;
  size_t available = 0;
  for (size_t i = 0; i < datagram->msg_iovlen; i++) available += datagram->msg_iov[i].iov_len;
  struct ip header;
  if (ip_parse(packet, available, &header) != IP_GOOD) return;
  if (!ip_forbids_fragments(&header) || is_smallest(&header)) {
    send_in_fragments(traffic, datagram);
    return;
  }
  count(traffic, DROPPED_OVERSIZED, 1);
  /* Only what is in one piece can be quoted. */
  if (header.length > datagram->msg_iov[0].iov_len) header.length = datagram->msg_iov[0].iov_len;
  tell_sender(traffic, packet, &header, datagram->msg_name);
}
