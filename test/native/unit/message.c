#include "message.h"

#include "too_big.h"

#include "../check.h"
#include "../faults.h"
#include "../packets.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define SUITE "sending"

#define MOST_PACKETS 1000
#define MTU 1472

/* What was to be sent, and what has become of it. */
struct scene {
  struct traffic traffic;
  struct message_queue queue;
  struct {
    uint32_t to;
    uint8_t *data;
    size_t length;
  } given[MOST_PACKETS];
  size_t given_count;
  /* The host's end of the TUN device. */
  int tun;
  unsigned losses;
  int loss_error;
};

static void note_loss(void *context, enum feature feature, int error) {
  struct scene *scene = context;
  check_equal(feature, FEATURE_UDP_SEGMENT);
  scene->losses++;
  scene->loss_error = error;
}

static struct scene *open_scene(unsigned features) {
  struct scene *scene = must_allocate(sizeof *scene);
  int ends[2];
  memset(scene, 0, sizeof *scene);
  reset_pretended_socket();
  check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  scene->tun = ends[1];
  scene->traffic.tun = ends[0];
  scene->traffic.udp = PRETENDED_SOCKET;
  scene->traffic.settings = (struct traffic_settings){.tunnel_address = ADDRESS(10, 1, 1, 0), .mtu = MTU};
  scene->traffic.on_feature_lost = note_loss;
  scene->traffic.context = scene;
  atomic_init(&scene->traffic.features, features);
  return scene;
}

static void close_scene(struct scene *scene) {
  for (size_t i = 0; i < scene->given_count; i++) free(scene->given[i].data);
  close(scene->tun);
  close(scene->traffic.tun);
  free(scene);
  reset_pretended_socket();
}

static uint64_t counted(const struct scene *scene, enum counter which) {
  return atomic_load(&scene->traffic.counters[which]);
}

static void send_all(struct scene *scene) { queue_send(&scene->queue, &scene->traffic, true); }

/* Gives a packet to be sent to peer `to`, in one or two pieces. */
static void give(struct scene *scene, uint32_t to, const struct packet_spec *spec, bool apart) {
  uint8_t packet[LARGEST];
  size_t length = make_packet(packet, spec);
  check(scene->given_count < MOST_PACKETS);
  uint8_t *data = must_allocate(length);
  memcpy(data, packet, length);
  scene->given[scene->given_count].to = to;
  scene->given[scene->given_count].data = data;
  scene->given[scene->given_count++].length = length;
  struct route route = {.address = htonl(ADDRESS(192, 0, 2, 0) + to), .port = htons(8285)};
  size_t first = apart ? 28 : length;
  struct iovec parts[2] = {{data, first}, {data + first, length - first}};
  if (queue_add(&scene->queue, &scene->traffic, &route, parts, apart ? 2 : 1)) return;
  send_all(scene);
  check(queue_add(&scene->queue, &scene->traffic, &route, parts, apart ? 2 : 1));
}

static void give_many(struct scene *scene, uint32_t to, size_t payload, size_t count) {
  struct packet_spec spec = udp_spec(ADDRESS(10, 1, 2, 3), ADDRESS(10, 1, 3, 4), payload);
  for (size_t i = 0; i < count; i++) give(scene, to, &spec, true);
}

/* Whatever was given has been sent to the right peer, and to each in the order in which it was given. */
static void check_all_sent(const struct scene *scene) {
  bool seen[MOST_PACKETS] = {false};
  check_equal(pretended.sent_count, scene->given_count);
  for (size_t i = 0; i < scene->given_count; i++) {
    uint32_t address = htonl(ADDRESS(192, 0, 2, 0) + scene->given[i].to);
    size_t next = 0;
    while (next < pretended.sent_count && (seen[next] || pretended.sent[next].to.sin_addr.s_addr != address)) next++;
    check(next < pretended.sent_count);
    seen[next] = true;
    check_equal(ntohs(pretended.sent[next].to.sin_port), 8285);
    check_equal(pretended.sent[next].length, scene->given[i].length);
    check_bytes(pretended.sent[next].data, scene->given[i].data, scene->given[i].length);
  }
}

static void check_counters_agree(const struct scene *scene) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < pretended.sent_count; i++) bytes += pretended.sent[i].length;
  check_equal(counted(scene, SENT_PACKETS), pretended.sent_count);
  check_equal(counted(scene, SENT_BYTES), bytes);
}

static size_t random_payload(void) {
  switch (random_below(8)) {
    case 0: return random_below(100);
    case 1: return random_below(1400);
    case 2: return random_below(60000);
    default: return 1200;
  }
}

CASE("keeps the order of each peer's datagrams, whatever their sizes") {
  for (int i = 0; i < 300; i++) {
    struct scene *scene = open_scene(random_chance(4) ? 0 : FEATURE_UDP_SEGMENT);
    uint32_t peers = 1 + random_below(random_chance(4) ? 100 : 4);
    check_context("scene %d of %u peers", i, peers);
    for (int j = 0; j < 200; j++) {
      struct packet_spec spec = udp_spec(ADDRESS(10, 1, 2, 3), ADDRESS(10, 1, 3, 4), random_payload());
      give(scene, random_below(peers), &spec, random_chance(2));
      if (random_chance(10)) queue_send(&scene->queue, &scene->traffic, random_chance(4));
    }
    send_all(scene);
    check_all_sent(scene);
    check_counters_agree(scene);
    close_scene(scene);
  }
}

CASE("puts datagrams of one size into one message of at most 64 and of at most 65,507 bytes") {
  struct scene *scene = open_scene(FEATURE_UDP_SEGMENT);
  give_many(scene, 1, 100, 130);
  give_many(scene, 2, 1400, 50);
  send_all(scene);
  check_all_sent(scene);
  check_equal(counted(scene, SENT_MESSAGES), 3 + 2);
  check_equal(counted(scene, SENT_CALLS), 1);
  close_scene(scene);
}

CASE("puts a shorter datagram at a message's end and a longer one into the next") {
  struct scene *scene = open_scene(FEATURE_UDP_SEGMENT);
  give_many(scene, 1, 1000, 3);
  give_many(scene, 1, 500, 1);
  give_many(scene, 1, 700, 1);
  give_many(scene, 1, 1000, 2);
  send_all(scene);
  check_all_sent(scene);
  check_equal(counted(scene, SENT_MESSAGES), 3);
  close_scene(scene);
}

CASE("sends every datagram in a message of its own without UDP_SEGMENT") {
  struct scene *scene = open_scene(0);
  give_many(scene, 1, 1000, 60);
  send_all(scene);
  check_all_sent(scene);
  check_equal(pretended.trains, 0);
  check_equal(counted(scene, SENT_MESSAGES), 60);
  close_scene(scene);
}

CASE("sends only what nothing can be added to, until all is asked for") {
  struct scene *scene = open_scene(FEATURE_UDP_SEGMENT);
  give_many(scene, 1, 1000, 4);
  give_many(scene, 2, 1000, 3);
  give_many(scene, 2, 500, 1);
  queue_send(&scene->queue, &scene->traffic, false);
  check_equal(pretended.sent_count, 4);
  give_many(scene, 1, 1000, 4);
  send_all(scene);
  check_all_sent(scene);
  check_equal(counted(scene, SENT_MESSAGES), 2);
  close_scene(scene);
}

CASE("goes on where a call has stopped") {
  struct scene *scene = open_scene(0);
  pretended.most_at_once = 3;
  give_many(scene, 1, 1000, 10);
  send_all(scene);
  check_all_sent(scene);
  check_equal(counted(scene, SENT_CALLS), 4);
  send_all(scene);
  check_equal(pretended.calls, 4);
  close_scene(scene);
}

static int train_refusal, single_refusal;

static int refuse(const struct msghdr *message) { return train_size(message) > 0 ? train_refusal : single_refusal; }

static struct scene *open_refusing_scene(int of_trains, int of_singles) {
  struct scene *scene = open_scene(FEATURE_UDP_SEGMENT);
  train_refusal = of_trains;
  single_refusal = of_singles;
  pretended.refusal = refuse;
  return scene;
}

CASE("falls back to single datagrams when a train is refused, and makes no more trains when those get through") {
  const int errors[] = {EIO, EINVAL, EOPNOTSUPP};
  for (size_t i = 0; i < 3; i++) {
    struct scene *scene = open_refusing_scene(errors[i], 0);
    check_context("errno %d", errors[i]);
    give_many(scene, 1, 1000, 20);
    give_many(scene, 1, 500, 1);
    give_many(scene, 2, 1200, 1);
    send_all(scene);
    check_equal(scene->losses, 1);
    check_equal(scene->loss_error, errors[i]);
    check(!has_feature(&scene->traffic, FEATURE_UDP_SEGMENT));
    give_many(scene, 1, 1000, 20);
    send_all(scene);
    check_all_sent(scene);
    check_counters_agree(scene);
    check_equal(counted(scene, FALLBACKS), 1);
    close_scene(scene);
  }
}

CASE("keeps making trains when single datagrams get through no better") {
  const int errors[] = {EIO, EINVAL, EPERM, ENOBUFS, ENETUNREACH};
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
    struct scene *scene = open_refusing_scene(EIO, errors[i]);
    check_context("errno %d", errors[i]);
    give_many(scene, 1, 1000, 20);
    send_all(scene);
    check_equal(scene->losses, 0);
    check(has_feature(&scene->traffic, FEATURE_UDP_SEGMENT));
    check_equal(counted(scene, DROPPED_SEND_FAILED), 20);
    pretended.refusal = NULL;
    give_many(scene, 1, 1000, 20);
    send_all(scene);
    check_equal(pretended.trains, 1);
    close_scene(scene);
  }
}

static uint32_t refused_peer;

static int refuse_one_peer(const struct msghdr *message) {
  const struct sockaddr_in *to = message->msg_name;
  return ntohl(to->sin_addr.s_addr) == ADDRESS(192, 0, 2, 0) + refused_peer ? single_refusal : 0;
}

CASE("drops and counts what one peer cannot be sent, and sends the others theirs") {
  const int errors[] = {EPERM, ENOBUFS, ENETUNREACH, EHOSTUNREACH, ECONNREFUSED};
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
    struct scene *scene = open_scene(FEATURE_UDP_SEGMENT);
    check_context("errno %d", errors[i]);
    single_refusal = errors[i];
    refused_peer = 2;
    pretended.refusal = refuse_one_peer;
    for (uint32_t peer = 1; peer < 5; peer++) give_many(scene, peer, 1000, 10);
    send_all(scene);
    check_equal(pretended.sent_count, 30);
    check_equal(counted(scene, DROPPED_SEND_FAILED), 10);
    check_counters_agree(scene);
    check_equal(scene->losses, 0);
    close_scene(scene);
  }
}

static unsigned busy_for;

static int be_busy(const struct msghdr *message) {
  (void)message;
  if (busy_for == 0) return 0;
  busy_for--;
  return EAGAIN;
}

CASE("waits for room in the send buffer") {
  struct scene *scene = open_scene(FEATURE_UDP_SEGMENT);
  pretended.refusal = be_busy;
  busy_for = 1;
  give_many(scene, 1, 1000, 10);
  give_many(scene, 2, 1000, 10);
  send_all(scene);
  check_all_sent(scene);
  check_equal(pretended.polls, 1);
  check_equal(counted(scene, DROPPED_SEND_FAILED), 0);
  close_scene(scene);
}

CASE("does not wait again for a send buffer in which no room has come, until it has") {
  struct scene *scene = open_scene(0);
  pretended.refusal = be_busy;
  pretended.writable = false;
  busy_for = UINT32_MAX;
  for (int i = 0; i < 10; i++) {
    give_many(scene, 1, 1000, 60);
    send_all(scene);
  }
  check_equal(pretended.polls, 1);
  check_equal(counted(scene, DROPPED_SEND_FAILED), 600);
  busy_for = 0;
  pretended.writable = true;
  give_many(scene, 1, 1000, 10);
  send_all(scene);
  check_equal(pretended.sent_count, 10);
  busy_for = 1;
  give_many(scene, 1, 1000, 10);
  send_all(scene);
  check_equal(pretended.sent_count, 20);
  check_equal(pretended.polls, 2);
  close_scene(scene);
}

#undef SUITE
#define SUITE "what does not fit into the path"

/* The path's MTU is 1300, of which 28 bytes are the outer headers. */
static int refuse_large(const struct msghdr *message) {
  size_t size = train_size(message) > 0 ? train_size(message) : message_length(message);
  if (size + 28 <= 1300 || pretended.discovery == IP_PMTUDISC_DONT) return 0;
  return train_size(message) > 0 ? train_refusal : EMSGSIZE;
}

static struct scene *open_narrow_scene(void) {
  struct scene *scene = open_scene(FEATURE_UDP_SEGMENT);
  pretended.refusal = refuse_large;
  pretended.path_mtu = 1300;
  train_refusal = EINVAL;
  return scene;
}

static struct packet_spec large_spec(bool forbids_fragments) {
  struct packet_spec spec = udp_spec(ADDRESS(10, 1, 2, 3), ADDRESS(10, 1, 3, 4), 1400);
  spec.fragment = forbids_fragments ? IPV4_DONT_FRAGMENT : 0;
  return spec;
}

/* Reads an ICMP error from the host's end of the TUN device: its MTU. */
static unsigned read_needed_mtu(const struct scene *scene, uint32_t source, uint32_t destination) {
  uint8_t answer[2000];
  ssize_t length = read(scene->tun, answer, sizeof answer);
  check(length >= 28 + 28);
  check(has_right_ip_checksum(answer) && has_right_transport_checksum(answer));
  check_equal(get32(answer + 12), source);
  check_equal(get32(answer + 16), destination);
  check_equal(get16(answer + 20), 0x0304);
  return get16(answer + 26);
}

CASE("is answered with what fits when it must not be cut into fragments") {
  struct scene *scene = open_narrow_scene();
  struct packet_spec spec = large_spec(true);
  give(scene, 1, &spec, false);
  send_all(scene);
  check_equal(pretended.sent_count, 0);
  check_equal(counted(scene, DROPPED_OVERSIZED), 1);
  check_equal(counted(scene, ICMP_SENT), 1);
  check_equal(read_needed_mtu(scene, ADDRESS(10, 1, 1, 0), ADDRESS(10, 1, 2, 3)), 1272);
  close_scene(scene);
}

CASE("is answered in the peer's name when this host has sent it itself") {
  struct scene *scene = open_narrow_scene();
  struct packet_spec spec = large_spec(true);
  spec.source = ADDRESS(10, 1, 1, 0);
  give(scene, 1, &spec, false);
  send_all(scene);
  check_equal(read_needed_mtu(scene, ADDRESS(10, 1, 3, 4), ADDRESS(10, 1, 1, 0)), 1272);
  close_scene(scene);
}

CASE("is never answered with more than the device's MTU, and with that when the path has room for it") {
  struct scene *scene = open_narrow_scene();
  struct packet_spec spec = large_spec(true);
  pretended.path_mtu = 65536;
  give(scene, 1, &spec, false);
  send_all(scene);
  check_equal(read_needed_mtu(scene, ADDRESS(10, 1, 1, 0), ADDRESS(10, 1, 2, 3)), MTU);
  close_scene(scene);
}

CASE("is sent in fragments when it may be, and what comes after it is not") {
  struct scene *scene = open_narrow_scene();
  struct packet_spec spec = large_spec(false);
  give(scene, 1, &spec, true);
  send_all(scene);
  check_all_sent(scene);
  check_counters_agree(scene);
  check_equal(pretended.discovery, IP_PMTUDISC_DO);
  check_equal(counted(scene, DROPPED_OVERSIZED), 0);
  close_scene(scene);
}

CASE("costs no feature when it was in a train, whichever way the kernel says so") {
  const int errors[] = {EINVAL, EMSGSIZE};
  for (size_t i = 0; i < 2; i++) {
    struct scene *scene = open_narrow_scene();
    struct packet_spec spec = large_spec(true);
    train_refusal = errors[i];
    check_context("errno %d", errors[i]);
    for (int j = 0; j < 10; j++) give(scene, 1, &spec, true);
    give_many(scene, 1, 200, 1);
    send_all(scene);
    check_equal(scene->losses, 0);
    check_equal(pretended.sent_count, 1);
    check_equal(counted(scene, DROPPED_OVERSIZED), 10);
    check_equal(counted(scene, ICMP_SENT), 10);
    close_scene(scene);
  }
}

CASE("costs no feature when it may be cut into fragments, either") {
  const int errors[] = {EINVAL, EMSGSIZE};
  for (size_t i = 0; i < 2; i++) {
    struct scene *scene = open_narrow_scene();
    struct packet_spec spec = large_spec(false);
    train_refusal = errors[i];
    check_context("errno %d", errors[i]);
    for (int j = 0; j < 10; j++) give(scene, 1, &spec, true);
    send_all(scene);
    check_all_sent(scene);
    check_equal(scene->losses, 0);
    close_scene(scene);
  }
}

CASE("is counted when it cannot be sent in fragments, either") {
  struct scene *scene = open_refusing_scene(0, EMSGSIZE);
  struct packet_spec spec = large_spec(false);
  give(scene, 1, &spec, true);
  send_all(scene);
  check_equal(pretended.sent_count, 0);
  check_equal(counted(scene, DROPPED_SEND_FAILED), 1);
  check_equal(pretended.discovery, IP_PMTUDISC_DO);
  close_scene(scene);
}
