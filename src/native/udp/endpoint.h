/* Addresses and ports of peers, IPv4 or IPv6, as sockets want them. */

#ifndef FLANNEL_UDP_ENDPOINT_H
#define FLANNEL_UDP_ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

union endpoint {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

static inline socklen_t endpoint_size(const union endpoint *endpoint) {
  return endpoint->any.sa_family == AF_INET ? sizeof endpoint->v4 : sizeof endpoint->v6;
}

/* Whether both are of one host. */
static inline bool endpoint_is_same_host(const union endpoint *a, const union endpoint *b) {
  if (a->any.sa_family != b->any.sa_family) return false;
  if (a->any.sa_family == AF_INET) return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
  return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
}

/* Whether both are the same, address and port. */
static inline bool endpoint_is_same(const union endpoint *a, const union endpoint *b) {
  /* The port stands at the same place in both. */
  return a->v4.sin_port == b->v4.sin_port && endpoint_is_same_host(a, b);
}

/* An order in which one host stands beside itself: negative, 0, or positive. */
static inline int endpoint_compare_hosts(const union endpoint *a, const union endpoint *b) {
  if (a->any.sa_family != b->any.sa_family) return a->any.sa_family < b->any.sa_family ? -1 : 1;
  if (a->any.sa_family == AF_INET) return memcmp(&a->v4.sin_addr, &b->v4.sin_addr, sizeof a->v4.sin_addr);
  return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr);
}

#endif
