/* IPv4, TCP, UDP and ICMP headers as bytes: where their fields are, and reading and writing them at any alignment.
 * RFC 791, RFC 9293, RFC 768, RFC 792. */

#ifndef FLANNEL_UDP_IPV4_H
#define FLANNEL_UDP_IPV4_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
  /* The largest length that the header can tell. */
  IPV4_MAX_LENGTH = 65535,

  IPV4_DONT_FRAGMENT = 0x4000,
  IPV4_MORE_FRAGMENTS = 0x2000,
  IPV4_FRAGMENT_OFFSET = 0x1fff,

  PROTOCOL_ICMP = 1,
  PROTOCOL_TCP = 6,
  PROTOCOL_UDP = 17,

  TCP_HEADER = 20,
  TCP_SEQUENCE = 4,
  TCP_ACKNOWLEDGEMENT = 8,
  TCP_DATA_OFFSET = 12,
  TCP_FLAGS = 13,
  TCP_WINDOW = 14,
  TCP_CHECKSUM = 16,
  TCP_URGENT = 18,

  TCP_FIN = 0x01,
  TCP_PSH = 0x08,
  TCP_ACK = 0x10,
  TCP_CWR = 0x80,

  UDP_HEADER = 8,
  UDP_LENGTH = 4,
  UDP_CHECKSUM = 6,
};

/* The longest IP and TCP headers together. */
#define TRANSPORT_MAX_HEADERS 120

static inline uint16_t load16(const uint8_t *bytes) {
  uint16_t value;
  memcpy(&value, bytes, sizeof value);
  return ntohs(value);
}

static inline uint32_t load32(const uint8_t *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return ntohl(value);
}

static inline void store16(uint8_t *bytes, uint16_t value) {
  value = htons(value);
  memcpy(bytes, &value, sizeof value);
}

static inline void store32(uint8_t *bytes, uint32_t value) {
  value = htonl(value);
  memcpy(bytes, &value, sizeof value);
}

/* Checksums are kept in memory order. */
static inline void store_sum(uint8_t *bytes, uint16_t sum) { memcpy(bytes, &sum, sizeof sum); }

/* What a router looks at. Addresses are in host order. */
struct ipv4 {
  size_t header_length;
  /* As the header says: what comes after it in the buffer does not belong to the packet. */
  size_t length;
  uint32_t source;
  uint32_t destination;
  uint16_t fragment;
  uint8_t protocol;
  uint8_t ttl;
};

enum ipv4_verdict { IPV4_GOOD, IPV4_OTHER_VERSION, IPV4_MALFORMED };

/* Reads the header and checks that it and the packet are in the buffer. The header's checksum is not looked at. */
enum ipv4_verdict ipv4_parse(const uint8_t *packet, size_t available, struct ipv4 *header);

/* One hop less, with the header's checksum brought up to date (RFC 1624). The TTL must not be 0. */
void ipv4_decrement_ttl(uint8_t *packet);

/* Computes the header's checksum. */
void ipv4_set_checksum(uint8_t *packet, size_t header_length);

/* The sum of the pseudo header of TCP and UDP (RFC 9293, RFC 768) for a segment of that many bytes. */
uint64_t ipv4_pseudo_sum(const uint8_t *packet, uint8_t protocol, size_t length);

/* Unicast, and one that a host can have: not 0/8, loopback, multicast, reserved or broadcast. */
bool ipv4_is_host(uint32_t address);

static inline bool ipv4_is_fragment(const struct ipv4 *header) {
  return (header->fragment & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET)) != 0;
}

static inline bool ipv4_is_first(const struct ipv4 *header) { return (header->fragment & IPV4_FRAGMENT_OFFSET) == 0; }

static inline bool ipv4_forbids_fragments(const struct ipv4 *header) {
  return (header->fragment & IPV4_DONT_FRAGMENT) != 0;
}

#endif
