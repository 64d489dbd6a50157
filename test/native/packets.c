/* Making packets and judging them. */

#include "packets.h"

#include "check.h"

#include <string.h>

enum { ICMP = 1, TCP = 6, UDP = 17 };

uint16_t get16(const uint8_t *bytes) { return (uint16_t)(bytes[0] << 8 | bytes[1]); }

uint32_t get32(const uint8_t *bytes) { return (uint32_t)get16(bytes) << 16 | get16(bytes + 2); }

void put16(uint8_t *bytes, uint16_t value) {
  bytes[0] = (uint8_t)(value >> 8);
  bytes[1] = (uint8_t)value;
}

void put32(uint8_t *bytes, uint32_t value) {
  put16(bytes, (uint16_t)(value >> 16));
  put16(bytes + 2, (uint16_t)value);
}

static uint16_t add(uint16_t a, uint16_t b) {
  uint32_t sum = (uint32_t)a + b;
  return (uint16_t)(sum > 0xffff ? sum - 0xffff : sum);
}

uint16_t naive_sum(uint16_t sum, const uint8_t *bytes, size_t length) {
  size_t i = 0;
  for (; i + 1 < length; i += 2) sum = add(sum, get16(bytes + i));
  return i < length ? add(sum, (uint16_t)(bytes[i] << 8)) : sum;
}

static size_t header_length(const uint8_t *packet) { return (size_t)(packet[0] & 15) * 4; }

static size_t transport_length(const uint8_t *packet) { return get16(packet + 2) - header_length(packet); }

uint16_t pseudo_sum(const uint8_t *packet) {
  uint16_t sum = naive_sum(0, packet + 12, 8);
  return add(add(sum, packet[9]), (uint16_t)transport_length(packet));
}

static uint16_t transport_sum(const uint8_t *packet) {
  uint16_t sum = packet[9] == ICMP ? 0 : pseudo_sum(packet);
  return naive_sum(sum, packet + header_length(packet), transport_length(packet));
}

/* Where the transport's checksum stands in its header; 0 when it has none. */
static size_t checksum_offset(const uint8_t *packet) {
  switch (packet[9]) {
    case ICMP: return 2;
    case TCP: return 16;
    case UDP: return 6;
    default: return 0;
  }
}

void mend_checksums(uint8_t *packet) {
  put16(packet + 10, 0);
  put16(packet + 10, (uint16_t)~naive_sum(0, packet, header_length(packet)));
  size_t offset = checksum_offset(packet);
  if (offset == 0 || transport_length(packet) < offset + 2) return;
  uint8_t *field = packet + header_length(packet) + offset;
  put16(field, 0);
  uint16_t checksum = (uint16_t)~transport_sum(packet);
  put16(field, checksum == 0 && packet[9] == UDP ? 0xffff : checksum);
}

bool has_right_ip_checksum(const uint8_t *packet) { return naive_sum(0, packet, header_length(packet)) == 0xffff; }

bool has_right_transport_checksum(const uint8_t *packet) {
  if (packet[9] == UDP && get16(packet + header_length(packet) + 6) == 0) return true;
  return transport_sum(packet) == 0xffff;
}

bool is_same_flow(const struct bytes *a, const struct bytes *b) {
  size_t first = header_length(a->data), second = header_length(b->data);
  bool ports = a->length >= first + 4, other_ports = b->length >= second + 4;
  return a->data[9] == b->data[9] && memcmp(a->data + 12, b->data + 12, 8) == 0 && ports == other_ports &&
         (!ports || memcmp(a->data + first, b->data + second, 4) == 0);
}

void check_same_packet(const struct bytes *in, const struct bytes *out) {
  check_equal(out->length, in->length);
  check_equal(has_right_ip_checksum(out->data), has_right_ip_checksum(in->data));
  /* RFC 6864: the identification of a packet that must not be cut into fragments says nothing, and may change. */
  if (get16(in->data + 6) & 0x4000) {
    memcpy(out->data + 4, in->data + 4, 2);
    memcpy(out->data + 10, in->data + 10, 2);
  }
  check_bytes(out->data, in->data, in->length);
}

static size_t write_transport_header(uint8_t *at, const struct packet_spec *spec) {
  if (spec->protocol != TCP && spec->protocol != UDP) return 0;
  size_t length = spec->protocol == UDP ? 8 : 20 + spec->tcp_options;
  memset(at, 0, length);
  put16(at, spec->source_port);
  put16(at + 2, spec->destination_port);
  if (spec->protocol == UDP) {
    put16(at + 4, (uint16_t)(length + spec->payload));
    return length;
  }
  put32(at + 4, spec->sequence);
  put32(at + 8, spec->acknowledgement);
  at[12] = (uint8_t)(length / 4 << 4);
  at[13] = spec->flags;
  put16(at + 14, spec->window);
  put16(at + 18, spec->urgent);
  memset(at + 20, spec->option, spec->tcp_options);
  return length;
}

size_t make_packet(uint8_t *packet, const struct packet_spec *spec) {
  size_t header = 20 + spec->ip_options;
  memset(packet, 0, 20);
  packet[0] = (uint8_t)(0x40 | header / 4);
  packet[1] = spec->tos;
  put16(packet + 4, spec->id);
  put16(packet + 6, spec->fragment);
  packet[8] = spec->ttl;
  packet[9] = spec->protocol;
  put32(packet + 12, spec->source);
  put32(packet + 16, spec->destination);
  random_fill(packet + 20, spec->ip_options);
  header += write_transport_header(packet + header, spec);
  random_fill(packet + header, spec->payload);
  put16(packet + 2, (uint16_t)(header + spec->payload));
  mend_checksums(packet);
  return header + spec->payload;
}

struct packet_spec tcp_spec(uint32_t source, uint32_t destination, size_t payload) {
  return (struct packet_spec){
      .source = source,
      .destination = destination,
      .protocol = TCP,
      .ttl = 64,
      .id = (uint16_t)random_number(),
      .fragment = 0x4000,
      .source_port = 40000,
      .destination_port = 80,
      .sequence = (uint32_t)random_number(),
      .acknowledgement = (uint32_t)random_number(),
      .flags = 0x10,
      .window = 501,
      .tcp_options = 12,
      .option = 1,
      .payload = payload,
  };
}

struct packet_spec udp_spec(uint32_t source, uint32_t destination, size_t payload) {
  return (struct packet_spec){
      .source = source,
      .destination = destination,
      .protocol = UDP,
      .ttl = 64,
      .id = (uint16_t)random_number(),
      .fragment = 0x4000,
      .source_port = 40000,
      .destination_port = 53,
      .payload = payload,
  };
}
