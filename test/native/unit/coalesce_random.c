#include "coalescing.h"

#include "../check.h"

#define SUITE "coalescing"

/* A flow that mostly goes on as it should. */
static void vary(struct packet_spec *spec) {
  bool tcp = spec->protocol == PROTOCOL_TCP;
  if (random_chance(15)) spec->payload = random_below(2000);
  if (random_chance(20)) spec->id = (uint16_t)random_number();
  if (random_chance(25)) spec->fragment ^= IP_DONT_FRAGMENT;
  if (random_chance(30)) spec->ttl = (uint8_t)(1 + random_below(255));
  if (random_chance(30)) spec->tos = (uint8_t)random_number();
  if (tcp && random_chance(15)) spec->sequence += random_below(5000);
  if (tcp && random_chance(20)) spec->acknowledgement++;
  if (tcp && random_chance(25)) spec->window++;
  if (tcp && random_chance(40)) spec->urgent = (uint16_t)random_number();
  if (tcp && random_chance(40)) spec->tcp_options = random_below(11) * 4;
  if (tcp && random_chance(40)) spec->option++;
}

static size_t make_odd_packet(uint8_t *packet, const struct packet_spec *regular) {
  struct packet_spec spec = *regular;
  bool tcp = spec.protocol == PROTOCOL_TCP;
  if (tcp && random_chance(10)) spec.flags |= TCP_PSH;
  if (tcp && random_chance(30)) spec.flags = (uint8_t)random_number();
  if (random_chance(30)) spec.ip_options = random_below(11) * 4;
  if (random_chance(30)) spec.fragment = (uint16_t)random_number();
  /* With IPv6 some numbers are no protocols. */
  if (random_chance(60)) spec.protocol = (uint8_t)(random_number() | (spec.v6 ? 0x80 : 0));
  size_t length = make_packet(packet, &spec);
  size_t transport = headers_before_transport(&spec);
  if (tcp && length > transport + 12 && random_chance(40)) packet[transport + 12] = (uint8_t)random_number();
  if (tcp && length > transport + 12 && random_chance(2)) mend_checksums(packet);
  if (!tcp && length >= transport + 8 && random_chance(20)) put16(packet + transport + 6, 0);
  if (!tcp && length >= transport + 8 && random_chance(30)) packet[transport + 5] ^= 1;
  if (random_chance(30)) packet[random_chance(2) ? (spec.v6 ? transport - 1 : 10) : length - 1] ^= 4;
  return length;
}

static void play_randomly(void) {
  struct coalescing *coalescing = open_coalescing(!random_chance(8), !random_chance(8));
  struct packet_spec specs[12];
  uint8_t packet[4096];
  unsigned flows = 1 + random_below(12);
  if (random_chance(6)) coalescing->refuse_from = 1 + random_below(5);
  for (unsigned i = 0; i < flows; i++) {
    uint32_t source = SENDER + random_below(2);
    specs[i] = random_chance(2) ? tcp_spec(source, RECEIVER, random_below(2000))
                                : udp_spec(source, RECEIVER, random_below(2000));
    specs[i].v6 = random_chance(2);
    specs[i].source_port = (uint16_t)(1000 + i);
    specs[i].fragment = random_chance(2) ? 0 : IP_DONT_FRAGMENT;
  }
  for (unsigned i = 0, flow = 0; i < 100; i++) {
    if (random_chance(3)) flow = random_below(flows);
    vary(&specs[flow]);
    hand_over(coalescing, packet, make_odd_packet(packet, &specs[flow]));
    specs[flow].sequence += (uint32_t)specs[flow].payload;
    specs[flow].id++;
    if (random_chance(60)) coalescer_flush(&coalescing->coalescer);
  }
  check_outcome(coalescing);
  close_coalescing(coalescing);
}

CASE("gives back byte for byte, and in order, what any mixture of flows was made of") {
  for (int i = 0; i < 1500; i++) {
    check_context("scene %d", i);
    play_randomly();
  }
}
