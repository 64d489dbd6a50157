/* Routes for the tests, from numbers. */

#ifndef FLANNEL_TEST_ROUTES_H
#define FLANNEL_TEST_ROUTES_H

#include "fib.h"

#include "packets.h"

/* Over IPv4; address and port as they stand in memory. */
static inline union endpoint endpoint_of(uint32_t address, uint16_t port) {
  return (union endpoint){.v4 = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = address}};
}

/* To a subnet of IPv4, in host order. */
static inline struct route route_of(uint32_t network, uint8_t length, uint32_t address, uint16_t port) {
  struct route route = {.version = 4, .length = length, .peer = endpoint_of(address, port)};
  put32(route.network, network);
  return route;
}

/* To the IPv6 subnet that stands for that one of IPv4 (write_address). */
static inline struct route route6_of(uint32_t network, uint8_t length, uint32_t address, uint16_t port) {
  struct route route = {.version = 6, .length = (uint8_t)(32 + length), .peer = endpoint_of(address, port)};
  write_address(true, network, route.network);
  return route;
}

static inline const struct route *lookup(const struct fib *fib, uint32_t address) {
  uint8_t bytes[4];
  put32(bytes, address);
  return fib_lookup(fib, 4, bytes);
}

#endif
