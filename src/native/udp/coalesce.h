/* Coalescing: consecutive TCP segments, or UDP datagrams of one size, of one flow become one large packet for the TUN
 * device, so that the kernel's stack is gone through once and not 45 times. What comes out of the stack is what would
 * have come out without: the kernel can segment the large packet again into the very packets that it was made of. */

#ifndef FLANNEL_UDP_COALESCE_H
#define FLANNEL_UDP_COALESCE_H

#include "ip.h"
#include "kernel_interface.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Kernel: UDP_MAX_SEGMENTS, before it became 128 in 6.9. */
#define GROUP_SEGMENTS 64
/* Flows that are interleaved in what arrives at once. */
#define GROUPS 8
/* An IPv6 header without extensions, which is longer than one of IPv4 without options, and the longest TCP header. */
#define GROUP_HEADERS 100

struct group {
  /* The first packet, whose headers become those of all. */
  uint8_t *packet;
  uint8_t version;
  size_t ip_header_length;
  size_t headers_length;
  /* Payload of the first and of every further segment but the last. */
  size_t size;
  size_t segments;
  size_t length;
  uint8_t protocol;
  bool closed;
  bool push;
  uint8_t headers[GROUP_HEADERS];
  struct virtio_net_hdr vnet;
  /* The virtio header, the first packet, and the payloads of the others. */
  struct iovec parts[1 + GROUP_SEGMENTS];
};

/* Writes one packet, parts[0] being its virtio header, which stands for `segments` on the wire. False when the kernel
 * does not accept what the header asks for. */
typedef bool (*packet_writer)(void *context, const struct iovec *parts, size_t count, size_t segments);

struct coalescer {
  struct group groups[GROUPS];
  size_t used;
  size_t oldest;
  bool tcp;
  bool udp;
  packet_writer write;
  void *context;
};

/* Takes a packet, which must stay where it is, and may be changed, until coalescer_flush. Packets of one flow are
 * written in the order in which they came. */
void coalescer_add(struct coalescer *coalescer, uint8_t *packet, const struct ip *header);

/* Writes whatever is held. */
void coalescer_flush(struct coalescer *coalescer);

#endif
