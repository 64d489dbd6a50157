/* The UDP socket that the peers know. */

#ifndef FLANNEL_UDP_UNDERLAY_SOCKET_H
#define FLANNEL_UDP_UNDERLAY_SOCKET_H

#include <netinet/in.h>

/* Opens a nonblocking socket on that address and port. `buffer` is the size of the kernel's buffers in bytes, 0 for what
 * the system has set. Takes out of `features` what the kernel does not offer. A descriptor or a negative errno. */
int underlay_socket_open(const struct sockaddr_in *address, int buffer, unsigned *features);

/* What the kernel keeps of arriving datagrams at most, in bytes; 0 when it does not say. */
unsigned underlay_socket_buffer(int fd);

#endif
