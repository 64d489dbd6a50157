#include "fib.h"

#include "../check.h"
#include "../packets.h"
#include "../routes.h"

#include <stdlib.h>
#include <time.h>

#define SUITE "the forwarding table"

static bool has_peer(const struct fib *fib, uint32_t address) {
  const union endpoint peer = endpoint_of(address, 1);
  return fib_has_peer(fib, &peer);
}

/* What the table is to find: of the longest prefixes around the address the one that came last. */
static const struct route *scan(const struct route *routes, size_t count, uint32_t address) {
  const struct route *best = NULL;
  for (size_t i = 0; i < count; i++) {
    uint32_t mask = routes[i].length == 0 ? 0 : UINT32_MAX << (32 - routes[i].length);
    if ((address & mask) != (get32(routes[i].network) & mask)) continue;
    if (best == NULL || routes[i].length >= best->length) best = &routes[i];
  }
  return best;
}

static void compare(const struct fib *fib, const struct route *routes, size_t count, uint32_t address) {
  const struct route *expected = scan(routes, count, address), *actual = lookup(fib, address);
  check_context("%zu routes, address %#x", count, address);
  check((actual == NULL) == (expected == NULL));
  if (expected == NULL) return;
  check_equal(actual->length, expected->length);
  check_equal(actual->peer.v4.sin_addr.s_addr, expected->peer.v4.sin_addr.s_addr);
  check_equal(actual->peer.v4.sin_port, expected->peer.v4.sin_port);
}

/* Close together, so that prefixes lie within each other and come twice. */
static struct route random_route(uint32_t spread) {
  uint8_t length = (uint8_t)random_below(33);
  uint32_t mask = length == 0 ? 0 : UINT32_MAX << (32 - length);
  uint32_t network = (ADDRESS(10, 0, 0, 0) + random_below(spread)) & mask;
  return route_of(network, length, (uint32_t)random_number(), (uint16_t)random_number());
}

static void compare_with_scan(size_t count, uint32_t spread, int lookups) {
  struct route *routes = must_allocate(count * sizeof *routes);
  for (size_t i = 0; i < count; i++) routes[i] = random_route(spread);
  struct fib *fib = fib_create(routes, count);
  check(fib != NULL);
  for (int i = 0; i < lookups; i++) {
    const struct route *near = count > 0 ? &routes[random_below((uint32_t)count)] : NULL;
    uint32_t edge = near == NULL ? 0 : get32(near->network) + random_below(3) - 1;
    compare(fib, routes, count, random_chance(2) ? edge : ADDRESS(10, 0, 0, 0) + random_below(spread));
    compare(fib, routes, count, (uint32_t)random_number());
  }
  fib_release(fib);
  free(routes);
}

CASE("finds what a scan of all routes finds, in small tables of random prefixes") {
  for (int i = 0; i < 500; i++) compare_with_scan(random_below(12), 1u << random_below(25), 50);
}

CASE("finds what a scan of all routes finds, among 20,000 random prefixes") {
  compare_with_scan(5000, 1u << 24, 2000);
  compare_with_scan(20000, 1u << 24, 500);
}

CASE("finds nothing when it is empty") {
  struct fib *fib = fib_create(NULL, 0);
  check(lookup(fib, 0) == NULL);
  check(lookup(fib, ADDRESS(10, 1, 2, 3)) == NULL);
  check(lookup(fib, UINT32_MAX) == NULL);
  check(!has_peer(fib, 0));
  fib_release(fib);
}

CASE("finds the longest of nested prefixes, whatever their order") {
  struct route routes[] = {
      route_of(ADDRESS(10, 1, 2, 3), 32, 32, 1), route_of(0, 0, 1, 1),
      route_of(ADDRESS(10, 1, 2, 0), 24, 24, 1), route_of(ADDRESS(10, 0, 0, 0), 8, 8, 1),
      route_of(ADDRESS(10, 1, 0, 0), 16, 16, 1), route_of(ADDRESS(10, 1, 2, 2), 31, 31, 1),
  };
  struct fib *fib = fib_create(routes, 6);
  check_equal(lookup(fib, ADDRESS(10, 1, 2, 3))->peer.v4.sin_addr.s_addr, 32);
  check_equal(lookup(fib, ADDRESS(10, 1, 2, 2))->peer.v4.sin_addr.s_addr, 31);
  check_equal(lookup(fib, ADDRESS(10, 1, 2, 4))->peer.v4.sin_addr.s_addr, 24);
  check_equal(lookup(fib, ADDRESS(10, 1, 3, 3))->peer.v4.sin_addr.s_addr, 16);
  check_equal(lookup(fib, ADDRESS(10, 2, 2, 3))->peer.v4.sin_addr.s_addr, 8);
  check_equal(lookup(fib, ADDRESS(11, 1, 2, 3))->peer.v4.sin_addr.s_addr, 1);
  fib_release(fib);
}

CASE("takes the later of two routes for one prefix, and ignores host bits") {
  struct route routes[] = {route_of(ADDRESS(10, 1, 2, 0), 24, 1, 1), route_of(ADDRESS(10, 9, 0, 0), 16, 2, 2),
                           route_of(ADDRESS(10, 1, 2, 77), 24, 3, 3)};
  struct fib *fib = fib_create(routes, 3);
  check_equal(lookup(fib, ADDRESS(10, 1, 2, 200))->peer.v4.sin_port, 3);
  check_equal(get32(lookup(fib, ADDRESS(10, 1, 2, 200))->network), ADDRESS(10, 1, 2, 0));
  fib_release(fib);
}

CASE("knows its peers by their addresses") {
  struct route routes[500];
  for (uint32_t i = 0; i < 500; i++) routes[i] = route_of(i << 8, 24, i * 2 + 1, 8285);
  struct fib *fib = fib_create(routes, 500);
  for (uint32_t i = 0; i < 1002; i++) check_equal(has_peer(fib, i), i % 2 == 1 && i < 1000);
  fib_release(fib);
}

CASE("keeps its own copy of the routes, for as long as anyone holds it") {
  struct route *routes = must_allocate(sizeof *routes);
  *routes = route_of(ADDRESS(10, 1, 2, 0), 24, 7, 8285);
  struct fib *fib = fib_create(routes, 1);
  free(routes);
  check(fib_hold(fib) == fib);
  fib_release(fib);
  check_equal(lookup(fib, ADDRESS(10, 1, 2, 3))->peer.v4.sin_addr.s_addr, 7);
  fib_release(fib);
  fib_release(NULL);
}

static uint64_t processor_time(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Nanoseconds for a million lookups among that many subnets; the best of some, for other processes run, too. */
static uint64_t cost_of_lookups(uint32_t count) {
  const uint32_t network = ADDRESS(10, 0, 0, 0);
  struct route *routes = must_allocate(count * sizeof *routes);
  for (uint32_t i = 0; i < count; i++) routes[i] = route_of(network + (i << 8), 24, i + 1, 8285);
  struct fib *fib = fib_create(routes, count);
  uint64_t best = UINT64_MAX;
  for (int attempt = 0; attempt < 5; attempt++) {
    uint64_t before = processor_time();
    for (uint32_t i = 0; i < 1000000; i++) {
      uint32_t subnet = i * 2654435761u % count;
      check(lookup(fib, network + (subnet << 8) + (i & 255))->peer.v4.sin_addr.s_addr == subnet + 1);
    }
    uint64_t cost = processor_time() - before;
    if (cost < best) best = cost;
  }
  fib_release(fib);
  free(routes);
  return best;
}

CASE("costs about the same to look up with 10 routes and with 20,000") {
  uint64_t few = cost_of_lookups(10), many = cost_of_lookups(20000);
  check_context("%llu ns for a million lookups with 10 routes, %llu with 20,000", (unsigned long long)few,
                (unsigned long long)many);
  check(many < few * 20);
}
