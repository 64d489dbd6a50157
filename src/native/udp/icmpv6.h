/* The part of icmp.h that is ICMPv6's. RFC 4443. */

#ifndef FLANNEL_UDP_ICMPV6_H
#define FLANNEL_UDP_ICMPV6_H

#include "icmp.h"

/* Whether the packet, which is one of IPv6, is itself an ICMPv6 error, or a redirect. */
bool icmpv6_is_error(const uint8_t *packet, const struct ip *header);

/* As icmp_write(), about a packet of IPv6. */
size_t icmpv6_write(uint8_t *answer, enum icmp_error error, uint16_t mtu, const uint8_t *packet,
                    const struct ip *header, const uint8_t *source);

#endif
