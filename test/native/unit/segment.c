#include "segment.h"

#include "../check.h"
#include "../packets.h"

#include <stdlib.h>

#define SUITE "segmentation"

#define SENDER ADDRESS(10, 1, 2, 3)
#define RECEIVER ADDRESS(10, 1, 3, 4)

struct large {
  uint8_t *packet;
  size_t length;
  struct ip header;
  struct virtio_net_hdr vnet;
};

static size_t headers_of(const struct packet_spec *spec) {
  return headers_before_transport(spec) + (spec->protocol == PROTOCOL_TCP ? 20 + spec->tcp_options : 8);
}

/* As the kernel hands it over: the transport's checksum is that of the pseudo header only. */
static struct large make_large(const struct packet_spec *spec, size_t size) {
  struct large large = {.packet = must_allocate(headers_of(spec) + spec->payload)};
  bool tcp = spec->protocol == PROTOCOL_TCP;
  large.length = make_packet(large.packet, spec);
  size_t start = headers_before_transport(spec);
  put16(large.packet + start + (tcp ? 16 : 6), pseudo_sum(large.packet));
  large.vnet = (struct virtio_net_hdr){
      .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
      .gso_type = !tcp ? VIRTIO_NET_HDR_GSO_UDP_L4 : spec->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
      .hdr_len = (uint16_t)headers_of(spec),
      .gso_size = (uint16_t)size,
      .csum_start = (uint16_t)start,
      .csum_offset = tcp ? 16 : 6,
  };
  check_equal(ip_parse(large.packet, large.length, &large.header), IP_GOOD);
  return large;
}

static bool can_open(const struct large *large, const struct virtio_net_hdr *vnet) {
  struct segmenter segmenter;
  return segmenter_open(&segmenter, large->packet, &large->header, vnet);
}

/* What segment `index` has to be, made without the segmenter. */
static size_t expect(uint8_t *segment, const struct large *large, const struct packet_spec *spec, size_t index,
                     size_t count) {
  size_t headers = headers_of(spec), offset = index * large->vnet.gso_size;
  size_t left = spec->payload - offset, length = left < large->vnet.gso_size ? left : large->vnet.gso_size;
  memcpy(segment, large->packet, headers);
  memcpy(segment + headers, large->packet + headers + offset, length);
  if (spec->v6) {
    put16(segment + 4, (uint16_t)(headers + length - 40));
  } else {
    put16(segment + 2, (uint16_t)(headers + length));
    put16(segment + 4, (uint16_t)(spec->id + index));
  }
  uint8_t *transport = segment + headers_before_transport(spec);
  if (spec->protocol == PROTOCOL_TCP) {
    put32(transport + 4, (uint32_t)(spec->sequence + offset));
    if (index + 1 < count) transport[13] &= 0xff & ~0x09;
    if (index > 0) transport[13] &= 0x7f;
  } else {
    put16(transport + 4, (uint16_t)(8 + length));
  }
  mend_checksums(segment);
  return headers + length;
}

static void compare_segments(const struct packet_spec *spec, size_t size) {
  struct large large = make_large(spec, size);
  struct segmenter segmenter;
  uint8_t *headers = must_allocate(headers_of(spec)), *expected = must_allocate(LARGEST);
  check_context("protocol %u, payload %zu, size %zu, options %zu and %zu", spec->protocol, spec->payload, size,
                spec->ip_options, spec->tcp_options);
  check(segmenter_open(&segmenter, large.packet, &large.header, &large.vnet));
  check_equal(segmenter.count, (spec->payload + size - 1) / size);
  check_equal(segmenter.headers_length, headers_of(spec));
  for (size_t i = 0; i < segmenter.count; i++) {
    const uint8_t *payload;
    size_t length = segmenter_write(&segmenter, i, headers, &payload);
    check_equal(segmenter.headers_length + length, expect(expected, &large, spec, i, segmenter.count));
    check_bytes(headers, expected, segmenter.headers_length);
    check_bytes(payload, expected + segmenter.headers_length, length);
  }
  free(expected);
  free(headers);
  free(large.packet);
}

static struct packet_spec random_spec(void) {
  bool tcp = random_chance(2);
  struct packet_spec spec = tcp ? tcp_spec((uint32_t)random_number(), (uint32_t)random_number(), 0)
                                : udp_spec((uint32_t)random_number(), (uint32_t)random_number(), 0);
  spec.flags = (uint8_t)random_number();
  spec.window = (uint16_t)random_number();
  spec.urgent = (uint16_t)random_number();
  spec.tos = (uint8_t)random_number();
  spec.ttl = (uint8_t)random_number();
  spec.fragment = random_chance(2) ? IP_DONT_FRAGMENT : 0;
  spec.v6 = random_chance(2);
  spec.ip_options = random_chance(2) ? 0 : random_below(spec.v6 ? 6 : 11) * 4;
  spec.tcp_options = random_below(11) * 4;
  spec.option = (uint8_t)random_number();
  spec.payload = 1 + random_below(random_chance(2) ? 3000 : (uint32_t)(LARGEST - headers_of(&spec)));
  return spec;
}

CASE("makes of any large packet what is expected, segment for segment") {
  for (int i = 0; i < 1500; i++) {
    struct packet_spec spec = random_spec();
    size_t least = spec.payload / 100 + 1, size = least + random_below((uint32_t)(spec.payload + 200 - least));
    compare_segments(&spec, size < LARGEST ? size : LARGEST);
  }
}

CASE("makes full segments only when the size divides the payload") {
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 10 * 1448);
  compare_segments(&spec, 1448);
  spec = udp_spec(SENDER, RECEIVER, 10 * 1200);
  compare_segments(&spec, 1200);
}

CASE("makes one segment of a packet that is not larger than one") {
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 1448);
  compare_segments(&spec, 1448);
  compare_segments(&spec, 1449);
}

CASE("makes segments down to one byte of payload") {
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 300);
  compare_segments(&spec, 1);
  spec.protocol = PROTOCOL_UDP;
  compare_segments(&spec, 1);
}

/* The flags of the segments of a packet of three. */
static void flags_of_three(uint8_t flags, uint8_t found[3]) {
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 3000);
  spec.flags = flags;
  struct large large = make_large(&spec, 1000);
  struct segmenter segmenter;
  check(segmenter_open(&segmenter, large.packet, &large.header, &large.vnet));
  for (size_t i = 0; i < 3; i++) {
    uint8_t headers[SEGMENT_MAX_HEADERS];
    const uint8_t *payload;
    segmenter_write(&segmenter, i, headers, &payload);
    found[i] = headers[20 + TCP_FLAGS];
  }
  free(large.packet);
}

CASE("leaves FIN and PSH to the last segment and CWR to the first") {
  uint8_t found[3];
  flags_of_three(TCP_ACK | TCP_FIN | TCP_PSH | TCP_CWR | 0x40, found);
  check_equal(found[0], TCP_ACK | TCP_CWR | 0x40);
  check_equal(found[1], TCP_ACK | 0x40);
  check_equal(found[2], TCP_ACK | TCP_FIN | TCP_PSH | 0x40);
}

CASE("counts the sequence number and the identification over their ends") {
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 5000);
  spec.sequence = UINT32_MAX - 1500;
  spec.id = 0xfffe;
  compare_segments(&spec, 1000);
}

CASE("is told by the kernel of congestion beside the type") {
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 3000);
  struct large large = make_large(&spec, 1000);
  large.vnet.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
  check(can_open(&large, &large.vnet));
  free(large.packet);
}

CASE("never makes a UDP checksum of 0, which would mean that there is none") {
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, 2);
  unsigned zeros = 0;
  for (unsigned i = 0; i < 65536; i++) {
    struct large large = make_large(&spec, 100);
    put16(large.packet + 28, (uint16_t)i);
    struct segmenter segmenter;
    uint8_t headers[SEGMENT_MAX_HEADERS];
    const uint8_t *payload;
    check(segmenter_open(&segmenter, large.packet, &large.header, &large.vnet));
    segmenter_write(&segmenter, 0, headers, &payload);
    check(get16(headers + 26) != 0);
    if (get16(headers + 26) == 0xffff) zeros++;
    free(large.packet);
  }
  check(zeros > 0);
}

CASE("refuses a packet whose virtio header is about something else") {
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 3000);
  struct large large = make_large(&spec, 1000);
  const uint8_t types[] = {VIRTIO_NET_HDR_GSO_NONE, VIRTIO_NET_HDR_GSO_UDP, VIRTIO_NET_HDR_GSO_TCPV6,
                           VIRTIO_NET_HDR_GSO_UDP_L4, 77};
  for (size_t i = 0; i < sizeof types; i++) {
    struct virtio_net_hdr vnet = large.vnet;
    vnet.gso_type = types[i];
    check(!can_open(&large, &vnet));
  }
  struct virtio_net_hdr vnet = large.vnet;
  vnet.gso_size = 0;
  check(!can_open(&large, &vnet));
  check(can_open(&large, &large.vnet));
  free(large.packet);
}

CASE("refuses fragments") {
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 3000);
  const uint16_t fragments[] = {IP_MORE_FRAGMENTS, 1, IP_MORE_FRAGMENTS | 100};
  for (size_t i = 0; i < 3; i++) {
    spec.fragment = fragments[i];
    struct large large = make_large(&spec, 1000);
    check(!can_open(&large, &large.vnet));
    free(large.packet);
  }
}

/* A packet of that protocol that ends so many bytes after its IP header. */
static bool can_open_cut(uint8_t protocol, size_t left, uint8_t data_offset) {
  uint8_t *packet = must_allocate(20 + left);
  struct packet_spec spec = {.source = SENDER, .destination = RECEIVER, .protocol = 99, .ttl = 9, .payload = left};
  struct large large = {.packet = packet, .length = make_packet(packet, &spec)};
  packet[9] = protocol;
  if (left > 12) packet[20 + 12] = (uint8_t)(data_offset << 4);
  check_equal(ip_parse(packet, large.length, &large.header), IP_GOOD);
  struct virtio_net_hdr vnet = {.gso_size = 1000};
  vnet.gso_type = protocol == PROTOCOL_TCP ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_UDP_L4;
  bool opened = can_open(&large, &vnet);
  free(packet);
  return opened;
}

CASE("refuses what has no whole transport header and at least one byte of payload") {
  for (size_t left = 0; left <= 20; left++) check(!can_open_cut(PROTOCOL_TCP, left, 5));
  for (size_t left = 0; left <= 8; left++) check(!can_open_cut(PROTOCOL_UDP, left, 0));
  check(can_open_cut(PROTOCOL_TCP, 21, 5));
  check(can_open_cut(PROTOCOL_UDP, 9, 0));
  for (uint8_t words = 0; words < 5; words++) check(!can_open_cut(PROTOCOL_TCP, 100, words));
  check(!can_open_cut(PROTOCOL_TCP, 40, 15));
  check(!can_open_cut(PROTOCOL_TCP, 60, 15));
  check(can_open_cut(PROTOCOL_TCP, 61, 15));
}

#undef SUITE
#define SUITE "completing a checksum"

static bool complete(uint8_t *packet, size_t length, size_t start, size_t offset) {
  struct virtio_net_hdr vnet = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                .csum_start = (uint16_t)start,
                                .csum_offset = (uint16_t)offset};
  const struct ip header = {.version = 4, .header_length = 20, .length = length};
  return complete_checksum(packet, &header, &vnet);
}

CASE("makes that of TCP and UDP right, for all payloads and IP options") {
  for (int i = 0; i < 3000; i++) {
    struct packet_spec spec = random_spec();
    struct large large = make_large(&spec, 1);
    check(complete_checksum(large.packet, &large.header, &large.vnet));
    check(has_right_transport_checksum(large.packet));
    free(large.packet);
  }
}

CASE("writes a UDP checksum of 0 as 0xffff, and that of other protocols as it is") {
  uint8_t packet[32];
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, 4);
  make_packet(packet, &spec);
  /* The last word is what the sum of the others lacks to 0xffff. */
  put16(packet + 30, (uint16_t)~naive_sum(naive_sum(pseudo_sum(packet), packet + 20, 6), packet + 28, 2));
  put16(packet + 26, pseudo_sum(packet));
  check(complete(packet, 32, 20, 6));
  check_equal(get16(packet + 26), 0xffff);
  check(has_right_transport_checksum(packet));

  uint8_t other[40] = {0};
  memset(other + 20, 0xff, 20);
  check(complete(other, 40, 20, 16));
  check_equal(get16(other + 36), 0);
}

CASE("refuses a place that is not in the packet behind its IP header") {
  uint8_t *packet = must_allocate(40);
  memset(packet, 0, 40);
  check(!complete(packet, 40, 19, 16));
  check(!complete(packet, 40, 0, 10));
  check(!complete(packet, 40, 20, 19));
  check(!complete(packet, 40, 40, 0));
  check(!complete(packet, 40, 65535, 65535));
  check(!complete(packet, 40, 20, 65535));
  check(complete(packet, 40, 20, 18));
  check(complete(packet, 40, 38, 0));
  free(packet);
}
