#include "traffic.h"

#include "../check.h"
#include "../packets.h"

#define SUITE "a packet that is not forwarded"

static struct traffic traffic_of(bool ipv4, bool ipv6) {
  struct traffic traffic = {.tun = -1, .udp = -1, .settings = {.ipv4 = ipv4, .ipv6 = ipv6}};
  return traffic;
}

static bool is_forwarded(struct traffic *traffic, bool v6) {
  uint8_t packet[200];
  struct packet_spec spec = udp_spec(ADDRESS(10, 1, 2, 3), ADDRESS(10, 1, 3, 4), 20);
  struct ip header;
  spec.v6 = v6;
  return read_headers(traffic, packet, make_packet(packet, &spec), &header);
}

CASE("is one of a version that the network has not, and is counted") {
  for (int versions = 0; versions < 4; versions++) {
    struct traffic traffic = traffic_of(versions & 1, versions & 2);
    check_context("versions %d", versions);
    check_equal(is_forwarded(&traffic, false), versions & 1 ? 1 : 0);
    check_equal(is_forwarded(&traffic, true), versions & 2 ? 1 : 0);
    check_equal(traffic.counters[DROPPED_OTHER_VERSION], (versions & 1 ? 0 : 1) + (versions & 2 ? 0 : 1));
  }
}

CASE("is one of IPv6 from or to what is no host beyond its link, and is counted apart") {
  struct traffic traffic = traffic_of(true, true);
  const uint8_t link_local[16] = {0xfe, 0x80, [15] = 9}, multicast[16] = {0xff, 0x02, [15] = 1};
  const uint8_t *addresses[] = {link_local, multicast};
  uint8_t packet[200];
  struct packet_spec spec = udp_spec(ADDRESS(10, 1, 2, 3), ADDRESS(10, 1, 3, 4), 20);
  struct ip header;
  spec.v6 = true;
  for (size_t i = 0; i < 4; i++) {
    size_t length = make_packet(packet, &spec);
    memcpy(packet + (i < 2 ? 8 : 24), addresses[i % 2], 16);
    check(!read_headers(&traffic, packet, length, &header));
    check_equal(traffic.counters[DROPPED_LINK_LOCAL], i + 1);
  }
}
