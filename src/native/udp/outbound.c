/* Reading the TUN device, deciding as a router does, and gathering what goes to the same peer.
 * What is read stays in an arena until it has been sent; sending starts it anew, so in the long run the same few pages
 * are used, which the processor's cache holds. */

#include "outbound.h"

#include "message.h"
#include "segment.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* The largest packet with its virtio header, up to the next cache line. */
#define READ_SIZE (64 * 1025)
/* Headers of segments, while their message waits. */
#define HEADERS 1024
/* Packets of a turn, and bytes: the acknowledgements of a stream must not wait for milliseconds. */
#define TURN 256
#define TURN_BYTES (256 * 1024)
#define ARENA_SIZE (TURN_BYTES + READ_SIZE)
/* Sending begins when this much waits: large enough for a full message, small enough for the second level cache. */
#define ENOUGH_BYTES (32 * 1024)
#define CACHE_LINE 64
/* Kernel: a packet that its virtio header cannot describe is lost with EINVAL (tun_put_user()). A descriptor that says
 * nothing else is no TUN device. */
#define ODD_READS 64

struct outbound {
  struct traffic *traffic;
  uint8_t *arena;
  size_t used;
  size_t headers_used;
  /* Since the last packet that could be read. */
  size_t odd_reads;
  struct message_queue queue;
  uint8_t headers[HEADERS][SEGMENT_MAX_HEADERS];
};

struct outbound *outbound_create(struct traffic *traffic) {
  struct outbound *outbound = calloc(1, sizeof *outbound);
  if (outbound == NULL) return NULL;
  outbound->traffic = traffic;
  outbound->arena = aligned_alloc(CACHE_LINE, ARENA_SIZE);
  if (outbound->arena != NULL) return outbound;
  free(outbound);
  return NULL;
}

void outbound_free(struct outbound *outbound) {
  if (outbound == NULL) return;
  free(outbound->arena);
  free(outbound);
}

static void send_all(struct outbound *outbound) {
  queue_send(&outbound->queue, outbound->traffic, true);
  outbound->headers_used = 0;
}

static void add(struct outbound *outbound, const struct route *route, const struct iovec *parts, size_t number) {
  if (queue_add(&outbound->queue, outbound->traffic, route, parts, number)) return;
  queue_send(&outbound->queue, outbound->traffic, true);
  queue_add(&outbound->queue, outbound->traffic, route, parts, number);
}

static void refuse(struct traffic *traffic, enum counter reason, enum icmp_error error, const uint8_t *packet,
                   const struct ip *header) {
  count(traffic, reason, 1);
  if (may_send_icmp(traffic, packet, header)) answer_host(traffic, error, 0, packet, header);
}

static void add_segments(struct outbound *outbound, const struct route *route, const struct segmenter *segmenter) {
  count(outbound->traffic, SEGMENTED_PACKETS, segmenter->count);
  for (size_t i = 0; i < segmenter->count; i++) {
    if (outbound->headers_used == HEADERS) send_all(outbound);
    uint8_t *headers = outbound->headers[outbound->headers_used++];
    const uint8_t *payload;
    size_t length = segmenter_write(segmenter, i, headers, &payload);
    const struct iovec parts[2] = {{headers, segmenter->headers_length}, {(uint8_t *)payload, length}};
    add(outbound, route, parts, 2);
  }
}

/* Forwards a packet whose way is known. */
static void forward(struct outbound *outbound, const struct route *route, uint8_t *packet, const struct ip *header,
                    const struct virtio_net_hdr *vnet) {
  struct segmenter segmenter;
  ip_decrement_ttl(packet, header);
  if (vnet->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
    if (segmenter_open(&segmenter, packet, header, vnet)) add_segments(outbound, route, &segmenter);
    else count(outbound->traffic, DROPPED_MALFORMED, 1);
    return;
  }
  if ((vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && !complete_checksum(packet, header, vnet)) {
    count(outbound->traffic, DROPPED_MALFORMED, 1);
    return;
  }
  const struct iovec part = {packet, header->length};
  add(outbound, route, &part, 1);
}

static void take(struct outbound *outbound, uint8_t *packet, size_t length, const struct virtio_net_hdr *vnet) {
  struct traffic *traffic = outbound->traffic;
  struct ip header;
  if (!read_headers(traffic, packet, length, &header)) return;
  const struct route *route = fib_lookup(traffic->fib, header.version, header.destination);
  if (route == NULL) {
    refuse(traffic, DROPPED_NO_ROUTE, ICMP_NET_UNREACHABLE, packet, &header);
  } else if (header.ttl <= 1) {
    refuse(traffic, DROPPED_TTL_EXCEEDED, ICMP_TIME_EXCEEDED, packet, &header);
  } else {
    forward(outbound, route, packet, &header, vnet);
  }
}

/* After a read that gave nothing: whether there may be a packet behind it. */
static bool survives(struct outbound *outbound, struct turn *turn, int error) {
  if (error == EINVAL && outbound->odd_reads < ODD_READS) {
    outbound->odd_reads++;
    turn->packets++;
    count(outbound->traffic, DROPPED_MALFORMED, 1);
    return true;
  }
  if (error != EAGAIN) turn->error = error;
  return false;
}

/* Reads one packet. False when none waits, or the device is gone. */
static bool read_packet(struct outbound *outbound, struct turn *turn) {
  struct traffic *traffic = outbound->traffic;
  size_t header_size = has_feature(traffic, FEATURE_VNET_HEADER) ? sizeof(struct virtio_net_hdr) : 0;
  /* So that the IP header begins a cache line. */
  uint8_t *place = outbound->arena + outbound->used + CACHE_LINE - header_size;
  ssize_t length;
  do length = read(traffic->tun, place, READ_SIZE - CACHE_LINE + header_size);
  while (length < 0 && errno == EINTR);
  /* A device that is gone says EBADFD, and never reads as empty. */
  if (length <= 0) return survives(outbound, turn, length == 0 ? EBADFD : errno);
  count(traffic, TUN_READS, 1);
  outbound->odd_reads = 0;
  turn->packets++;
  struct virtio_net_hdr vnet = {0};
  if ((size_t)length < header_size) {
    count(traffic, DROPPED_MALFORMED, 1);
    return true;
  }
  memcpy(&vnet, place, header_size);
  size_t kept = CACHE_LINE + (size_t)length - header_size;
  outbound->used += (kept + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
  take(outbound, place + header_size, (size_t)length - header_size, &vnet);
  if (vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE) turn->small++;
  return true;
}

struct turn outbound_run(struct outbound *outbound) {
  struct turn turn = {.more = true};
  while (turn.more && turn.packets < TURN && outbound->used < TURN_BYTES) {
    turn.more = read_packet(outbound, &turn);
    if (outbound->queue.closed_bytes >= ENOUGH_BYTES) queue_send(&outbound->queue, outbound->traffic, false);
  }
  send_all(outbound);
  outbound->used = 0;
  return turn;
}
