/* What the tests of sending have in common. */

#include "sending.h"

#include "../check.h"
#include "../routes.h"

#include <stdlib.h>
#include <unistd.h>

static void note_loss(void *context, enum feature feature, int error) {
  struct sending *sending = context;
  check_equal(feature, FEATURE_UDP_SEGMENT);
  sending->losses++;
  sending->loss_error = error;
}

struct sending *open_sending(unsigned features) {
  struct sending *sending = must_allocate(sizeof *sending);
  int ends[2];
  memset(sending, 0, sizeof *sending);
  reset_pretended_socket();
  check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  sending->tun = ends[1];
  sending->traffic.tun = ends[0];
  sending->traffic.udp = PRETENDED_SOCKET;
  sending->traffic.settings = (struct traffic_settings){
      .ipv4 = true, .ipv6 = true, .ipv4_address.s_addr = htonl(ADDRESS(10, 1, 1, 0)), .mtu = MTU};
  write_address(true, ADDRESS(10, 1, 1, 0), sending->traffic.settings.ipv6_address.s6_addr);
  sending->traffic.on_feature_lost = note_loss;
  sending->traffic.context = sending;
  atomic_init(&sending->traffic.features, features);
  return sending;
}

void close_sending(struct sending *sending) {
  for (size_t i = 0; i < sending->given_count; i++) free(sending->given[i].data);
  close(sending->tun);
  close(sending->traffic.tun);
  free(sending);
  reset_pretended_socket();
}

uint64_t counted(const struct sending *sending, enum counter which) {
  return atomic_load(&sending->traffic.counters[which]);
}

void send_all(struct sending *sending) { queue_send(&sending->queue, &sending->traffic, true); }

static union endpoint peer_endpoint(uint32_t peer) {
  if (peer < OVER_IPV6) return endpoint_of(htonl(ADDRESS(192, 0, 2, 0) + peer), htons(8285));
  union endpoint endpoint = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(8285)}};
  write_address(true, peer, endpoint.v6.sin6_addr.s6_addr);
  return endpoint;
}

void give(struct sending *sending, uint32_t to, const struct packet_spec *spec, bool apart) {
  uint8_t packet[LARGEST];
  size_t length = make_packet(packet, spec);
  check(sending->given_count < MOST_PACKETS);
  uint8_t *data = must_allocate(length);
  memcpy(data, packet, length);
  sending->given[sending->given_count].to = to;
  sending->given[sending->given_count].data = data;
  sending->given[sending->given_count++].length = length;
  struct route route = {.peer = peer_endpoint(to)};
  size_t first = apart ? headers_before_transport(spec) + 8 : length;
  struct iovec parts[2] = {{data, first}, {data + first, length - first}};
  if (queue_add(&sending->queue, &sending->traffic, &route, parts, apart ? 2 : 1)) return;
  send_all(sending);
  check(queue_add(&sending->queue, &sending->traffic, &route, parts, apart ? 2 : 1));
}

void give_many(struct sending *sending, uint32_t to, size_t payload, size_t count) {
  struct packet_spec spec = udp_spec(ADDRESS(10, 1, 2, 3), ADDRESS(10, 1, 3, 4), payload);
  for (size_t i = 0; i < count; i++) give(sending, to, &spec, true);
}

void check_all_sent(const struct sending *sending) {
  bool seen[MOST_PACKETS] = {false};
  check_equal(pretended.sent_count, sending->given_count);
  for (size_t i = 0; i < sending->given_count; i++) {
    const union endpoint peer = peer_endpoint(sending->given[i].to);
    size_t next = 0;
    while (next < pretended.sent_count && (seen[next] || !endpoint_is_same(&pretended.sent[next].to, &peer))) next++;
    check(next < pretended.sent_count);
    seen[next] = true;
    check_equal(pretended.sent[next].length, sending->given[i].length);
    check_bytes(pretended.sent[next].data, sending->given[i].data, sending->given[i].length);
  }
}

void check_counters_agree(const struct sending *sending) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < pretended.sent_count; i++) bytes += pretended.sent[i].length;
  check_equal(counted(sending, SENT_PACKETS), pretended.sent_count);
  check_equal(counted(sending, SENT_BYTES), bytes);
}

static int train_refusal, single_refusal;

static int refuse(const struct msghdr *message) { return train_size(message) > 0 ? train_refusal : single_refusal; }

struct sending *open_refusing(int of_trains, int of_singles) {
  struct sending *sending = open_sending(FEATURE_UDP_SEGMENT);
  train_refusal = of_trains;
  single_refusal = of_singles;
  pretended.refusal = refuse;
  return sending;
}
