#include "rig.h"

#include "../check.h"
#include "../packets.h"

#include <stdlib.h>

/* Linux 3.16; <linux/udp.h> does not go with <netinet/udp.h>. */
#ifndef UDP_NO_CHECK6_TX
#define UDP_NO_CHECK6_TX 101
#endif

#define SUITE "IPv6 packets, and IPv6 underneath"

static struct packet_spec v6(struct packet_spec spec) {
  spec.v6 = true;
  return spec;
}

/* Over each version. */
static void for_each_underlay(void (*body)(struct rig *rig)) {
  for (int over_ipv6 = 0; over_ipv6 < 2; over_ipv6++) {
    check_context("over IPv%d", over_ipv6 ? 6 : 4);
    struct rig *rig = over_ipv6 ? rig_open_over_ipv6(ALL_FEATURES) : rig_open(ALL_FEATURES, true);
    body(rig);
    check(rig_is_quiet(rig));
    rig_close(rig);
  }
}

/* The peer gets it with a hop less. */
static void check_forwarded(struct rig *rig, const struct host *host, const struct packet_spec *spec) {
  uint8_t *packet = must_allocate(65600), *received = must_allocate(65600);
  size_t length = make_packet(packet, spec);
  rig_write(rig, packet, length);
  check_equal(rig_receive(rig, host, received), length);
  packet[spec->v6 ? 7 : 8]--;
  if (!spec->v6) put16(packet + 10, get16(received + 10));
  check_bytes(received, packet, length);
  check(has_right_ip_checksum(received));
  free(received);
  free(packet);
}

static void forward_all(struct rig *rig) {
  const size_t payloads[] = {0, 1, 100, 1000, 1400, 5000, 65000};
  for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
    struct packet_spec specs[] = {v6(udp_spec(POD, PEER_POD, payloads[i])), v6(tcp_spec(POD, PEER_POD, payloads[i])),
                                  udp_spec(POD, PEER_POD, payloads[i])};
    for (size_t j = 0; j < 3; j++) check_forwarded(rig, &rig->peer, &specs[j]);
    specs[0].destination = OTHER_PEER_POD;
    specs[0].ip_options = 8;
    check_forwarded(rig, &rig->other_peer, &specs[0]);
  }
  rig_check_count(rig, SENT_PACKETS, 28);
}

CASE("packets of both versions arrive whole, with one hop less") { for_each_underlay(forward_all); }

static void check_delivered(struct rig *rig, const uint8_t *packet, size_t length) {
  uint8_t *received = must_allocate(65600);
  check_equal(rig_read(rig, received), length);
  check_bytes(received, packet, length);
  free(received);
}

static void deliver_streams(struct rig *rig) {
  uint8_t *data = must_allocate(65536);
  struct packet_spec specs[] = {v6(tcp_spec(PEER_POD, POD, 1380)), v6(udp_spec(PEER_POD, POD, 1380)),
                                tcp_spec(PEER_POD, POD, 1380)};
  for (size_t i = 0; i < 3; i++) {
    size_t length = 0, size = 0;
    for (int j = 0; j < 40; j++) {
      size = make_packet(data + length, &specs[i]);
      specs[i].sequence += (uint32_t)specs[i].payload;
      length += size;
    }
    rig_send_train(rig, &rig->peer, data, length, size);
    for (size_t at = 0; at < length; at += size) {
      /* The identification of IPv4 says nothing here. */
      uint8_t received[2000];
      if (specs[i].v6) check_delivered(rig, data + at, size);
      else check_equal(rig_read(rig, received), size);
    }
  }
  rig_check_count(rig, RECEIVED_PACKETS, 120);
  rig_await_count(rig, COALESCED_PACKETS, 120);
  free(data);
}

CASE("streams of both versions arrive in large pieces that are made of what was sent") {
  for_each_underlay(deliver_streams);
}

/* As the kernel hands it over: in one piece, its checksum left to us. */
static struct virtio_net_hdr leave_to_device(uint8_t *packet, size_t size) {
  const struct layout layout = lay_out(packet, 65536);
  bool tcp = layout.protocol == PROTOCOL_TCP;
  size_t offset = tcp ? TCP_CHECKSUM : UDP_CHECKSUM;
  put16(packet + layout.headers + offset, pseudo_sum(packet));
  return (struct virtio_net_hdr){
      .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
      .gso_type = size == 0 ? VIRTIO_NET_HDR_GSO_NONE : tcp ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_UDP_L4,
      .gso_size = (uint16_t)size,
      .csum_start = (uint16_t)layout.headers,
      .csum_offset = (uint16_t)offset,
  };
}

static void forward_large(struct rig *rig) {
  uint8_t *packet = must_allocate(65536), *segment = must_allocate(65536);
  struct packet_spec specs[] = {v6(tcp_spec(POD, PEER_POD, 60000)), v6(udp_spec(POD, PEER_POD, 60000)),
                                v6(tcp_spec(POD, PEER_POD, 3000)), v6(udp_spec(POD, PEER_POD, 700))};
  specs[2].ip_options = 8;
  for (size_t i = 0; i < 4; i++) {
    size_t length = make_packet(packet, &specs[i]), headers = length - specs[i].payload, at = 0;
    const struct virtio_net_hdr vnet = leave_to_device(packet, i == 3 ? 0 : 1300);
    rig_write_with(rig, &vnet, packet, length);
    while (at < specs[i].payload) {
      size_t got = rig_receive(rig, &rig->peer, segment), left = specs[i].payload - at;
      check_equal(got, headers + (left < 1300 ? left : 1300));
      const struct layout layout = lay_out(segment, got);
      check(layout.good);
      check_equal(layout.length, got);
      check_equal(layout.ttl, specs[i].ttl - 1);
      check(has_right_transport_checksum(segment));
      check_bytes(segment + headers, packet + headers + at, got - headers);
      at += got - headers;
    }
  }
  rig_check_count(rig, DROPPED_MALFORMED, 0);
  free(segment);
  free(packet);
}

CASE("large packets leave as datagrams that fit the MTU, with right checksums") { for_each_underlay(forward_large); }

/* This host is told of it by ICMPv6. */
static void check_answer(struct rig *rig, const uint8_t *packet, size_t length, uint16_t type_and_code) {
  uint8_t answer[2000], own[16];
  check_equal(rig_read(rig, answer), 48 + length);
  write_address(true, OWN, own);
  check(has_right_transport_checksum(answer));
  check_bytes(answer + 8, own, 16);
  check_bytes(answer + 24, packet + 8, 16);
  check_equal(get16(answer + 40), type_and_code);
  check_bytes(answer + 48, packet, length);
}

static void answer_errors(struct rig *rig) {
  uint8_t packet[2000];
  struct packet_spec spec = v6(udp_spec(POD, PEER_POD, 100));
  spec.ttl = 1;
  size_t length = make_packet(packet, &spec);
  rig_write(rig, packet, length);
  check_answer(rig, packet, length, 0x0300);
  rig_check_count(rig, DROPPED_TTL_EXCEEDED, 1);
  spec = v6(tcp_spec(POD, NO_POD, 100));
  length = make_packet(packet, &spec);
  rig_write(rig, packet, length);
  check_answer(rig, packet, length, 0x0100);
  rig_check_count(rig, DROPPED_NO_ROUTE, 1);
  rig_check_count(rig, ICMP_SENT, 2);
}

CASE("a packet without a hop left, or to no peer, is answered by ICMPv6") { for_each_underlay(answer_errors); }

static void refuse_larger_ones(struct rig *rig) {
  uint8_t packet[2000], answer[2000];
  struct packet_spec spec = v6(udp_spec(PEER_POD, POD, MTU - 48 + 1));
  size_t length = make_packet(packet, &spec);
  rig_send(rig, &rig->peer, packet, length);
  check_equal(rig_receive(rig, &rig->peer, answer), 1280);
  check(has_right_transport_checksum(answer));
  check_equal(get16(answer + 40), 0x0200);
  check_equal(get32(answer + 44), MTU);
  check_bytes(answer + 48, packet, 1280 - 48);
  rig_check_count(rig, DROPPED_OVERSIZED, 1);
  spec.payload--;
  length = make_packet(packet, &spec);
  rig_send(rig, &rig->peer, packet, length);
  check_delivered(rig, packet, length);
}

CASE("a packet that is larger than the MTU is answered with packet too big") { for_each_underlay(refuse_larger_ones); }

CASE("a source that is not in the sender's subnet is refused, whichever the versions are") {
  struct rig *rig = rig_open(ALL_FEATURES, true);
  uint8_t packet[2000];
  struct packet_spec specs[] = {v6(udp_spec(OTHER_PEER_POD, POD, 100)), udp_spec(OTHER_PEER_POD, POD, 100)};
  for (size_t i = 0; i < 2; i++) {
    size_t length = make_packet(packet, &specs[i]);
    rig_send(rig, &rig->stranger, packet, length);
    rig_check_count(rig, DROPPED_NO_PEER, i + 1);
    rig_send(rig, &rig->peer, packet, length);
    rig_check_count(rig, DROPPED_WRONG_SOURCE, i + 1);
    rig_send(rig, &rig->other_peer, packet, length);
    check_delivered(rig, packet, length);
  }
  check(rig_is_quiet(rig));
  rig_close(rig);
}

/* The kernel's router solicitation, and a report of listeners with its hop-by-hop option. */
static size_t make_chatter(uint8_t *packet, bool report) {
  const uint8_t alert[8] = {58, 0, 5, 2, 0, 0, 1, 0};
  struct packet_spec spec = v6(udp_spec(POD, PEER_POD, 8));
  spec.protocol = 58;
  spec.ttl = report ? 1 : 255;
  size_t length = make_packet(packet, &spec);
  memset(packet + 8, 0, 32);
  put16(packet + 8, 0xfe80);
  put16(packet + 24, 0xff02);
  packet[39] = report ? 0x16 : 2;
  packet[40] = report ? 143 : 133;
  if (!report) return length;
  memmove(packet + 48, packet + 40, length - 40);
  memcpy(packet + 40, alert, 8);
  packet[6] = 0;
  put16(packet + 4, 16);
  return length + 8;
}

static void ignore_chatter(struct rig *rig) {
  uint8_t packet[200];
  for (int report = 0; report < 2; report++) {
    size_t length = make_chatter(packet, report);
    rig_write(rig, packet, length);
    rig_send(rig, &rig->peer, packet, length);
  }
  rig_check_count(rig, DROPPED_LINK_LOCAL, 4);
  check_equal(rig_counted(rig, ICMP_SENT) + rig_counted(rig, ICMP_LIMITED), 0);
  check_equal(rig_counted(rig, DROPPED_NO_ROUTE) + rig_counted(rig, DROPPED_TTL_EXCEEDED), 0);
}

CASE("what the kernel says to its link is dropped quietly, in both directions") { for_each_underlay(ignore_chatter); }

CASE("a datagram over IPv6 without a checksum is not taken, for the outer headers have no other") {
  const int on = 1;
  uint8_t packet[2000];
  struct rig *rig = rig_open_over_ipv6(ALL_FEATURES);
  struct packet_spec spec = udp_spec(PEER_POD, POD, 100);
  size_t length = make_packet(packet, &spec);
  check(setsockopt(rig->peer.fd, IPPROTO_UDP, UDP_NO_CHECK6_TX, &on, sizeof on) == 0);
  rig_send(rig, &rig->peer, packet, length);
  rig_send(rig, &rig->other_peer, packet, length);
  check_delivered(rig, packet, length);
  rig_check_count(rig, RECEIVED_PACKETS, 1);
  check(rig_is_quiet(rig));
  rig_close(rig);
}
