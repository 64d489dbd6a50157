/* A whole data path between a socket pair, in the place of the TUN device, and UDP sockets on the loopback device. */

#ifndef FLANNEL_TEST_RIG_H
#define FLANNEL_TEST_RIG_H

#include "kernel_interface.h"
#include "segment.h"
#include "worker.h"

#include <netinet/in.h>
#include <stdatomic.h>

#define MTU 1472
#define OWN ADDRESS(10, 244, 1, 0)
#define POD ADDRESS(10, 244, 1, 5)
#define PEER_POD ADDRESS(10, 244, 2, 5)
#define OTHER_PEER_POD ADDRESS(10, 244, 3, 5)
#define NO_POD ADDRESS(10, 244, 99, 5)

#define ALL_FEATURES ((unsigned)FEATURE_VECTOR_CHECKSUM * 2 - 1)
/* What is had with virtio headers only. */
#define TUN_OFFLOADS (FEATURE_TSO | FEATURE_USO | FEATURE_COALESCE_TCP | FEATURE_COALESCE_UDP)

/* A peer, or somebody who wants to be one. */
struct host {
  int fd;
  union endpoint address;
};

struct rig {
  unsigned features;
  struct worker *worker;
  /* The worker's end of the TUN device, and the one at which this host's packets come and go. */
  int tun, tun_end;
  int udp;
  union endpoint address;
  struct host peer, other_peer, stranger;
  uint64_t before[COUNTERS];
  atomic_int ended;
  atomic_uint lost, losses;
  /* A large packet from the worker, of which some segments are still to be delivered. */
  uint8_t large[65536];
  struct segmenter segmenter;
  size_t next_segment;
};

/* Runs the body with all features, without each one, and without any. */
void for_each_combination(void (*body)(unsigned features));

/* A running worker that knows both peers, over IPv4 or over IPv6. Over IPv6, where the loopback device has but one address,
 * all hosts have that. */
struct rig *rig_open(unsigned features, bool check_source);
struct rig *rig_open_over_ipv6(unsigned features);
void rig_close(struct rig *rig);

/* Ends the worker, and leaves the rest to rig_close(). */
void rig_stop(struct rig *rig);

/* The table in which PEER_POD's subnets, of both versions, are `first`'s and OTHER_PEER_POD's are `second`'s. */
struct fib *rig_table(const struct host *first, const struct host *second);

/* Since rig_open(). */
uint64_t rig_counted(const struct rig *rig, enum counter which);
/* Counting comes after what is counted: waits for that number, and fails when it is exceeded. */
void rig_check_count(const struct rig *rig, enum counter which, uint64_t expected);
void rig_await_count(const struct rig *rig, enum counter which, uint64_t at_least);

/* This host sends a packet. */
void rig_write(const struct rig *rig, const uint8_t *packet, size_t length);
void rig_write_with(const struct rig *rig, const struct virtio_net_hdr *vnet, const uint8_t *packet, size_t length);

/* Receives this host's next packet, large ones cut into segments as the kernel does. Returns its length. */
size_t rig_read(struct rig *rig, uint8_t *packet);

/* A peer sends datagrams: all but the last have that size. */
void rig_send_train(const struct rig *rig, const struct host *host, const uint8_t *data, size_t length, size_t size);
void rig_send(const struct rig *rig, const struct host *host, const uint8_t *data, size_t length);

/* A peer's next datagram, which comes from the worker's address. */
size_t rig_receive(const struct rig *rig, const struct host *host, uint8_t *packet);

/* Nothing is waiting to be received. */
bool rig_is_quiet(const struct rig *rig);

/* Waits until it holds; fails after a time in which it must have. */
#define await(condition)                                                      \
  do {                                                                        \
    for (uint64_t give_up_ = monotonic_now() + PATIENCE; !(condition); rest()) { \
      if (monotonic_now() > give_up_) check_fail(__FILE__, __LINE__, "waited in vain for %s", #condition); \
    }                                                                         \
  } while (0)
#define PATIENCE (20 * 1000000000ull)

void rest(void);

#endif
