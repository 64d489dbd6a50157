#include "coalescing.h"

#include "../check.h"

#define SUITE "coalescing"

CASE("makes one large packet of a stream's segments, and of datagrams of one size") {
  struct packet_spec specs[] = {tcp_spec(SENDER, RECEIVER, 1448), udp_spec(SENDER, RECEIVER, 1200)};
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
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 100);
  hand_over_stream(coalescing, &spec, 130);
  check_outcome(coalescing);
  check_equal(coalescing->writes, 3);
  check_equal(coalescing->largest, 64);
  close_coalescing(coalescing);
  coalescing = open_coalescing(true, true);
  spec.payload = 1448;
  hand_over_stream(coalescing, &spec, 46);
  check_outcome(coalescing);
  check_equal(coalescing->writes, 2);
  check_equal(coalescing->largest, 45);
  close_coalescing(coalescing);
}

CASE("keeps eight interleaved flows apart, and does well with more") {
  for (unsigned flows = 8; flows <= 12; flows += 4) {
    struct coalescing *coalescing = open_coalescing(true, true);
    struct packet_spec specs[12];
    for (unsigned i = 0; i < flows; i++) {
      specs[i] = i % 2 ? tcp_spec(SENDER, RECEIVER, 1000) : udp_spec(SENDER, RECEIVER, 1000);
      specs[i].source_port = (uint16_t)(1000 + i / 2);
    }
    for (unsigned i = 0; i < 20 * flows; i++) hand_over_stream(coalescing, &specs[i % flows], 1);
    check_outcome(coalescing);
    if (flows == 8) check_equal(coalescing->writes, 8);
    close_coalescing(coalescing);
  }
}

CASE("ends a large packet after a shorter segment, and begins another before a longer one") {
  struct coalescing *coalescing = open_coalescing(true, true);
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 1000);
  hand_over_stream(coalescing, &spec, 3);
  spec.payload = 500;
  hand_over_stream(coalescing, &spec, 2);
  spec.payload = 700;
  hand_over_stream(coalescing, &spec, 2);
  check_outcome(coalescing);
  check_equal(coalescing->writes, 3);
  close_coalescing(coalescing);
}

CASE("ends a large packet with the segment that pushes, and the whole pushes then") {
  struct coalescing *coalescing = open_coalescing(true, true);
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 1000);
  hand_over_stream(coalescing, &spec, 3);
  spec.flags |= TCP_PSH;
  hand_over_stream(coalescing, &spec, 1);
  spec.flags = TCP_ACK;
  hand_over_stream(coalescing, &spec, 3);
  check_outcome(coalescing);
  check_equal(coalescing->writes, 2);
  close_coalescing(coalescing);
}

/* Whether two segments in sequence, of which the second is changed in one way, go together. */
static bool goes_together(struct packet_spec spec, void (*change)(struct packet_spec *)) {
  struct coalescing *coalescing = open_coalescing(true, true);
  hand_over_stream(coalescing, &spec, 1);
  if (change != NULL) change(&spec);
  hand_over_stream(coalescing, &spec, 1);
  check_outcome(coalescing);
  bool together = coalescing->writes == 1;
  close_coalescing(coalescing);
  return together;
}

static void change_tos(struct packet_spec *spec) { spec->tos ^= 1; }
static void change_ttl(struct packet_spec *spec) { spec->ttl--; }
static void change_fragment(struct packet_spec *spec) { spec->fragment ^= IP_DONT_FRAGMENT; }
static void make_fragment(struct packet_spec *spec) { spec->fragment = IP_MORE_FRAGMENTS; }
static void change_id(struct packet_spec *spec) { spec->id += 7; }
static void add_ip_options(struct packet_spec *spec) { spec->ip_options = 4; }
static void skip_bytes(struct packet_spec *spec) { spec->sequence++; }
static void change_acknowledgement(struct packet_spec *spec) { spec->acknowledgement++; }
static void change_window(struct packet_spec *spec) { spec->window++; }
static void change_urgent(struct packet_spec *spec) { spec->urgent++; }
static void change_options(struct packet_spec *spec) { spec->option++; }
static void add_options(struct packet_spec *spec) { spec->tcp_options += 4; }
static void add_fin(struct packet_spec *spec) { spec->flags |= TCP_FIN; }
static void add_syn(struct packet_spec *spec) { spec->flags |= 0x02; }
static void add_reset(struct packet_spec *spec) { spec->flags |= 0x04; }
static void add_urgent(struct packet_spec *spec) { spec->flags |= 0x20; }
static void add_ece(struct packet_spec *spec) { spec->flags |= 0x40; }
static void add_cwr(struct packet_spec *spec) { spec->flags |= TCP_CWR; }
static void change_port(struct packet_spec *spec) { spec->destination_port++; }
static void remove_payload(struct packet_spec *spec) { spec->payload = 0; }

CASE("leaves alone what differs in anything that segmentation does not restore") {
  struct packet_spec tcp = tcp_spec(SENDER, RECEIVER, 1000), udp = udp_spec(SENDER, RECEIVER, 1000);
  void (*const of_both[])(struct packet_spec *) = {change_tos,     change_ttl,  change_fragment, make_fragment,
                                                   add_ip_options, change_port, remove_payload};
  void (*const of_tcp[])(struct packet_spec *) = {
      skip_bytes, change_acknowledgement, change_window, change_urgent, change_options, add_options,
      add_fin,    add_syn,                add_reset,     add_urgent,    add_ece,        add_cwr};
  for (size_t i = 0; i < sizeof of_both / sizeof of_both[0]; i++) {
    check_context("change %zu of both", i);
    check(!goes_together(tcp, of_both[i]));
    check(!goes_together(udp, of_both[i]));
  }
  for (size_t i = 0; i < sizeof of_tcp / sizeof of_tcp[0]; i++) {
    check_context("change %zu of TCP", i);
    check(!goes_together(tcp, of_tcp[i]));
  }
  check(goes_together(tcp, NULL));
  check(goes_together(udp, NULL));
}

CASE("minds the identification only of packets that may be cut into fragments") {
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, 1000);
  check(goes_together(spec, change_id));
  spec.fragment = 0;
  check(!goes_together(spec, change_id));
  check(goes_together(spec, NULL));
  spec.id = 0xffff;
  check(goes_together(spec, NULL));
}

static bool goes_together_with(struct packet_spec spec, size_t at, uint8_t change) {
  uint8_t packet[2000];
  struct coalescing *coalescing = open_coalescing(true, true);
  hand_over_stream(coalescing, &spec, 1);
  size_t length = make_packet(packet, &spec);
  packet[at] ^= change;
  hand_over(coalescing, packet, length);
  hand_over_stream(coalescing, &spec, 1);
  check_outcome(coalescing);
  bool together = coalescing->writes == 1;
  close_coalescing(coalescing);
  return together;
}

CASE("leaves a packet with a wrong checksum as wrong as it is") {
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, 1000);
  check(!goes_together_with(spec, 10, 1));
  check(!goes_together_with(spec, 26, 1));
  check(!goes_together_with(spec, 100, 1));
  spec = tcp_spec(SENDER, RECEIVER, 1000);
  check(!goes_together_with(spec, 10, 1));
  check(!goes_together_with(spec, 36, 1));
  check(!goes_together_with(spec, 1000, 0x80));
}

CASE("gives no checksum to a datagram that has none") {
  struct coalescing *coalescing = open_coalescing(true, true);
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, 1000);
  uint8_t packet[2000];
  for (int i = 0; i < 5; i++) {
    size_t length = make_packet(packet, &spec);
    put16(packet + 26, 0);
    /* At last none is needed for the sum to be right. */
    if (i >= 3) put16(packet + 28, (uint16_t)~naive_sum(pseudo_sum(packet), packet + 20, 8));
    if (i >= 3) memset(packet + 30, 0, length - 30);
    hand_over(coalescing, packet, length);
  }
  check_outcome(coalescing);
  check_equal(coalescing->writes, 5);
  close_coalescing(coalescing);
}

CASE("does to TCP and to UDP only what is switched on") {
  for (unsigned which = 0; which < 4; which++) {
    struct coalescing *coalescing = open_coalescing(which & 1, which & 2);
    struct packet_spec tcp = tcp_spec(SENDER, RECEIVER, 1000), udp = udp_spec(SENDER, RECEIVER, 1000);
    hand_over_stream(coalescing, &tcp, 10);
    hand_over_stream(coalescing, &udp, 10);
    check_outcome(coalescing);
    check_equal(coalescing->writes, (which & 1 ? 1 : 10) + (which & 2 ? 1 : 10));
    close_coalescing(coalescing);
  }
}

CASE("writes the packets as they came when a large one is refused, and makes no more of that kind") {
  for (size_t from = 1; from <= 2; from++) {
    struct coalescing *coalescing = open_coalescing(true, true);
    struct packet_spec tcp = tcp_spec(SENDER, RECEIVER, 1000), udp = udp_spec(SENDER, RECEIVER, 1000);
    coalescing->refuse_from = from;
    for (int i = 0; i < 2; i++) {
      hand_over_stream(coalescing, &tcp, 20);
      tcp.flags = TCP_ACK | TCP_PSH;
      hand_over_stream(coalescing, &tcp, 1);
      tcp.flags = TCP_ACK;
      coalescer_flush(&coalescing->coalescer);
    }
    check_outcome(coalescing);
    check_equal(coalescing->large_writes, from);
    check(!coalescing->coalescer.tcp);
    check(coalescing->coalescer.udp);
    hand_over_stream(coalescing, &udp, 20);
    check_outcome(coalescing);
    check(!coalescing->coalescer.udp);
    close_coalescing(coalescing);
  }
}
