/* The UDP socket that the peers know, of IPv4 or of IPv6. */

#ifndef FLANNEL_UDP_UNDERLAY_SOCKET_H
#define FLANNEL_UDP_UNDERLAY_SOCKET_H

#include "endpoint.h"

/* Opens a nonblocking socket on that address and port. `buffer` is the size of the kernel's buffers in bytes, 0 for what
 * the system has set. Takes out of `features` what the kernel does not offer. A descriptor or a negative errno. */
int underlay_socket_open(const union endpoint *address, int buffer, unsigned *features);

/* Whether datagrams that the path does not carry in one piece are sent in fragments, or refused with EMSGSIZE, as they
 * are at first. 0 or a negative errno. */
int underlay_socket_allow_fragments(int fd, sa_family_t family, bool allow);

/* The MTU of the path to a peer as the kernel knows it, in bytes; 0 when it does not say. */
int underlay_path_mtu(const union endpoint *to);

/* Of the outer IP and UDP headers, in bytes. */
int underlay_overhead(const union endpoint *to);

/* What the kernel keeps of arriving datagrams at most, in bytes; 0 when it does not say. */
unsigned underlay_socket_buffer(int fd);

#endif
