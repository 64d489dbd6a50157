#include "coalescing.h"

#include "../check.h"

#define SUITE "coalescing IPv6"

static struct packet_spec v6(struct packet_spec spec) {
  spec.v6 = true;
  return spec;
}

CASE("makes one large packet of a stream's segments, and of datagrams of one size") {
  struct packet_spec specs[] = {v6(tcp_spec(SENDER, RECEIVER, 1428)), v6(udp_spec(SENDER, RECEIVER, 1200))};
  for (size_t i = 0; i < 2; i++) {
    struct coalescing *coalescing = open_coalescing(true, true);
    hand_over_stream(coalescing, &specs[i], 40);
    check_outcome(coalescing);
    check_equal(coalescing->writes, 1);
    close_coalescing(coalescing);
  }
}

CASE("ends a large packet at 64 segments and before 64 KiB") {
  struct coalescing *coalescing = open_coalescing(true, true);
  struct packet_spec spec = v6(tcp_spec(SENDER, RECEIVER, 100));
  hand_over_stream(coalescing, &spec, 130);
  check_outcome(coalescing);
  check_equal(coalescing->writes, 3);
  close_coalescing(coalescing);
  coalescing = open_coalescing(true, true);
  spec.payload = 1428;
  hand_over_stream(coalescing, &spec, 46);
  check_outcome(coalescing);
  check_equal(coalescing->writes, 2);
  close_coalescing(coalescing);
}

CASE("keeps a flow apart from that of IPv4 with the same ports") {
  struct coalescing *coalescing = open_coalescing(true, true);
  struct packet_spec one = v6(tcp_spec(SENDER, RECEIVER, 500)), other = tcp_spec(SENDER, RECEIVER, 500);
  for (int i = 0; i < 10; i++) {
    hand_over_stream(coalescing, &one, 1);
    hand_over_stream(coalescing, &other, 1);
  }
  check_outcome(coalescing);
  check_equal(coalescing->writes, 2);
  close_coalescing(coalescing);
}

/* Whether two packets of a stream, of which one byte of the second is changed before its checksums, go together. */
static bool goes_together(struct packet_spec spec, size_t at, uint8_t change) {
  uint8_t packet[2000];
  struct coalescing *coalescing = open_coalescing(true, true);
  hand_over_stream(coalescing, &spec, 1);
  size_t length = make_packet(packet, &spec);
  packet[at] ^= change;
  mend_checksums(packet);
  hand_over(coalescing, packet, length);
  check_outcome(coalescing);
  bool together = coalescing->writes == 1;
  close_coalescing(coalescing);
  return together;
}

CASE("leaves alone what differs in traffic class, flow label, hop limit or address") {
  const size_t places[] = {0, 1, 3, 7, 15, 39};
  struct packet_spec specs[] = {v6(tcp_spec(SENDER, RECEIVER, 1000)), v6(udp_spec(SENDER, RECEIVER, 1000))};
  for (size_t i = 0; i < 2; i++) {
    check(goes_together(specs[i], 0, 0));
    for (size_t j = 0; j < sizeof places / sizeof places[0]; j++) {
      check_context("byte %zu", places[j]);
      check(!goes_together(specs[i], places[j], 1));
    }
  }
}

static size_t writes_of_two(struct packet_spec spec) {
  struct coalescing *coalescing = open_coalescing(true, true);
  hand_over_stream(coalescing, &spec, 2);
  check_outcome(coalescing);
  size_t writes = coalescing->writes;
  close_coalescing(coalescing);
  return writes;
}

CASE("leaves packets with extension headers, and fragments, alone") {
  struct packet_spec spec = v6(udp_spec(SENDER, RECEIVER, 1000));
  check_equal(writes_of_two(spec), 1);
  spec.ip_options = 4;
  check_equal(writes_of_two(spec), 2);
  spec.ip_options = 0;
  spec.fragment = IP_MORE_FRAGMENTS;
  check_equal(writes_of_two(spec), 2);
}

CASE("leaves a packet with a wrong checksum, or a datagram without one, as it is") {
  struct packet_spec specs[] = {v6(tcp_spec(SENDER, RECEIVER, 1000)), v6(udp_spec(SENDER, RECEIVER, 1000))};
  for (size_t i = 0; i < 3; i++) {
    struct packet_spec *spec = &specs[i < 2 ? i : 1];
    uint8_t packet[2000];
    struct coalescing *coalescing = open_coalescing(true, true);
    hand_over_stream(coalescing, spec, 1);
    size_t length = make_packet(packet, spec);
    if (i < 2) packet[length - 1] ^= 1;
    else put16(packet + 46, 0);
    hand_over(coalescing, packet, length);
    check_outcome(coalescing);
    check_equal(coalescing->writes, 2);
    close_coalescing(coalescing);
  }
}

CASE("writes the packets as they came when a large one is refused") {
  struct coalescing *coalescing = open_coalescing(true, true);
  struct packet_spec tcp = v6(tcp_spec(SENDER, RECEIVER, 1000)), udp = v6(udp_spec(SENDER, RECEIVER, 1000));
  coalescing->refuse_from = 1;
  hand_over_stream(coalescing, &tcp, 20);
  hand_over_stream(coalescing, &udp, 20);
  check_outcome(coalescing);
  check(!coalescing->coalescer.tcp && !coalescing->coalescer.udp);
  close_coalescing(coalescing);
}
