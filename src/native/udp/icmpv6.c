/* ICMPv6 errors about packets that cannot be forwarded. */

#include "icmpv6.h"

#include "checksum.h"
#include "ipv6.h"

#define ICMPV6_HEADER 8
#define HOP_LIMIT 64

enum { TYPE_UNREACHABLE = 1, TYPE_TOO_BIG = 2, TYPE_TIME_EXCEEDED = 3, TYPE_FIRST_QUESTION = 128, TYPE_REDIRECT = 137 };

bool icmpv6_is_error(const uint8_t *packet, const struct ip *header) {
  if (header->protocol != PROTOCOL_ICMPV6) return false;
  /* One that is cut off before its type could be anything. */
  if (header->length == header->header_length) return true;
  uint8_t type = packet[header->header_length];
  return type < TYPE_FIRST_QUESTION || type == TYPE_REDIRECT;
}

size_t icmpv6_write(uint8_t *answer, enum icmp_error error, uint16_t mtu, const uint8_t *packet,
                    const struct ip *header, const uint8_t *source) {
  static const uint8_t types[] = {
      [ICMP_NET_UNREACHABLE] = TYPE_UNREACHABLE,
      [ICMP_FRAGMENTATION_NEEDED] = TYPE_TOO_BIG,
      [ICMP_TIME_EXCEEDED] = TYPE_TIME_EXCEEDED,
  };
  size_t room = IPV6_MIN_MTU - IPV6_HEADER - ICMPV6_HEADER;
  size_t quoted = header->length < room ? header->length : room;
  size_t length = ICMPV6_HEADER + quoted;
  memset(answer, 0, IPV6_HEADER + ICMPV6_HEADER);
  answer[0] = 0x60;
  store16(answer + IPV6_PAYLOAD_LENGTH, (uint16_t)length);
  answer[IPV6_NEXT_HEADER] = PROTOCOL_ICMPV6;
  answer[IPV6_HOP_LIMIT] = HOP_LIMIT;
  memcpy(answer + IPV6_SOURCE, source, IP_MAX_ADDRESS);
  memcpy(answer + IPV6_DESTINATION, header->source, IP_MAX_ADDRESS);
  uint8_t *icmp = answer + IPV6_HEADER;
  icmp[0] = types[error];
  if (error == ICMP_FRAGMENTATION_NEEDED) store32(icmp + 4, mtu);
  memcpy(icmp + ICMPV6_HEADER, packet, quoted);
  /* The pseudo header of addresses, length and protocol (RFC 8200, 8.1). */
  uint64_t sum = (uint64_t)htons(PROTOCOL_ICMPV6) + htons((uint16_t)length);
  sum = checksum_add(sum, answer + IPV6_SOURCE, 2 * IP_MAX_ADDRESS);
  store_sum(icmp + 2, (uint16_t)~checksum_fold(checksum_add(sum, icmp, length)));
  return IPV6_HEADER + length;
}
