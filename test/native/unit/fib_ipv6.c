#include "../check.h"
#include "../packets.h"
#include "../routes.h"

#include <stdlib.h>

#define SUITE "the forwarding table, of IPv6"

static bool contains(const struct route *route, const uint8_t *address) {
  for (unsigned bit = 0; bit < route->length; bit++) {
    if ((route->network[bit / 8] ^ address[bit / 8]) & 0x80 >> bit % 8) return false;
  }
  return true;
}

/* What the table is to find: of the longest prefixes around the address the one that came last. */
static const struct route *scan(const struct route *routes, size_t count, const uint8_t *address) {
  const struct route *best = NULL;
  for (size_t i = 0; i < count; i++) {
    if (contains(&routes[i], address) && (best == NULL || routes[i].length >= best->length)) best = &routes[i];
  }
  return best;
}

/* Few bits differ, so that prefixes lie within each other and come twice. */
static void random_address(uint8_t *address) {
  memset(address, 0, 16);
  for (int i = 0; i < 4; i++) address[random_below(16)] ^= (uint8_t)(1u << random_below(8));
}

CASE("finds what a scan of all routes finds, in tables of random prefixes of all lengths") {
  struct route routes[64];
  for (int round = 0; round < 400; round++) {
    size_t count = random_below(64);
    for (size_t i = 0; i < count; i++) {
      routes[i] = (struct route){
          .version = 6, .length = (uint8_t)random_below(129), .peer = endpoint_of((uint32_t)random_number(), 1)};
      random_address(routes[i].network);
    }
    struct fib *fib = fib_create(routes, count);
    for (int i = 0; i < 100; i++) {
      uint8_t address[16];
      random_address(address);
      if (count > 0 && random_chance(2)) memcpy(address, routes[random_below((uint32_t)count)].network, 16);
      const struct route *expected = scan(routes, count, address), *actual = fib_lookup(fib, 6, address);
      check((actual == NULL) == (expected == NULL));
      if (expected == NULL) continue;
      check_equal(actual->length, expected->length);
      check(endpoint_is_same(&actual->peer, &expected->peer));
    }
    fib_release(fib);
  }
}

CASE("keeps the versions apart") {
  const struct route routes[] = {route_of(0, 0, 4, 1), {.version = 6, .length = 0, .peer = endpoint_of(6, 1)}};
  const uint8_t address[16] = {10, 1, 2, 3};
  struct fib *both = fib_create(routes, 2), *one = fib_create(routes, 1), *other = fib_create(routes + 1, 1);
  check_equal(fib_lookup(both, 4, address)->peer.v4.sin_addr.s_addr, 4);
  check_equal(fib_lookup(both, 6, address)->peer.v4.sin_addr.s_addr, 6);
  check(fib_lookup(one, 6, address) == NULL);
  check(fib_lookup(other, 4, address) == NULL);
  fib_release(both);
  fib_release(one);
  fib_release(other);
}

CASE("ignores host bits") {
  struct route route = {.version = 6, .length = 61};
  memset(route.network, 0xff, 16);
  struct fib *fib = fib_create(&route, 1);
  uint8_t inside[16], outside[16];
  memset(inside, 0xff, 16);
  memset(outside, 0xff, 16);
  memset(inside + 8, 0, 8);
  inside[7] = 0xf8;
  outside[7] = 0xf7;
  check(fib_lookup(fib, 6, inside) != NULL);
  check_bytes(fib_lookup(fib, 6, inside)->network, inside, 16);
  check(fib_lookup(fib, 6, outside) == NULL);
  fib_release(fib);
}

CASE("knows peers of both versions by their addresses, whatever their ports") {
  struct route routes[40];
  for (uint32_t i = 0; i < 40; i++) {
    routes[i] = route_of(i << 8, 24, htonl(i), (uint16_t)i);
    if (i % 2 == 0) continue;
    routes[i].peer = (union endpoint){.v6 = {.sin6_family = AF_INET6, .sin6_port = (uint16_t)i}};
    write_address(true, i, routes[i].peer.v6.sin6_addr.s6_addr);
  }
  struct fib *fib = fib_create(routes, 40);
  for (uint32_t i = 0; i < 80; i++) {
    union endpoint v4 = endpoint_of(htonl(i), 7), v6 = {.v6 = {.sin6_family = AF_INET6, .sin6_port = 7}};
    write_address(true, i, v6.v6.sin6_addr.s6_addr);
    check_equal(fib_has_peer(fib, &v4), i < 40 && i % 2 == 0);
    check_equal(fib_has_peer(fib, &v6), i < 40 && i % 2 == 1);
  }
  fib_release(fib);
}
