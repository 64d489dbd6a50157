#include "icmp.h"
#include "ipv4.h"

#include "../check.h"
#include "../packets.h"

#include <stdlib.h>

#define SUITE "an ICMP error"

#define ROUTER ADDRESS(10, 1, 1, 0)
#define SENDER ADDRESS(10, 1, 2, 3)
#define RECEIVER ADDRESS(10, 9, 9, 9)

static bool may_answer(const struct packet_spec *spec) {
  uint8_t packet[2000];
  struct ip header;
  size_t length = make_packet(packet, spec);
  check_equal(ip_parse(packet, length, &header), IP_GOOD);
  return icmp_may_answer(packet, &header);
}

/* Writes an error about such a packet and checks what all errors have in common. Returns its length. */
static size_t write_error(uint8_t *answer, enum icmp_error error, uint16_t mtu, const struct packet_spec *spec) {
  uint8_t *about = must_allocate(LARGEST);
  struct ip header;
  uint8_t router[4];
  put32(router, ROUTER);
  size_t length = make_packet(about, spec);
  uint8_t *packet = must_allocate(length);
  memcpy(packet, about, length);
  check_equal(ip_parse(packet, length, &header), IP_GOOD);
  size_t written = icmp_write(answer, error, mtu, packet, &header, router);
  check_equal(get16(answer + 2), written);
  check_equal(answer[0], 0x45);
  check_equal(answer[9], 1);
  check(answer[8] >= 32);
  check_equal(get16(answer + 6) & 0x3fff, 0);
  check_equal(get32(answer + 12), ROUTER);
  check_equal(get32(answer + 16), spec->source);
  check(has_right_ip_checksum(answer));
  check(has_right_transport_checksum(answer));
  check_bytes(answer + 28, packet, written - 28);
  free(packet);
  free(about);
  return written;
}

CASE("has type, code and, when it is about the size, the MTU of its kind") {
  uint8_t *answer = must_allocate(ICMP_MAX_LENGTH);
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, 100);
  write_error(answer, ICMP_NET_UNREACHABLE, 1472, &spec);
  check_equal(get16(answer + 20), 0x0300);
  check_equal(get32(answer + 24), 0);
  write_error(answer, ICMP_TIME_EXCEEDED, 1472, &spec);
  check_equal(get16(answer + 20), 0x0b00);
  check_equal(get32(answer + 24), 0);
  write_error(answer, ICMP_FRAGMENTATION_NEEDED, 1472, &spec);
  check_equal(get16(answer + 20), 0x0304);
  check_equal(get32(answer + 24), 1472);
  free(answer);
}

CASE("quotes the whole of a short packet, and of a long one what fits into 576 bytes") {
  uint8_t *answer = must_allocate(ICMP_MAX_LENGTH);
  for (size_t payload = 0; payload < 1000; payload += 7) {
    struct packet_spec spec = udp_spec(SENDER, RECEIVER, payload);
    size_t whole = 28 + 28 + payload;
    check_equal(write_error(answer, ICMP_NET_UNREACHABLE, 0, &spec), whole < 576 ? whole : 576);
  }
  struct packet_spec large = udp_spec(SENDER, RECEIVER, 65000);
  check_equal(write_error(answer, ICMP_NET_UNREACHABLE, 0, &large), 576);
  free(answer);
}

CASE("quotes a packet with IP options, and one that is nothing but a header") {
  uint8_t *answer = must_allocate(ICMP_MAX_LENGTH);
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, 10);
  spec.ip_options = 40;
  check_equal(write_error(answer, ICMP_TIME_EXCEEDED, 0, &spec), 28 + 60 + 8 + 10);
  spec.protocol = 50;
  spec.payload = 0;
  check_equal(write_error(answer, ICMP_TIME_EXCEEDED, 0, &spec), 28 + 60);
  free(answer);
}

CASE("is sent about packets of any protocol between hosts") {
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, 100);
  check(may_answer(&spec));
  spec.protocol = PROTOCOL_TCP;
  check(may_answer(&spec));
  spec.protocol = 132;
  check(may_answer(&spec));
}

CASE("is not sent about ICMP errors, but about echo requests and other questions") {
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, 8);
  uint8_t packet[100];
  struct ip header;
  spec.protocol = PROTOCOL_ICMP;
  size_t length = make_packet(packet, &spec);
  check_equal(ip_parse(packet, length, &header), IP_GOOD);
  for (unsigned type = 0; type < 19; type++) {
    packet[20] = (uint8_t)type;
    bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
    check_context("type %u", type);
    check_equal(icmp_may_answer(packet, &header), !error);
  }
}

CASE("is not sent about an ICMP message without a type") {
  uint8_t *packet = must_allocate(20);
  struct packet_spec spec = {.source = SENDER, .destination = RECEIVER, .protocol = PROTOCOL_ICMP, .ttl = 1};
  struct ip header;
  check_equal(ip_parse(packet, make_packet(packet, &spec), &header), IP_GOOD);
  check(!icmp_may_answer(packet, &header));
  free(packet);
}

CASE("is sent about the first fragment only") {
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, 100);
  spec.fragment = IP_MORE_FRAGMENTS;
  check(may_answer(&spec));
  spec.fragment = IP_MORE_FRAGMENTS | 1;
  check(!may_answer(&spec));
  spec.fragment = 185;
  check(!may_answer(&spec));
}

CASE("is not sent about packets from or to what is no single host") {
  const uint32_t others[] = {0, ADDRESS(0, 0, 0, 9), ADDRESS(127, 0, 0, 1), ADDRESS(224, 0, 0, 251), UINT32_MAX};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    struct packet_spec spec = udp_spec(SENDER, others[i], 100);
    check_context("address %#x", others[i]);
    check(!may_answer(&spec));
    spec = udp_spec(others[i], RECEIVER, 100);
    check(!may_answer(&spec));
  }
}

static unsigned take_all(struct icmp_limit *limit, uint64_t now) {
  unsigned taken = 0;
  while (icmp_limit_take(limit, now)) taken++;
  return taken;
}

CASE("is one of at most 50 at once") {
  struct icmp_limit limit = {0};
  uint64_t now = 3600ull * 1000000000u;
  check_equal(take_all(&limit, now), 50);
  check_equal(take_all(&limit, now + 60ull * 1000000000u), 50);
}

CASE("is one of at most 1,000 a second, however often it is asked for") {
  struct icmp_limit limit = {0};
  uint64_t now = 3600ull * 1000000000u;
  take_all(&limit, now);
  unsigned taken = 0;
  for (unsigned i = 0; i < 2000000; i++) taken += take_all(&limit, now += 1 + random_below(2000));
  uint64_t passed = now - 3600ull * 1000000000u;
  check_equal(taken, passed / 1000000);
}
