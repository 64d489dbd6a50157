/* Reading IPv6 headers. */

#include "ipv6.h"

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION_OPTIONS = 60 };

/* RFC 8200: each kind once, destination options twice. A chain that is longer has been made to be long. */
#define MOST_EXTENSIONS 8
#define EXTENSION_HEADER 8

/* Steps over the extension header at header_length. False when there is none that can be stepped over. */
static bool pass_extension(const uint8_t *packet, struct ip *header, bool *malformed) {
  const uint8_t *at = packet + header->header_length;
  size_t left = header->length - header->header_length, size = EXTENSION_HEADER;
  switch (header->protocol) {
    case HOP_BY_HOP:
    case ROUTING:
    case FRAGMENT:
    case DESTINATION_OPTIONS: break;
    default: return false;
  }
  /* Nothing of a fragment but the first begins with a header. */
  if (!ip_is_first(header)) return false;
  if (left < size) {
    *malformed = true;
    return false;
  }
  if (header->protocol == FRAGMENT) {
    uint16_t field = load16(at + 2);
    header->fragment |= (uint16_t)((field & 1 ? IP_MORE_FRAGMENTS : 0) | field >> 3);
  } else {
    /* The destination that TCP and UDP go by is not the one in the header then. */
    if (header->protocol == ROUTING && at[3] != 0) return false;
    size = (size_t)(at[1] + 1) * EXTENSION_HEADER;
  }
  if (left < size) {
    *malformed = true;
    return false;
  }
  header->protocol = at[0];
  header->header_length += size;
  return true;
}

enum ip_verdict ipv6_parse(const uint8_t *packet, size_t available, struct ip *header) {
  if (available < IPV6_HEADER) return IP_MALFORMED;
  bool malformed = false;
  *header = (struct ip){
      .version = 6,
      .protocol = packet[IPV6_NEXT_HEADER],
      .ttl = packet[IPV6_HOP_LIMIT],
      .fragment = IP_DONT_FRAGMENT,
      .header_length = IPV6_HEADER,
      .length = IPV6_HEADER + (size_t)load16(packet + IPV6_PAYLOAD_LENGTH),
      .source = packet + IPV6_SOURCE,
      .destination = packet + IPV6_DESTINATION,
  };
  if (header->length > available) return IP_MALFORMED;
  for (size_t i = 0; i < MOST_EXTENSIONS && pass_extension(packet, header, &malformed); i++) continue;
  return malformed ? IP_MALFORMED : IP_GOOD;
}

bool ipv6_is_host(const uint8_t *address) {
  static const uint8_t zeros[15] = {0};
  if (address[0] == 0xff || (address[0] == 0xfe && (address[1] & 0xc0) == 0x80)) return false;
  return memcmp(address, zeros, sizeof zeros) != 0 || address[15] > 1;
}
