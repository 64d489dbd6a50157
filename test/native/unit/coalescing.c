/* What the tests of coalescing have in common. */

#include "coalescing.h"

#include "segment.h"

#include "../check.h"

#include <stdlib.h>

static void keep(struct coalescing *coalescing, uint8_t *data, size_t length) {
  check(coalescing->written_count < MOST_PACKETS);
  coalescing->written[coalescing->written_count++] = (struct bytes){data, length};
}

/* As the kernel's stack does with a large packet. */
static void keep_segments(struct coalescing *coalescing, uint8_t *packet, const struct ip *header,
                          const struct virtio_net_hdr *vnet, size_t segments) {
  struct segmenter segmenter;
  check_equal(vnet->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
  check_equal(get16(packet + vnet->csum_start + vnet->csum_offset), pseudo_sum(packet));
  check(has_right_ip_checksum(packet));
  check(segmenter_open(&segmenter, packet, header, vnet));
  check_equal(vnet->hdr_len, segmenter.headers_length);
  check_equal(segmenter.count, segments);
  for (size_t i = 0; i < segments; i++) {
    const uint8_t *payload;
    uint8_t headers[SEGMENT_MAX_HEADERS];
    size_t length = segmenter_write(&segmenter, i, headers, &payload);
    uint8_t *segment = must_allocate(segmenter.headers_length + length);
    memcpy(segment, headers, segmenter.headers_length);
    memcpy(segment + segmenter.headers_length, payload, length);
    keep(coalescing, segment, segmenter.headers_length + length);
  }
}

static bool write_packet(void *context, const struct iovec *parts, size_t count, size_t segments) {
  struct coalescing *coalescing = context;
  const struct virtio_net_hdr *vnet = parts[0].iov_base;
  struct ip header;
  size_t length = 0, at = 0;
  check_equal(parts[0].iov_len, sizeof *vnet);
  for (size_t i = 1; i < count; i++) length += parts[i].iov_len;
  uint8_t *packet = must_allocate(length);
  for (size_t i = 1; i < count; at += parts[i++].iov_len) memcpy(packet + at, parts[i].iov_base, parts[i].iov_len);
  check_equal(ip_parse(packet, length, &header), IP_GOOD);
  check_equal(header.length, length);
  bool large = vnet->gso_type != VIRTIO_NET_HDR_GSO_NONE;
  check_equal(large, segments > 1);
  if (large) coalescing->large_writes++;
  bool refused = large && coalescing->refuse_from > 0 && coalescing->large_writes >= coalescing->refuse_from;
  if (!refused) coalescing->writes++;
  if (!refused && segments > coalescing->largest) coalescing->largest = segments;
  if (large && !refused) keep_segments(coalescing, packet, &header, vnet, segments);
  if (large) free(packet);
  else keep(coalescing, packet, length);
  return !refused;
}

struct coalescing *open_coalescing(bool tcp, bool udp) {
  struct coalescing *coalescing = must_allocate(sizeof *coalescing);
  memset(coalescing, 0, sizeof *coalescing);
  coalescing->coalescer = (struct coalescer){.tcp = tcp, .udp = udp, .write = write_packet, .context = coalescing};
  return coalescing;
}

void close_coalescing(struct coalescing *coalescing) {
  for (size_t i = 0; i < coalescing->given_count; i++) {
    free(coalescing->given[i].data);
    free(coalescing->lent[i]);
  }
  for (size_t i = 0; i < coalescing->written_count; i++) free(coalescing->written[i].data);
  free(coalescing);
}

void hand_over(struct coalescing *coalescing, const uint8_t *packet, size_t length) {
  uint8_t *copy = must_allocate(length), *lent = must_allocate(length);
  struct ip header;
  check(coalescing->given_count < MOST_PACKETS);
  memcpy(copy, packet, length);
  memcpy(lent, packet, length);
  coalescing->lent[coalescing->given_count] = lent;
  coalescing->given[coalescing->given_count++] = (struct bytes){copy, length};
  check_equal(ip_parse(lent, length, &header), IP_GOOD);
  coalescer_add(&coalescing->coalescer, lent, &header);
}

static void hand_over_spec(struct coalescing *coalescing, const struct packet_spec *spec) {
  uint8_t packet[LARGEST];
  hand_over(coalescing, packet, make_packet(packet, spec));
}

void hand_over_stream(struct coalescing *coalescing, struct packet_spec *spec, size_t count) {
  for (size_t i = 0; i < count; i++) {
    hand_over_spec(coalescing, spec);
    spec->sequence += (uint32_t)spec->payload;
    spec->id++;
  }
}

void check_outcome(struct coalescing *coalescing) {
  bool seen[MOST_PACKETS] = {false};
  coalescer_flush(&coalescing->coalescer);
  check_equal(coalescing->written_count, coalescing->given_count);
  for (size_t i = 0; i < coalescing->given_count; i++) {
    size_t next = 0;
    const struct bytes *given = &coalescing->given[i];
    while (next < coalescing->written_count && (seen[next] || !is_same_flow(&coalescing->written[next], given))) next++;
    check(next < coalescing->written_count);
    seen[next] = true;
    check_same_packet(given, &coalescing->written[next]);
  }
}
