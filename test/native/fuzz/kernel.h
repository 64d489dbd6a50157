/* A kernel that is nothing but the fuzzer's input on one side and lists on the other: a TUN device and a UDP socket
 * without system calls. What the data path may not touch is poisoned. */

#ifndef FLANNEL_TEST_FUZZ_KERNEL_H
#define FLANNEL_TEST_FUZZ_KERNEL_H

#include "kernel_interface.h"
#include "traffic.h"

#include "../packets.h"

/* No descriptors of the process. */
#define TUN 100001
#define UDP 100002

#define MOST_WAITING 64
#define MOST_KEPT 70000

/* What is to be read: a packet from the TUN device, or a message from the socket. */
struct waiting {
  const uint8_t *data;
  size_t length;
  union endpoint sender;
  /* Of the datagrams in the message; 0: it is one. */
  int size;
};

/* What was sent, datagram by datagram, or written. */
struct kept {
  struct bytes bytes;
  uint32_t to;
  struct virtio_net_hdr vnet;
};

struct kernel {
  struct waiting waiting[MOST_WAITING];
  size_t waiting_count, taken;
  struct kept sent[MOST_KEPT];
  size_t sent_count;
  struct kept written[MOST_KEPT];
  size_t written_count;
  /* Before each packet of the TUN device there is a virtio header. */
  bool vnet_header;
  bool refuses_trains;
  bool refuses_large_writes;
};

extern struct kernel kernel;

/* Forgets everything. */
void kernel_reset(void);

/* Lets the data path read this next; the bytes must stay. */
void kernel_add(const struct waiting *waiting);

/* The fuzzer's input, read from its beginning; zeros after its end. */
struct input {
  const uint8_t *data;
  size_t length;
};

uint8_t take8(struct input *input);
uint16_t take16(struct input *input);
/* At most that many bytes. */
struct input take_bytes(struct input *input, size_t length);

#endif
