#include "icmp.h"

#include "../check.h"
#include "../packets.h"

#include <stdlib.h>

#define SUITE "an ICMPv6 error"

#define ROUTER ADDRESS(10, 1, 1, 0)
#define SENDER ADDRESS(10, 1, 2, 3)
#define RECEIVER ADDRESS(10, 9, 9, 9)

static struct packet_spec spec_of(size_t payload) {
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, payload);
  spec.v6 = true;
  return spec;
}

/* Writes an error about such a packet and checks what all errors have in common. Returns its length. */
static size_t write_error(uint8_t *answer, enum icmp_error error, uint16_t mtu, const struct packet_spec *spec) {
  uint8_t *packet = must_allocate(LARGEST), router[16], sender[16];
  struct ip header;
  size_t length = make_packet(packet, spec);
  check_equal(ip_parse(packet, length, &header), IP_GOOD);
  write_address(true, ROUTER, router);
  write_address(true, spec->source, sender);
  size_t written = icmp_write(answer, error, mtu, packet, &header, router);
  const struct layout layout = lay_out(answer, written);
  check(layout.good && layout.v6);
  check_equal(layout.length, written);
  check_equal(layout.headers, 40);
  check_equal(layout.protocol, 58);
  check(layout.ttl >= 32);
  check_bytes(layout.source, router, 16);
  check_bytes(layout.destination, sender, 16);
  check(has_right_transport_checksum(answer));
  check_bytes(answer + 48, packet, written - 48);
  free(packet);
  return written;
}

CASE("has type, code and, when it is about the size, the MTU of its kind") {
  uint8_t *answer = must_allocate(ICMP_MAX_LENGTH);
  struct packet_spec spec = spec_of(100);
  write_error(answer, ICMP_NET_UNREACHABLE, 1452, &spec);
  check_equal(get16(answer + 40), 0x0100);
  check_equal(get32(answer + 44), 0);
  write_error(answer, ICMP_TIME_EXCEEDED, 1452, &spec);
  check_equal(get16(answer + 40), 0x0300);
  check_equal(get32(answer + 44), 0);
  write_error(answer, ICMP_FRAGMENTATION_NEEDED, 1452, &spec);
  check_equal(get16(answer + 40), 0x0200);
  check_equal(get32(answer + 44), 1452);
  free(answer);
}

CASE("quotes the whole of a short packet, and of a long one what fits into 1280 bytes") {
  uint8_t *answer = must_allocate(ICMP_MAX_LENGTH);
  for (size_t payload = 0; payload < 2000; payload += 7) {
    struct packet_spec spec = spec_of(payload);
    size_t whole = 48 + 48 + payload;
    check_equal(write_error(answer, ICMP_NET_UNREACHABLE, 0, &spec), whole < 1280 ? whole : 1280);
  }
  free(answer);
}

CASE("is not sent about ICMPv6 errors and redirects, but about echo requests and other questions") {
  uint8_t packet[200];
  struct packet_spec spec = spec_of(8);
  struct ip header;
  spec.protocol = 58;
  check_equal(ip_parse(packet, make_packet(packet, &spec), &header), IP_GOOD);
  for (unsigned type = 0; type < 256; type++) {
    packet[40] = (uint8_t)type;
    check_context("type %u", type);
    check_equal(icmp_may_answer(packet, &header), type >= 128 && type != 137);
  }
}

CASE("is not sent about an ICMPv6 error that hides behind extension headers, nor about one without a type") {
  uint8_t packet[200];
  struct packet_spec spec = spec_of(8);
  struct ip header;
  spec.protocol = 58;
  spec.ip_options = 8;
  check_equal(ip_parse(packet, make_packet(packet, &spec), &header), IP_GOOD);
  packet[56] = 1;
  check(!icmp_may_answer(packet, &header));
  packet[56] = 128;
  check(icmp_may_answer(packet, &header));
  spec.payload = 0;
  check_equal(ip_parse(packet, make_packet(packet, &spec), &header), IP_GOOD);
  check(!icmp_may_answer(packet, &header));
}

static bool may_answer(const struct packet_spec *spec, size_t at, uint8_t value) {
  uint8_t packet[400];
  struct ip header;
  size_t length = make_packet(packet, spec);
  if (at > 0) packet[at] = value;
  check_equal(ip_parse(packet, length, &header), IP_GOOD);
  return icmp_may_answer(packet, &header);
}

CASE("is sent about the first fragment only, and not to or about what is no single host") {
  struct packet_spec spec = spec_of(100);
  check(may_answer(&spec, 0, 0));
  check(!may_answer(&spec, 8, 0xff));
  check(!may_answer(&spec, 24, 0xff));
  spec.fragment = IP_MORE_FRAGMENTS;
  check(may_answer(&spec, 0, 0));
  spec.fragment = 185;
  check(!may_answer(&spec, 0, 0));
}
