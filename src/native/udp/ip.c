/* What is done to packets of both versions. */

#include "ip.h"

#include "ipv4.h"
#include "ipv6.h"

enum ip_verdict ip_parse(const uint8_t *packet, size_t available, struct ip *header) {
  if (available == 0) return IP_MALFORMED;
  switch (packet[0] >> 4) {
    case 4: return ipv4_parse(packet, available, header);
    case 6: return ipv6_parse(packet, available, header);
    default: return IP_OTHER_VERSION;
  }
}

void ip_decrement_ttl(uint8_t *packet, const struct ip *header) {
  if (header->version == 4) ipv4_decrement_ttl(packet);
  else packet[IPV6_HOP_LIMIT]--;
}
