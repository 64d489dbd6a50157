/* The forwarding table: which peer has an inner address. Built once and never changed, so that it is read without a
 * lock; a new one takes its place as a whole. */

#ifndef FLANNEL_UDP_FIB_H
#define FLANNEL_UDP_FIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A peer's subnet and where its datagrams go. */
struct route {
  /* Host order, host bits zero. */
  uint32_t network;
  uint8_t length;
  /* Network order, as sockets want them. */
  uint32_t address;
  uint16_t port;
};

struct fib;

/* Copies the routes. Of two for one prefix the later one counts. One reference is the caller's. NULL: no memory. */
struct fib *fib_create(const struct route *routes, size_t count);

struct fib *fib_hold(struct fib *fib);

/* Gives a reference back; NULL is fine. */
void fib_release(struct fib *fib);

/* The route of the longest prefix around the address (host order), or NULL. Four steps at most, however many peers. */
const struct route *fib_lookup(const struct fib *fib, uint32_t address);

/* Whether any route leads to the peer at this address (network order). */
bool fib_has_peer(const struct fib *fib, uint32_t address);

#endif
