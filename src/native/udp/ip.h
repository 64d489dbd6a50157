/* IPv4 and IPv6 packets as a router sees them, and the TCP and UDP headers in them as bytes: where their fields are, and
 * reading and writing them at any alignment. RFC 9293, RFC 768. */

#ifndef FLANNEL_UDP_IP_H
#define FLANNEL_UDP_IP_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
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

  /* The field of which IPv4 has 16 bits, and IPv6 its offset and last bit in a header of its own. */
  IP_DONT_FRAGMENT = 0x4000,
  IP_MORE_FRAGMENTS = 0x2000,
  IP_FRAGMENT_OFFSET = 0x1fff,

  /* The largest packet that we make, of either version. */
  IP_MAX_LENGTH = 65535,
  IP_MAX_ADDRESS = 16,
};

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

/* What a router looks at. Points into the packet. */
struct ip {
  /* 4 or 6. */
  uint8_t version;
  /* Of what comes after the headers. */
  uint8_t protocol;
  /* How many hops are left: IPv4's TTL, IPv6's hop limit. */
  uint8_t ttl;
  /* As IPv4 writes it; an IPv6 packet always forbids fragments. */
  uint16_t fragment;
  /* With IPv4's options, or IPv6's extension headers. */
  size_t header_length;
  /* As the header says: what comes after it in the buffer does not belong to the packet. */
  size_t length;
  const uint8_t *source;
  const uint8_t *destination;
};

enum ip_verdict { IP_GOOD, IP_OTHER_VERSION, IP_MALFORMED };

/* Reads the headers and checks that they and the packet are in the buffer. IPv4's checksum is not looked at. */
enum ip_verdict ip_parse(const uint8_t *packet, size_t available, struct ip *header);

/* One hop less. There must be one. */
void ip_decrement_ttl(uint8_t *packet, const struct ip *header);

/* The sum of both addresses and the protocol, that is, of the pseudo header of TCP and UDP without the length. */
static inline uint64_t ip_address_sum(const struct ip *header) {
  uint64_t sum = htons(header->protocol);
  uint32_t words[8];
  /* The destination stands behind the source. A sum of 32-bit words is one of 16-bit words once it is folded. */
  if (header->version == 4) {
    memcpy(words, header->source, 8);
    return sum + words[0] + words[1];
  }
  memcpy(words, header->source, sizeof words);
  for (size_t i = 0; i < 8; i++) sum += words[i];
  return sum;
}

/* The sum of the pseudo header of TCP and UDP (RFC 9293, RFC 768, RFC 8200) for a segment of that many bytes. */
static inline uint64_t ip_pseudo_sum(const struct ip *header, size_t length) {
  return ip_address_sum(header) + htons((uint16_t)length);
}

static inline size_t ip_address_length(uint8_t version) { return version == 4 ? 4 : 16; }

/* Whether two addresses of that version are the same. */
static inline bool ip_is_same_address(uint8_t version, const uint8_t *a, const uint8_t *b) {
  return version == 4 ? memcmp(a, b, 4) == 0 : memcmp(a, b, 16) == 0;
}

static inline bool ip_is_fragment(const struct ip *header) {
  return (header->fragment & (IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET)) != 0;
}

static inline bool ip_is_first(const struct ip *header) { return (header->fragment & IP_FRAGMENT_OFFSET) == 0; }

static inline bool ip_forbids_fragments(const struct ip *header) {
  return (header->fragment & IP_DONT_FRAGMENT) != 0;
}

#endif
