/* The forwarding table: which peer has an inner address. Built once and never changed, so that it is read without a
 * lock; a new one takes its place as a whole. */

#ifndef FLANNEL_UDP_FIB_H
#define FLANNEL_UDP_FIB_H

#include "endpoint.h"
#include "ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A peer's subnet and where its datagrams go. */
struct route {
  /* Of the subnet: 4 or 6. The peer's address may be of the other one. */
  uint8_t version;
  uint8_t length;
  /* Host bits zero. */
  uint8_t network[IP_MAX_ADDRESS];
  union endpoint peer;
};

struct fib;

/* Copies the routes. Of two for one prefix the later one counts. One reference is the caller's. NULL: no memory. */
struct fib *fib_create(const struct route *routes, size_t count);

struct fib *fib_hold(struct fib *fib);

/* Gives a reference back; NULL is fine. */
void fib_release(struct fib *fib);

/* The route of the longest prefix around the address of that version, or NULL. As many steps at most as an address has
 * bytes, however many peers. */
const struct route *fib_lookup(const struct fib *fib, uint8_t version, const uint8_t *address);

/* Whether any route leads to the peer at this address, whatever the port. */
bool fib_has_peer(const struct fib *fib, const union endpoint *peer);

#endif
