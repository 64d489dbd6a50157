/* Which packets may go together follows the kernel's inet_gro_receive(), ipv6_gro_receive(), tcp_gro_receive() and
 * udp_gro_receive(). */

#include "coalesce.h"

#include "checksum.h"
#include "ipv4.h"
#include "ipv6.h"

/* A packet that could be part of a group. */
struct segment {
  uint8_t *packet;
  const struct ip *header;
  size_t headers_length;
  size_t payload_length;
};

/* Of a header without options or extensions: with them, packets stay as they are. */
static size_t plain_header(uint8_t version) { return version == 4 ? IPV4_HEADER : IPV6_HEADER; }

/* A wrong checksum must stay wrong: the receiver's kernel is to see it. */
static bool has_good_checksums(const uint8_t *packet, const struct ip *header) {
  size_t length = header->length - header->header_length;
  uint64_t sum = checksum_add(ip_pseudo_sum(header, length), packet + header->header_length, length);
  if (checksum_fold(sum) != 0xffff) return false;
  return header->version == 6 || checksum_fold(checksum_add(0, packet, IPV4_HEADER)) == 0xffff;
}

static bool is_tcp_segment(struct segment *segment, const uint8_t *tcp, size_t available) {
  if (available < TCP_HEADER) return false;
  size_t length = (size_t)(tcp[TCP_DATA_OFFSET] >> 4) * 4;
  if (length < TCP_HEADER || length >= available) return false;
  if ((tcp[TCP_FLAGS] & ~TCP_PSH) != TCP_ACK || (tcp[TCP_DATA_OFFSET] & 15) != 0) return false;
  segment->headers_length = segment->header->header_length + length;
  segment->payload_length = available - length;
  return true;
}

static bool is_udp_segment(struct segment *segment, const uint8_t *udp, size_t available) {
  if (available <= UDP_HEADER || load16(udp + UDP_LENGTH) != available) return false;
  /* Kernel: without a checksum a datagram is not coalesced, because segmentation would give it one. */
  if (load16(udp + UDP_CHECKSUM) == 0) return false;
  segment->headers_length = segment->header->header_length + UDP_HEADER;
  segment->payload_length = available - UDP_HEADER;
  return true;
}

static bool is_eligible(const struct coalescer *coalescer, struct segment *segment) {
  const struct ip *header = segment->header;
  if (header->header_length != plain_header(header->version) || ip_is_fragment(header)) return false;
  const uint8_t *transport = segment->packet + header->header_length;
  size_t available = header->length - header->header_length;
  if (header->protocol == PROTOCOL_TCP) {
    if (!coalescer->tcp || !is_tcp_segment(segment, transport, available)) return false;
  } else if (header->protocol == PROTOCOL_UDP) {
    if (!coalescer->udp || !is_udp_segment(segment, transport, available)) return false;
  } else {
    return false;
  }
  return has_good_checksums(segment->packet, header);
}

/* Addresses, protocol and, in all that can be in a group, ports. */
static bool is_same_flow(const struct group *group, const uint8_t *packet, const struct ip *header) {
  if (group->protocol != header->protocol || group->version != header->version) return false;
  const uint8_t *addresses = group->packet + (group->version == 4 ? IPV4_SOURCE : IPV6_SOURCE);
  if (header->version == 4 ? memcmp(addresses, header->source, 8) != 0 : memcmp(addresses, header->source, 32) != 0) {
    return false;
  }
  return header->length < header->header_length + 4 ||
         memcmp(group->packet + group->ip_header_length, packet + header->header_length, 4) == 0;
}

static struct group *find_group(struct coalescer *coalescer, const uint8_t *packet, const struct ip *header) {
  for (size_t i = 0; i < coalescer->used; i++) {
    if (is_same_flow(&coalescer->groups[i], packet, header)) return &coalescer->groups[i];
  }
  return NULL;
}

static bool ipv4_headers_match(const struct group *group, const struct segment *segment) {
  const uint8_t *first = group->packet, *next = segment->packet;
  if (first[IPV4_TOS] != next[IPV4_TOS] || first[IPV4_TTL] != next[IPV4_TTL]) return false;
  uint16_t fragment = segment->header->fragment;
  if (load16(first + IPV4_FRAGMENT) != fragment) return false;
  /* RFC 6864: the identification of what is never fragmented means nothing. Otherwise segmentation counts it up. */
  if (fragment & IP_DONT_FRAGMENT) return true;
  return (uint16_t)(load16(first + IPV4_ID) + group->segments) == load16(next + IPV4_ID);
}

static bool ip_headers_match(const struct group *group, const struct segment *segment) {
  if (group->version == 4) return ipv4_headers_match(group, segment);
  const uint8_t *first = group->packet, *next = segment->packet;
  /* Version, traffic class and flow label. */
  return memcmp(first, next, 4) == 0 && first[IPV6_HOP_LIMIT] == next[IPV6_HOP_LIMIT];
}

static bool tcp_headers_match(const struct group *group, const struct segment *segment) {
  size_t ip = group->ip_header_length, sent = group->length - group->headers_length;
  const uint8_t *first = group->packet + ip, *next = segment->packet + ip;
  return group->headers_length == segment->headers_length &&
         load32(first + TCP_SEQUENCE) + (uint32_t)sent == load32(next + TCP_SEQUENCE) &&
         memcmp(first + TCP_ACKNOWLEDGEMENT, next + TCP_ACKNOWLEDGEMENT, 4) == 0 &&
         memcmp(first + TCP_WINDOW, next + TCP_WINDOW, 2) == 0 &&
         /* And the options. */
         memcmp(first + TCP_URGENT, next + TCP_URGENT, segment->headers_length - ip - TCP_URGENT) == 0;
}

static bool belongs(const struct group *group, const struct segment *segment) {
  return !group->closed && group->segments < GROUP_SEGMENTS && segment->payload_length <= group->size &&
         group->length + segment->payload_length <= IP_MAX_LENGTH && ip_headers_match(group, segment) &&
         (group->protocol == PROTOCOL_UDP || tcp_headers_match(group, segment));
}

static void append(struct group *group, const struct segment *segment) {
  group->segments++;
  group->parts[group->segments] =
      (struct iovec){segment->packet + segment->headers_length, segment->payload_length};
  group->length += segment->payload_length;
  bool push = group->protocol == PROTOCOL_TCP && (segment->packet[group->ip_header_length + TCP_FLAGS] & TCP_PSH) != 0;
  group->push |= push;
  group->closed = push || segment->payload_length < group->size;
}

static void begin(struct group *group, const struct segment *segment) {
  group->packet = segment->packet;
  group->version = segment->header->version;
  group->ip_header_length = segment->header->header_length;
  group->headers_length = segment->headers_length;
  group->size = segment->payload_length;
  group->protocol = segment->header->protocol;
  group->segments = 0;
  group->length = segment->headers_length;
  group->push = false;
  append(group, segment);
  group->parts[1] = (struct iovec){segment->packet, segment->header->length};
}

/* Makes the first packet's headers those of the whole. */
static void write_headers(struct group *group) {
  size_t ip = group->ip_header_length, length = group->length - ip;
  uint8_t *packet = group->packet, *transport = packet + ip;
  bool tcp = group->protocol == PROTOCOL_TCP, v4 = group->version == 4;
  memcpy(group->headers, packet, group->headers_length);
  if (v4) {
    store16(packet + IPV4_LENGTH, (uint16_t)group->length);
    ipv4_set_checksum(packet, IPV4_HEADER);
  } else {
    store16(packet + IPV6_PAYLOAD_LENGTH, (uint16_t)length);
  }
  const struct ip header = {
      .version = group->version, .protocol = group->protocol, .source = packet + (v4 ? IPV4_SOURCE : IPV6_SOURCE)};
  uint16_t pseudo = checksum_fold(ip_pseudo_sum(&header, length));
  if (tcp && group->push) transport[TCP_FLAGS] |= TCP_PSH;
  if (!tcp) store16(transport + UDP_LENGTH, (uint16_t)length);
  store_sum(transport + (tcp ? TCP_CHECKSUM : UDP_CHECKSUM), pseudo);
  group->vnet = (struct virtio_net_hdr){
      .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
      .gso_type = !tcp ? VIRTIO_NET_HDR_GSO_UDP_L4 : v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
      .hdr_len = (uint16_t)group->headers_length,
      .gso_size = (uint16_t)group->size,
      .csum_start = (uint16_t)ip,
      .csum_offset = tcp ? TCP_CHECKSUM : UDP_CHECKSUM,
  };
}

static void write_single(const struct coalescer *coalescer, uint8_t *packet, size_t length) {
  static const struct virtio_net_hdr plain;
  const struct iovec parts[2] = {{(void *)&plain, sizeof plain}, {packet, length}};
  coalescer->write(coalescer->context, parts, 2, 1);
}

/* The kernel took the large packet for wrong: its parts are sent as they came, and no more are made. */
static void write_apart(struct coalescer *coalescer, struct group *group) {
  if (group->protocol == PROTOCOL_TCP) coalescer->tcp = false;
  else coalescer->udp = false;
  memcpy(group->packet, group->headers, group->headers_length);
  write_single(coalescer, group->packet, group->parts[1].iov_len);
  for (size_t i = 2; i <= group->segments; i++) {
    /* Every payload still has its own headers before it. */
    const struct iovec *payload = &group->parts[i];
    uint8_t *packet = (uint8_t *)payload->iov_base - group->headers_length;
    write_single(coalescer, packet, group->headers_length + payload->iov_len);
  }
}

/* The group is empty afterwards. */
static void write_group(struct coalescer *coalescer, struct group *group) {
  if (group->segments == 1) {
    write_single(coalescer, group->packet, group->length);
  } else if (group->segments > 1) {
    write_headers(group);
    group->parts[0] = (struct iovec){&group->vnet, sizeof group->vnet};
    if (!coalescer->write(coalescer->context, group->parts, group->segments + 1, group->segments)) {
      write_apart(coalescer, group);
    }
  }
  group->segments = 0;
}

static struct group *free_group(struct coalescer *coalescer) {
  if (coalescer->used < GROUPS) return &coalescer->groups[coalescer->used++];
  struct group *group = &coalescer->groups[coalescer->oldest++ % GROUPS];
  write_group(coalescer, group);
  return group;
}

void coalescer_add(struct coalescer *coalescer, uint8_t *packet, const struct ip *header) {
  struct segment segment = {.packet = packet, .header = header};
  struct group *group = find_group(coalescer, packet, header);
  if (!is_eligible(coalescer, &segment)) {
    if (group != NULL) write_group(coalescer, group);
    write_single(coalescer, packet, header->length);
    return;
  }
  if (group != NULL && group->segments > 0) {
    if (belongs(group, &segment)) {
      append(group, &segment);
      return;
    }
    write_group(coalescer, group);
  }
  begin(group != NULL ? group : free_group(coalescer), &segment);
}

void coalescer_flush(struct coalescer *coalescer) {
  for (size_t i = 0; i < coalescer->used; i++) write_group(coalescer, &coalescer->groups[i]);
  coalescer->used = 0;
  coalescer->oldest = 0;
}
