/* Packets for the tests, made and judged by code that has nothing in common with what is tested. */

#ifndef FLANNEL_TEST_PACKETS_H
#define FLANNEL_TEST_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LARGEST 65535

/* What a packet shall be like; lengths are in bytes. Addresses are in host order. */
struct packet_spec {
  /* IPv6, with the addresses that stand for these ones (write_address), TTL for hop limit and TOS for traffic class.
   * Instead of options there is an extension header, of eight bytes for four; a fragment has one of its own, and the flag
   * that forbids fragments says nothing. */
  bool v6;
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

/* The address that a number stands for: itself in IPv4, fd00:0:<number>::1 in IPv6. */
void write_address(bool v6, uint32_t number, uint8_t *address);

/* What is in a packet. */
struct layout {
  /* False: it is no whole packet, of a version that there is. */
  bool good;
  bool v6;
  uint8_t protocol;
  uint8_t ttl;
  /* As IPv4 has it; IPv6 forbids fragments. */
  uint16_t fragment;
  /* Where the transport begins, and where the packet ends. */
  size_t headers;
  size_t length;
  const uint8_t *source;
  const uint8_t *destination;
};

struct layout lay_out(const uint8_t *packet, size_t available);

/* Of what make_packet makes: where the transport begins. */
size_t headers_before_transport(const struct packet_spec *spec);

/* Computes the checksums of the IP header and of TCP, UDP, ICMP or ICMPv6 again. The packet is a good one. */
void mend_checksums(uint8_t *packet);

/* IPv6 has none that could be wrong. */
bool has_right_ip_checksum(const uint8_t *packet);
/* Of TCP, UDP, ICMP and ICMPv6. A UDP datagram without one is right. */
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
