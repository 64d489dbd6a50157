#include "rig.h"

#include "../check.h"
#include "../packets.h"

#include <stdlib.h>

#define SUITE "from this host to its peers"

/* The peer gets the packet as a router passes it on. */
static void check_forwarded(const struct rig *rig, const struct host *host, const uint8_t *packet, size_t length) {
  uint8_t *received = must_allocate(65536), *expected = must_allocate(65536);
  check_equal(rig_receive(rig, host, received), length);
  memcpy(expected, packet, length);
  expected[8]--;
  put16(expected + 10, get16(received + 10));
  check_bytes(received, expected, length);
  check(has_right_ip_checksum(received));
  free(expected);
  free(received);
}

static void forward(const struct rig *rig, const struct host *host, const struct packet_spec *spec) {
  uint8_t packet[65536];
  size_t length = make_packet(packet, spec);
  rig_write(rig, packet, length);
  check_forwarded(rig, host, packet, length);
}

static void forward_all_sizes(unsigned features) {
  struct rig *rig = rig_open(features, true);
  const size_t payloads[] = {0, 1, 2, 3, 100, 1000, 1400, 5000, 65000, 65479};
  for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
    struct packet_spec spec = udp_spec(POD, PEER_POD, payloads[i]);
    forward(rig, &rig->peer, &spec);
    spec = tcp_spec(POD, OTHER_PEER_POD, payloads[i] > 65000 ? 65000 : payloads[i]);
    forward(rig, &rig->other_peer, &spec);
    spec = udp_spec(POD, PEER_POD, payloads[i]);
    spec.protocol = 132;
    forward(rig, &rig->peer, &spec);
  }
  rig_check_count(rig, SENT_PACKETS, 30);
  check(rig_is_quiet(rig));
  rig_close(rig);
}

CASE("packets of all sizes arrive whole, with one hop less") { for_each_combination(forward_all_sizes); }

static void forward_mixture(unsigned features) {
  struct rig *rig = rig_open(features, true);
  uint8_t packets[32][2000];
  size_t lengths[32];
  for (int round = 0; round < 10; round++) {
    for (size_t i = 0; i < 32; i++) {
      size_t payload = random_chance(2) ? 1000 : random_below(1400);
      struct packet_spec spec = udp_spec(POD, i % 2 ? PEER_POD : OTHER_PEER_POD, payload);
      lengths[i] = make_packet(packets[i], &spec);
      rig_write(rig, packets[i], lengths[i]);
    }
    for (size_t i = 0; i < 32; i++) check_forwarded(rig, i % 2 ? &rig->peer : &rig->other_peer, packets[i], lengths[i]);
  }
  rig_close(rig);
}

CASE("packets of all sizes to two peers arrive in order") { for_each_combination(forward_mixture); }

/* As the kernel hands it over: in one piece, its checksum left to us. */
static struct virtio_net_hdr leave_to_device(uint8_t *packet, size_t size) {
  bool tcp = packet[9] == PROTOCOL_TCP;
  size_t offset = tcp ? TCP_CHECKSUM : UDP_CHECKSUM;
  put16(packet + 20 + offset, pseudo_sum(packet));
  return (struct virtio_net_hdr){
      .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
      .gso_type = size == 0 ? VIRTIO_NET_HDR_GSO_NONE : tcp ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_UDP_L4,
      .hdr_len = tcp ? 20 + (packet[32] >> 4) * 4 : 28,
      .gso_size = (uint16_t)size,
      .csum_start = 20,
      .csum_offset = (uint16_t)offset,
  };
}

/* The segments that the peer gets make up the large packet's payload. */
static void forward_large(const struct rig *rig, const struct packet_spec *spec, size_t size) {
  uint8_t *packet = must_allocate(65536), *segment = must_allocate(65536);
  size_t length = make_packet(packet, spec), headers = length - spec->payload, at = 0;
  const struct virtio_net_hdr vnet = leave_to_device(packet, size);
  rig_write_with(rig, &vnet, packet, length);
  for (uint16_t i = 0; at < spec->payload; i++) {
    size_t got = rig_receive(rig, &rig->peer, segment), left = spec->payload - at;
    check_equal(got, headers + (left < size ? left : size));
    check(got <= MTU);
    check_equal(get16(segment + 2), got);
    check_equal(get16(segment + 4), (uint16_t)(spec->id + i));
    check_equal(segment[8], spec->ttl - 1);
    check(has_right_ip_checksum(segment) && has_right_transport_checksum(segment));
    if (spec->protocol == PROTOCOL_TCP) check_equal(get32(segment + 24), (uint32_t)(spec->sequence + at));
    check_bytes(segment + headers, packet + headers + at, got - headers);
    at += got - headers;
  }
  free(segment);
  free(packet);
}

static void forward_large_ones(unsigned features) {
  if (!(features & FEATURE_VNET_HEADER)) return;
  struct rig *rig = rig_open(features, true);
  for (size_t payload = 1; payload < 65000; payload = payload * 3 + 1) {
    struct packet_spec spec = tcp_spec(POD, PEER_POD, payload);
    if (features & FEATURE_TSO) forward_large(rig, &spec, 1420);
    spec = udp_spec(POD, PEER_POD, payload);
    if (features & FEATURE_USO) forward_large(rig, &spec, 1300);
  }
  rig_close(rig);
}

CASE("large packets leave as datagrams that fit the MTU, with right checksums") {
  for_each_combination(forward_large_ones);
}

CASE("a large packet of more segments than are kept at once arrives whole") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  struct packet_spec spec = tcp_spec(POD, PEER_POD, 2000);
  uint8_t packet[3000], segment[2000];
  size_t length = make_packet(packet, &spec);
  const struct virtio_net_hdr vnet = leave_to_device(packet, 1);
  rig_write_with(rig, &vnet, packet, length);
  for (size_t i = 0; i < 2000; i++) {
    check_equal(rig_receive(rig, &rig->peer, segment), 53);
    check(has_right_transport_checksum(segment));
    check_equal(segment[52], packet[52 + i]);
  }
  rig_check_count(rig, SEGMENTED_PACKETS, 2000);
  rig_close(rig);
}

CASE("a checksum that is left to the device is made right") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  struct packet_spec specs[] = {tcp_spec(POD, PEER_POD, 777), udp_spec(POD, PEER_POD, 333)};
  for (size_t i = 0; i < 2; i++) {
    uint8_t packet[2000], received[2000];
    size_t length = make_packet(packet, &specs[i]);
    const struct virtio_net_hdr vnet = leave_to_device(packet, 0);
    rig_write_with(rig, &vnet, packet, length);
    check_equal(rig_receive(rig, &rig->peer, received), length);
    check(has_right_ip_checksum(received) && has_right_transport_checksum(received));
  }
  rig_close(rig);
}

/* This host is told of it. */
static void check_answer(struct rig *rig, const uint8_t *packet, size_t length, uint16_t type_and_code,
                         uint32_t source) {
  uint8_t answer[2000];
  check_equal(rig_read(rig, answer), 28 + length);
  check(has_right_ip_checksum(answer) && has_right_transport_checksum(answer));
  check_equal(get32(answer + 12), source);
  check_equal(get32(answer + 16), get32(packet + 12));
  check_equal(get16(answer + 20), type_and_code);
  check_bytes(answer + 28, packet, length);
  rig_await_count(rig, ICMP_SENT, 1);
}

static void exceed_ttl(unsigned features) {
  for (uint8_t ttl = 0; ttl < 2; ttl++) {
    struct rig *rig = rig_open(features, true);
    uint8_t packet[2000];
    struct packet_spec spec = udp_spec(POD, PEER_POD, 100);
    spec.ttl = ttl;
    size_t length = make_packet(packet, &spec);
    rig_write(rig, packet, length);
    check_answer(rig, packet, length, 0x0b00, OWN);
    rig_check_count(rig, DROPPED_TTL_EXCEEDED, 1);
    check(rig_is_quiet(rig));
    rig_close(rig);
  }
}

CASE("a packet that has no hop left is answered with time exceeded") { for_each_combination(exceed_ttl); }

static void find_no_route(unsigned features) {
  struct rig *rig = rig_open(features, true);
  uint8_t packet[2000];
  struct packet_spec spec = tcp_spec(POD, NO_POD, 100);
  size_t length = make_packet(packet, &spec);
  rig_write(rig, packet, length);
  check_answer(rig, packet, length, 0x0300, OWN);
  rig_check_count(rig, DROPPED_NO_ROUTE, 1);
  spec.source = OWN;
  length = make_packet(packet, &spec);
  rig_write(rig, packet, length);
  check_answer(rig, packet, length, 0x0300, OWN);
  check(rig_is_quiet(rig));
  rig_close(rig);
}

CASE("a packet to no peer is answered with net unreachable") { for_each_combination(find_no_route); }

CASE("a flood of packets to no peer is answered 50 times at once, and what is kept back is counted") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  uint8_t packet[2000];
  struct packet_spec spec = udp_spec(POD, NO_POD, 10);
  size_t length = make_packet(packet, &spec);
  uint64_t before = monotonic_now();
  for (int i = 0; i < 500; i++) {
    rig_write(rig, packet, length);
    while (!rig_is_quiet(rig)) rig_read(rig, packet + 1000);
  }
  await(rig_counted(rig, ICMP_SENT) + rig_counted(rig, ICMP_LIMITED) == 500);
  uint64_t sent = rig_counted(rig, ICMP_SENT), passed = (monotonic_now() - before) / 1000000;
  check(sent >= 50 || passed == 0);
  check(sent <= 51 + passed);
  rig_check_count(rig, DROPPED_NO_ROUTE, 500);
  rig_close(rig);
}

static void ignore_multicast(unsigned features) {
  struct rig *rig = rig_open(features, true);
  const uint32_t groups[] = {ADDRESS(224, 0, 0, 22), ADDRESS(239, 1, 2, 3), UINT32_MAX};
  for (size_t i = 0; i < 3; i++) {
    uint8_t packet[2000];
    struct packet_spec spec = udp_spec(POD, groups[i], 100);
    rig_write(rig, packet, make_packet(packet, &spec));
  }
  rig_await_count(rig, DROPPED_NO_ROUTE, 3);
  check(rig_is_quiet(rig));
  rig_close(rig);
}

CASE("multicast and broadcast are dropped without an answer") { for_each_combination(ignore_multicast); }

static void count_garbage(unsigned features) {
  struct rig *rig = rig_open(features, true);
  uint8_t packet[2000];
  struct packet_spec spec = udp_spec(POD, PEER_POD, 100);
  size_t length = make_packet(packet, &spec);
  rig_write(rig, packet, 19);
  rig_write(rig, packet, length - 1);
  rig_write(rig, packet, 1);
  rig_await_count(rig, DROPPED_MALFORMED, 3);
  packet[0] = 0x70;
  rig_write(rig, packet, length);
  packet[0] = 0xf5;
  rig_write(rig, packet, length);
  rig_await_count(rig, DROPPED_OTHER_VERSION, 2);
  rig_check_count(rig, DROPPED_MALFORMED, 3);
  packet[0] = 0x45;
  rig_write(rig, packet, length);
  check_forwarded(rig, &rig->peer, packet, length);
  check(rig_is_quiet(rig));
  rig_close(rig);
}

CASE("garbage is dropped and counted") { for_each_combination(count_garbage); }

CASE("what is shorter than a virtio header, or does not fit to it, is dropped and counted") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  uint8_t packet[2000] = {0};
  rig_write_with(rig, NULL, packet, 9);
  rig_write_with(rig, NULL, packet, 10);
  struct packet_spec spec = udp_spec(POD, PEER_POD, 1000);
  size_t length = make_packet(packet, &spec);
  struct virtio_net_hdr vnet = {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 100};
  rig_write_with(rig, &vnet, packet, length);
  vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP;
  rig_write_with(rig, &vnet, packet, length);
  vnet = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 20, .csum_offset = 2000};
  rig_write_with(rig, &vnet, packet, length);
  rig_await_count(rig, DROPPED_MALFORMED, 5);
  check(rig_is_quiet(rig));
  rig_close(rig);
}
