/* Packets for the tests, made and judged by code that has nothing in common with what is tested. */

#ifndef FLANNEL_TEST_PACKETS_H
#define FLANNEL_TEST_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LARGEST 65535

/* What a packet shall be like; lengths are in bytes. Addresses are in host order. */
struct packet_spec {
  uint32_t source;
  uint32_t destination;
  uint8_t protocol;
  uint8_t tos;
  uint8_t ttl;
  uint16_t id;
  uint16_t fragment;
  size_t ip_options;
  uint16_t source_port;
  uint16_t destination_port;
  /* TCP only. */
  uint32_t sequence;
  uint32_t acknowledgement;
  uint8_t flags;
  uint16_t window;
  uint16_t urgent;
  size_t tcp_options;
  /* Every byte of the TCP options. */
  uint8_t option;
  /* Filled at random. */
  size_t payload;
};

/* RFC 1071 by the letter: the sum of big-endian words, folded after each. */
uint16_t naive_sum(uint16_t sum, const uint8_t *bytes, size_t length);

uint16_t get16(const uint8_t *bytes);
uint32_t get32(const uint8_t *bytes);
void put16(uint8_t *bytes, uint16_t value);
void put32(uint8_t *bytes, uint32_t value);

/* A packet with right checksums, of TCP, UDP, or any other protocol without a header. Returns its length. */
size_t make_packet(uint8_t *packet, const struct packet_spec *spec);

/* Computes the checksums of the IP header and of TCP, UDP or ICMP again. */
void mend_checksums(uint8_t *packet);

bool has_right_ip_checksum(const uint8_t *packet);
/* Of TCP, UDP and ICMP. A UDP datagram without one is right. */
bool has_right_transport_checksum(const uint8_t *packet);

/* The sum of TCP's or UDP's pseudo header, as it stands in a checksum that is left to the device. */
uint16_t pseudo_sum(const uint8_t *packet);

struct bytes {
  uint8_t *data;
  size_t length;
};

/* Of one protocol between two addresses and, where there are any, ports. */
bool is_same_flow(const struct bytes *a, const struct bytes *b);

/* That the second is what was made of the first by coalescing and segmentation. */
void check_same_packet(const struct bytes *in, const struct bytes *out);

/* Ordinary packets, to begin with. */
struct packet_spec tcp_spec(uint32_t source, uint32_t destination, size_t payload);
struct packet_spec udp_spec(uint32_t source, uint32_t destination, size_t payload);

#define ADDRESS(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

#endif
