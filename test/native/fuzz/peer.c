/* Messages from the peers: whatever bytes come, in trains or alone, this host gets the packets that pass the checks as
 * they came, however they are coalesced, and nothing else; a peer gets ICMP errors that are well-formed.
 * Input: a byte of switches; then messages: a byte of switches, the length in two bytes, for a train the size in two
 * bytes more, and the bytes. */

#include "inbound.h"

#include "segment.h"

#include "kernel.h"

#include "../check.h"
#include "../routes.h"

#include <stdlib.h>
#include <string.h>

#define MTU 1472
#define PEERS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct traffic traffic;
/* By whether TCP and UDP are coalesced. */
static struct inbound *inbounds[4];
static struct bytes expected[MOST_KEPT], delivered[MOST_KEPT];
static size_t expected_count, delivered_count;
static size_t oversized;
/* The messages, with checksums that the fuzzer would not find. */
static uint8_t bytes[1 << 20];

static const uint32_t senders[PEERS + 1] = {0x01000001, 0x01000002, 0x01000003, 0x01000004};

static void set_up(void) {
  if (traffic.fib != NULL) return;
  const struct route routes[2 * PEERS] = {
      route_of(ADDRESS(10, 0, 0, 0), 8, senders[0], 1),   route_of(ADDRESS(10, 64, 0, 0), 10, senders[1], 2),
      route_of(ADDRESS(128, 0, 0, 0), 1, senders[2], 3),  route6_of(ADDRESS(10, 0, 0, 0), 8, senders[0], 1),
      route6_of(ADDRESS(10, 64, 0, 0), 10, senders[1], 2), route6_of(ADDRESS(128, 0, 0, 0), 1, senders[2], 3)};
  traffic.tun = TUN;
  traffic.udp = UDP;
  traffic.fib = fib_create(routes, 2 * PEERS);
}

static struct inbound *inbound_for(unsigned which) {
  struct inbound **place = &inbounds[which];
  unsigned features = FEATURE_UDP_GRO | (kernel.vnet_header ? (unsigned)FEATURE_VNET_HEADER : 0);
  if (which & 1) features |= FEATURE_COALESCE_TCP;
  if (which & 2) features |= FEATURE_COALESCE_UDP;
  atomic_store(&traffic.features, features);
  if (*place == NULL) *place = inbound_create(&traffic);
  check(*place != NULL);
  return *place;
}

static size_t peer_of(const struct layout *layout) {
  static const uint8_t network[4] = {0xfd, 0, 0, 0};
  const uint8_t *at = layout->source;
  if (layout->v6 && memcmp(at, network, 4) != 0) return PEERS;
  uint32_t address = get32(layout->v6 ? at + 4 : at);
  if (address >> 24 == 10) return (address >> 22 & 3) == 1 ? 1 : 0;
  return address >> 31 ? 2 : PEERS;
}

/* Not for a router. */
static bool is_of_link(const uint8_t *address) {
  static const uint8_t nobody[16] = {0}, loopback[16] = {[15] = 1};
  return address[0] == 0xff || (get16(address) & 0xffc0) == 0xfe80 || memcmp(address, nobody, 16) == 0 ||
         memcmp(address, loopback, 16) == 0;
}

/* What this host is to get of a datagram. */
static void judge(size_t sender, const uint8_t *packet, size_t available) {
  const struct layout layout = lay_out(packet, available);
  if (!layout.good || (layout.v6 && !traffic.settings.ipv6)) return;
  if (layout.v6 && (is_of_link(layout.source) || is_of_link(layout.destination))) return;
  if (traffic.settings.check_source && (sender == PEERS || peer_of(&layout) != sender)) return;
  if (layout.length > MTU && (layout.fragment & 0x4000)) {
    oversized++;
    return;
  }
  check(expected_count < MOST_KEPT);
  expected[expected_count] = (struct bytes){must_allocate(layout.length), layout.length};
  memcpy(expected[expected_count++].data, packet, layout.length);
}

/* Where the packet is one, its checksums become right. */
static void mend(uint8_t *packet, size_t available) {
  if (lay_out(packet, available).good) mend_checksums(packet);
}

static void add_message(struct input *input, uint8_t *place, size_t room) {
  uint8_t switches = take8(input);
  size_t length = take16(input), size = switches & 4 ? take16(input) : 0;
  struct input message = take_bytes(input, length < room ? length : room);
  size_t sender = switches & 3, step = size == 0 || size > message.length ? message.length : size;
  memcpy(place, message.data, message.length);
  for (size_t at = 0; at < message.length; at += step) {
    size_t left = message.length - at, datagram = left < step ? left : step;
    if (switches & 8) mend(place + at, datagram);
    judge(sender, place + at, datagram);
  }
  struct waiting waiting = {.data = place, .length = message.length, .size = (int)size};
  waiting.sender = endpoint_of(senders[sender], 9);
  kernel_add(&waiting);
}

static void deliver(uint8_t *packet, size_t length) {
  check(delivered_count < MOST_KEPT);
  delivered[delivered_count++] = (struct bytes){packet, length};
}

/* As the kernel's stack does with what is written to the device. */
static void deliver_written(const struct kept *written) {
  struct ip header;
  struct segmenter segmenter;
  const struct bytes *large = &written->bytes;
  check_equal(ip_parse(large->data, large->length, &header), IP_GOOD);
  check_equal(header.length, large->length);
  if (written->vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
    uint8_t *packet = must_allocate(large->length);
    memcpy(packet, large->data, large->length);
    deliver(packet, large->length);
    return;
  }
  check(segmenter_open(&segmenter, large->data, &header, &written->vnet));
  check(segmenter.count > 1 && segmenter.count <= 64 && written->vnet.hdr_len == segmenter.headers_length);
  for (size_t i = 0; i < segmenter.count; i++) {
    const uint8_t *payload;
    uint8_t headers[SEGMENT_MAX_HEADERS];
    size_t length = segmenter_write(&segmenter, i, headers, &payload);
    uint8_t *packet = must_allocate(segmenter.headers_length + length);
    memcpy(packet, headers, segmenter.headers_length);
    memcpy(packet + segmenter.headers_length, payload, length);
    deliver(packet, segmenter.headers_length + length);
  }
}

/* A sum of 0 can be written in two ways, of which segmentation chooses one. */
static void make_comparable(const struct bytes *packet) {
  const struct layout layout = lay_out(packet->data, packet->length);
  if (!layout.v6 && get16(packet->data + 10) == 0xffff) put16(packet->data + 10, 0);
  if (layout.protocol != 6 || packet->length < layout.headers + 20) return;
  if (get16(packet->data + layout.headers + 16) == 0xffff) put16(packet->data + layout.headers + 16, 0);
}

static void compare(void) {
  static bool seen[MOST_KEPT];
  check_equal(delivered_count, expected_count);
  memset(seen, 0, delivered_count * sizeof seen[0]);
  for (size_t i = 0, first = 0; i < expected_count; i++) {
    while (first < delivered_count && seen[first]) first++;
    size_t next = first;
    while (next < delivered_count && (seen[next] || !is_same_flow(&delivered[next], &expected[i]))) next++;
    check(next < delivered_count);
    seen[next] = true;
    make_comparable(&expected[i]);
    make_comparable(&delivered[next]);
    check_same_packet(&expected[i], &delivered[next]);
  }
}

static void check_answers(void) {
  check(kernel.sent_count <= oversized);
  for (size_t i = 0; i < kernel.sent_count; i++) {
    const struct bytes *answer = &kernel.sent[i].bytes;
    bool v6 = lay_out(answer->data, answer->length).v6;
    check_equal(answer->length, v6 ? 1280 : 576);
    check(has_right_ip_checksum(answer->data) && has_right_transport_checksum(answer->data));
    check_equal(get16(answer->data + (v6 ? 40 : 20)), v6 ? 0x0200 : 0x0304);
    check_equal(get16(answer->data + (v6 ? 46 : 26)), MTU);
  }
}

static void forget(void) {
  kernel_reset();
  for (size_t i = 0; i < expected_count; i++) free(expected[i].data);
  for (size_t i = 0; i < delivered_count; i++) free(delivered[i].data);
  expected_count = delivered_count = oversized = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  uint8_t switches = take8(&input);
  set_up();
  forget();
  kernel.refuses_large_writes = switches & 8;
  kernel.vnet_header = (switches & 3) || (switches & 16);
  traffic.settings = (struct traffic_settings){.ipv4 = true,
                                               .ipv6 = !(switches & 32),
                                               .ipv4_address.s_addr = htonl(ADDRESS(10, 1, 1, 0)),
                                               .mtu = MTU,
                                               .check_source = (switches & 4) != 0};
  write_address(true, ADDRESS(10, 1, 1, 0), traffic.settings.ipv6_address.s6_addr);
  memset(&traffic.icmp_limit, 0, sizeof traffic.icmp_limit);
  traffic.fib_version++;
  struct inbound *inbound = inbound_for(switches & 3);
  for (size_t used = 0; input.length > 3 && kernel.waiting_count < MOST_WAITING;) {
    add_message(&input, bytes + used, 65536);
    used += kernel.waiting[kernel.waiting_count - 1].length;
  }
  while (kernel.taken < kernel.waiting_count) check(inbound_run(inbound).packets > 0);
  for (size_t i = 0; i < kernel.written_count; i++) deliver_written(&kernel.written[i]);
  compare();
  check_answers();
  if (kernel.refuses_large_writes) {
    inbound_free(inbound);
    inbounds[switches & 3] = NULL;
  }
  return 0;
}
