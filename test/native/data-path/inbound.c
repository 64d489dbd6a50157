#include "rig.h"

#include "../check.h"
#include "../faults.h"
#include "../packets.h"

#include <stdlib.h>

#define SUITE "from a peer to this host"

static void check_delivered(struct rig *rig, const uint8_t *packet, size_t length) {
  uint8_t *received = must_allocate(65536);
  check_equal(rig_read(rig, received), length);
  check_bytes(received, packet, length);
  free(received);
}

static void deliver(struct rig *rig, const struct host *host, const struct packet_spec *spec) {
  uint8_t *packet = must_allocate(65536);
  size_t length = make_packet(packet, spec);
  rig_send(rig, host, packet, length);
  check_delivered(rig, packet, length);
  free(packet);
}

static void deliver_all_sizes(unsigned features) {
  struct rig *rig = rig_open(features, true);
  const size_t payloads[] = {0, 1, 2, 3, 100, 1000, 1400};
  for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
    struct packet_spec spec = udp_spec(PEER_POD, POD, payloads[i]);
    deliver(rig, &rig->peer, &spec);
    spec = tcp_spec(OTHER_PEER_POD, POD, payloads[i]);
    spec.ttl = 1;
    deliver(rig, &rig->other_peer, &spec);
    spec.protocol = 132;
    deliver(rig, &rig->other_peer, &spec);
  }
  rig_check_count(rig, RECEIVED_PACKETS, 21);
  check(rig_is_quiet(rig));
  rig_close(rig);
}

CASE("packets arrive as they were sent, with as many hops left") { for_each_combination(deliver_all_sizes); }

static void deliver_larger_ones(unsigned features) {
  struct rig *rig = rig_open(features, true);
  const size_t payloads[] = {1445, 1500, 5000, 65000, 65479};
  for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
    struct packet_spec spec = udp_spec(PEER_POD, POD, payloads[i]);
    spec.fragment = 0;
    deliver(rig, &rig->peer, &spec);
  }
  check_equal(rig_counted(rig, DROPPED_OVERSIZED), 0);
  rig_close(rig);
}

CASE("packets that are larger than the MTU and may be cut into fragments arrive whole") {
  for_each_combination(deliver_larger_ones);
}

static void refuse_larger_ones(unsigned features) {
  struct rig *rig = rig_open(features, true);
  uint8_t packet[2000], answer[2000];
  struct packet_spec spec = udp_spec(PEER_POD, POD, MTU - 28 + 1);
  size_t length = make_packet(packet, &spec);
  rig_send(rig, &rig->peer, packet, length);
  check_equal(rig_receive(rig, &rig->peer, answer), 576);
  check(has_right_ip_checksum(answer) && has_right_transport_checksum(answer));
  check_equal(get32(answer + 12), OWN);
  check_equal(get32(answer + 16), PEER_POD);
  check_equal(get16(answer + 20), 0x0304);
  check_equal(get16(answer + 26), MTU);
  check_bytes(answer + 28, packet, 576 - 28);
  rig_await_count(rig, ICMP_SENT, 1);
  rig_check_count(rig, DROPPED_OVERSIZED, 1);
  spec.payload--;
  deliver(rig, &rig->peer, &spec);
  check(rig_is_quiet(rig));
  rig_close(rig);
}

CASE("packets that are larger than the MTU and must not be cut are answered with the MTU") {
  for_each_combination(refuse_larger_ones);
}

/* A stream of packets of one size, its last one shorter, in one piece. Returns its length. */
static size_t make_stream(uint8_t *data, struct packet_spec spec, size_t count, size_t last) {
  size_t length = 0;
  /* So that the identification counts, too. */
  spec.fragment = 0;
  for (size_t i = 0; i < count; i++) {
    if (i + 1 == count) spec.payload = last;
    length += make_packet(data + length, &spec);
    spec.sequence += (uint32_t)spec.payload;
    spec.id++;
  }
  return length;
}

static void check_stream_delivered(struct rig *rig, const uint8_t *data, size_t length, size_t size) {
  for (size_t at = 0; at < length; at += size) {
    check_delivered(rig, data + at, size < length - at ? size : length - at);
  }
}

static void deliver_streams(unsigned features) {
  struct rig *rig = rig_open(features, true);
  uint8_t *data = must_allocate(65536);
  struct packet_spec specs[] = {tcp_spec(PEER_POD, POD, 1400), udp_spec(PEER_POD, POD, 1400),
                                tcp_spec(PEER_POD, POD, 100), udp_spec(PEER_POD, POD, 100)};
  for (size_t i = 0; i < 4; i++) {
    size_t headers = specs[i].protocol == PROTOCOL_TCP ? 52 : 28, size = headers + specs[i].payload;
    size_t length = make_stream(data, specs[i], 40, 77);
    rig_send_train(rig, &rig->peer, data, length, size);
    check_stream_delivered(rig, data, length, size);
    for (size_t at = 0; at < length; at += size) {
      rig_send(rig, &rig->peer, data + at, size < length - at ? size : length - at);
    }
    check_stream_delivered(rig, data, length, size);
  }
  rig_check_count(rig, RECEIVED_PACKETS, 4 * 80);
  check(rig_is_quiet(rig));
  bool coalesces = (features & FEATURE_COALESCE_TCP) && (features & FEATURE_COALESCE_UDP);
  if (coalesces && (features & FEATURE_UDP_GRO)) rig_await_count(rig, COALESCED_PACKETS, 4 * 40);
  if (!(features & TUN_OFFLOADS)) check_equal(rig_counted(rig, COALESCED_PACKETS), 0);
  free(data);
  rig_close(rig);
}

CASE("trains and single datagrams of a stream arrive packet by packet as they were sent") {
  for_each_combination(deliver_streams);
}

CASE("a peer whose trains the device does not take gets its packets through in single ones") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  uint8_t *data = must_allocate(65536);
  struct packet_spec specs[] = {tcp_spec(PEER_POD, POD, 1000), udp_spec(PEER_POD, POD, 1000)};
  refuse_large_writes(2000);
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < 2; i++) {
      size_t size = (i == 0 ? 52 : 28) + 1000, length = make_stream(data, specs[i], 30, 900);
      rig_send_train(rig, &rig->peer, data, length, size);
      check_stream_delivered(rig, data, length, size);
    }
  }
  check_equal(atomic_load(&rig->losses), 2);
  check_equal(atomic_load(&rig->lost), FEATURE_COALESCE_TCP | FEATURE_COALESCE_UDP);
  check_equal(worker_features(rig->worker), ALL_FEATURES & ~(FEATURE_COALESCE_TCP | FEATURE_COALESCE_UDP));
  rig_check_count(rig, FALLBACKS, 2);
  check_equal(rig_counted(rig, DROPPED_WRITE_FAILED), 0);
  refuse_large_writes(0);
  free(data);
  rig_close(rig);
}

static void refuse_wrong_sources(unsigned features) {
  struct rig *rig = rig_open(features, true);
  uint8_t packet[2000];
  struct packet_spec spec = udp_spec(PEER_POD, POD, 100);
  size_t length = make_packet(packet, &spec);
  rig_send(rig, &rig->stranger, packet, length);
  rig_await_count(rig, DROPPED_NO_PEER, 1);
  rig_send(rig, &rig->other_peer, packet, length);
  rig_await_count(rig, DROPPED_WRONG_SOURCE, 1);
  spec.source = NO_POD;
  length = make_packet(packet, &spec);
  rig_send(rig, &rig->peer, packet, length);
  rig_await_count(rig, DROPPED_WRONG_SOURCE, 2);
  spec.source = PEER_POD;
  deliver(rig, &rig->peer, &spec);
  length = make_packet(packet, &spec);
  rig_send(rig, &rig->other_peer, packet, length);
  rig_await_count(rig, DROPPED_WRONG_SOURCE, 3);
  rig_check_count(rig, DROPPED_NO_PEER, 1);
  check(rig_is_quiet(rig));
  rig_close(rig);
}

CASE("packets of strangers, and of a peer from another's subnet, are dropped and counted") {
  for_each_combination(refuse_wrong_sources);
}

static void let_all_sources_through(unsigned features) {
  struct rig *rig = rig_open(features, false);
  struct packet_spec spec = udp_spec(PEER_POD, POD, 100);
  deliver(rig, &rig->stranger, &spec);
  deliver(rig, &rig->other_peer, &spec);
  spec.source = NO_POD;
  deliver(rig, &rig->peer, &spec);
  check_equal(rig_counted(rig, DROPPED_NO_PEER) + rig_counted(rig, DROPPED_WRONG_SOURCE), 0);
  rig_close(rig);
}

CASE("packets come through from anybody when sources are not checked") {
  for_each_combination(let_all_sources_through);
}

CASE("a peer that leaves the table is a stranger from then on") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  uint8_t packet[2000];
  struct packet_spec spec = udp_spec(PEER_POD, POD, 100);
  size_t length = make_packet(packet, &spec);
  deliver(rig, &rig->peer, &spec);
  worker_set_fib(rig->worker, rig_table(&rig->other_peer, &rig->other_peer));
  /* Until the table is in force some may come through. */
  uint8_t received[2000];
  while (rig_counted(rig, DROPPED_NO_PEER) == 0) {
    rig_send(rig, &rig->peer, packet, length);
    await(rig_counted(rig, DROPPED_NO_PEER) > 0 || !rig_is_quiet(rig));
    while (!rig_is_quiet(rig)) rig_read(rig, received);
  }
  deliver(rig, &rig->other_peer, &spec);
  rig_send(rig, &rig->peer, packet, length);
  rig_await_count(rig, DROPPED_NO_PEER, 2);
  check(rig_is_quiet(rig));
  rig_close(rig);
}

static void count_garbage(unsigned features) {
  struct rig *rig = rig_open(features, true);
  uint8_t packet[2000];
  struct packet_spec spec = udp_spec(PEER_POD, POD, 100);
  size_t length = make_packet(packet, &spec);
  rig_send(rig, &rig->peer, packet, 0);
  rig_send(rig, &rig->peer, packet, 1);
  rig_send(rig, &rig->peer, packet, 19);
  rig_send(rig, &rig->peer, packet, length - 1);
  rig_await_count(rig, DROPPED_MALFORMED, 3);
  packet[0] = 0x55;
  rig_send(rig, &rig->peer, packet, length);
  packet[0] = 0xff;
  rig_send(rig, &rig->peer, packet, length);
  rig_await_count(rig, DROPPED_OTHER_VERSION, 2);
  deliver(rig, &rig->peer, &spec);
  rig_check_count(rig, DROPPED_MALFORMED, 4);
  check(rig_is_quiet(rig));
  rig_close(rig);
}

CASE("garbage is dropped and counted") { for_each_combination(count_garbage); }
