/* ICMP and ICMPv6 errors as a router sends them (RFC 792, RFC 1191, RFC 1812 section 4.3; RFC 4443). */

#ifndef FLANNEL_UDP_ICMP_H
#define FLANNEL_UDP_ICMP_H

#include "ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 4443: an error quotes as much of the packet as fits into what every link carries. Those of IPv4 are shorter. */
#define ICMP_MAX_LENGTH 1280

/* With ICMPv6 they are called no route to destination, packet too big, and hop limit exceeded in transit. */
enum icmp_error { ICMP_NET_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, ICMP_TIME_EXCEEDED };

/* True unless the packet must not be answered with an error: errors themselves, fragments but the first, and what does
 * not come from or go to one host. */
bool icmp_may_answer(const uint8_t *packet, const struct ip *header);

/* Writes the error about `packet` from `source`, an address of the packet's version, into `answer`, which has room for
 * ICMP_MAX_LENGTH bytes. `mtu` is told by ICMP_FRAGMENTATION_NEEDED only. Returns the length. */
size_t icmp_write(uint8_t *answer, enum icmp_error error, uint16_t mtu, const uint8_t *packet, const struct ip *header,
                  const uint8_t *source);

/* How many errors may still be sent: like the kernel's icmp_msgs_per_sec and icmp_msgs_burst. */
struct icmp_limit {
  uint64_t tokens;
  uint64_t refilled_at;
};

/* Takes one of 1,000 a second, at most 50 at once. `now` is in nanoseconds on a clock that never goes back. */
bool icmp_limit_take(struct icmp_limit *limit, uint64_t now);

#endif
