#include "outbound.h"

#include "../check.h"
#include "../faults.h"
#include "../packets.h"
#include "../routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUITE "a turn of packets from the device"

#define MOST_PACKETS 300

/* What is read, packet by packet, and then nothing. */
struct script {
  struct bytes packets[MOST_PACKETS];
  size_t count, next;
};

static size_t next_packet(void *context, uint8_t *buffer) {
  struct script *script = context;
  if (script->next == script->count) return 0;
  const struct bytes *packet = &script->packets[script->next++];
  memcpy(buffer, packet->data, packet->length);
  return packet->length;
}

static void add_packet(struct script *script, uint32_t destination, size_t payload) {
  struct packet_spec spec = udp_spec(ADDRESS(10, 1, 1, 5), destination, payload);
  struct bytes *packet = &script->packets[script->count++];
  packet->data = must_allocate(28 + payload);
  packet->length = make_packet(packet->data, &spec);
}

/* Each peer, which is known by the third byte of its addresses, gets its packets as they were, in order. */
static void check_sent(const struct script *script) {
  bool seen[MOST_PACKETS] = {false};
  check_equal(pretended.sent_count, script->count);
  for (size_t i = 0; i < script->count; i++) {
    const struct bytes *packet = &script->packets[i];
    size_t at = 0;
    while (at < script->count && (seen[at] || pretended.sent[at].to.v4.sin_addr.s_addr != packet->data[18])) at++;
    check_context("packet %zu of %zu", i, script->count);
    check(at < script->count);
    seen[at] = true;
    check_equal(pretended.sent[at].length, packet->length);
    check_bytes(pretended.sent[at].data + 12, packet->data + 12, packet->length - 12);
  }
}

static void run(struct script *script, unsigned features) {
  const struct source source = {PRETENDED_DEVICE, next_packet, script};
  const struct route routes[] = {route_of(ADDRESS(10, 1, 2, 0), 24, 2, 1), route_of(ADDRESS(10, 1, 3, 0), 24, 3, 1)};
  struct fib *fib = fib_create(routes, 2);
  struct traffic traffic = {.tun = PRETENDED_DEVICE, .udp = PRETENDED_SOCKET, .settings = {.ipv4 = true, .mtu = 1472}, .fib = fib};
  reset_pretended_socket();
  read_from(&source);
  atomic_init(&traffic.features, features);
  struct outbound *outbound = outbound_create(&traffic);
  size_t packets = 0;
  for (struct turn turn; (turn = outbound_run(outbound)).packets > 0; packets += turn.packets) check_equal(turn.error, 0);
  check_equal(packets, script->count);
  check_sent(script);
  read_from(NULL);
  outbound_free(outbound);
  fib_release(fib);
  reset_pretended_socket();
  for (size_t i = 0; i < script->count; i++) free(script->packets[i].data);
  free(script);
}

static struct script *open_script(void) {
  struct script *script = must_allocate(sizeof *script);
  memset(script, 0, sizeof *script);
  return script;
}

CASE("sends what waits for company before its place is used again") {
  for (unsigned features = 0; features <= FEATURE_UDP_SEGMENT; features += FEATURE_UDP_SEGMENT) {
    struct script *script = open_script();
    add_packet(script, ADDRESS(10, 1, 2, 5), 100);
    for (int i = 0; i < 20; i++) add_packet(script, ADDRESS(10, 1, 3, 5), 65000);
    add_packet(script, ADDRESS(10, 1, 2, 5), 100);
    run(script, features);
  }
}

CASE("sends packets of all sizes to each peer in order") {
  for (int i = 0; i < 50; i++) {
    struct script *script = open_script();
    for (int j = 0; j < 290; j++) {
      size_t payload = random_chance(30) ? random_below(65000) : random_chance(3) ? random_below(1400) : 1000;
      add_packet(script, random_chance(2) ? ADDRESS(10, 1, 2, 5) : ADDRESS(10, 1, 3, 5), payload);
    }
    run(script, random_chance(3) ? 0 : FEATURE_UDP_SEGMENT);
  }
}

/* Fails with EINVAL before each of so many packets. */
struct odd_script {
  struct packet_spec spec;
  size_t odd, packets;
};

static size_t next_odd(void *context, uint8_t *buffer) {
  struct odd_script *script = context;
  if (script->odd > 0) {
    script->odd--;
    errno = EINVAL;
    return 0;
  }
  if (script->packets == 0) return 0;
  script->packets--;
  return make_packet(buffer, &script->spec);
}

static struct turn run_odd(size_t odd, size_t packets) {
  struct odd_script script = {.spec = udp_spec(ADDRESS(10, 1, 1, 5), ADDRESS(10, 1, 2, 1), 100), .odd = odd, .packets = packets};
  const struct source source = {PRETENDED_DEVICE, next_odd, &script};
  const struct route route = route_of(ADDRESS(10, 1, 2, 0), 24, 2, 1);
  struct fib *fib = fib_create(&route, 1);
  struct traffic traffic = {.tun = PRETENDED_DEVICE, .udp = PRETENDED_SOCKET, .settings = {.ipv4 = true, .mtu = 1472}, .fib = fib};
  reset_pretended_socket();
  read_from(&source);
  atomic_init(&traffic.features, 0);
  struct outbound *outbound = outbound_create(&traffic);
  struct turn turn = outbound_run(outbound);
  check_equal(traffic.counters[SENT_PACKETS], turn.error == 0 ? packets : 0);
  read_from(NULL);
  outbound_free(outbound);
  fib_release(fib);
  reset_pretended_socket();
  return turn;
}

CASE("goes on after packets that the kernel cannot describe, unless it cannot describe any") {
  check_equal(run_odd(3, 5).error, 0);
  check_equal(run_odd(1000, 5).error, EINVAL);
}
