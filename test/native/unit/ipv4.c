#include "ipv4.h"

#include "../check.h"
#include "../packets.h"

#include <stdlib.h>

#define SUITE "the IPv4 header"

/* In memory that ends where the packet does. */
static enum ip_verdict parse(const uint8_t *bytes, size_t length, struct ip *header) {
  uint8_t *copy = must_allocate(length);
  memcpy(copy, bytes, length);
  enum ip_verdict verdict = ip_parse(copy, length, header);
  /* The caller's packet, which is the same, lives on. */
  if (verdict == IP_GOOD) {
    header->source = bytes + (header->source - copy);
    header->destination = bytes + (header->destination - copy);
  }
  free(copy);
  return verdict;
}

static size_t good_packet(uint8_t *packet) {
  struct packet_spec spec = udp_spec(ADDRESS(10, 1, 2, 3), ADDRESS(10, 1, 3, 4), 100);
  return make_packet(packet, &spec);
}

CASE("is read field by field") {
  uint8_t packet[200];
  struct packet_spec spec = udp_spec(ADDRESS(10, 1, 2, 3), ADDRESS(192, 168, 3, 4), 100);
  spec.ip_options = 40;
  spec.fragment = 0x2123;
  spec.ttl = 77;
  size_t length = make_packet(packet, &spec);
  struct ip header;
  check_equal(parse(packet, length, &header), IP_GOOD);
  check_equal(header.header_length, 60);
  check_equal(header.length, length);
  check_equal(get32(header.source), ADDRESS(10, 1, 2, 3));
  check_equal(get32(header.destination), ADDRESS(192, 168, 3, 4));
  check_equal(header.fragment, 0x2123);
  check_equal(header.protocol, PROTOCOL_UDP);
  check_equal(header.ttl, 77);
}

CASE("may be followed by what does not belong to the packet") {
  uint8_t packet[200] = {0};
  size_t length = good_packet(packet);
  struct ip header;
  check_equal(parse(packet, sizeof packet, &header), IP_GOOD);
  check_equal(header.length, length);
}

CASE("may stand alone") {
  uint8_t packet[20] = {0x45, 0, 0, 20};
  struct ip header;
  check_equal(parse(packet, sizeof packet, &header), IP_GOOD);
  check_equal(header.length, 20);
}

CASE("is malformed when there is nothing, or less than 20 bytes of it") {
  uint8_t packet[200];
  struct ip header;
  good_packet(packet);
  for (size_t length = 0; length < IPV4_HEADER; length++) check_equal(parse(packet, length, &header), IP_MALFORMED);
}

CASE("is of another version when it says so, however short the packet is") {
  uint8_t packet[200];
  struct ip header;
  size_t length = good_packet(packet);
  for (unsigned version = 0; version < 16; version++) {
    packet[0] = (uint8_t)(version << 4 | 5);
    if (version == 4 || version == 6) continue;
    check_equal(parse(packet, length, &header), IP_OTHER_VERSION);
    check_equal(parse(packet, 1, &header), IP_OTHER_VERSION);
  }
}

CASE("is malformed when it says that it is shorter than 20 bytes") {
  uint8_t packet[200];
  struct ip header;
  size_t length = good_packet(packet);
  for (uint8_t words = 0; words < 5; words++) {
    packet[0] = 0x40 | words;
    check_equal(parse(packet, length, &header), IP_MALFORMED);
  }
}

CASE("is malformed when it says that it is longer than the packet") {
  uint8_t packet[60] = {0};
  struct ip header;
  for (uint8_t words = 6; words < 16; words++) {
    packet[0] = 0x40 | words;
    store16(packet + IPV4_LENGTH, (uint16_t)(words * 4 - 1));
    check_equal(parse(packet, sizeof packet, &header), IP_MALFORMED);
    store16(packet + IPV4_LENGTH, (uint16_t)(words * 4));
    check_equal(parse(packet, sizeof packet, &header), IP_GOOD);
  }
}

CASE("is malformed when the packet is longer than what has arrived") {
  uint8_t packet[200];
  struct ip header;
  size_t length = good_packet(packet);
  for (size_t arrived = 0; arrived < length; arrived++) check_equal(parse(packet, arrived, &header), IP_MALFORMED);
  store16(packet + IPV4_LENGTH, 65535);
  check_equal(parse(packet, sizeof packet, &header), IP_MALFORMED);
  store16(packet + IPV4_LENGTH, 0);
  check_equal(parse(packet, sizeof packet, &header), IP_MALFORMED);
}

CASE("keeps a right checksum when the TTL is decremented, for all TTLs and checksums") {
  uint8_t packet[20] = {0x45, 0, 0, 20};
  random_fill(packet + 12, 8);
  for (unsigned ttl = 1; ttl < 256; ttl++) {
    packet[IPV4_PROTOCOL] = (uint8_t)random_number();
    /* The checksum takes every value that it can have. */
    for (unsigned id = 0; id < 65536; id++) {
      packet[IPV4_TTL] = (uint8_t)ttl;
      store16(packet + IPV4_ID, (uint16_t)id);
      ipv4_set_checksum(packet, 20);
      ipv4_decrement_ttl(packet);
      if (packet[IPV4_TTL] != ttl - 1 || !has_right_ip_checksum(packet)) {
        check_fail(__FILE__, __LINE__, "TTL %u, identification %u", ttl, id);
      }
    }
  }
}

CASE("keeps a wrong checksum when the TTL is decremented as wrong as it was") {
  uint8_t packet[200];
  for (int i = 0; i < 10000; i++) {
    good_packet(packet);
    uint16_t error = (uint16_t)(1 + random_below(0xfffe));
    put16(packet + IPV4_CHECKSUM, (uint16_t)(get16(packet + IPV4_CHECKSUM) ^ error));
    uint16_t before = naive_sum(0, packet, 20);
    ipv4_decrement_ttl(packet);
    check_equal(naive_sum(0, packet, 20), before);
  }
}

CASE("gets the checksum that its bytes have, whatever stood there") {
  uint8_t packet[60];
  for (int i = 0; i < 10000; i++) {
    random_fill(packet, sizeof packet);
    size_t length = 20 + random_below(11) * 4;
    packet[0] = (uint8_t)(0x40 | length / 4);
    ipv4_set_checksum(packet, length);
    check(has_right_ip_checksum(packet));
  }
}

CASE("has a pseudo header of addresses, protocol and length") {
  uint8_t packet[2000];
  for (int i = 0; i < 1000; i++) {
    struct packet_spec spec = udp_spec((uint32_t)random_number(), (uint32_t)random_number(), random_below(1900));
    spec.v6 = random_chance(2);
    make_packet(packet, &spec);
    struct ip header;
    check_equal(ip_parse(packet, sizeof packet, &header), IP_GOOD);
    uint64_t sum = ip_pseudo_sum(&header, spec.payload + 8);
    uint16_t halves[2] = {0, pseudo_sum(packet)};
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    memcpy(halves, &sum, 2);
    check_equal(ntohs(halves[0]), halves[1]);
  }
}

static bool is_host(uint32_t address) {
  uint8_t bytes[4];
  put32(bytes, address);
  return ipv4_is_host(bytes);
}

CASE("names a host unless the address is of network 0, loopback, multicast, reserved or broadcast") {
  const uint32_t hosts[] = {ADDRESS(1, 0, 0, 0), ADDRESS(10, 0, 0, 1), ADDRESS(126, 255, 255, 255),
                            ADDRESS(128, 0, 0, 1), ADDRESS(223, 255, 255, 255)};
  const uint32_t others[] = {0,
                             ADDRESS(0, 1, 2, 3),
                             ADDRESS(127, 0, 0, 1),
                             ADDRESS(224, 0, 0, 1),
                             ADDRESS(239, 1, 1, 1),
                             ADDRESS(240, 0, 0, 1),
                             ADDRESS(255, 255, 255, 255)};
  for (size_t i = 0; i < sizeof hosts / 4; i++) check(is_host(hosts[i]));
  for (size_t i = 0; i < sizeof others / 4; i++) check(!is_host(others[i]));
}
