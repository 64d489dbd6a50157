/* The IPv6 header and its extension headers. RFC 8200. */

#ifndef FLANNEL_UDP_IPV6_H
#define FLANNEL_UDP_IPV6_H

#include "ip.h"

enum {
  IPV6_HEADER = 40,
  IPV6_PAYLOAD_LENGTH = 4,
  IPV6_NEXT_HEADER = 6,
  IPV6_HOP_LIMIT = 7,
  IPV6_SOURCE = 8,
  IPV6_DESTINATION = 24,
  /* What every link carries. */
  IPV6_MIN_MTU = 1280,

  PROTOCOL_ICMPV6 = 58,
};

/* Of a packet whose first four bits are a 6; there is at least one byte. A jumbogram (RFC 2675) is malformed to us. What
 * comes after many extension headers, or after a routing header that is not used up, is not looked into: the header then
 * ends before it, and the protocol is that of an extension header. */
enum ip_verdict ipv6_parse(const uint8_t *packet, size_t available, struct ip *header);

/* Unicast, and one that is more than its link's: not unspecified, loopback, link-local or multicast. */
bool ipv6_is_host(const uint8_t *address);

#endif
