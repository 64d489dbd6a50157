/* Two tries, one of IPv4 and one of IPv6, with a level for each byte of an address. A slot holds nothing, a route, or the
 * next level; a route is written into every slot that its prefix covers, so that a lookup never goes back. */

#include "fib.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 256
#define CHILD 0x80000000u

enum { ROOT_OF_IPV4, ROOT_OF_IPV6, ROOTS };

struct node {
  /* 0: nothing; CHILD and a node's index; or a route's index and 1. */
  uint32_t slots[SLOTS];
};

struct fib {
  atomic_uint references;
  struct route *routes;
  /* Sorted by their addresses. */
  union endpoint *peers;
  size_t route_count;
  struct node *nodes;
  size_t node_count;
  size_t node_capacity;
};

/* A node whose slots all hold `slot`; its index, or 0 when there is no memory: index 0 is a root's. */
static uint32_t add_node(struct fib *fib, uint32_t slot) {
  if (fib->node_count == fib->node_capacity) {
    size_t capacity = fib->node_capacity > 0 ? fib->node_capacity * 2 : 4;
    struct node *nodes = realloc(fib->nodes, capacity * sizeof *nodes);
    if (nodes == NULL) return 0;
    fib->nodes = nodes;
    fib->node_capacity = capacity;
  }
  for (size_t i = 0; i < SLOTS; i++) fib->nodes[fib->node_count].slots[i] = slot;
  return (uint32_t)fib->node_count++;
}

static uint32_t root_of(uint8_t version) { return version == 4 ? ROOT_OF_IPV4 : ROOT_OF_IPV6; }

/* Routes come in the order of their lengths, so whatever a slot holds is of a shorter prefix, or of the same. */
static bool insert(struct fib *fib, uint32_t index) {
  const struct route *route = &fib->routes[index];
  const uint8_t *byte = route->network;
  uint32_t node = root_of(route->version);
  unsigned bits = route->length;
  for (; bits > 8; bits -= 8, byte++) {
    uint32_t slot = fib->nodes[node].slots[*byte];
    if (!(slot & CHILD)) {
      uint32_t child = add_node(fib, slot);
      if (child == 0) return false;
      slot = CHILD | child;
      fib->nodes[node].slots[*byte] = slot;
    }
    node = slot & ~CHILD;
  }
  for (uint32_t i = 0; i < 1u << (8 - bits); i++) fib->nodes[node].slots[*byte + i] = index + 1;
  return true;
}

static int by_length(const void *a, const void *b) {
  const struct route *const *first = a, *const *second = b;
  int difference = (int)(*first)->length - (int)(*second)->length;
  if (difference != 0) return difference;
  /* qsort() need not keep the order of equals. */
  return *first < *second ? -1 : 1;
}

static int by_host(const void *a, const void *b) { return endpoint_compare_hosts(a, b); }

static void clear_host_bits(struct route *route) {
  size_t size = ip_address_length(route->version);
  for (size_t i = 0; i < size; i++) {
    size_t before = 8 * i;
    if (before >= route->length) route->network[i] = 0;
    else if (route->length - before < 8) route->network[i] &= (uint8_t)(0xff00 >> (route->length - before));
  }
}

static bool copy_sorted(struct fib *fib, const struct route *routes, size_t count) {
  const struct route **order = malloc((count + 1) * sizeof *order);
  fib->routes = malloc((count + 1) * sizeof *fib->routes);
  fib->peers = malloc((count + 1) * sizeof *fib->peers);
  fib->route_count = count;
  bool done = order != NULL && fib->routes != NULL && fib->peers != NULL;
  if (done) {
    for (size_t i = 0; i < count; i++) order[i] = &routes[i];
    qsort(order, count, sizeof *order, by_length);
    for (size_t i = 0; i < count; i++) {
      fib->routes[i] = *order[i];
      clear_host_bits(&fib->routes[i]);
      fib->peers[i] = order[i]->peer;
    }
    qsort(fib->peers, count, sizeof *fib->peers, by_host);
  }
  free(order);
  return done;
}

struct fib *fib_create(const struct route *routes, size_t count) {
  struct fib *fib = calloc(1, sizeof *fib);
  if (fib == NULL) return NULL;
  atomic_init(&fib->references, 1);
  bool done = copy_sorted(fib, routes, count);
  if (done) {
    for (int i = 0; i < ROOTS; i++) add_node(fib, 0);
    done = fib->node_count == ROOTS;
  }
  for (size_t i = 0; done && i < count; i++) done = insert(fib, (uint32_t)i);
  if (done) return fib;
  fib_release(fib);
  return NULL;
}

struct fib *fib_hold(struct fib *fib) {
  atomic_fetch_add(&fib->references, 1);
  return fib;
}

void fib_release(struct fib *fib) {
  if (fib == NULL || atomic_fetch_sub(&fib->references, 1) > 1) return;
  free(fib->routes);
  free(fib->peers);
  free(fib->nodes);
  free(fib);
}

const struct route *fib_lookup(const struct fib *fib, uint8_t version, const uint8_t *address) {
  uint32_t slot = CHILD | root_of(version);
  while (slot & CHILD) slot = fib->nodes[slot & ~CHILD].slots[*address++];
  return slot == 0 ? NULL : &fib->routes[slot - 1];
}

bool fib_has_peer(const struct fib *fib, const union endpoint *peer) {
  for (size_t low = 0, high = fib->route_count; low < high;) {
    size_t middle = (low + high) / 2;
    int order = endpoint_compare_hosts(&fib->peers[middle], peer);
    if (order == 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}
