/* What both directions of the data path do alike. */

#include "traffic.h"

#include "ipv6.h"
#include "kernel_interface.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>

const char *const counter_names[COUNTERS] = {
    [SENT_PACKETS] = "sentPackets",
    [SENT_BYTES] = "sentBytes",
    [SENT_MESSAGES] = "sentMessages",
    [SENT_CALLS] = "sentCalls",
    [RECEIVED_PACKETS] = "receivedPackets",
    [RECEIVED_BYTES] = "receivedBytes",
    [RECEIVED_MESSAGES] = "receivedMessages",
    [RECEIVED_CALLS] = "receivedCalls",
    [TUN_READS] = "tunReads",
    [TUN_WRITES] = "tunWrites",
    [SEGMENTED_PACKETS] = "segmentedPackets",
    [COALESCED_PACKETS] = "coalescedPackets",
    [DROPPED_NO_ROUTE] = "droppedNoRoute",
    [DROPPED_TTL_EXCEEDED] = "droppedTtlExceeded",
    [DROPPED_SEND_FAILED] = "droppedSendFailed",
    [DROPPED_OTHER_VERSION] = "droppedOtherVersion",
    [DROPPED_LINK_LOCAL] = "droppedLinkLocal",
    [DROPPED_MALFORMED] = "droppedMalformed",
    [DROPPED_OVERSIZED] = "droppedOversized",
    [DROPPED_NO_PEER] = "droppedNoPeer",
    [DROPPED_WRONG_SOURCE] = "droppedWrongSource",
    [DROPPED_WRITE_FAILED] = "droppedWriteFailed",
    [ICMP_SENT] = "icmpSent",
    [ICMP_LIMITED] = "icmpLimited",
    [FALLBACKS] = "fallbacks",
};

void lose_feature(struct traffic *traffic, enum feature feature, int error) {
  unsigned before = atomic_fetch_and(&traffic->features, ~(unsigned)feature);
  if ((before & feature) != 0 && traffic->on_feature_lost != NULL) {
    traffic->on_feature_lost(traffic->context, feature, error);
  }
}

uint64_t monotonic_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool is_carried(const struct traffic *traffic, uint8_t version) {
  return version == 4 ? traffic->settings.ipv4 : traffic->settings.ipv6;
}

bool read_headers(struct traffic *traffic, const uint8_t *packet, size_t length, struct ip *header) {
  switch (ip_parse(packet, length, header)) {
    case IP_GOOD: break;
    case IP_OTHER_VERSION: count(traffic, DROPPED_OTHER_VERSION, 1); return false;
    case IP_MALFORMED: count(traffic, DROPPED_MALFORMED, 1); return false;
  }
  if (!is_carried(traffic, header->version)) {
    count(traffic, DROPPED_OTHER_VERSION, 1);
    return false;
  }
  /* RFC 4291: a router forwards nothing from or to a link-local address; and there are no multicast routes. It is what
   * the kernel says to whoever may be on the link: router solicitations and listener reports. */
  if (header->version == 6 && !(ipv6_is_host(header->source) && ipv6_is_host(header->destination))) {
    count(traffic, DROPPED_LINK_LOCAL, 1);
    return false;
  }
  return true;
}

const uint8_t *own_address(const struct traffic *traffic, const struct ip *header) {
  const struct traffic_settings *settings = &traffic->settings;
  return header->version == 4 ? (const uint8_t *)&settings->ipv4_address : settings->ipv6_address.s6_addr;
}

int write_to_tun(struct traffic *traffic, const struct iovec *parts, size_t number, size_t packets) {
  size_t skipped = has_feature(traffic, FEATURE_VNET_HEADER) ? 0 : 1;
  ssize_t written;
  do written = writev(traffic->tun, parts + skipped, (int)(number - skipped));
  while (written < 0 && errno == EINTR);
  int error = written < 0 ? errno : 0;
  if (error == 0) count(traffic, TUN_WRITES, 1);
  else if (error != EINVAL || packets == 1) count(traffic, DROPPED_WRITE_FAILED, packets);
  return error;
}

bool send_datagram(struct traffic *traffic, const union endpoint *to, const void *data, size_t length) {
  ssize_t sent;
  do sent = sendto(traffic->udp, data, length, MSG_DONTWAIT, &to->any, endpoint_size(to));
  while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    count(traffic, DROPPED_SEND_FAILED, 1);
    return false;
  }
  count(traffic, SENT_CALLS, 1);
  count(traffic, SENT_MESSAGES, 1);
  count(traffic, SENT_PACKETS, 1);
  count(traffic, SENT_BYTES, length);
  return true;
}

void answer_host(struct traffic *traffic, enum icmp_error error, uint16_t mtu, const uint8_t *packet,
                 const struct ip *header) {
  uint8_t answer[ICMP_MAX_LENGTH];
  size_t length = icmp_write(answer, error, mtu, packet, header, own_address(traffic, header));
  struct virtio_net_hdr plain = {0};
  const struct iovec parts[2] = {{&plain, sizeof plain}, {answer, length}};
  if (write_to_tun(traffic, parts, 2, 1) == 0) count(traffic, ICMP_SENT, 1);
}

bool may_send_icmp(struct traffic *traffic, const uint8_t *packet, const struct ip *header) {
  if (!icmp_may_answer(packet, header)) return false;
  if (icmp_limit_take(&traffic->icmp_limit, monotonic_now())) return true;
  count(traffic, ICMP_LIMITED, 1);
  return false;
}
