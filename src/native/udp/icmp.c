/* ICMP errors about packets that cannot be forwarded, and how often there may be any. */

#include "icmp.h"

#include "checksum.h"
#include "icmpv6.h"
#include "ipv4.h"
#include "ipv6.h"

/* RFC 1812: an error quotes as much of the packet as fits into this. */
#define LARGEST_OF_IPV4 576
#define ICMP_HEADER 8
#define ERRORS_PER_SECOND 1000
#define ERRORS_AT_ONCE 50
#define NANOSECONDS 1000000000ull

/* RFC 1812, 4.3.2.5: precedence of network control for errors. */
#define TOS_INTERNETWORK_CONTROL 0xc0

enum { TYPE_UNREACHABLE = 3, TYPE_SOURCE_QUENCH = 4, TYPE_REDIRECT = 5, TYPE_TIME_EXCEEDED = 11, TYPE_PARAMETER = 12 };

static bool is_error(const uint8_t *packet, const struct ip *header) {
  if (header->protocol != PROTOCOL_ICMP) return false;
  /* One that is cut off before its type could be anything. */
  if (header->length == header->header_length) return true;
  switch (packet[header->header_length]) {
    case TYPE_UNREACHABLE:
    case TYPE_SOURCE_QUENCH:
    case TYPE_REDIRECT:
    case TYPE_TIME_EXCEEDED:
    case TYPE_PARAMETER: return true;
    default: return false;
  }
}

bool icmp_may_answer(const uint8_t *packet, const struct ip *header) {
  if (!ip_is_first(header)) return false;
  if (header->version == 6) {
    return ipv6_is_host(header->source) && ipv6_is_host(header->destination) && !icmpv6_is_error(packet, header);
  }
  return ipv4_is_host(header->source) && ipv4_is_host(header->destination) && !is_error(packet, header);
}

static size_t write_ipv4(uint8_t *answer, enum icmp_error error, uint16_t mtu, const uint8_t *packet,
                         const struct ip *header, const uint8_t *source) {
  static const uint8_t kinds[][2] = {
      [ICMP_NET_UNREACHABLE] = {TYPE_UNREACHABLE, 0},
      [ICMP_FRAGMENTATION_NEEDED] = {TYPE_UNREACHABLE, 4},
      [ICMP_TIME_EXCEEDED] = {TYPE_TIME_EXCEEDED, 0},
  };
  size_t room = LARGEST_OF_IPV4 - IPV4_HEADER - ICMP_HEADER;
  size_t quoted = header->length < room ? header->length : room;
  size_t length = IPV4_HEADER + ICMP_HEADER + quoted;
  memset(answer, 0, IPV4_HEADER + ICMP_HEADER);
  answer[0] = 0x45;
  answer[IPV4_TOS] = TOS_INTERNETWORK_CONTROL;
  store16(answer + IPV4_LENGTH, (uint16_t)length);
  answer[IPV4_TTL] = 64;
  answer[IPV4_PROTOCOL] = PROTOCOL_ICMP;
  memcpy(answer + IPV4_SOURCE, source, 4);
  memcpy(answer + IPV4_DESTINATION, header->source, 4);
  ipv4_set_checksum(answer, IPV4_HEADER);
  uint8_t *icmp = answer + IPV4_HEADER;
  memcpy(icmp, kinds[error], 2);
  if (error == ICMP_FRAGMENTATION_NEEDED) store16(icmp + 6, mtu);
  memcpy(icmp + ICMP_HEADER, packet, quoted);
  store_sum(icmp + 2, (uint16_t)~checksum_fold(checksum_add(0, icmp, ICMP_HEADER + quoted)));
  return length;
}

size_t icmp_write(uint8_t *answer, enum icmp_error error, uint16_t mtu, const uint8_t *packet, const struct ip *header,
                  const uint8_t *source) {
  return header->version == 6 ? icmpv6_write(answer, error, mtu, packet, header, source)
                              : write_ipv4(answer, error, mtu, packet, header, source);
}

bool icmp_limit_take(struct icmp_limit *limit, uint64_t now) {
  uint64_t interval = NANOSECONDS / ERRORS_PER_SECOND;
  uint64_t earned = (now - limit->refilled_at) / interval;
  if (earned > 0) {
    limit->tokens = limit->tokens + earned < ERRORS_AT_ONCE ? limit->tokens + earned : ERRORS_AT_ONCE;
    limit->refilled_at += earned * interval;
  }
  if (limit->tokens == 0) return false;
  limit->tokens--;
  return true;
}
