/* What the kernel's own tcp_gso_segment() and __udp_gso_segment() do, on bytes. */

#include "segment.h"

#include "checksum.h"
#include "ipv4.h"
#include "ipv6.h"

/* The words of a TCP header that differ between segments: sequence number, data offset and flags, checksum. */
static uint64_t tcp_common_sum(const struct ip *header, const uint8_t *tcp, size_t length) {
  uint64_t sum = checksum_add(ip_address_sum(header), tcp, TCP_SEQUENCE);
  sum = checksum_add(sum, tcp + TCP_ACKNOWLEDGEMENT, 4);
  sum = checksum_add(sum, tcp + TCP_WINDOW, 2);
  return checksum_add(sum, tcp + TCP_CHECKSUM + 2, length - TCP_CHECKSUM - 2);
}

static uint64_t udp_common_sum(const struct ip *header, const uint8_t *udp) {
  return checksum_add(ip_address_sum(header), udp, UDP_LENGTH);
}

/* The words of an IPv4 header that differ between segments: length, identification, checksum. */
static uint64_t ipv4_common_sum(const uint8_t *packet, size_t length) {
  uint64_t sum = checksum_add(0, packet, IPV4_LENGTH);
  sum = checksum_add(sum, packet + IPV4_FRAGMENT, IPV4_CHECKSUM - IPV4_FRAGMENT);
  return checksum_add(sum, packet + IPV4_SOURCE, length - IPV4_SOURCE);
}

static size_t transport_header_length(const uint8_t *transport, size_t available, uint8_t protocol) {
  if (protocol == PROTOCOL_UDP) return available >= UDP_HEADER ? UDP_HEADER : 0;
  if (available < TCP_HEADER) return 0;
  size_t length = (size_t)(transport[TCP_DATA_OFFSET] >> 4) * 4;
  return length >= TCP_HEADER && length <= available ? length : 0;
}

/* 0: no packet of that version can be what the header says. */
static uint8_t protocol_of(const struct virtio_net_hdr *vnet, uint8_t version) {
  switch (vnet->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4: return version == 4 ? PROTOCOL_TCP : 0;
    case VIRTIO_NET_HDR_GSO_TCPV6: return version == 6 ? PROTOCOL_TCP : 0;
    case VIRTIO_NET_HDR_GSO_UDP_L4: return PROTOCOL_UDP;
    default: return 0;
  }
}

bool segmenter_open(struct segmenter *segmenter, const uint8_t *packet, const struct ip *header,
                    const struct virtio_net_hdr *vnet) {
  uint8_t protocol = protocol_of(vnet, header->version);
  if (protocol == 0 || header->protocol != protocol || vnet->gso_size == 0 || ip_is_fragment(header)) return false;
  const uint8_t *transport = packet + header->header_length;
  size_t available = header->length - header->header_length;
  size_t transport_length = transport_header_length(transport, available, protocol);
  if (transport_length == 0) return false;
  size_t payload = available - transport_length;
  if (payload == 0 || header->header_length + transport_length > SEGMENT_MAX_HEADERS) return false;
  *segmenter = (struct segmenter){
      .packet = packet,
      .version = header->version,
      .ip_header_length = header->header_length,
      .headers_length = header->header_length + transport_length,
      .payload_length = payload,
      .size = vnet->gso_size,
      .count = (payload + vnet->gso_size - 1) / vnet->gso_size,
      .protocol = protocol,
      .ip_sum = header->version == 4 ? ipv4_common_sum(packet, header->header_length) : 0,
      .transport_sum = protocol == PROTOCOL_TCP ? tcp_common_sum(header, transport, transport_length)
                                                : udp_common_sum(header, transport),
  };
  return true;
}

static void write_ipv4(const struct segmenter *segmenter, size_t index, uint8_t *headers, size_t payload_length) {
  uint16_t words[2] = {htons((uint16_t)(segmenter->headers_length + payload_length)),
                       htons((uint16_t)(load16(headers + IPV4_ID) + index))};
  memcpy(headers + IPV4_LENGTH, words, sizeof words);
  store_sum(headers + IPV4_CHECKSUM, (uint16_t)~checksum_fold(segmenter->ip_sum + words[0] + words[1]));
}

static void write_ip(const struct segmenter *segmenter, size_t index, uint8_t *headers, size_t payload_length) {
  if (segmenter->version == 4) {
    write_ipv4(segmenter, index, headers, payload_length);
    return;
  }
  store16(headers + IPV6_PAYLOAD_LENGTH, (uint16_t)(segmenter->headers_length - IPV6_HEADER + payload_length));
}

static void write_tcp(const struct segmenter *segmenter, size_t index, uint8_t *tcp, const uint8_t *payload,
                      size_t payload_length) {
  store32(tcp + TCP_SEQUENCE, load32(tcp + TCP_SEQUENCE) + (uint32_t)(index * segmenter->size));
  /* Kernel: of a segmented packet only the last carries FIN and PSH, and only the first CWR (tcp_gso_segment()). */
  if (index + 1 < segmenter->count) tcp[TCP_FLAGS] &= (uint8_t)~(TCP_FIN | TCP_PSH);
  if (index > 0) tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
  size_t length = segmenter->headers_length - segmenter->ip_header_length + payload_length;
  uint64_t sum = segmenter->transport_sum + htons((uint16_t)length);
  sum = checksum_add(sum, tcp + TCP_SEQUENCE, 4);
  sum = checksum_add(sum, tcp + TCP_DATA_OFFSET, 2);
  store_sum(tcp + TCP_CHECKSUM, (uint16_t)~checksum_fold(checksum_add(sum, payload, payload_length)));
}

static void write_udp(const struct segmenter *segmenter, uint8_t *udp, const uint8_t *payload, size_t payload_length) {
  uint16_t length = htons((uint16_t)(UDP_HEADER + payload_length));
  memcpy(udp + UDP_LENGTH, &length, sizeof length);
  /* The length stands in the pseudo header, too. */
  uint64_t sum = checksum_add(segmenter->transport_sum + length + length, payload, payload_length);
  uint16_t checksum = (uint16_t)~checksum_fold(sum);
  store_sum(udp + UDP_CHECKSUM, checksum != 0 ? checksum : 0xffff);
}

size_t segmenter_write(const struct segmenter *segmenter, size_t index, uint8_t *headers, const uint8_t **payload) {
  size_t offset = index * segmenter->size;
  size_t left = segmenter->payload_length - offset;
  size_t length = left < segmenter->size ? left : segmenter->size;
  *payload = segmenter->packet + segmenter->headers_length + offset;
  memcpy(headers, segmenter->packet, segmenter->headers_length);
  write_ip(segmenter, index, headers, length);
  uint8_t *transport = headers + segmenter->ip_header_length;
  if (segmenter->protocol == PROTOCOL_TCP) write_tcp(segmenter, index, transport, *payload, length);
  else write_udp(segmenter, transport, *payload, length);
  return length;
}

bool complete_checksum(uint8_t *packet, const struct ip *header, const struct virtio_net_hdr *vnet) {
  size_t start = vnet->csum_start, length = header->length;
  size_t field = start + vnet->csum_offset;
  if (start < header->header_length || field + 2 > length) return false;
  /* The field holds the pseudo header's sum. */
  uint16_t checksum = (uint16_t)~checksum_fold(checksum_add(0, packet + start, length - start));
  store_sum(packet + field, checksum != 0 || vnet->csum_offset != UDP_CHECKSUM ? checksum : 0xffff);
  return true;
}
