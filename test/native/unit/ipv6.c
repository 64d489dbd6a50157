#include "ipv6.h"

#include "../check.h"
#include "../packets.h"

#include <stdlib.h>

#define SUITE "the IPv6 header"

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION_OPTIONS = 60 };

/* Parsed in memory that ends where the packet does; addresses are not to be looked at afterwards. */
static enum ip_verdict parse(const uint8_t *bytes, size_t length, struct ip *header) {
  uint8_t *copy = must_allocate(length);
  memcpy(copy, bytes, length);
  enum ip_verdict verdict = ip_parse(copy, length, header);
  free(copy);
  return verdict;
}

static struct packet_spec spec_of(size_t payload) {
  struct packet_spec spec = udp_spec(ADDRESS(10, 1, 2, 3), ADDRESS(192, 168, 3, 4), payload);
  spec.v6 = true;
  return spec;
}

CASE("is read field by field") {
  uint8_t packet[200], source[16], destination[16];
  struct packet_spec spec = spec_of(100);
  spec.ttl = 77;
  struct ip header;
  size_t length = make_packet(packet, &spec);
  check_equal(ip_parse(packet, length, &header), IP_GOOD);
  check_equal(header.version, 6);
  check_equal(header.header_length, 40);
  check_equal(header.length, length);
  check_equal(header.protocol, PROTOCOL_UDP);
  check_equal(header.ttl, 77);
  check(ip_forbids_fragments(&header) && !ip_is_fragment(&header) && ip_is_first(&header));
  write_address(true, ADDRESS(10, 1, 2, 3), source);
  write_address(true, ADDRESS(192, 168, 3, 4), destination);
  check_bytes(header.source, source, 16);
  check_bytes(header.destination, destination, 16);
}

CASE("may be followed by what does not belong to the packet, and may stand alone") {
  uint8_t packet[200] = {0};
  struct packet_spec spec = spec_of(10);
  struct ip header;
  size_t length = make_packet(packet, &spec);
  check_equal(parse(packet, sizeof packet, &header), IP_GOOD);
  check_equal(header.length, length);
  const uint8_t alone[40] = {0x60, [6] = 59};
  check_equal(parse(alone, 40, &header), IP_GOOD);
  check_equal(header.length, 40);
}

CASE("is malformed when there is less of it, or of the packet, than it says") {
  uint8_t packet[200];
  struct packet_spec spec = spec_of(100);
  struct ip header;
  size_t length = make_packet(packet, &spec);
  for (size_t arrived = 1; arrived < length; arrived++) {
    check_context("%zu bytes", arrived);
    check_equal(parse(packet, arrived, &header), IP_MALFORMED);
  }
  check_equal(parse(packet, length, &header), IP_GOOD);
}

/* A packet whose chain of extension headers is this, with UDP after it. */
static size_t with_extensions(uint8_t *packet, uint8_t first, const uint8_t *extensions, size_t size) {
  struct packet_spec spec = spec_of(20);
  size_t length = make_packet(packet, &spec);
  memmove(packet + 40 + size, packet + 40, length - 40);
  memcpy(packet + 40, extensions, size);
  packet[6] = first;
  put16(packet + 4, (uint16_t)(length - 40 + size));
  return length + size;
}

CASE("reaches over extension headers to the transport") {
  uint8_t packet[400];
  struct ip header;
  const uint8_t chain[] = {DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0,
                           ROUTING, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                           FRAGMENT, 0, 4, 0, 0, 0, 0, 0,
                           PROTOCOL_UDP, 0, 0, 0, 0, 0, 0, 9};
  size_t length = with_extensions(packet, HOP_BY_HOP, chain, sizeof chain);
  check_equal(parse(packet, length, &header), IP_GOOD);
  check_equal(header.protocol, PROTOCOL_UDP);
  check_equal(header.header_length, 40 + sizeof chain);
  check(!ip_is_fragment(&header));
}

CASE("is malformed when an extension header does not fit into the packet") {
  uint8_t packet[400];
  struct ip header;
  for (size_t size = 1; size < 24; size++) {
    uint8_t alone[64] = {0x60, [5] = (uint8_t)size, [6] = DESTINATION_OPTIONS, [40] = 59, [41] = 2};
    check_equal(parse(alone, 40 + size, &header), IP_MALFORMED);
  }
  const uint8_t long_one[8] = {PROTOCOL_UDP, 200};
  size_t length = with_extensions(packet, HOP_BY_HOP, long_one, 8);
  check_equal(parse(packet, length, &header), IP_MALFORMED);
}

CASE("tells a fragment, and looks at nothing behind one that is not the first") {
  uint8_t packet[400];
  struct ip header;
  uint8_t fragment[8] = {PROTOCOL_UDP, 0, 0, 1, 0, 0, 0, 9};
  size_t length = with_extensions(packet, FRAGMENT, fragment, 8);
  check_equal(parse(packet, length, &header), IP_GOOD);
  check(ip_is_fragment(&header) && ip_is_first(&header));
  check_equal(header.protocol, PROTOCOL_UDP);
  /* Whatever would be there is payload. */
  fragment[0] = HOP_BY_HOP;
  put16(fragment + 2, 8);
  length = with_extensions(packet, FRAGMENT, fragment, 8);
  packet[49] = 255;
  check_equal(parse(packet, length, &header), IP_GOOD);
  check(ip_is_fragment(&header) && !ip_is_first(&header));
  check_equal(header.header_length, 48);
}

CASE("ends before a routing header that is not used up: the packet's end is somebody else") {
  uint8_t packet[400];
  struct ip header;
  const uint8_t routing[24] = {PROTOCOL_UDP, 2, 4, 1};
  size_t length = with_extensions(packet, ROUTING, routing, sizeof routing);
  check_equal(parse(packet, length, &header), IP_GOOD);
  check_equal(header.protocol, ROUTING);
  check_equal(header.header_length, 40);
}

CASE("is read in no time however many extension headers there are") {
  uint8_t *packet = must_allocate(40 + 65528);
  struct ip header;
  memset(packet, 0, 40 + 65528);
  packet[0] = 0x60;
  packet[6] = DESTINATION_OPTIONS;
  put16(packet + 4, 65528);
  for (size_t at = 40; at < 40 + 65528; at += 8) packet[at] = DESTINATION_OPTIONS;
  check_equal(ip_parse(packet, 40 + 65528, &header), IP_GOOD);
  check_equal(header.protocol, DESTINATION_OPTIONS);
  check_equal(header.header_length, 40 + 8 * 8);
  free(packet);
}

CASE("loses a hop and nothing else") {
  uint8_t packet[200], before[200];
  struct packet_spec spec = spec_of(100);
  struct ip header;
  size_t length = make_packet(packet, &spec);
  memcpy(before, packet, length);
  check_equal(ip_parse(packet, length, &header), IP_GOOD);
  ip_decrement_ttl(packet, &header);
  before[7]--;
  check_bytes(packet, before, length);
}

CASE("names a host unless the address is unspecified, loopback, link-local or multicast") {
  const uint8_t hosts[][16] = {{0xfd, [15] = 1}, {0x20, 0x01, 0x0d, 0xb8}, {0xfe, 0xc0, [15] = 1}, {[14] = 1}, {[15] = 2}};
  const uint8_t others[][16] = {{0}, {[15] = 1}, {0xfe, 0x80, [15] = 9}, {0xfe, 0xbf, [15] = 9}, {0xff, 0x02, [15] = 2}};
  for (size_t i = 0; i < 5; i++) {
    check_context("address %zu", i);
    check(ipv6_is_host(hosts[i]));
    check(!ipv6_is_host(others[i]));
  }
}
