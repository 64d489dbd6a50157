#include "coalesce.h"

#include "segment.h"

#include "../check.h"
#include "../packets.h"

#include <stdlib.h>

#define SUITE "coalescing"

#define SENDER ADDRESS(10, 1, 2, 3)
#define RECEIVER ADDRESS(10, 1, 3, 4)
#define MOST_PACKETS 400

/* What the coalescer was given, as it was and as it is handed over, and what came out of it. */
struct scene {
  struct coalescer coalescer;
  struct bytes given[MOST_PACKETS];
  uint8_t *lent[MOST_PACKETS];
  size_t given_count;
  struct bytes written[MOST_PACKETS];
  size_t written_count;
  size_t writes, large_writes, largest;
  /* Large packets are refused from the one of this number on; 0: none. */
  size_t refuse_from;
};

static void keep(struct scene *scene, uint8_t *data, size_t length) {
  check(scene->written_count < MOST_PACKETS);
  scene->written[scene->written_count++] = (struct bytes){data, length};
}

/* As the kernel's stack does with a large packet. */
static void keep_segments(struct scene *scene, uint8_t *packet, const struct ipv4 *header,
                          const struct virtio_net_hdr *vnet, size_t segments) {
  struct segmenter segmenter;
  check_equal(vnet->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
  check_equal(get16(packet + vnet->csum_start + vnet->csum_offset), pseudo_sum(packet));
  check(has_right_ip_checksum(packet));
  check(segmenter_open(&segmenter, packet, header, vnet));
  check_equal(vnet->hdr_len, segmenter.headers_length);
  check_equal(segmenter.count, segments);
  for (size_t i = 0; i < segments; i++) {
    const uint8_t *payload;
    uint8_t headers[TRANSPORT_MAX_HEADERS];
    size_t length = segmenter_write(&segmenter, i, headers, &payload);
    uint8_t *segment = must_allocate(segmenter.headers_length + length);
    memcpy(segment, headers, segmenter.headers_length);
    memcpy(segment + segmenter.headers_length, payload, length);
    keep(scene, segment, segmenter.headers_length + length);
  }
}

static bool write_packet(void *context, const struct iovec *parts, size_t count, size_t segments) {
  struct scene *scene = context;
  const struct virtio_net_hdr *vnet = parts[0].iov_base;
  struct ipv4 header;
  size_t length = 0, at = 0;
  check_equal(parts[0].iov_len, sizeof *vnet);
  for (size_t i = 1; i < count; i++) length += parts[i].iov_len;
  uint8_t *packet = must_allocate(length);
  for (size_t i = 1; i < count; at += parts[i++].iov_len) memcpy(packet + at, parts[i].iov_base, parts[i].iov_len);
  check_equal(ipv4_parse(packet, length, &header), IPV4_GOOD);
  check_equal(header.length, length);
  bool large = vnet->gso_type != VIRTIO_NET_HDR_GSO_NONE;
  check_equal(large, segments > 1);
  if (large) scene->large_writes++;
  bool refused = large && scene->refuse_from > 0 && scene->large_writes >= scene->refuse_from;
  if (!refused) scene->writes++;
  if (!refused && segments > scene->largest) scene->largest = segments;
  if (large && !refused) keep_segments(scene, packet, &header, vnet, segments);
  if (large) free(packet);
  else keep(scene, packet, length);
  return !refused;
}

static struct scene *open_scene(bool tcp, bool udp) {
  struct scene *scene = must_allocate(sizeof *scene);
  memset(scene, 0, sizeof *scene);
  scene->coalescer = (struct coalescer){.tcp = tcp, .udp = udp, .write = write_packet, .context = scene};
  return scene;
}

static void close_scene(struct scene *scene) {
  for (size_t i = 0; i < scene->given_count; i++) {
    free(scene->given[i].data);
    free(scene->lent[i]);
  }
  for (size_t i = 0; i < scene->written_count; i++) free(scene->written[i].data);
  free(scene);
}

/* Hands a packet over and keeps a copy. */
static void give(struct scene *scene, const uint8_t *packet, size_t length) {
  uint8_t *copy = must_allocate(length), *lent = must_allocate(length);
  struct ipv4 header;
  check(scene->given_count < MOST_PACKETS);
  memcpy(copy, packet, length);
  memcpy(lent, packet, length);
  scene->lent[scene->given_count] = lent;
  scene->given[scene->given_count++] = (struct bytes){copy, length};
  check_equal(ipv4_parse(lent, length, &header), IPV4_GOOD);
  coalescer_add(&scene->coalescer, lent, &header);
}

static void give_spec(struct scene *scene, const struct packet_spec *spec) {
  uint8_t packet[LARGEST];
  give(scene, packet, make_packet(packet, spec));
}

/* So many segments of a stream, each of that payload. */
static void give_stream(struct scene *scene, struct packet_spec *spec, size_t count) {
  for (size_t i = 0; i < count; i++) {
    give_spec(scene, spec);
    spec->sequence += (uint32_t)spec->payload;
    spec->id++;
  }
}

/* All that was given came out, and within each flow in the order in which it was given. */
static void check_outcome(struct scene *scene) {
  bool seen[MOST_PACKETS] = {false};
  coalescer_flush(&scene->coalescer);
  check_equal(scene->written_count, scene->given_count);
  for (size_t i = 0; i < scene->given_count; i++) {
    size_t next = 0;
    while (next < scene->written_count && (seen[next] || !is_same_flow(&scene->written[next], &scene->given[i]))) {
      next++;
    }
    check(next < scene->written_count);
    seen[next] = true;
    check_same_packet(&scene->given[i], &scene->written[next]);
  }
}

CASE("makes one large packet of a stream's segments, and of datagrams of one size") {
  struct packet_spec specs[] = {tcp_spec(SENDER, RECEIVER, 1448), udp_spec(SENDER, RECEIVER, 1200)};
  for (size_t i = 0; i < 2; i++) {
    struct scene *scene = open_scene(true, true);
    give_stream(scene, &specs[i], 40);
    check_outcome(scene);
    check_equal(scene->writes, 1);
    close_scene(scene);
  }
}

CASE("ends a large packet at 64 segments and before 64 KiB") {
  struct scene *scene = open_scene(true, true);
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 100);
  give_stream(scene, &spec, 130);
  check_outcome(scene);
  check_equal(scene->writes, 3);
  check_equal(scene->largest, 64);
  close_scene(scene);
  scene = open_scene(true, true);
  spec.payload = 8000;
  give_stream(scene, &spec, 17);
  check_outcome(scene);
  check_equal(scene->writes, 3);
  check_equal(scene->largest, 8);
  close_scene(scene);
}

CASE("keeps eight interleaved flows apart, and does well with more") {
  for (unsigned flows = 8; flows <= 12; flows += 4) {
    struct scene *scene = open_scene(true, true);
    struct packet_spec specs[12];
    for (unsigned i = 0; i < flows; i++) {
      specs[i] = i % 2 ? tcp_spec(SENDER, RECEIVER, 1000) : udp_spec(SENDER, RECEIVER, 1000);
      specs[i].source_port = (uint16_t)(1000 + i / 2);
    }
    for (unsigned i = 0; i < 20 * flows; i++) give_stream(scene, &specs[i % flows], 1);
    check_outcome(scene);
    if (flows == 8) check_equal(scene->writes, 8);
    close_scene(scene);
  }
}

CASE("ends a large packet after a shorter segment, and begins another before a longer one") {
  struct scene *scene = open_scene(true, true);
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 1000);
  give_stream(scene, &spec, 3);
  spec.payload = 500;
  give_stream(scene, &spec, 2);
  spec.payload = 700;
  give_stream(scene, &spec, 2);
  check_outcome(scene);
  check_equal(scene->writes, 3);
  close_scene(scene);
}

CASE("ends a large packet with the segment that pushes, and the whole pushes then") {
  struct scene *scene = open_scene(true, true);
  struct packet_spec spec = tcp_spec(SENDER, RECEIVER, 1000);
  give_stream(scene, &spec, 3);
  spec.flags |= TCP_PSH;
  give_stream(scene, &spec, 1);
  spec.flags = TCP_ACK;
  give_stream(scene, &spec, 3);
  check_outcome(scene);
  check_equal(scene->writes, 2);
  close_scene(scene);
}

/* Whether two segments in sequence, of which the second is changed in one way, go together. */
static bool goes_together(struct packet_spec spec, void (*change)(struct packet_spec *)) {
  struct scene *scene = open_scene(true, true);
  give_stream(scene, &spec, 1);
  if (change != NULL) change(&spec);
  give_stream(scene, &spec, 1);
  check_outcome(scene);
  bool together = scene->writes == 1;
  close_scene(scene);
  return together;
}

static void change_tos(struct packet_spec *spec) { spec->tos ^= 1; }
static void change_ttl(struct packet_spec *spec) { spec->ttl--; }
static void change_fragment(struct packet_spec *spec) { spec->fragment ^= IPV4_DONT_FRAGMENT; }
static void make_fragment(struct packet_spec *spec) { spec->fragment = IPV4_MORE_FRAGMENTS; }
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
  struct scene *scene = open_scene(true, true);
  give_stream(scene, &spec, 1);
  size_t length = make_packet(packet, &spec);
  packet[at] ^= change;
  give(scene, packet, length);
  give_stream(scene, &spec, 1);
  check_outcome(scene);
  bool together = scene->writes == 1;
  close_scene(scene);
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
  struct scene *scene = open_scene(true, true);
  struct packet_spec spec = udp_spec(SENDER, RECEIVER, 1000);
  uint8_t packet[2000];
  for (int i = 0; i < 5; i++) {
    size_t length = make_packet(packet, &spec);
    put16(packet + 26, 0);
    give(scene, packet, length);
  }
  check_outcome(scene);
  check_equal(scene->writes, 5);
  close_scene(scene);
}

CASE("does to TCP and to UDP only what is switched on") {
  for (unsigned which = 0; which < 4; which++) {
    struct scene *scene = open_scene(which & 1, which & 2);
    struct packet_spec tcp = tcp_spec(SENDER, RECEIVER, 1000), udp = udp_spec(SENDER, RECEIVER, 1000);
    give_stream(scene, &tcp, 10);
    give_stream(scene, &udp, 10);
    check_outcome(scene);
    check_equal(scene->writes, (which & 1 ? 1 : 10) + (which & 2 ? 1 : 10));
    close_scene(scene);
  }
}

CASE("writes the packets as they came when a large one is refused, and makes no more of that kind") {
  for (size_t from = 1; from <= 2; from++) {
    struct scene *scene = open_scene(true, true);
    struct packet_spec tcp = tcp_spec(SENDER, RECEIVER, 1000), udp = udp_spec(SENDER, RECEIVER, 1000);
    scene->refuse_from = from;
    for (int i = 0; i < 2; i++) {
      give_stream(scene, &tcp, 20);
      tcp.flags = TCP_ACK | TCP_PSH;
      give_stream(scene, &tcp, 1);
      tcp.flags = TCP_ACK;
      coalescer_flush(&scene->coalescer);
    }
    check_outcome(scene);
    check_equal(scene->large_writes, from);
    check(!scene->coalescer.tcp);
    check(scene->coalescer.udp);
    give_stream(scene, &udp, 20);
    check_outcome(scene);
    check(!scene->coalescer.udp);
    close_scene(scene);
  }
}

/* A flow that mostly goes on as it should. */
static void vary(struct packet_spec *spec) {
  bool tcp = spec->protocol == PROTOCOL_TCP;
  if (random_chance(15)) spec->payload = random_below(2000);
  if (random_chance(20)) spec->id = (uint16_t)random_number();
  if (random_chance(25)) spec->fragment ^= IPV4_DONT_FRAGMENT;
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
  if (random_chance(60)) spec.protocol = (uint8_t)random_number();
  size_t length = make_packet(packet, &spec);
  size_t transport = 20 + spec.ip_options;
  if (tcp && length > transport + 12 && random_chance(40)) packet[transport + 12] = (uint8_t)random_number();
  if (tcp && length > transport + 12 && random_chance(2)) mend_checksums(packet);
  if (!tcp && length >= transport + 8 && random_chance(20)) put16(packet + transport + 6, 0);
  if (!tcp && length >= transport + 8 && random_chance(30)) packet[transport + 5] ^= 1;
  if (random_chance(30)) packet[random_chance(2) ? 10 : length - 1] ^= 4;
  return length;
}

static void play_random_scene(void) {
  struct scene *scene = open_scene(!random_chance(8), !random_chance(8));
  struct packet_spec specs[12];
  uint8_t packet[4096];
  unsigned flows = 1 + random_below(12);
  if (random_chance(6)) scene->refuse_from = 1 + random_below(5);
  for (unsigned i = 0; i < flows; i++) {
    uint32_t source = SENDER + random_below(2);
    specs[i] = random_chance(2) ? tcp_spec(source, RECEIVER, random_below(2000))
                                : udp_spec(source, RECEIVER, random_below(2000));
    specs[i].source_port = (uint16_t)(1000 + i);
    specs[i].fragment = random_chance(2) ? 0 : IPV4_DONT_FRAGMENT;
  }
  for (unsigned i = 0, flow = 0; i < 100; i++) {
    if (random_chance(3)) flow = random_below(flows);
    vary(&specs[flow]);
    give(scene, packet, make_odd_packet(packet, &specs[flow]));
    specs[flow].sequence += (uint32_t)specs[flow].payload;
    specs[flow].id++;
    if (random_chance(60)) coalescer_flush(&scene->coalescer);
  }
  check_outcome(scene);
  close_scene(scene);
}

CASE("gives back byte for byte, and in order, what any mixture of flows was made of") {
  for (int i = 0; i < 1500; i++) {
    check_context("scene %d", i);
    play_random_scene();
  }
}
