/* What to do with a datagram that the path to a peer does not carry in one piece. */

#ifndef FLANNEL_UDP_TOO_BIG_H
#define FLANNEL_UDP_TOO_BIG_H

#include "traffic.h"

#include <sys/socket.h>

/* Takes a datagram that sendmsg has refused with EMSGSIZE. As a router would: when the inner packet forbids fragments its
 * sender is told what fits; otherwise it is sent in fragments, as is an IPv6 packet that every link must carry
 * (RFC 2473, 7.1). Counted in all cases. */
void handle_too_big(struct traffic *traffic, struct msghdr *datagram);

#endif
