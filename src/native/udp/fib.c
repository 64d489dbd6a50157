/* A trie of four levels, one for each byte of the address. A slot holds nothing, a route, or the next level; a route is
 * written into every slot that its prefix covers, so that a lookup never goes back. */

#include "fib.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 256
#define CHILD 0x80000000u

struct node {
  /* 0: nothing; CHILD and a node's index; or a route's index and 1. */
  uint32_t slots[SLOTS];
};

struct fib {
  atomic_uint references;
  struct route *routes;
  /* The peers' addresses, sorted. */
  uint32_t *peers;
  size_t route_count;
  struct node *nodes;
  size_t node_count;
  size_t node_capacity;
};

/* A node whose slots all hold `slot`; its index, or 0 when there is no memory: index 0 is the root's. */
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

/* Routes come in the order of their lengths, so whatever a slot holds is of a shorter prefix, or of the same. */
static bool insert(struct fib *fib, uint32_t index) {
  const struct route *route = &fib->routes[index];
  uint32_t node = 0;
  unsigned shift = 24;
  for (unsigned length = route->length; length > 8; length -= 8, shift -= 8) {
    uint32_t position = (route->network >> shift) & 255;
    uint32_t slot = fib->nodes[node].slots[position];
    if (!(slot & CHILD)) {
      uint32_t child = add_node(fib, slot);
      if (child == 0) return false;
      slot = CHILD | child;
      fib->nodes[node].slots[position] = slot;
    }
    node = slot & ~CHILD;
  }
  unsigned bits = route->length - (24 - shift);
  uint32_t first = (route->network >> shift) & 255;
  for (uint32_t i = 0; i < 1u << (8 - bits); i++) fib->nodes[node].slots[first + i] = index + 1;
  return true;
}

static int by_length(const void *a, const void *b) {
  const struct route *const *first = a, *const *second = b;
  int difference = (int)(*first)->length - (int)(*second)->length;
  if (difference != 0) return difference;
  /* qsort() need not keep the order of equals. */
  return *first < *second ? -1 : 1;
}

static int by_value(const void *a, const void *b) {
  uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
  return (first > second) - (first < second);
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
      uint8_t length = order[i]->length;
      fib->routes[i].network &= length == 0 ? 0 : UINT32_MAX << (32 - length);
      fib->peers[i] = order[i]->address;
    }
    qsort(fib->peers, count, sizeof *fib->peers, by_value);
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
    add_node(fib, 0);
    done = fib->node_count == 1;
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

const struct route *fib_lookup(const struct fib *fib, uint32_t address) {
  uint32_t slot = CHILD;
  for (unsigned shift = 24; slot & CHILD; shift -= 8) slot = fib->nodes[slot & ~CHILD].slots[(address >> shift) & 255];
  return slot == 0 ? NULL : &fib->routes[slot - 1];
}

bool fib_has_peer(const struct fib *fib, uint32_t address) {
  for (size_t low = 0, high = fib->route_count; low < high;) {
    size_t middle = (low + high) / 2;
    if (fib->peers[middle] == address) return true;
    if (fib->peers[middle] < address) low = middle + 1;
    else high = middle;
  }
  return false;
}
