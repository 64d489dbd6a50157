/* Segmentation: the kernel hands a TCP segment or a UDP train of up to 64 KiB to the TUN device in one piece
 * (IFF_VNET_HDR with TUN_F_TSO4 or TUN_F_USO4), and the wire carries packets that fit the MTU. The payload is not
 * copied: a segment is a header made here and a part of the large packet. */

#ifndef FLANNEL_UDP_SEGMENT_H
#define FLANNEL_UDP_SEGMENT_H

#include "ipv4.h"
#include "kernel_interface.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segmenter {
  const uint8_t *packet;
  size_t ip_header_length;
  /* Of IP and the transport together. */
  size_t headers_length;
  size_t payload_length;
  /* Payload of every segment but the last. */
  size_t size;
  size_t count;
  uint8_t protocol;
  /* What the headers of all segments have in common, summed up once. */
  uint64_t ip_sum;
  uint64_t transport_sum;
};

/* Looks at a packet that came with this virtio header. False when the two do not fit together. */
bool segmenter_open(struct segmenter *segmenter, const uint8_t *packet, const struct ipv4 *header,
                    const struct virtio_net_hdr *vnet);

/* Writes the headers of segment `index`, with all checksums, and says where its payload is. `headers` has room for
 * TRANSPORT_MAX_HEADERS bytes. Returns the payload's length. */
size_t segmenter_write(const struct segmenter *segmenter, size_t index, uint8_t *headers, const uint8_t **payload);

/* Completes the checksum that the kernel left to the device (VIRTIO_NET_HDR_F_NEEDS_CSUM). False when the header points
 * outside of the packet. */
bool complete_checksum(uint8_t *packet, size_t length, const struct virtio_net_hdr *vnet);

#endif
