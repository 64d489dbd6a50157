/* Packets from the TUN device: whatever bytes come with whatever virtio header, the peers get what a router and a
 * device with offloads would send, and nothing else; the sender gets ICMP errors that are well-formed.
 * Input: a byte of switches; then packets, each with its length in two bytes before it. */

#include "outbound.h"
#include "segment.h"

#include "kernel.h"

#include "../check.h"
#include "../routes.h"

#include <stdlib.h>
#include <string.h>

#define MOST_PACKETS 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct traffic traffic;
static struct outbound *outbound;
static struct kept expected[MOST_KEPT];
static size_t expected_count;
/* Packets about which there may be an ICMP error. */
static size_t undeliverable;

static uint8_t own6[16];

static void set_up(void) {
  if (outbound != NULL) return;
  struct route routes[] = {route_of(ADDRESS(10, 0, 0, 0), 8, 0x01000001, 1),
                           route_of(ADDRESS(10, 64, 0, 0), 10, 0x01000002, 2),
                           route_of(ADDRESS(128, 0, 0, 0), 1, 0x01000003, 3),
                           route6_of(ADDRESS(10, 0, 0, 0), 8, 0x01000001, 1),
                           route6_of(ADDRESS(10, 64, 0, 0), 10, 0x01000002, 2),
                           route6_of(ADDRESS(128, 0, 0, 0), 1, 0x01000003, 3)};
  write_address(true, ADDRESS(10, 1, 1, 0), own6);
  traffic.tun = TUN;
  traffic.udp = UDP;
  traffic.settings =
      (struct traffic_settings){.ipv4 = true, .ipv4_address.s_addr = htonl(ADDRESS(10, 1, 1, 0)), .mtu = 1472};
  memcpy(&traffic.settings.ipv6_address, own6, 16);
  traffic.fib = fib_create(routes, 6);
  traffic.fib_version = 1;
  outbound = outbound_create(&traffic);
  check(outbound != NULL);
}

/* 0: none. */
static uint32_t peer_of(const struct layout *layout) {
  static const uint8_t network[4] = {0xfd, 0, 0, 0};
  const uint8_t *at = layout->destination;
  if (layout->v6 && memcmp(at, network, 4) != 0) return 0;
  uint32_t address = get32(layout->v6 ? at + 4 : at);
  if (address >> 24 == 10) return (address >> 22 & 3) == 1 ? 0x01000002 : 0x01000001;
  return address >> 31 ? 0x01000003 : 0;
}

/* Not for a router. */
static bool is_of_link(const uint8_t *address) {
  static const uint8_t nobody[16] = {0}, loopback[16] = {[15] = 1};
  return address[0] == 0xff || (get16(address) & 0xffc0) == 0xfe80 || memcmp(address, nobody, 16) == 0 ||
         memcmp(address, loopback, 16) == 0;
}

static void expect(uint32_t to, const uint8_t *packet, size_t length) {
  check(expected_count < MOST_KEPT);
  struct kept *kept = &expected[expected_count++];
  kept->to = to;
  kept->bytes = (struct bytes){must_allocate(length), length};
  memcpy(kept->bytes.data, packet, length);
}

static bool is_type_of(uint8_t gso_type, const struct layout *layout) {
  uint8_t type = gso_type & 0x7f;
  if (type == VIRTIO_NET_HDR_GSO_UDP_L4) return layout->protocol == 17;
  return layout->protocol == 6 && type == (layout->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
}

static void write_lengths(uint8_t *segment, bool v6, size_t length, size_t index) {
  if (v6) {
    put16(segment + 4, (uint16_t)(length - 40));
    return;
  }
  put16(segment + 2, (uint16_t)length);
  put16(segment + 4, (uint16_t)(get16(segment + 4) + index));
}

static void expect_segments(uint32_t to, const uint8_t *packet, const struct layout *layout,
                            const struct virtio_net_hdr *vnet) {
  size_t ip = layout->headers, left = layout->length - ip;
  bool tcp = layout->protocol == 6;
  if (!is_type_of(vnet->gso_type, layout) || (layout->fragment & 0x3fff) != 0 || left < (tcp ? 20 : 8)) return;
  size_t transport = tcp ? (size_t)(packet[ip + 12] >> 4) * 4 : 8;
  if (transport < (tcp ? 20 : 8) || transport >= left || vnet->gso_size == 0) return;
  size_t headers = ip + transport, payload = layout->length - headers;
  if (headers > SEGMENT_MAX_HEADERS) return;
  for (size_t at = 0, index = 0; at < payload; at += vnet->gso_size, index++) {
    uint8_t segment[65536 + 40];
    size_t part = payload - at < vnet->gso_size ? payload - at : vnet->gso_size;
    memcpy(segment, packet, headers);
    memcpy(segment + headers, packet + headers + at, part);
    write_lengths(segment, layout->v6, headers + part, index);
    if (tcp) put32(segment + ip + 4, (uint32_t)(get32(packet + ip + 4) + at));
    if (tcp && at + part < payload) segment[ip + 13] &= 0xf6;
    if (tcp && index > 0) segment[ip + 13] &= 0x7f;
    if (!tcp) put16(segment + ip + 4, (uint16_t)(8 + part));
    mend_checksums(segment);
    expect(to, segment, headers + part);
  }
}

/* RFC 1071 over the bytes from csum_start on. */
static bool complete(uint8_t *packet, const struct layout *layout, const struct virtio_net_hdr *vnet) {
  size_t start = vnet->csum_start, field = start + vnet->csum_offset;
  if (start < layout->headers || field + 2 > layout->length) return false;
  uint16_t checksum = (uint16_t)~naive_sum(0, packet + start, layout->length - start);
  put16(packet + field, checksum == 0 && vnet->csum_offset == 6 ? 0xffff : checksum);
  return true;
}

/* A hop less. */
static void hop(uint8_t *packet, bool v6) {
  if (v6) {
    packet[7]--;
    return;
  }
  /* RFC 1141: a hop less is 0x0100 more. */
  bool right = has_right_ip_checksum(packet);
  packet[8]--;
  uint32_t sum = (uint32_t)get16(packet + 10) + 0x0100;
  put16(packet + 10, (uint16_t)(sum > 0xffff ? sum - 0xffff : sum));
  check(right == has_right_ip_checksum(packet));
}

/* What the peers are to get of a packet. */
static void judge(const uint8_t *bytes, size_t available, const struct virtio_net_hdr *vnet) {
  uint8_t packet[65536 + 40];
  const struct layout layout = lay_out(bytes, available);
  if (!layout.good || (layout.v6 ? !traffic.settings.ipv6 : !traffic.settings.ipv4)) return;
  if (layout.v6 && (is_of_link(layout.source) || is_of_link(layout.destination))) return;
  memcpy(packet, bytes, layout.length);
  uint32_t to = peer_of(&layout);
  if (to == 0 || layout.ttl <= 1) {
    undeliverable++;
    return;
  }
  hop(packet, layout.v6);
  if (vnet->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
    expect_segments(to, packet, &layout, vnet);
    return;
  }
  if ((vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && !complete(packet, &layout, vnet)) return;
  expect(to, packet, layout.length);
}

/* A checksum of 0 and one of 0xffff are the same where 0 does not mean that there is none. */
static void make_comparable(const struct bytes *packet) {
  if (packet->data[0] >> 4 == 4 && get16(packet->data + 10) == 0xffff) put16(packet->data + 10, 0);
}

static void compare(void) {
  check_equal(kernel.sent_count, expected_count);
  size_t next[4] = {0};
  for (size_t i = 0; i < kernel.sent_count; i++) {
    size_t *at = &next[kernel.sent[i].to & 3];
    while (*at < expected_count && expected[*at].to != kernel.sent[i].to) (*at)++;
    check(*at < expected_count);
    const struct bytes *wanted = &expected[(*at)++].bytes, *sent = &kernel.sent[i].bytes;
    check_equal(sent->length, wanted->length);
    make_comparable(sent);
    make_comparable(wanted);
    check_bytes(sent->data, wanted->data, sent->length);
  }
}

static void check_answer(const struct bytes *answer) {
  const struct layout layout = lay_out(answer->data, answer->length);
  check(layout.good && layout.length == answer->length);
  check_equal(layout.protocol, layout.v6 ? 58 : 1);
  check(answer->length >= layout.headers + 8 + (layout.v6 ? 40 : 20) && answer->length <= (layout.v6 ? 1280 : 576));
  check(has_right_ip_checksum(answer->data) && has_right_transport_checksum(answer->data));
  /* It goes to where the quoted packet came from. */
  const uint8_t *quoted = answer->data + layout.headers + 8;
  if (layout.v6) check_bytes(layout.destination, quoted + 8, 16);
  else check_bytes(layout.destination, quoted + 12, 4);
  if (layout.v6) check_bytes(layout.source, own6, 16);
}

static void check_answers(void) {
  check(kernel.written_count <= undeliverable);
  for (size_t i = 0; i < kernel.written_count; i++) {
    check_equal(kernel.written[i].vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
    check_answer(&kernel.written[i].bytes);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  uint8_t switches = take8(&input);
  set_up();
  kernel_reset();
  for (size_t i = 0; i < expected_count; i++) free(expected[i].bytes.data);
  expected_count = undeliverable = 0;
  kernel.vnet_header = switches & 1;
  kernel.refuses_trains = switches & 4;
  traffic.settings.ipv6 = !(switches & 8);
  memset(&traffic.icmp_limit, 0, sizeof traffic.icmp_limit);
  atomic_store(&traffic.features,
               (switches & 1 ? FEATURE_VNET_HEADER : 0u) | (switches & 2 ? FEATURE_UDP_SEGMENT : 0u));
  while (input.length > 2 && kernel.waiting_count < MOST_PACKETS) {
    struct virtio_net_hdr vnet = {0};
    struct input packet = take_bytes(&input, take16(&input));
    if (packet.length == 0) continue;
    kernel_add(&(struct waiting){.data = packet.data, .length = packet.length});
    if (kernel.vnet_header && packet.length < sizeof vnet) continue;
    if (kernel.vnet_header) memcpy(&vnet, take_bytes(&packet, sizeof vnet).data, sizeof vnet);
    judge(packet.data, packet.length, &vnet);
  }
  int packets = (int)kernel.waiting_count;
  check_equal(outbound_run(outbound).packets, packets);
  compare();
  check_answers();
  return 0;
}
