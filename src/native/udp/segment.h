/* Segmentation: the kernel hands a TCP segment or a UDP train of up to 64 KiB to the TUN device in one piece
 * (IFF_VNET_HDR with TUN_F_TSO or TUN_F_USO), and the wire carries packets that fit the MTU. The payload is not
 * copied: a segment is a header made here and a part of the large packet. */

#ifndef FLANNEL_UDP_SEGMENT_H
#define FLANNEL_UDP_SEGMENT_H

#include "ip.h"
#include "kernel_interface.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest headers, IP's and the transport's together, that a segment is made with: of IPv4 whatever there is, of IPv6
 * with 60 bytes of extension headers beside all TCP options. */
#define SEGMENT_MAX_HEADERS 160

struct segmenter {
  const uint8_t *packet;
  uint8_t version;
  size_t ip_header_length;
  /* Of IP and the transport together. */
  size_t headers_length;
  size_t payload_length;
  /* Payload of every segment but the last. */
  size_t size;
  size_t count;
  uint8_t protocol;
  /* What the headers of all segments have in common, summed up once; IPv6's own header has no checksum. */
  uint64_t ip_sum;
  uint64_t transport_sum;
};

/* Looks at a packet that came with this virtio header. False when the two do not fit together, or the headers are more than
 * SEGMENT_MAX_HEADERS. */
bool segmenter_open(struct segmenter *segmenter, const uint8_t *packet, const struct ip *header,
                    const struct virtio_net_hdr *vnet);

/* Writes the headers of segment `index`, with all checksums, and says where its payload is. `headers` has room for
 * SEGMENT_MAX_HEADERS bytes. Returns the payload's length. */
size_t segmenter_write(const struct segmenter *segmenter, size_t index, uint8_t *headers, const uint8_t **payload);

/* Completes the checksum that the kernel left to the device (VIRTIO_NET_HDR_F_NEEDS_CSUM). False when the virtio header
 * points outside of what follows the packet's own headers. */
bool complete_checksum(uint8_t *packet, const struct ip *header, const struct virtio_net_hdr *vnet);

#endif
