/* The IPv4 header. RFC 791. */

#ifndef FLANNEL_UDP_IPV4_H
#define FLANNEL_UDP_IPV4_H

#include "ip.h"

enum {
  IPV4_HEADER = 20,
  IPV4_TOS = 1,
  IPV4_LENGTH = 2,
  IPV4_ID = 4,
  IPV4_FRAGMENT = 6,
  IPV4_TTL = 8,
  IPV4_PROTOCOL = 9,
  IPV4_CHECKSUM = 10,
  IPV4_SOURCE = 12,
  IPV4_DESTINATION = 16,

  PROTOCOL_ICMP = 1,
};

/* Of a packet whose first four bits are a 4; there is at least one byte. */
enum ip_verdict ipv4_parse(const uint8_t *packet, size_t available, struct ip *header);

/* One hop less, with the header's checksum brought up to date (RFC 1624). The TTL must not be 0. */
void ipv4_decrement_ttl(uint8_t *packet);

/* Computes the header's checksum. */
void ipv4_set_checksum(uint8_t *packet, size_t header_length);

/* Unicast, and one that a host can have: not 0/8, loopback, multicast, reserved or broadcast. */
bool ipv4_is_host(const uint8_t *address);

#endif
