/* From the TUN device to the peers. */

#ifndef FLANNEL_UDP_OUTBOUND_H
#define FLANNEL_UDP_OUTBOUND_H

#include "traffic.h"

struct outbound;

/* NULL: no memory. */
struct outbound *outbound_create(struct traffic *traffic);
void outbound_free(struct outbound *outbound);

/* Forwards packets until none waits, or enough were forwarded for the other direction to have its turn. Returns how many
 * were read, or a negative errno when the TUN device is gone. */
int outbound_run(struct outbound *outbound);

#endif
