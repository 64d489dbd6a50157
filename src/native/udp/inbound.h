/* From the peers to the TUN device. */

#ifndef FLANNEL_UDP_INBOUND_H
#define FLANNEL_UDP_INBOUND_H

#include "outbound.h"

struct inbound;

/* NULL: no memory. */
struct inbound *inbound_create(struct traffic *traffic);
void inbound_free(struct inbound *inbound);

/* Delivers what waits, or as much as leaves the other direction its turn. */
struct turn inbound_run(struct inbound *inbound);

#endif
