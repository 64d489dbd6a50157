/* Reading and changing IPv4 headers. */

#include "ipv4.h"

#include "checksum.h"

enum ip_verdict ipv4_parse(const uint8_t *packet, size_t available, struct ip *header) {
  if (available < IPV4_HEADER) return IP_MALFORMED;
  header->version = 4;
  header->header_length = (size_t)(packet[0] & 15) * 4;
  header->length = load16(packet + IPV4_LENGTH);
  if (header->header_length < IPV4_HEADER || header->length < header->header_length || header->length > available) {
    return IP_MALFORMED;
  }
  header->source = packet + IPV4_SOURCE;
  header->destination = packet + IPV4_DESTINATION;
  header->fragment = load16(packet + IPV4_FRAGMENT);
  header->protocol = packet[IPV4_PROTOCOL];
  header->ttl = packet[IPV4_TTL];
  return IP_GOOD;
}

void ipv4_decrement_ttl(uint8_t *packet) {
  /* RFC 1624, equation 3: HC' = ~(~HC + ~m + m'), where m is the word of TTL and protocol. */
  uint16_t before, after, checksum;
  memcpy(&before, packet + IPV4_TTL, sizeof before);
  packet[IPV4_TTL]--;
  memcpy(&after, packet + IPV4_TTL, sizeof after);
  memcpy(&checksum, packet + IPV4_CHECKSUM, sizeof checksum);
  uint64_t sum = (uint16_t)~checksum + (uint64_t)(uint16_t)~before + after;
  store_sum(packet + IPV4_CHECKSUM, (uint16_t)~checksum_fold(sum));
}

void ipv4_set_checksum(uint8_t *packet, size_t header_length) {
  store_sum(packet + IPV4_CHECKSUM, 0);
  store_sum(packet + IPV4_CHECKSUM, (uint16_t)~checksum_fold(checksum_add(0, packet, header_length)));
}

bool ipv4_is_host(const uint8_t *address) { return address[0] != 0 && address[0] != 127 && address[0] < 224; }
