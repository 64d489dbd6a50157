/* What both directions of the data path have in common: the two descriptors, the forwarding table, what is switched on,
 * and the counters. One worker thread has it to itself; other threads only read the counters and the features. */

#ifndef FLANNEL_UDP_TRAFFIC_H
#define FLANNEL_UDP_TRAFFIC_H

#include "fib.h"
#include "icmp.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Means of going through the stack less often. Each is optional, and each is given up when the kernel rejects it. */
enum feature {
  /* A virtio header before each packet of the TUN device (IFF_VNET_HDR), and checksums left to us. */
  FEATURE_VNET_HEADER = 1 << 0,
  /* Large TCP packets from the TUN device. */
  FEATURE_TSO = 1 << 1,
  /* Large UDP packets from the TUN device. */
  FEATURE_USO = 1 << 2,
  /* Many datagrams of one size in one system call (UDP_SEGMENT). */
  FEATURE_UDP_SEGMENT = 1 << 3,
  /* Many datagrams of one size from one system call (UDP_GRO). */
  FEATURE_UDP_GRO = 1 << 4,
  /* Large TCP and UDP packets to the TUN device. */
  FEATURE_COALESCE_TCP = 1 << 5,
  FEATURE_COALESCE_UDP = 1 << 6,
  FEATURE_VECTOR_CHECKSUM = 1 << 7,
};

/* In the order of counter_names. */
enum counter {
  /* Inner packets and their bytes to peers, the messages that they went in, and the system calls for those. */
  SENT_PACKETS,
  SENT_BYTES,
  SENT_MESSAGES,
  SENT_CALLS,
  /* The same from peers; and what was written to the TUN device, which is less where packets were coalesced. */
  RECEIVED_PACKETS,
  RECEIVED_BYTES,
  RECEIVED_MESSAGES,
  RECEIVED_CALLS,
  TUN_READS,
  TUN_WRITES,
  /* Packets made of large ones from the TUN device, and packets that went into large ones to it. */
  SEGMENTED_PACKETS,
  COALESCED_PACKETS,
  /* Drops, outbound: */
  DROPPED_NO_ROUTE,
  DROPPED_TTL_EXCEEDED,
  DROPPED_SEND_FAILED,
  /* in both directions: */
  DROPPED_OTHER_VERSION,
  DROPPED_LINK_LOCAL,
  DROPPED_MALFORMED,
  DROPPED_OVERSIZED,
  /* inbound: */
  DROPPED_NO_PEER,
  DROPPED_WRONG_SOURCE,
  DROPPED_WRITE_FAILED,
  /* ICMP errors sent, and kept back by the rate limit. */
  ICMP_SENT,
  ICMP_LIMITED,
  /* Times that a large packet had to be given up for small ones. */
  FALLBACKS,
  COUNTERS
};

extern const char *const counter_names[COUNTERS];

struct traffic_settings {
  /* The IP versions that are carried; packets of others are dropped. */
  bool ipv4;
  bool ipv6;
  /* Of the TUN device: the sources of ICMP errors. */
  struct in_addr ipv4_address;
  struct in6_addr ipv6_address;
  /* Of the TUN device, in bytes. */
  uint16_t mtu;
  /* Drop what does not come from the peer that has its inner source. */
  bool check_source;
};

/* Says that a feature was given up at run time, because of this errno. Called on the worker's thread. */
typedef void (*feature_listener)(void *context, enum feature feature, int error);

struct traffic {
  int tun;
  int udp;
  struct traffic_settings settings;
  const struct fib *fib;
  /* Counts the tables up, the first being 1. */
  uint64_t fib_version;
  atomic_uint features;
  feature_listener on_feature_lost;
  void *context;
  struct icmp_limit icmp_limit;
  atomic_uint_fast64_t counters[COUNTERS];
};

/* There is one writer, so nothing is locked. */
static inline void count(struct traffic *traffic, enum counter which, uint64_t number) {
  uint64_t before = atomic_load_explicit(&traffic->counters[which], memory_order_relaxed);
  atomic_store_explicit(&traffic->counters[which], before + number, memory_order_relaxed);
}

static inline bool has_feature(const struct traffic *traffic, enum feature feature) {
  return (atomic_load_explicit(&traffic->features, memory_order_relaxed) & feature) != 0;
}

/* Gives the feature up for good and says so, once. */
void lose_feature(struct traffic *traffic, enum feature feature, int error);

/* Nanoseconds on a clock that never goes back. */
uint64_t monotonic_now(void);

/* Reads a packet's headers. False when it is not one that a router forwards; it is counted then. */
bool read_headers(struct traffic *traffic, const uint8_t *packet, size_t length, struct ip *header);

/* The address of this host from which an error about the packet comes. */
const uint8_t *own_address(const struct traffic *traffic, const struct ip *header);

/* Writes what stands for `packets` to the TUN device; parts[0] is its virtio header, which is left out where the device has
 * none. Returns 0 or an errno. What was not written is counted, unless EINVAL says that a large packet was not understood:
 * it can still be written in small ones. */
int write_to_tun(struct traffic *traffic, const struct iovec *parts, size_t count, size_t packets);

/* Sends one datagram as it is. Failing is counted. */
bool send_datagram(struct traffic *traffic, const union endpoint *to, const void *data, size_t length);

/* Writes an ICMP error about a packet that came from the TUN device to it. */
void answer_host(struct traffic *traffic, enum icmp_error error, uint16_t mtu, const uint8_t *packet,
                 const struct ip *header);

/* Whether a packet that is dropped may be answered with an error now; counts those that may not for their number. */
bool may_send_icmp(struct traffic *traffic, const uint8_t *packet, const struct ip *header);

#endif
