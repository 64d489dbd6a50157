/* From the TUN device to the peers. */

#ifndef FLANNEL_UDP_OUTBOUND_H
#define FLANNEL_UDP_OUTBOUND_H

#include "traffic.h"

struct outbound;

/* NULL: no memory. */
struct outbound *outbound_create(struct traffic *traffic);
void outbound_free(struct outbound *outbound);

/* What a turn of either direction has done. */
struct turn {
  /* 0, or the errno of a descriptor that is of no use any more. */
  int error;
  /* Pieces that came in, and those of them that were single packets. */
  size_t packets;
  size_t small;
  /* There was more than belongs in a turn. */
  bool more;
};

/* Forwards packets until none waits, or enough were forwarded for the other direction to have its turn. */
struct turn outbound_run(struct outbound *outbound);

#endif
