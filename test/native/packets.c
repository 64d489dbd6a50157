/* Making packets and judging them. */

#include "packets.h"

#include "check.h"

#include <string.h>

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION_OPTIONS = 60 };
#define MOST_EXTENSIONS 8

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

void write_address(bool v6, uint32_t number, uint8_t *address) {
  if (!v6) {
    put32(address, number);
    return;
  }
  memset(address, 0, 16);
  address[0] = 0xfd;
  put32(address + 4, number);
  address[15] = 1;
}

/* Steps over one extension header. False when there is none, or it ends the matter. */
static bool step(const uint8_t *packet, struct layout *layout) {
  const uint8_t *extension = packet + layout->headers;
  uint8_t kind = layout->protocol;
  if (kind != HOP_BY_HOP && kind != ROUTING && kind != FRAGMENT && kind != DESTINATION_OPTIONS) return false;
  if ((layout->fragment & 0x1fff) != 0) return false;
  size_t left = layout->length - layout->headers, size = left < 8 || kind == FRAGMENT ? 8 : (size_t)extension[1] * 8 + 8;
  if (kind == ROUTING && left >= 8 && extension[3] > 0) return false;
  layout->good = size <= left;
  if (!layout->good) return false;
  if (kind == FRAGMENT) {
    uint16_t word = get16(extension + 2);
    layout->fragment = (uint16_t)(layout->fragment | (word >> 3) | (word & 1) << 13);
  }
  layout->protocol = extension[0];
  layout->headers += size;
  return true;
}

struct layout lay_out(const uint8_t *packet, size_t available) {
  struct layout layout = {.good = false};
  if (available > 0 && packet[0] >> 4 == 4 && available >= 20) {
    layout = (struct layout){true,
                             false,
                             packet[9],
                             packet[8],
                             get16(packet + 6),
                             (size_t)(packet[0] & 15) * 4,
                             get16(packet + 2),
                             packet + 12,
                             packet + 16};
    layout.good = layout.headers >= 20 && layout.length >= layout.headers && layout.length <= available;
  } else if (available >= 40 && packet[0] >> 4 == 6) {
    layout = (struct layout){
        true, true, packet[6], packet[7], 0x4000, 40, (size_t)get16(packet + 4) + 40, packet + 8, packet + 24};
    layout.good = layout.length <= available;
    for (int i = 0; layout.good && i < MOST_EXTENSIONS && step(packet, &layout); i++) continue;
  }
  return layout;
}

static struct layout of_good(const uint8_t *packet) {
  struct layout layout = lay_out(packet, 65535 + 40);
  check(layout.good);
  return layout;
}

static size_t header_length(const uint8_t *packet) { return of_good(packet).headers; }

static uint8_t protocol_of(const uint8_t *packet) { return of_good(packet).protocol; }

static size_t transport_length(const uint8_t *packet) { return of_good(packet).length - header_length(packet); }

uint16_t pseudo_sum(const uint8_t *packet) {
  uint16_t sum = packet[0] >> 4 == 4 ? naive_sum(0, packet + 12, 8) : naive_sum(0, packet + 8, 32);
  return add(add(sum, protocol_of(packet)), (uint16_t)transport_length(packet));
}

static uint16_t transport_sum(const uint8_t *packet) {
  uint16_t sum = protocol_of(packet) == ICMP ? 0 : pseudo_sum(packet);
  return naive_sum(sum, packet + header_length(packet), transport_length(packet));
}

/* Where the transport's checksum stands in its header; 0 when it has none. */
static size_t checksum_offset(const uint8_t *packet) {
  switch (protocol_of(packet)) {
    case ICMP: return 2;
    case TCP: return 16;
    case UDP: return 6;
    case ICMPV6: return packet[0] >> 4 == 6 ? 2 : 0;
    default: return 0;
  }
}

void mend_checksums(uint8_t *packet) {
  if (packet[0] >> 4 == 4) {
    put16(packet + 10, 0);
    put16(packet + 10, (uint16_t)~naive_sum(0, packet, header_length(packet)));
  }
  size_t offset = checksum_offset(packet);
  if (offset == 0 || transport_length(packet) < offset + 2) return;
  uint8_t *field = packet + header_length(packet) + offset;
  put16(field, 0);
  uint16_t checksum = (uint16_t)~transport_sum(packet);
  put16(field, checksum == 0 && protocol_of(packet) == UDP ? 0xffff : checksum);
}

bool has_right_ip_checksum(const uint8_t *packet) {
  return packet[0] >> 4 == 6 || naive_sum(0, packet, (size_t)(packet[0] & 15) * 4) == 0xffff;
}

bool has_right_transport_checksum(const uint8_t *packet) {
  if (protocol_of(packet) == UDP && get16(packet + header_length(packet) + 6) == 0) return true;
  return transport_sum(packet) == 0xffff;
}

bool is_same_flow(const struct bytes *a, const struct bytes *b) {
  struct layout first = lay_out(a->data, a->length), second = lay_out(b->data, b->length);
  bool ports = a->length >= first.headers + 4, other_ports = b->length >= second.headers + 4;
  return first.v6 == second.v6 && first.protocol == second.protocol &&
         memcmp(first.source, second.source, first.v6 ? 32 : 8) == 0 && ports == other_ports &&
         (!ports || memcmp(a->data + first.headers, b->data + second.headers, 4) == 0);
}

void check_same_packet(const struct bytes *in, const struct bytes *out) {
  check_equal(out->length, in->length);
  check_equal(has_right_ip_checksum(out->data), has_right_ip_checksum(in->data));
  /* RFC 6864: the identification of a packet that must not be cut into fragments says nothing, and may change. */
  if (in->data[0] >> 4 == 4 && (get16(in->data + 6) & 0x4000)) {
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

static size_t extension_length(const struct packet_spec *spec) { return spec->ip_options / 4 * 8; }

static bool is_fragment(const struct packet_spec *spec) { return (spec->fragment & 0x3fff) != 0; }

size_t headers_before_transport(const struct packet_spec *spec) {
  if (!spec->v6) return 20 + spec->ip_options;
  return 40 + extension_length(spec) + (is_fragment(spec) ? 8 : 0);
}

static void write_ipv4(uint8_t *packet, const struct packet_spec *spec) {
  memset(packet, 0, 20);
  packet[0] = (uint8_t)(0x40 | (20 + spec->ip_options) / 4);
  packet[1] = spec->tos;
  put16(packet + 4, spec->id);
  put16(packet + 6, spec->fragment);
  packet[8] = spec->ttl;
  packet[9] = spec->protocol;
  write_address(false, spec->source, packet + 12);
  write_address(false, spec->destination, packet + 16);
  random_fill(packet + 20, spec->ip_options);
}

static void write_ipv6(uint8_t *packet, const struct packet_spec *spec) {
  size_t extension = extension_length(spec);
  uint8_t *next = packet + 6, *at = packet + 40;
  put32(packet, 6u << 28 | (uint32_t)spec->tos << 20);
  packet[7] = spec->ttl;
  write_address(true, spec->source, packet + 8);
  write_address(true, spec->destination, packet + 24);
  if (extension > 0) {
    *next = DESTINATION_OPTIONS;
    /* One option that fills it: PadN. */
    memset(at, 0, extension);
    at[1] = (uint8_t)(extension / 8 - 1);
    at[2] = 1;
    at[3] = (uint8_t)(extension - 4);
    next = at;
    at += extension;
  }
  if (is_fragment(spec)) {
    *next = FRAGMENT;
    memset(at, 0, 8);
    put16(at + 2, (uint16_t)((spec->fragment & 0x1fff) << 3 | (spec->fragment & 0x2000 ? 1 : 0)));
    put32(at + 4, spec->id);
    next = at;
  }
  *next = spec->protocol;
}

size_t make_packet(uint8_t *packet, const struct packet_spec *spec) {
  size_t header = headers_before_transport(spec);
  if (spec->v6) write_ipv6(packet, spec);
  else write_ipv4(packet, spec);
  header += write_transport_header(packet + header, spec);
  random_fill(packet + header, spec->payload);
  size_t length = header + spec->payload;
  if (spec->v6) put16(packet + 4, (uint16_t)(length - 40));
  else put16(packet + 2, (uint16_t)length);
  mend_checksums(packet);
  return length;
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
